"""What is told of finished transfers, and of requests that came to nothing: to the log, to the page, to hooks.

Not everything is. What one client can bring about again and again is told once a minute, with the number of times
since: a request that gets no answer, a transfer whose client never answers, and the same name that is refused. If
it does not go on, the last time is told when the minute is over, so that the numbers are complete.

A report says who the client is on the wire, which only the kernel knows. It is asked in a thread, for all reports
at once that have come meanwhile, and no more than twenty times a second.
"""

from collections.abc import Callable, Hashable, Sequence
from time import time

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from tftpd_tw.interfaces import Address, ITransfer, ITransferObserver, Outcome, Request, TransferRecord
from tftpd_tw.net.neighbours import NOBODY, Neighbour
from tftpd_tw.policy.notices import Notices
from tftpd_tw.protocol.text import escaped

GAP = 0.05
"""Seconds between two questions to the kernel."""

MOST_WAITING = 200
"""Reports that wait for it; then they are told without what it knows."""

PATIENCE = 1.0
"""Seconds after which they are told so too."""

LATE = 10.0
"""Seconds between two looks for what does not go on."""

MALFORMED = 'request malformed client={client} detail="{detail}" more={more}'
"""``more``: how many of this client's were passed over since its last line."""

MOST_REFUSED = 2000
"""Refused requests that are told in a minute. A rack asks for some hundred missing files while it boots."""


@frozen
class Report:
    """One finished transfer, or one request that none came of."""

    record: TransferRecord
    at: float
    """In seconds since 1970."""
    more: int = 0
    """How many like it were passed over since one was told last."""
    neighbour: Neighbour = NOBODY
    """The client on the wire."""


Tell = Callable[[Report], object]

Identify = Callable[[Sequence[Request]], "Deferred[list[Neighbour]]"]
"""Finds the clients of requests on the wire; never fails."""


@implementer(ITransferObserver)
@define(eq=False)
class Reports:
    """Decides what is told, and tells everybody in ``listeners``."""

    _clock: IReactorTime
    _listeners: Sequence[Tell]
    _identify: Identify | None = None
    """None: clients are known by their addresses only."""
    _on_refused: Callable[[TransferRecord], object] = lambda record: None
    """Called with each refused request, also with those that are not told."""
    _now: Callable[[], float] = time
    _log: Logger = Logger("tftpd_tw.transfers")
    _ignored: Notices = field(init=False, factory=Notices)
    _malformed: Notices = field(init=False, factory=Notices)
    _unanswered: Notices = field(init=False, factory=Notices)
    _refused: Notices = field(init=False, factory=lambda: Notices(MOST_REFUSED))
    _asked: list[Report] = field(init=False, factory=list)
    """Those whose clients the kernel is being asked for."""
    _waiting: list[Report] = field(init=False, factory=list)
    _next: float = field(init=False, default=0.0)
    _call: IDelayedCall | None = field(init=False, default=None)
    _late: IDelayedCall | None = field(init=False, default=None)

    def transfer_started(self, transfer: ITransfer) -> None:
        """Only the end is told."""

    def transfer_ended(self, transfer: ITransfer, record: TransferRecord) -> None:
        """Tell it; of who never answers one a minute, since that costs him one packet each."""
        if record.outcome is Outcome.UNANSWERED:
            self._add_seldom(self._unanswered, record.request.client.host, record)
        else:
            self._add(record, self._now(), 0)

    def request_refused(self, record: TransferRecord) -> None:
        """Tell it; of whom nobody answers one a minute, and of the same refusal one for each client."""
        request = record.request
        if record.outcome is Outcome.REFUSED:
            self._on_refused(record)
            self._add_seldom(self._refused, (request.client.host, request.name, record.reason), record)
        elif record.outcome is Outcome.IGNORED:
            self._add_seldom(self._ignored, request.client.host, record)
        else:
            self._add(record, self._now(), 0)

    def error_sent(self, code: int) -> None:
        """The record says it."""

    def datagram_dropped(self, why: str, sender: Address, detail: str) -> None:
        """A line in the log for what is nearly a request, one a minute for each client: somebody wants to boot.
        The rest is counted and not told.
        """
        if not detail:
            return
        more = self._malformed.due(sender.host, self._clock.seconds())
        if more is not None:
            self._log.info(MALFORMED, client=str(sender), detail=escaped(detail.encode()), more=more)

    def flush(self) -> None:
        """Tell now what waits, for nothing comes any more."""
        self._add_late(all_of_them=True)
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._tell_all()

    def _tell_all(self) -> None:
        """Tell what waits for the kernel."""
        reports = self._asked + self._waiting
        self._asked, self._waiting = [], []
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None
        self._tell(reports)

    def _add_seldom(self, notices: Notices, key: Hashable, record: TransferRecord) -> None:
        at = self._now()
        more = notices.due(key, self._clock.seconds(), (record, at))
        if more is not None:
            self._add(record, at, more)
        elif self._late is None and notices.waiting:
            self._late = self._clock.callLater(LATE, self._tell_late)

    def _tell_late(self) -> None:
        self._late = None
        self._add_late()
        if any(notices.waiting for notices in self._seldom):
            self._late = self._clock.callLater(LATE, self._tell_late)

    def _add_late(self, *, all_of_them: bool = False) -> None:
        for notices in self._seldom:
            for (record, at), more in notices.late(self._clock.seconds(), all_of_them=all_of_them):
                self._add(record, at, more)

    @property
    def _seldom(self) -> tuple[Notices, ...]:
        return self._refused, self._unanswered, self._ignored

    def _add(self, record: TransferRecord, at: float, more: int) -> None:
        report = Report(record, at, more)
        if self._identify is None:
            for tell in self._listeners:
                tell(report)
            return
        self._waiting.append(report)
        if len(self._waiting) >= MOST_WAITING:
            self._tell_all()
        elif not self._asked and self._call is None:
            self._ask_soon()

    def _ask_soon(self) -> None:
        wait = self._next - self._clock.seconds()
        if wait > 0:
            self._call = self._clock.callLater(wait, self._ask)
        else:
            self._ask()

    def _ask(self) -> None:
        assert self._identify is not None
        self._call = None
        self._next = self._clock.seconds() + GAP
        self._asked, self._waiting = asked, _ = self._waiting, []
        # One who configures the network may keep the kernel from answering.
        self._call = self._clock.callLater(PATIENCE, self._tell_all)
        self._identify([report.record.request for report in asked]).addCallback(self._identified, asked)

    def _identified(self, neighbours: list[Neighbour], asked: list[Report]) -> None:
        if asked is not self._asked:
            return  # told already
        self._asked = []
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._tell([evolve(report, neighbour=who) for report, who in zip(asked, neighbours, strict=True)])
        if self._waiting:
            self._ask_soon()

    def _tell(self, reports: Sequence[Report]) -> None:
        for report in reports:
            for tell in self._listeners:
                tell(report)
