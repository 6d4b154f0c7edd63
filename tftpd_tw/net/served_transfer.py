"""One request's way through the server: open the content, negotiate, run the session, report.

Nothing is sent before the backend has answered: name, permission and size are settled before the OACK, since
some clients hang on an ERROR that comes after one (rule C031).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from tftpd_tw.interfaces import Direction, ITransfer, Outcome, Refusal, Request, Source, TransferRecord
from tftpd_tw.net.content import as_error, pending, release
from tftpd_tw.net.endurance_watch import EnduranceWatch
from tftpd_tw.net.engine import IRequestSocket
from tftpd_tw.net.negotiating import machine_for
from tftpd_tw.net.outcomes import ANSWERED, GAVE_WAY, outcome_of, reason_of
from tftpd_tw.net.serving import Server
from tftpd_tw.net.session import Session
from tftpd_tw.net.sockets import name_of
from tftpd_tw.net.throttled_session import ThrottledSession
from tftpd_tw.protocol.errors import BackendStalled, TFTPError
from tftpd_tw.protocol.events import Ended, Reason
from tftpd_tw.protocol.lifecycle import MAX_UNVERIFIED_SENDS, State
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.timing import RetransmitTimer


@implementer(ITransfer)
class ServedTransfer:
    """One request, from its arrival to its record."""

    __slots__ = (
        "_abandoned_for",
        "_answers",
        "_clock",
        "_leaving",
        "_on_over",
        "_opening",
        "_over",
        "_server",
        "_session",
        "_stall",
        "_terms",
        "_told",
        "_verified",
        "_watch",
        "began",
        "request",
        "source",
    )

    def __init__(
        self,
        server: Server,
        request: Request,
        on_over: Callable[["ServedTransfer"], None],
        port: IRequestSocket | None = None,
    ) -> None:
        """Be ready to :meth:`begin`.

        :param on_over: called once, when nothing is left of it, not even a socket
        :param port: where the request came; it may stay there
        """
        self.request = request
        self._server = server
        self._terms = server.terms if server.terms_for is None else server.terms_for(request)
        self._answers = server.answers(port, request.local, self._terms.single_port)
        self._on_over = on_over
        self._clock = server.engine.clock
        self.began = self._clock.seconds()
        self.source: Source | None = None
        self._session: Session | None = None
        self._opening: Deferred[Any] | None = None
        self._stall: IDelayedCall | None = None
        self._watch: EnduranceWatch | None = None
        self._verified = False
        self._told = False
        self._leaving = False
        self._abandoned_for: str = Reason.SUPERSEDED
        self._over = False

    @property
    def opening(self) -> bool:
        """Whether its content is being opened."""
        return self._opening is not None

    @property
    def profile(self) -> str:
        """Which of the profiles it is treated by."""
        return self._terms.profile

    @property
    def agreed(self) -> Agreed:
        """The negotiated terms; nothing is, before there is a session."""
        return self._session.machine.agreed if self._session is not None else Agreed()

    @property
    def byte_count(self) -> int:
        """Bytes of payload so far."""
        return self._session.machine.byte_count if self._session is not None else 0

    @property
    def block_count(self) -> int:
        """Blocks so far."""
        return self._session.machine.block_count if self._session is not None else 0

    @property
    def retransmits(self) -> int:
        """Packets sent again so far."""
        return self._session.machine.retransmits if self._session is not None else 0

    @property
    def round_trip(self) -> float | None:
        """Smoothed, in seconds."""
        return self._session.machine.timer.round_trip if self._session is not None else None

    @property
    def on_request_port(self) -> bool:
        """Whether it stays on the port that was asked, where its client can have one transfer at a time."""
        return self._answers is not self._server.engine

    @property
    def verified(self) -> bool:
        """Whether the client has answered once."""
        if not self._verified and self._session is not None:
            # How it came to ENDED is known by then, see _ended.
            self._verified = self._session.machine.state not in (State.OPENING, State.ENDED)
        return self._verified

    @property
    def first_sent_at(self) -> float | None:
        """When the first packet of a session left."""
        return self._session.first_sent_at if self._session is not None else None

    def begin(self) -> None:
        """Ask whether it may be, and then the backend."""
        backend, authorizer = self._server.backend, self._server.authorizer
        reading = self.request.direction is Direction.READ
        try:
            refusal = authorizer.refusal(self.request) if authorizer is not None else None
            if refusal is None:
                result = backend.open_read(self.request) if reading else backend.open_write(self.request)
        except Exception as error:
            self._refuse(as_error(error))
            return
        if refusal is not None:
            self._deny(refusal)
            return
        opening = pending(result)
        if opening is None:
            self._opened(result)
            return
        self._opening = opening
        patience = RetransmitTimer(self._terms.patience).give_up
        self._stall = self._clock.callLater(patience, self._stalled)
        opening.addCallbacks(self._opened, self._refused)

    def receive(self) -> None:
        """Take what has come for it by now: maybe its last packet."""
        if self._session is not None:
            self._session.receive()

    def repeat(self) -> bool:
        """The same request again; whether this transfer still stands for it (rules C095, C098)."""
        if self._session is None:
            return True
        machine = self._session.machine
        if machine.state is State.OPENING:
            if self._server.may_answer(self.request.client.host):
                self._session.repeat_opening()
            return True
        return self._session.outlasts_repeat()

    def busy(self) -> bool:
        """Whether it is getting on, so that another request from the same port must not end it (rule C096)."""
        return self._session is not None and self._session.busy()

    @property
    def done(self) -> bool:
        """Whether its outcome is known, and it only stays for a client that missed the last ACK."""
        return self._session is not None and self._session.machine.state is State.DALLYING

    def leave_when_done(self) -> None:
        """Do not stay for a client that missed the last ACK, since the server is stopping."""
        self._leaving = True
        if self.done:
            self.abandon()

    def give_way(self) -> None:
        """Stop without a word, since its client has not answered and its place is needed."""
        self._abandoned_for = GAVE_WAY
        self.abandon()

    def abandon(self) -> None:
        """Stop without a word."""
        if self._session is not None:
            self._verified = self.verified
            self._session.abandon()
        elif not self._over:
            opening = self._opening
            reason = self._abandoned_for
            self._report_unopened(outcome_of(reason), reason, "", answered=False)
            if opening is not None:
                opening.cancel()

    def fail(self, error: TFTPError) -> None:
        """Stop, and tell the client."""
        if self._session is not None:
            self._verified = self.verified
            self._session.fail(error)
        elif not self._over:
            opening = self._opening
            self._refuse(error)
            if opening is not None:
                opening.cancel()

    # Opening

    def _stalled(self) -> None:
        self.fail(BackendStalled("the backend did not open it"))

    def _opened(self, content: Any) -> None:
        if self._over:
            release(content)
            return
        self._stop_waiting()
        request, server = self.request, self._server
        try:
            machine = machine_for(request, content, self._terms, server.engine)
        except Exception as error:
            release(content)
            self._refuse(as_error(error))
            return
        throttle = server.throttling.throttle(request.client.host) if server.throttling is not None else None
        new_session = Session if throttle is None else partial(ThrottledSession, throttle)
        session = new_session(
            server.engine,
            machine,
            request.client,
            content,
            on_ended=self._ended,
            on_closed=self._closed,
            on_error_sent=lambda code: server.tell("error_sent", code),
        )
        try:
            session.open(request.local, self._answers)
        except OSError as error:
            # No descriptor or port is left. Silence: the client asks again, and there may be room then.
            release(content)
            server.ignore(request, f"no-socket:{name_of(error)}")
            self._closed()
            return
        self._session = session
        self.source = getattr(content, "source", None)
        server.tell("transfer_started", self)
        session.start()
        if server.endurance is not None and not self._over:
            self._watch = EnduranceWatch(server.endurance, self, self._clock, self.began)

    def _refused(self, failure: Failure) -> None:
        if not self._over:
            self._refuse(as_error(failure.value, failure))

    def _deny(self, refusal: Refusal) -> None:
        """What a rule says."""
        if refusal.error is not None:
            self._refuse(refusal.error, refusal.reason)
        else:
            self._server.ignore(self.request, refusal.reason)
            self._closed()

    def _refuse(self, error: TFTPError, reason: str | None = None) -> None:
        self._told = not self.request.broadcast
        if self._told:
            self._server.refuse(error, self.request.local, self.request.client, self._answers)
        self._report_unopened(Outcome.REFUSED, reason or error.reason, str(error), answered=self._told)

    def _report_unopened(self, outcome: Outcome, reason: str, detail: str, *, answered: bool) -> None:
        """No session came of it."""
        elapsed = self._clock.seconds() - self.began
        record = TransferRecord(
            self.request,
            None,
            outcome,
            reason,
            detail,
            seconds=elapsed,
            response_seconds=elapsed if answered else None,
            profile=self.profile,
        )
        self._server.tell("request_refused", record)
        self._closed()

    def _stop_waiting(self) -> None:
        self._opening = None
        if self._stall is not None and self._stall.active():
            self._stall.cancel()
        self._stall = None

    # The end

    def _ended(self, ended: Ended) -> None:
        self._verified |= ended.reason in ANSWERED
        detail = str(ended.error) if ended.error is not None else ended.text.decode("latin-1")
        reason = reason_of(ended, self._abandoned_for)
        self._report(outcome_of(reason), reason, detail)
        if self._leaving and self.done:
            self.abandon()

    def _report(self, outcome: Outcome, reason: str, detail: str) -> None:
        session = self._session
        assert session is not None
        machine = session.machine
        first_sent = session.first_sent_at
        record = TransferRecord(
            self.request,
            machine.agreed,
            outcome,
            reason,
            detail,
            byte_count=machine.byte_count,
            block_count=machine.block_count,
            retransmits=machine.retransmits,
            seconds=self._clock.seconds() - self.began,
            response_seconds=first_sent - self.began if first_sent is not None else None,
            round_trip=machine.timer.round_trip,
            source=self.source,
            profile=self.profile,
            burst_fallback=session.transport.fallback if session.transport is not None else "",
        )
        self._server.tell("transfer_ended", self, record)

    def _closed(self) -> None:
        self._over = True
        self._stop_waiting()
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        if self._server.limits is not None:
            self._server.limits.leave(self, self._unverified_answers, self._clock.seconds())
        self._on_over(self)
        # No cycle is left behind: to find these took the garbage collector 15 us a transfer.
        self._session = None

    @property
    def _unverified_answers(self) -> int:
        """Packets that were sent to a client that may never have asked for them, as the limits count them."""
        if self.verified:
            return 0
        if self._session is None:
            return int(self._told)
        return MAX_UNVERIFIED_SENDS if self.first_sent_at is not None else 0
