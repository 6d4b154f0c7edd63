"""One request's way through the server: open the content, negotiate, run the session, report.

Nothing is sent before the backend has answered: name, permission and size are settled before the OACK, since
some clients hang on an ERROR that comes after one (rule C031).
"""

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from tftpd_tw.interfaces import (
    Address,
    Direction,
    IBackend,
    ITransfer,
    ITransferObserver,
    Outcome,
    Request,
    TransferRecord,
)
from tftpd_tw.net.content import as_error, pending, release
from tftpd_tw.net.engine import IEngine
from tftpd_tw.net.session import Session
from tftpd_tw.protocol.errors import BackendStalled, TFTPError
from tftpd_tw.protocol.events import Ended, Reason
from tftpd_tw.protocol.lifecycle import Machine, State
from tftpd_tw.protocol.opening import answer_read, answer_write
from tftpd_tw.protocol.options import MAX_BLKSIZE, MIN_BLKSIZE, Agreed, Facts, Policy, negotiate
from tftpd_tw.protocol.packets import HEADER_SIZE, Mode, encode_failure
from tftpd_tw.protocol.timing import Patience, RetransmitTimer

_IP_AND_UDP = {False: 28, True: 48}
"""Bytes of headers before the TFTP packet, for IPv4 and for IPv6."""

_PEER_ERROR = Reason.PEER_ERROR.value

_OUTCOMES = {
    Reason.COMPLETED.value: Outcome.COMPLETED,
    Reason.LAST_ACK_MISSING.value: Outcome.COMPLETED,
    Reason.SIZE_PROBE.value: Outcome.SIZE_PROBE,
    Reason.NO_ANSWER.value: Outcome.UNANSWERED,
}


@frozen
class Terms:
    """How a server treats its clients."""

    policy: Policy = Policy()
    """The largest options granted."""
    patience: Patience = Patience()
    fit_mtu: bool = True
    """Grant no blksize that the route to the client would have to fragment."""


@frozen
class Server:
    """What every transfer of a server shares."""

    engine: IEngine
    backend: IBackend
    terms: Terms = Terms()
    observers: Sequence[ITransferObserver] = ()

    def tell(self, event: str, *arguments: object) -> None:
        """Call the method ``event`` of every observer."""
        for observer in self.observers:
            getattr(observer, event)(*arguments)

    def refuse(self, error: TFTPError, local: Address, peer: Address) -> None:
        """Send an ERROR, from a port of its own as every answer (RFC 1350 section 4)."""
        self.engine.send_once(encode_failure(error), local, peer)
        self.tell("error_sent", int(error.code))


@implementer(ITransfer)
class ServedTransfer:
    """One request, from its arrival to its record."""

    __slots__ = ("_began", "_clock", "_on_over", "_opening", "_over", "_server", "_session", "_stall", "request")

    def __init__(self, server: Server, request: Request, on_over: Callable[["ServedTransfer"], None]) -> None:
        """Be ready to :meth:`begin`.

        :param on_over: called once, when nothing is left of it, not even a socket
        """
        self.request = request
        self._server = server
        self._on_over = on_over
        self._clock = server.engine.clock
        self._began = self._clock.seconds()
        self._session: Session | None = None
        self._opening: Deferred[Any] | None = None
        self._stall: IDelayedCall | None = None
        self._over = False

    @property
    def byte_count(self) -> int:
        """Bytes of payload so far."""
        return self._session.machine.byte_count if self._session is not None else 0

    @property
    def retransmits(self) -> int:
        """Packets sent again so far."""
        return self._session.machine.retransmits if self._session is not None else 0

    def begin(self) -> None:
        """Ask the backend."""
        backend = self._server.backend
        reading = self.request.direction is Direction.READ
        try:
            result = backend.open_read(self.request) if reading else backend.open_write(self.request)
        except Exception as error:
            self._refuse(as_error(error))
            return
        opening = pending(result)
        if opening is None:
            self._opened(result)
            return
        self._opening = opening
        patience = RetransmitTimer(self._server.terms.patience).give_up
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
            self._session.repeat_opening()
            return True
        return self.busy()

    def busy(self) -> bool:
        """Whether it is getting on, so that another request from the same port must not end it (rule C096)."""
        session = self._session
        return session is not None and bool(session.machine.busy(self._clock.seconds()))

    @property
    def done(self) -> bool:
        """Whether its outcome is known, and it only stays for a client that missed the last ACK."""
        return self._session is not None and self._session.machine.state is State.DALLYING

    def abandon(self) -> None:
        """Stop without a word."""
        if self._session is not None:
            self._session.abandon()
        elif not self._over:
            opening = self._opening
            self._report_unopened(Outcome.FAILED, Reason.SUPERSEDED.value, "", answered=False)
            if opening is not None:
                opening.cancel()

    def fail(self, error: TFTPError) -> None:
        """Stop, and tell the client."""
        if self._session is not None:
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
            machine = self._machine(content)
        except Exception as error:
            release(content)
            self._refuse(as_error(error))
            return
        session = Session(
            server.engine,
            machine,
            request.client,
            content,
            on_ended=self._ended,
            on_closed=self._closed,
            on_error_sent=lambda code: server.tell("error_sent", code),
        )
        self._session = session
        server.tell("transfer_started", self)
        try:
            session.open(request.local)
        except OSError as error:
            # No descriptor or port is left. Silence: the client asks again, and there may be room then.
            release(content)
            self._report(Outcome.FAILED, "no-socket", str(error))
            self._closed()

    def _machine(self, content: Any) -> Machine:
        """What carries the transfer; only a broken ``content`` makes it raise."""
        request, patience = self.request, self._server.terms.patience
        if request.direction is Direction.WRITE:
            return answer_write(self._negotiate(None), patience, mode=request.mode)
        size = content.size
        return answer_read(self._negotiate(size), patience, size=size, mode=request.mode)

    def _negotiate(self, size: int | None) -> Agreed:
        request, terms = self.request, self._server.terms
        if not request.options:
            return Agreed()
        max_blksize = MAX_BLKSIZE
        if terms.fit_mtu:
            mtu = self._server.engine.path_mtu(request.local, request.client)
            if mtu is not None:
                max_blksize = max(MIN_BLKSIZE, mtu - _IP_AND_UDP[":" in request.client.host] - HEADER_SIZE)
        reading = request.direction is Direction.READ
        # What netascii makes of the size is not known.
        facts = Facts(reading, size if request.mode is Mode.OCTET else None, max_blksize)
        return negotiate(request.options, terms.policy, facts)

    def _refused(self, failure: Failure) -> None:
        if not self._over:
            self._refuse(as_error(failure.value, failure))

    def _refuse(self, error: TFTPError) -> None:
        answered = not self.request.broadcast
        if answered:
            self._server.refuse(error, self.request.local, self.request.client)
        self._report_unopened(Outcome.REFUSED, error.reason, str(error), answered=answered)

    def _report_unopened(self, outcome: Outcome, reason: str, detail: str, *, answered: bool) -> None:
        """No session came of it."""
        elapsed = self._clock.seconds() - self._began
        response = elapsed if answered else None
        record = TransferRecord(
            self.request, None, outcome, reason, detail, seconds=elapsed, response_seconds=response
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
        detail = str(ended.error) if ended.error is not None else ended.text.decode("latin-1")
        reason = f"{ended.reason}:{ended.code}" if ended.reason == _PEER_ERROR else ended.reason
        self._report(_OUTCOMES.get(ended.reason, Outcome.FAILED), reason, detail)

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
            seconds=self._clock.seconds() - self._began,
            response_seconds=first_sent - self._began if first_sent is not None else None,
            round_trip=machine.timer.round_trip,
            burst_fallback=session.transport.fallback if session.transport is not None else "",
        )
        self._server.tell("transfer_ended", self, record)

    def _closed(self) -> None:
        self._over = True
        self._stop_waiting()
        self._on_over(self)
        # No cycle is left behind: to find these took the garbage collector 15 us a transfer.
        self._session = None
