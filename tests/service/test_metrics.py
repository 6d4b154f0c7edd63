"""The figures that ``/metrics`` shows."""

import os
import resource
import time
from collections.abc import Callable

import pytest
from attrs import define
from prometheus_client import Metric
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.web.test.requesthelper import DummyRequest

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.net.client import TransferFailed
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.families import FAMILIES, Kind
from tftpd_tw.telemetry.process import LoopLag, add_process
from tftpd_tw.telemetry.prometheus import BuildCollector, TransferCollector, WorkerCollector
from tftpd_tw.telemetry.totals import Totals
from tftpd_tw.testing import MemoryNetwork
from tftpd_tw.web.site import make_site

SUFFIXES = {Kind.COUNTER: ["_total"], Kind.GAUGE: [""], Kind.HISTOGRAM: ["_bucket", "_count", "_sum"]}
"""What a family's samples are called."""

Samples = dict[str, float]

REQUEST = Request(Direction.READ, b"file", Mode.OCTET, (), Address("192.0.2.100", 2000), Address("192.0.2.1", 69))


@pytest.fixture
def network() -> MemoryNetwork:
    """One on which a server is counted, by those who ask for the accounting."""
    return MemoryNetwork()


@pytest.fixture
def accounting(network: MemoryNetwork) -> Accounting:
    """The figures of its server."""
    accounting = Accounting(network.clock)
    backend = MemoryBackend({b"file": b"x" * 1000}, writable=True)
    network.serve(backend, observers=[accounting])
    return accounting


@pytest.fixture
def get(accounting: Accounting) -> Callable[..., DummyRequest]:
    """A GET, answered by the site."""
    site = make_site(TransferCollector(accounting))

    def get(path: bytes, accept: str = "text/plain") -> DummyRequest:
        request = DummyRequest([path])
        request.requestHeaders.addRawHeader(b"accept", accept.encode())
        request.render(site.resource.getChildWithDefault(path, request))
        return request

    return get


@pytest.fixture
def samples(get: Callable[..., DummyRequest]) -> Callable[[], Samples]:
    """Every sample of ``/metrics`` and its value."""

    def samples() -> Samples:
        lines = b"".join(get(b"metrics").written).decode().splitlines()
        pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in pairs}

    return samples


def test_all_are_there(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """Every name that a dashboard may use, once there was something to count."""
    peer = network.host("192.0.2.100").raw()
    peer.ask(b"\0\1missing\0octet\0")
    peer.ask(b"junk")
    network.get(b"file", block_size=1024)
    fall_back(network, "EIO")
    wanted = {family.name + suffix for family in FAMILIES for suffix in SUFFIXES[family.kind]}
    assert {name.partition("{")[0] for name in samples()} == {"tftp_server_uptime_seconds", *wanted}


def test_outcomes_are_there_before_they_happen(samples: Callable[[], Samples]) -> None:
    """A counter that appears with its first event hides that event from ``rate()``."""
    found = samples()
    for direction in ("read", "write"):
        assert found[f'tftp_bytes_transferred_total{{direction="{direction}"}}'] == 0
        for outcome in ("completed", "failed", "refused", "size-probe", "unanswered"):
            assert found[f'tftp_transfers_total{{direction="{direction}",outcome="{outcome}"}}'] == 0
    assert found['tftp_retransmits_total{direction="read"}'] == 0
    assert found['tftp_response_time_seconds_count{direction="read"}'] == 0


def test_transfers_are_counted(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """By direction and outcome, with the bytes of their payload."""
    network.get(b"file")
    network.get(b"file", block_size=8)
    network.put(b"new", b"y" * 77)
    network.run_until_idle()
    found = samples()
    assert found['tftp_transfers_total{direction="read",outcome="completed"}'] == 2
    assert found['tftp_transfers_total{direction="write",outcome="completed"}'] == 1
    assert found['tftp_bytes_transferred_total{direction="read"}'] == 2000
    assert found['tftp_bytes_transferred_total{direction="write"}'] == 77
    assert found["tftp_connections_active"] == 0
    assert found['tftp_retransmits_total{direction="read"}'] == 0
    assert found['tftp_response_time_seconds_count{direction="read"}'] == 2
    assert found['tftp_response_time_seconds_bucket{direction="read",le="0.0005"}'] == 2
    assert found['tftp_response_time_seconds_bucket{direction="write",le="+Inf"}'] == 1


def test_refusals_are_counted(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """As a transfer that was refused, and by the code of the ERROR."""
    for name in (b"missing", b"../x", b"other"):
        with pytest.raises(TransferFailed):
            network.get(name)
    found = samples()
    assert found['tftp_transfers_total{direction="read",outcome="refused"}'] == 3
    assert found['tftp_errors_total{code="1"}'] == 2
    assert found['tftp_errors_total{code="2"}'] == 1


def test_a_transfer_in_progress_is_counted(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """A long download shows while it runs, with its bytes and its repeats."""
    peer = network.host("192.0.2.100").raw()
    peer.ask(b"\0\1file\0octet\0")
    found = samples()
    assert found["tftp_connections_active"] == 1
    assert found['tftp_bytes_transferred_total{direction="read"}'] == 0
    peer.ask(b"\0\4\0\1", peer.tid)
    assert samples()['tftp_bytes_transferred_total{direction="read"}'] == 512
    peer.wait(3)
    assert samples()['tftp_retransmits_total{direction="read"}'] > 0
    assert samples()['tftp_transfers_total{direction="read",outcome="completed"}'] == 0
    peer.ask(b"\0\4\0\2", peer.tid)
    found = samples()
    assert found["tftp_connections_active"] == 0
    assert found['tftp_bytes_transferred_total{direction="read"}'] == 1000
    assert found['tftp_retransmits_total{direction="read"}'] > 0
    assert found['tftp_transfers_total{direction="read",outcome="completed"}'] == 1


@define(eq=False)
class InProgress:
    """What the figures ask of a transfer."""

    request: Request = REQUEST
    verified: bool = True
    byte_count: int = 512
    block_count: int = 1
    retransmits: int = 0


def test_what_a_scrape_costs(accounting: Accounting, get: Callable[..., DummyRequest]) -> None:
    """With a thousand transfers in progress it keeps everybody waiting for less than 20 ms."""
    for _ in range(1000):
        accounting.transfer_started(InProgress())

    def cost() -> float:
        before = time.thread_time()
        assert b"tftp_connections_active 1000.0\n" in b"".join(get(b"metrics").written)
        return time.thread_time() - before

    assert min(cost() for _ in range(5)) < 0.02


def fall_back(network: MemoryNetwork, name: str, opcode: int = 1) -> None:
    """A transfer whose socket says that the kernel refused something."""
    peer = network.host("192.0.2.100").raw()
    peer.ask(b"\0%cfile\0octet\0" % opcode)
    network.session_sockets[peer.tid.host, peer.tid.port].fallback = name
    peer.ask(b"\0\5\0\0enough\0", peer.tid)


def test_fallbacks_are_counted(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """A transfer counts once, by its direction and the reason; one that went as it should does not."""
    network.get(b"file", window_size=4)
    assert not any(name.startswith("tftp_burst_fallbacks") for name in samples())
    for name in ("EMSGSIZE", "EIO", "EMSGSIZE"):
        fall_back(network, name)
    fall_back(network, "ENOPROTOOPT", opcode=2)
    found = {name: value for name, value in samples().items() if name.startswith("tftp_burst_fallbacks")}
    assert found == {
        'tftp_burst_fallbacks_total{direction="read",errno="EIO"}': 1,
        'tftp_burst_fallbacks_total{direction="read",errno="EMSGSIZE"}': 2,
        'tftp_burst_fallbacks_total{direction="write",errno="ENOPROTOOPT"}': 1,
    }


def test_a_size_query_is_no_failure(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """UEFI makes one at every boot (C044)."""
    peer = network.host("192.0.2.100").raw()
    peer.ask(b"\0\1file\0octet\0tsize\x000\0")
    peer.ask(b"\0\5\0\x08User aborted the transfer\0", peer.tid)
    found = samples()
    assert found['tftp_transfers_total{direction="read",outcome="size-probe"}'] == 1
    assert found['tftp_transfers_total{direction="read",outcome="failed"}'] == 0


def test_a_spoofed_request_is_no_failure(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """Nobody answered, not once (S030)."""
    network.host("192.0.2.100").raw().ask(b"\0\1file\0octet\0")
    network.run_until_idle()
    assert samples()['tftp_transfers_total{direction="read",outcome="unanswered"}'] == 1


def test_what_is_no_request_is_counted(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """By a reason from a fixed list, so that nobody can make the labels grow."""
    peer = network.host("192.0.2.100").raw()
    for datagram in (b"", b"\0\5\0\1no\0", b"\0\1broken", b"\xff" * 600):
        peer.ask(datagram)
    found = samples()
    assert found['tftp_datagrams_dropped_total{reason="not-a-request"}'] == 2
    assert found['tftp_datagrams_dropped_total{reason="malformed"}'] == 2
    assert found['tftp_errors_total{code="4"}'] == 2
    assert not any(name.startswith("tftp_transfers") and value for name, value in found.items())


def test_the_uptime(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """Seconds since the figures began."""
    network.clock.advance(42)
    assert samples()["tftp_server_uptime_seconds"] == 42


def test_the_format_that_is_asked_for(get: Callable[..., DummyRequest]) -> None:
    """OpenMetrics for a Prometheus that accepts it, its text format for everybody else."""
    plain = get(b"metrics")
    assert plain.responseHeaders.getRawHeaders("content-type")[0].startswith("text/plain")
    assert b"# TYPE tftp_transfers_total counter" in b"".join(plain.written)
    modern = get(b"metrics", "application/openmetrics-text; version=1.0.0")
    assert modern.responseHeaders.getRawHeaders("content-type")[0].startswith("application/openmetrics-text")
    assert b"# TYPE tftp_transfers counter" in b"".join(modern.written)
    assert b"".join(modern.written).endswith(b"# EOF\n")


def test_health(get: Callable[..., DummyRequest]) -> None:
    """Whoever answers is alive."""
    assert b"".join(get(b"healthz").written) == b"ok\n"


def test_ill_health() -> None:
    """Where nobody serves, whoever watches is told so."""
    page = make_site(healthy=lambda: False).resource.getChildWithDefault(b"healthz", None)
    request = DummyRequest([b"healthz"])
    request.render(page)
    assert (request.responseCode, request.written) == (503, [b"nobody serves\n"])


def test_only_the_head(accounting: Accounting) -> None:
    """HEAD is answered like GET, without the page, and without a line in the log."""
    site = make_site(TransferCollector(accounting))
    events: list[object] = []
    globalLogPublisher.addObserver(events.append)
    try:
        for path in (b"/metrics", b"/healthz"):
            transport = StringTransport()
            protocol = site.buildProtocol(None)
            protocol.makeConnection(transport)
            protocol.dataReceived(b"HEAD " + path + b" HTTP/1.0\r\n\r\n")
            head, _, body = transport.value().partition(b"\r\n\r\n")
            assert head.startswith((b"HTTP/1.0 200 OK", b"HTTP/1.1 200 OK"))
            assert b"Content-Length: " in head
            assert body == b""
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert events == []


def test_no_other_page(get: Callable[..., DummyRequest]) -> None:
    """404."""
    assert get(b"secret").responseCode == 404


@define
class Crew:
    """Three workers, one of which hangs."""

    serving = 3
    unresponsive = 1
    restarts = 5


def test_the_workers() -> None:
    """Only a daemon that has some shows them."""
    families = {family.name: family.samples[0].value for family in WorkerCollector(Crew()).collect()}
    assert families == {"tftp_workers": 3, "tftp_workers_unresponsive": 1, "tftp_worker_restarts": 5}


def test_figures_that_have_to_be_fetched(accounting: Accounting) -> None:
    """The page waits for them, and does not mind a client that does not."""
    waiting: list[Deferred[None]] = []

    def refresh() -> "Deferred[None]":
        waiting.append(Deferred())
        return waiting[-1]

    site = make_site(TransferCollector(accounting), refresh=refresh)
    page = site.resource.getChildWithDefault(b"metrics", None)
    patient, impatient = DummyRequest([b"metrics"]), DummyRequest([b"metrics"])
    for request in (patient, impatient):
        request.render(page)
        assert request.written == []
    impatient.processingFailed(Failure(ConnectionDone()))
    for answer in waiting:
        answer.callback(None)
    body = b"".join(patient.written)
    assert b"tftp_connections_active 0.0" in body
    assert patient.finished
    assert patient.responseHeaders.getRawHeaders("content-length") == [str(len(body))]
    assert impatient.written == []


def test_a_page_that_fails() -> None:
    """The client is told, after a wait too."""

    class Broken:
        def collect(self) -> list[Metric]:
            if self.works:
                return []
            raise ZeroDivisionError

        works = True

    broken = Broken()
    site = make_site(broken, refresh=lambda: succeed(None))  # type: ignore[arg-type]
    broken.works = False
    request = DummyRequest([b"metrics"])
    gone = request.notifyFinish()
    request.render(site.resource.getChildWithDefault(b"metrics", request))
    failures: list[Failure] = []
    gone.addErrback(failures.append)
    assert [failure.type for failure in failures] == [ZeroDivisionError]


def test_the_clock_is_the_reactors() -> None:
    """Figures begin at zero whatever the clock shows."""
    clock = Clock()
    clock.advance(1000)
    assert Accounting(clock).uptime == 0


def test_what_runs() -> None:
    """The versions, so that a fleet can be looked through."""
    [build] = [sample for family in BuildCollector().collect() for sample in family.samples]
    assert (build.name, build.value) == ("tftp_build_info", 1)
    assert set(build.labels) == {"version", "twisted", "python"}


def test_what_the_process_uses() -> None:
    """As much as the system says."""
    before, after = Totals(), Totals()
    add_process(before)
    held = bytearray(os.urandom(64 << 20))
    with open(os.devnull):
        add_process(after)
    assert after.get(families.MEMORY) - before.get(families.MEMORY) > len(held) * 0.9
    assert after.get(families.DESCRIPTORS) == before.get(families.DESCRIPTORS) + 1
    assert after.get(families.CPU) > before.get(families.CPU)
    assert after.get(families.MOST_DESCRIPTORS) == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_late_loop() -> None:
    """What a timer comes late by is what everybody had to wait."""
    clock = Clock()
    late: list[float] = []
    lag = LoopLag(clock, late.append)
    lag.start()
    clock.advance(1.0)
    clock.advance(1.25)
    clock.advance(1.0)
    assert late == [0, 0.25, 0]
    lag.stop()
    lag.stop()
    assert clock.getDelayedCalls() == []


def test_reasons_and_options(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """What the log says of each, added up; a code that means nothing makes no label of its own."""
    network.get(b"file", block_size=1024)
    peer = network.host("192.0.2.100").raw()
    for code in (3, 9, 77, 65535):
        peer.ask(b"\0\1file\0octet\0")
        peer.ask(b"\0\5" + code.to_bytes(2, "big") + b"x\0", peer.tid)
    found = samples()
    endings = {name: value for name, value in found.items() if name.startswith("tftp_transfer_endings")}
    assert endings == {
        'tftp_transfer_endings_total{direction="read",outcome="completed",reason="completed"}': 1,
        'tftp_transfer_endings_total{direction="read",outcome="failed",reason="client-error:3"}': 1,
        'tftp_transfer_endings_total{direction="read",outcome="failed",reason="client-error:other"}': 3,
    }
    assert found['tftp_options_agreed_total{direction="read",option="blksize"}'] == 1
    assert found['tftp_agreed_blksize_bytes_bucket{direction="read",le="512.0"}'] == 4
    assert found['tftp_agreed_blksize_bytes_bucket{direction="read",le="1024.0"}'] == 5
    assert found['tftp_blocks_transferred_total{direction="read"}'] == 1


def test_who_has_not_answered(network: MemoryNetwork, samples: Callable[[], Samples]) -> None:
    """Until the first ACK."""
    peer = network.host("192.0.2.100").raw()
    peer.ask(b"\0\1file\0octet\0")
    assert samples()["tftp_connections_unverified"] == 1
    peer.ask(b"\0\4\0\1", peer.tid)
    found = samples()
    assert (found["tftp_connections_unverified"], found["tftp_connections_active"]) == (0, 1)
