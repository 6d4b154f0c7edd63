"""What is told of transfers: to whom, when, and who the clients are on the wire."""

from collections.abc import Sequence

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tftpd_tw.interfaces import Address, Direction, Outcome, Request, TransferRecord
from tftpd_tw.net.neighbours import NOBODY, Neighbour
from tftpd_tw.policy.notices import INTERVAL, MOST_PER_INTERVAL
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.telemetry.reports import GAP, LATE, MOST_REFUSED, MOST_WAITING, PATIENCE, Report, Reports

REQUEST = Request(Direction.READ, b"f", Mode.OCTET, (), Address("192.0.2.7", 2000), Address("192.0.2.1", 69))
COMPLETED = TransferRecord(REQUEST, None, Outcome.COMPLETED, "completed")
UNANSWERED = TransferRecord(REQUEST, None, Outcome.UNANSWERED, "no-answer")
MISSING = TransferRecord(REQUEST, None, Outcome.REFUSED, "not-found")
DENIED = TransferRecord(REQUEST, None, Outcome.REFUSED, "denied-by-rule:lab")
IGNORED = TransferRecord(REQUEST, None, Outcome.IGNORED, "max-connections")


class Kernel:
    """Is asked, and answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Request]] = []
        self.answers: list[Deferred[list[Neighbour]]] = []

    def identify(self, requests: Sequence[Request]) -> "Deferred[list[Neighbour]]":
        """Asked."""
        self.asked.append(requests)
        self.answers.append(Deferred())
        return self.answers[-1]

    def answer(self) -> None:
        """The hardware address ends with the last part of the client's IP address."""
        self.answers.pop(0).callback(
            [Neighbour(bytes([int(request.client.host.rpartition(".")[2])]), "eth0") for request in self.asked[-1]]
        )


def told(**more: object) -> tuple[Clock, Reports, list[Report]]:
    """A clock, what decides, and what it tells."""
    clock, found = Clock(), list[Report]()
    clock.advance(1000.0)
    return clock, Reports(clock, [found.append], **more), found  # type: ignore[arg-type]


def of(host: str, record: TransferRecord = COMPLETED, name: bytes = b"f") -> TransferRecord:
    """The same of another client, or another file."""
    return evolve(record, request=evolve(REQUEST, client=Address(host, 2000), name=name))


def test_everybody_is_told() -> None:
    """In the order of the events, with the time of day."""
    clock, first, second = Clock(), list[Report](), list[Report]()
    reports = Reports(clock, [first.append, second.append], now=lambda: 1790000000.5)
    reports.transfer_ended(None, COMPLETED)
    reports.request_refused(DENIED)
    assert first == second == [Report(COMPLETED, 1790000000.5), Report(DENIED, 1790000000.5)]


@pytest.mark.parametrize(
    ("record", "told_of"),
    [(COMPLETED, 5), (DENIED, 1), (UNANSWERED, 1), (MISSING, 1), (IGNORED, 1)],
    ids=lambda value: str(value.reason) if isinstance(value, TransferRecord) else "",
)
def test_what_is_told_once_a_minute(record: TransferRecord, told_of: int) -> None:
    """What one client can bring about again and again; with the number of times since."""
    clock, reports, found = told()

    def happens() -> None:
        if record.outcome in (Outcome.COMPLETED, Outcome.UNANSWERED):
            reports.transfer_ended(None, record)
        else:
            reports.request_refused(record)

    for _ in range(5):
        happens()
    assert [report.more for report in found] == [0] * told_of
    clock.advance(INTERVAL - 1)
    assert len(found) == told_of
    clock.pump([1, LATE])
    assert sum(1 + report.more for report in found) == 5
    assert clock.getDelayedCalls() == []
    happens()
    happens()
    assert len(found) == (2 if told_of == 1 else 7)
    clock.advance(INTERVAL)
    clock.advance(LATE)
    assert sum(1 + report.more for report in found) == 7


def test_the_last_time_that_it_happened() -> None:
    """Is what is told when the minute is over, with its own time of day."""
    clock, found = Clock(), list[Report]()
    reports = Reports(clock, [found.append], now=clock.seconds)
    for port in (2000, 2001, 2002):
        reports.request_refused(evolve(MISSING, request=evolve(REQUEST, client=Address("192.0.2.7", port))))
        clock.advance(7.0)
    clock.pump([LATE] * 7)
    assert [(report.record.request.client.port, report.at, report.more) for report in found] == [
        (2000, 0.0, 0),
        (2002, 14.0, 1),
    ]


def test_each_kind_counts_for_itself() -> None:
    """A client that is ignored and one that never answers hide no other line."""
    _, reports, found = told()
    reports.request_refused(IGNORED)
    reports.transfer_ended(None, UNANSWERED)
    reports.request_refused(MISSING)
    reports.request_refused(of("192.0.2.7", MISSING, b"g"))
    reports.request_refused(of("192.0.2.8", MISSING))
    assert len(found) == 5


@pytest.mark.parametrize(("record", "most"), [(MISSING, MOST_REFUSED), (IGNORED, MOST_PER_INTERVAL)])
def test_in_all(record: TransferRecord, most: int) -> None:
    """S037: nor do many clients fill a disk."""
    _, reports, found = told()
    for number in range(3000):
        reports.request_refused(of(f"10.0.{number >> 8}.{number & 255}", record))
    assert len(found) == most


def test_the_kernel_is_asked_for_many_at_once() -> None:
    """The first at once; who comes meanwhile, together, after a while. The order stays."""
    kernel = Kernel()
    clock, reports, found = told(identify=kernel.identify)
    for number in range(4):
        reports.transfer_ended(None, of(f"192.0.2.{number}"))
    assert [len(requests) for requests in kernel.asked] == [1]
    assert found == []
    kernel.answer()
    assert [report.neighbour for report in found] == [Neighbour(b"\0", "eth0")]
    assert len(kernel.asked) == 1
    clock.advance(GAP)
    assert [len(requests) for requests in kernel.asked] == [1, 3]
    reports.transfer_ended(None, of("192.0.2.4"))
    clock.advance(GAP)
    kernel.answer()
    assert [report.neighbour.mac for report in found] == [b"\0", b"\1", b"\2", b"\3"]
    kernel.answer()
    assert [report.record.request.client.host[-1] for report in found] == list("01234")
    assert clock.getDelayedCalls() == []


def test_a_kernel_that_does_not_answer() -> None:
    """What waits is bounded, and is told without what it knows; an answer that comes then is too late."""
    kernel = Kernel()
    _, reports, found = told(identify=kernel.identify)
    for _ in range(MOST_WAITING):
        reports.transfer_ended(None, COMPLETED)
    assert found == []
    reports.transfer_ended(None, COMPLETED)
    assert [report.neighbour for report in found] == [NOBODY] * (MOST_WAITING + 1)
    kernel.answer()
    assert len(found) == MOST_WAITING + 1


def test_a_kernel_that_takes_long() -> None:
    """After a second all is told that waits, also what has come meanwhile; and then it is asked again."""
    kernel = Kernel()
    clock, reports, found = told(identify=kernel.identify)
    reports.transfer_ended(None, COMPLETED)
    clock.advance(PATIENCE - 0.1)
    reports.transfer_ended(None, COMPLETED)
    assert found == []
    clock.advance(0.1)
    assert [report.neighbour for report in found] == [NOBODY] * 2
    reports.transfer_ended(None, of("192.0.2.9"))
    assert len(kernel.asked) == 2
    kernel.answer()
    assert len(found) == 2
    kernel.answer()
    assert found[2].neighbour.mac == b"\x09"
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("later", [False, True])
def test_the_end(later: bool) -> None:
    """Nothing is lost that waits for the kernel, or to ask it; and no timer is left."""
    kernel = Kernel()
    clock, reports, found = told(identify=kernel.identify)
    reports.transfer_ended(None, COMPLETED)
    reports.transfer_ended(None, of("192.0.2.8"))
    if later:
        kernel.answer()
    reports.request_refused(MISSING)
    reports.request_refused(MISSING)
    reports.flush()
    hosts = [report.record.request.client.host for report in found]
    assert hosts == ["192.0.2.7", "192.0.2.8", "192.0.2.7", "192.0.2.7"]
    assert clock.getDelayedCalls() == []
