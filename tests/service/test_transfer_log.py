"""The line that is written for each transfer, and what strangers cannot do to it."""

import io
import json
from collections.abc import Callable, Iterator

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, globalLogPublisher, textFileLogObserver

from tftpd_tw.interfaces import Address, Direction, Outcome, Request, TransferRecord
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service.messages import pack_event
from tftpd_tw.telemetry.reports import Reports
from tftpd_tw.telemetry.transfer_log import TransferLog
from tftpd_tw.testing import MemoryNetwork, RawPeer

Written = Callable[[], list[str]]


@pytest.fixture
def written() -> Iterator[Written]:
    """The lines of twistd's own kind of log since the test began, without their dates."""
    text = io.StringIO()
    observer = textFileLogObserver(text)
    globalLogPublisher.addObserver(observer)
    yield lambda: [line.partition("] ")[2] for line in text.getvalue().splitlines() if "transfers#" in line]
    globalLogPublisher.removeObserver(observer)


def test_a_download_is_one_line(network: MemoryNetwork, written: Written) -> None:
    """All that an operator wants to know of it."""
    network.get(b"file", block_size=500, window_size=2)
    network.run_until_idle()
    assert len(written()) == 1
    assert written()[0].startswith(
        "read completed reason=completed client=192.0.2.100:49152 local=192.0.2.1 "
        'name="file" mode=octet asked=blksize=500,windowsize=2,tsize=0 '
        "agreed=blksize=500,windowsize=2,tsize=1000 bytes=1000 seconds=0.00"
    )
    assert written()[0].endswith(' retransmits=0 file="file"')


def test_an_upload_is_one_line(network: MemoryNetwork, written: Written) -> None:
    """At its end, not when it begins."""
    network.put(b"new", b"y" * 700, block_size=None, window_size=None, size=False)
    network.run_until_idle()
    assert len(written()) == 1
    assert "write completed reason=completed" in written()[0]
    assert 'name="new" mode=octet asked=- agreed=- bytes=700' in written()[0]


def test_a_refusal_is_one_line(peer: RawPeer, written: Written) -> None:
    """With the reason, and what the client is not told."""
    peer.ask(b"\0\1missing\0octet\0")
    assert len(written()) == 1
    assert "read refused reason=not-found" in written()[0]
    assert 'detail="missing"' in written()[0]


def test_the_fields_are_there_for_other_observers(network: MemoryNetwork) -> None:
    """One event of level info: the report as it is, and a system that shows where it is from."""
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    network.get(b"file", block_size=500, window_size=2)
    network.run_until_idle()
    globalLogPublisher.removeObserver(events.append)
    [event] = [event for event in events if event["log_namespace"] == "tftpd_tw.transfers"]
    assert event["log_level"] is LogLevel.info
    assert event["log_system"] == "tftpd_tw.transfers#info"
    record = event["report"].record
    assert (record.outcome, record.reason, record.request.name) == (Outcome.COMPLETED, "completed", b"file")
    assert (record.byte_count, record.retransmits, record.detail) == (1000, 0, "")
    assert 0 < record.seconds < 1
    assert event["text"].startswith("read completed reason=completed client=192.0.2.100:49152 ")
    assert json.loads(json.dumps(pack_event(event)))["log"]["text"] == event["text"]


HOSTILE = [
    (b"a\nread completed reason=forged", r"a\x0aread completed reason=forged"),
    (b"a\r\nb", r"a\x0d\x0ab"),
    (b"\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
    (b'a" mode=forged name="b', r"a\" mode=forged name=\"b"),
    (b"%n%s%x%(name)s{0}{}{name}{log_time}", "%n%s%x%(name)s{0}{}{name}{log_time}"),
    (b"\xff\xfe\xe2\x80\xae", r"\xff\xfe\xe2\x80\xae"),
    (b"\\x0a", r"\\x0a"),
    (b"n" * 480, "n" * 125 + "..."),
    (b"\n" * 480, r"\x0a" * 31 + "..."),
]


@pytest.mark.parametrize(("name", "shown"), HOSTILE)
def test_a_hostile_name_is_one_harmless_word(name: bytes, shown: str, peer: RawPeer, written: Written) -> None:
    """It is shown escaped and cut, and never formatted (S007, C028, S038)."""
    peer.ask(b"\0\1" + name + b"\0octet\0")
    assert len(written()) == 1
    assert f' name="{shown}" mode=octet ' in written()[0]
    assert written()[0].isprintable()


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_a_hostile_error_is_one_harmless_word(text: bytes, shown: str, peer: RawPeer, written: Written) -> None:
    """The text of a client's ERROR is no better than its names (S007, S038)."""
    peer.ask(b"\0\1file\0octet\0")
    peer.send(b"\0\5\0\0" + text + b"\0", peer.tid)
    peer.wait(1)
    assert len(written()) == 1
    assert "reason=client-error:0" in written()[0]
    assert written()[0].isascii()
    assert written()[0].isprintable()
    if text.isascii():
        assert written()[0].endswith(f' detail="{shown}"')


@pytest.mark.parametrize(("value", "shown"), HOSTILE[:5])
def test_a_hostile_option_is_one_harmless_word(value: bytes, shown: str, peer: RawPeer, written: Written) -> None:
    """Names and values of options too (S007, S038)."""
    peer.ask(b"\0\1missing\0octet\0" + value + b"\0" + value + b"\0")
    assert len(written()) == 1
    assert f" asked={shown}={shown} agreed=- " in written()[0]
    assert written()[0].isprintable()


def test_what_is_no_request_is_not_written(peer: RawPeer, written: Written) -> None:
    """Anybody can send anything at any rate (S037)."""
    for datagram in (b"", b"\0\5\0\1no\0", b"\0\4\0\1"):
        peer.ask(datagram)
    assert written() == []


def test_a_malformed_request_is_a_line_a_minute(network: MemoryNetwork, peer: RawPeer, written: Written) -> None:
    """Somebody wants to boot and cannot say so; he is told apart by his address (S037)."""
    other = network.host("192.0.2.101").raw()
    for asking in (peer, peer, other):
        asking.ask(b"\0\1name\0ma\x1bil\0")
    first, second = written()
    assert first.startswith("request malformed client=192.0.2.100:")
    assert second.startswith("request malformed client=192.0.2.101:")
    assert r"ma\x1bil" in first.replace("\\\\", "\\")
    assert first.isprintable()
    network.clock.advance(60.0)
    peer.ask(b"\0\1broken")
    assert written()[2].endswith(" more=1")


def test_ignored_requests_are_a_line_a_minute(written: Written) -> None:
    """S037: for each client, whatever comes; the last one says how many there were."""
    clock = Clock()
    clock.advance(100.0)
    reports = Reports(clock, [TransferLog()])
    for _ in range(1000):
        reports.request_refused(ignored("192.0.2.7", "max-connections"))
    reports.request_refused(ignored("192.0.2.8", "denied-by-rule:lab\n2"))
    reports.request_refused(ignored("192.0.2.7", "answer-rate"))
    clock.advance(60.0)
    rest = 'local=192.0.2.1 name="f" mode=octet asked=- agreed=- bytes=0 seconds=0.000 retransmits=0'
    assert written() == [
        f"read ignored reason=max-connections client=192.0.2.7:2000 {rest}",
        f"read ignored reason=denied-by-rule:lab\\x0a2 client=192.0.2.8:2000 {rest}",
        f"read ignored reason=answer-rate client=192.0.2.7:2000 {rest} more=999",
    ]


def ignored(host: str, why: str) -> TransferRecord:
    """The record of a request that got no answer."""
    request = Request(Direction.READ, b"f", Mode.OCTET, (), Address(host, 2000), Address("192.0.2.1", 69))
    return TransferRecord(request, None, Outcome.IGNORED, why)


def test_a_missing_file_is_a_line_a_minute(network: MemoryNetwork, peer: RawPeer, written: Written) -> None:
    """For each client and name: a loader that asks again and again fills no disk, and hides nothing else."""
    other = network.host("192.0.2.101").raw()
    for _ in range(3):
        for asking, name in ((peer, b"a"), (peer, b"b"), (other, b"a")):
            asking.ask(b"\0\1" + name + b"\0octet\0")
    names = [(line.split()[3].rpartition(":")[0], line.split('"')[1]) for line in written()]
    assert names == [("client=192.0.2.100", "a"), ("client=192.0.2.100", "b"), ("client=192.0.2.101", "a")]
    network.clock.advance(60.0)
    assert [line.rpartition(" detail=")[2] for line in written()[3:]] == ['"a" more=1', '"b" more=1', '"a" more=1']


def test_who_never_answers_is_a_line_a_minute(network: MemoryNetwork, peer: RawPeer, written: Written) -> None:
    """S037: a forged request costs one packet, and a line for each would fill the disk."""
    for port in range(5):
        network.host("192.0.2.100").raw().send(b"\0\1file\0octet\0" + b"x" * port)
    network.run_until_idle()
    first, last = written()
    assert first.startswith("read unanswered reason=no-answer client=192.0.2.100:")
    assert last.endswith(" more=3")
