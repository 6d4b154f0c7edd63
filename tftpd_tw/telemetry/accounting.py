"""Counters: plain integers, changed where things happen and read when somebody asks.

Transfers in progress keep their own counts; they are added up at each reading, so that a long download shows in
the figures while it runs and the path of a block knows nothing of them.
"""

from collections import Counter

from attrs import Factory, define, evolve, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from tftpd_tw.interfaces import Address, ITransfer, ITransferObserver, TransferRecord
from tftpd_tw.telemetry.totals import Totals


@implementer(ITransferObserver)
@define(eq=False)
class Accounting:
    """The figures of one process."""

    _clock: IReactorTime
    _started_at: float = field(init=False, default=Factory(lambda self: self._clock.seconds(), takes_self=True))
    _active: set[ITransfer] = field(init=False, factory=set)
    _ended: Totals = field(init=False, factory=Totals)
    """All but the transfers in progress."""

    @property
    def uptime(self) -> float:
        """Seconds since the figures began."""
        return self._clock.seconds() - self._started_at

    def totals(self) -> Totals:
        """All figures, transfers in progress included. To be read at once: some of them go on counting."""
        byte_counts, retransmits = Counter(self._ended.byte_counts), self._ended.retransmits
        for transfer in self._active:
            byte_counts[transfer.request.direction] += transfer.byte_count
            retransmits += transfer.retransmits
        return evolve(self._ended, active=len(self._active), byte_counts=byte_counts, retransmits=retransmits)

    def transfer_started(self, transfer: ITransfer) -> None:
        """A session begins."""
        self._active.add(transfer)

    def transfer_ended(self, transfer: ITransfer, record: TransferRecord) -> None:
        """Its outcome is known."""
        self._active.discard(transfer)
        self._ended.byte_counts[record.request.direction] += record.byte_count
        self._ended.retransmits += record.retransmits
        if record.burst_fallback:
            self._ended.burst_fallbacks[record.request.direction.value, record.burst_fallback] += 1
        self._count(record)

    def request_refused(self, record: TransferRecord) -> None:
        """No session came of a request."""
        self._count(record)

    def error_sent(self, code: int) -> None:
        """An ERROR packet left."""
        self._ended.errors[code] += 1

    def request_ignored(self, client: Address, why: str) -> None:
        """A rule or a limit."""
        self._ended.dropped[why] += 1

    def datagram_dropped(self, why: str) -> None:
        """No request."""
        self._ended.dropped[why] += 1

    def _count(self, record: TransferRecord) -> None:
        self._ended.transfers[record.request.direction, record.outcome] += 1
        if record.response_seconds is not None:
            self._ended.response_time.add(record.response_seconds)
