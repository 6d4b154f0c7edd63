"""Counters: plain numbers, changed where things happen and read when somebody asks.

Transfers in progress keep their own counts; they are added up at each reading, so that a long download shows in
the figures while it runs and the path of a block knows nothing of them. What others know, such as the cache, is
asked for at each reading too.
"""

from collections.abc import Callable

from attrs import Factory, define, field
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from tftpd_tw.interfaces import Address, ITransfer, ITransferObserver, Outcome, TransferRecord
from tftpd_tw.protocol.errors import ErrorCode
from tftpd_tw.protocol.events import Reason
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.families import Family
from tftpd_tw.telemetry.totals import Totals

Source = Callable[[Totals], None]
"""Adds what it knows."""

_PEER_ERROR = f"{Reason.PEER_ERROR}:"
_PEER_ERRORS = frozenset(f"{_PEER_ERROR}{code.value}" for code in ErrorCode)


@implementer(ITransferObserver)
@define(eq=False)
class Accounting:
    """The figures of one process."""

    _clock: IReactorTime
    _started_at: float = field(init=False, default=Factory(lambda self: self._clock.seconds(), takes_self=True))
    active: dict[ITransfer, int] = field(init=False, factory=dict)
    """Transfers in progress, and their numbers in the order of their beginnings."""
    _started: int = field(init=False, default=0)
    _ended: Totals = field(init=False, factory=Totals)
    """All but the transfers in progress and what the sources know."""
    sources: list[Source] = field(init=False, factory=list)

    @property
    def uptime(self) -> float:
        """Seconds since the figures began."""
        return self._clock.seconds() - self._started_at

    def totals(self) -> Totals:
        """All figures, transfers in progress included. To be read at once: some of them go on counting."""
        totals = self._ended.copy()
        for transfer in self.active:
            _add_progress(totals, transfer.request.direction, transfer)
        for (direction, outcome, _), count in totals.values[families.REASONS].items():
            totals.count(families.TRANSFERS, direction, outcome, by=count)
        totals.count(families.ACTIVE, by=len(self.active))
        totals.count(families.UNVERIFIED, by=sum(not transfer.verified for transfer in self.active))
        for source in self.sources:
            source(totals)
        return totals

    def transfer_started(self, transfer: ITransfer) -> None:
        """A session begins."""
        self._started += 1
        self.active[transfer] = self._started

    def transfer_ended(self, transfer: ITransfer, record: TransferRecord) -> None:
        """Its outcome is known."""
        self.active.pop(transfer, None)
        _add_progress(self._ended, record.request.direction, record)
        self._count(record)

    def request_refused(self, record: TransferRecord) -> None:
        """No session came of a request."""
        if record.outcome is Outcome.IGNORED:
            self._ended.count(families.DROPPED, record.reason)
        self._count(record)

    def error_sent(self, code: int) -> None:
        """An ERROR packet left."""
        self._ended.count(families.ERRORS, str(code))

    def loop_was_late(self, seconds: float) -> None:
        """The event loop came so much later than it should have."""
        self._ended.observe([(families.LOOP_LAG, seconds)])

    def datagram_dropped(self, why: str, sender: Address, detail: str) -> None:
        """No request."""
        self._ended.count(families.DROPPED, why)

    def _count(self, record: TransferRecord) -> None:
        direction, outcome, reason, ended = record.request.direction, record.outcome, record.reason, self._ended
        if reason.startswith(_PEER_ERROR) and reason not in _PEER_ERRORS:
            reason = f"{_PEER_ERROR}other"  # clients may send any code; those that mean something get a label
        ended.count(families.REASONS, direction, outcome, reason)
        if record.burst_fallback:
            ended.count(families.FALLBACKS, direction, record.burst_fallback)
        seen: list[tuple[Family, float]] = []
        if record.response_seconds is not None:
            seen.append((families.RESPONSE_TIME, record.response_seconds))
        if record.round_trip is not None:
            seen.append((families.ROUND_TRIP, record.round_trip))
        if outcome is Outcome.COMPLETED:
            seen.append((families.DURATION, record.seconds))
            if record.seconds > 0:
                seen.append((families.RATE, record.byte_count / record.seconds))
        if (agreed := record.agreed) is not None:
            seen += ((families.BLKSIZE, agreed.blksize), (families.WINDOWSIZE, agreed.windowsize))
            for name, _ in agreed.options:
                ended.count(families.OPTIONS, direction, name.decode("ascii").lower())
        ended.observe(seen, direction)


def _add_progress(totals: Totals, direction: str, progress: ITransfer | TransferRecord) -> None:
    totals.count(families.BYTES, direction, by=progress.byte_count)
    totals.count(families.BLOCKS, direction, by=progress.block_count)
    if progress.retransmits:
        totals.count(families.RETRANSMITS, direction, by=progress.retransmits)
