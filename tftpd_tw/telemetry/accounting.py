"""Counters: plain integers, changed where things happen and read when somebody asks.

Transfers in progress keep their own counts; they are added up at each reading, so that a long download shows in
the figures while it runs and the path of a block knows nothing of them.
"""

from bisect import bisect_left
from collections import Counter

from attrs import Factory, define, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from tftpd_tw.interfaces import Direction, ITransfer, ITransferObserver, TransferRecord

RESPONSE_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the response-time histogram, in seconds."""


@define
class Histogram:
    """How many values fell below each of some bounds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(
        init=False, default=Factory(lambda self: [0] * (len(self.bounds) + 1), takes_self=True)
    )
    """One for each bound, not cumulative, and one for what is above."""
    total: float = field(init=False, default=0.0)

    def add(self, value: float) -> None:
        """Count ``value``."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


@implementer(ITransferObserver)
@define(eq=False)
class Accounting:
    """The figures of one process."""

    _clock: IReactorTime
    _started_at: float = field(init=False, default=Factory(lambda self: self._clock.seconds(), takes_self=True))
    active: set[ITransfer] = field(init=False, factory=set)
    """Transfers in progress."""
    transfers: Counter[tuple[str, str]] = field(init=False, factory=Counter)
    """By direction and outcome; refused requests are among them."""
    errors: Counter[int] = field(init=False, factory=Counter)
    """ERROR packets sent, by code."""
    dropped: Counter[str] = field(init=False, factory=Counter)
    """Datagrams at the request port that were no request, by reason."""
    response_time: Histogram = field(init=False, factory=lambda: Histogram(RESPONSE_BOUNDS))
    """From a request to the first packet of the answer, in seconds."""
    _bytes: Counter[str] = field(init=False, factory=Counter)
    _retransmits: int = field(init=False, default=0)

    @property
    def uptime(self) -> float:
        """Seconds since the figures began."""
        return self._clock.seconds() - self._started_at

    def bytes_transferred(self) -> dict[str, int]:
        """Bytes of payload by direction."""
        sums = Counter({direction.value: self._bytes[direction.value] for direction in Direction})
        for transfer in self.active:
            sums[transfer.request.direction.value] += transfer.byte_count
        return dict(sums)

    def retransmits(self) -> int:
        """Packets sent again."""
        return self._retransmits + sum(transfer.retransmits for transfer in self.active)

    def transfer_started(self, transfer: ITransfer) -> None:
        """A session begins."""
        self.active.add(transfer)

    def transfer_ended(self, transfer: ITransfer, record: TransferRecord) -> None:
        """Its outcome is known."""
        self.active.discard(transfer)
        self._bytes[record.request.direction.value] += record.byte_count
        self._retransmits += record.retransmits
        self._count(record)

    def request_refused(self, record: TransferRecord) -> None:
        """No session came of a request."""
        self._count(record)

    def error_sent(self, code: int) -> None:
        """An ERROR packet left."""
        self.errors[code] += 1

    def datagram_dropped(self, why: str) -> None:
        """No request."""
        self.dropped[why] += 1

    def _count(self, record: TransferRecord) -> None:
        self.transfers[record.request.direction.value, record.outcome.value] += 1
        if record.response_seconds is not None:
            self.response_time.add(record.response_seconds)
