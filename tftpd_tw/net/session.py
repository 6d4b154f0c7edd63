"""One transfer's shell: a socket, a timer and the content around a machine of :mod:`tftpd_tw.protocol`.

Whatever happens is handled in the same three moves: tell the machine, send its bursts and serve its events,
move the timer. The timer is one :class:`~twisted.internet.interfaces.IDelayedCall`; it is left to fire early
rather than moved on with each ACK, so that an ACK costs a comparison.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import DatagramProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from tftpd_tw.interfaces import Address, Buffer, IReader, IWriter
from tftpd_tw.net.bursts import queued
from tftpd_tw.net.content import as_error, pending, release
from tftpd_tw.net.engine import (
    IAnswers,
    IEngine,
    ISessionHandler,
    SocketAddress,
    from_socket_address,
    to_socket_address,
)
from tftpd_tw.protocol.errors import TFTPError, UnknownTID
from tftpd_tw.protocol.events import Ended, Read, Write
from tftpd_tw.protocol.lifecycle import Burst, Machine, State
from tftpd_tw.protocol.opening import Asking, Proceed
from tftpd_tw.protocol.packets import HEADER_SIZE, MAX_REQUEST, Opcode, encode_failure
from tftpd_tw.protocol.receiving import Receiver
from tftpd_tw.protocol.sending import Sender

STRANGER_INTERVAL = 1.0
"""Seconds between answers to packets from wrong addresses, so that a session cannot be made to flood (C092)."""

BURSTS_PER_TURN = 2
"""A larger window leaves in slices, between which other sessions have their turn; 64 blocks of 1428 are one."""

TICK = 1e-6
"""Seconds; a timer that fires sooner might find the clock where it was."""

SHORT_PACKET = 256
"""Bytes that are read of an ACK or an ERROR; a longer text is cut, and a larger buffer would cost 0.4 us."""


@implementer(ISessionHandler)
class Session(DatagramProtocol):
    """A transfer in progress, at either end."""

    def __init__(
        self,
        engine: IEngine,
        machine: Machine,
        peer: Address,
        content: IReader | IWriter,
        *,
        on_ended: Callable[[Ended], None],
        on_closed: Callable[[], None] = lambda: None,
        on_error_sent: Callable[[int], None] = lambda code: None,
    ) -> None:
        """Be ready to :meth:`open`.

        :param peer: the other end; a machine that is still asking takes the port of the first answer
        :param content: provides IReader for a sender, IWriter for a receiver; owned by the session from now on
        :param on_ended: called once, when the outcome is known
        :param on_closed: called once, when the socket is closed
        :param on_error_sent: called with the code of each ERROR packet
        """
        self.machine: Any = machine
        self.peer = peer
        self._engine = engine
        self._clock = engine.clock
        self._seconds: Callable[[], float] = engine.clock.seconds
        self._content: Any = content
        self._peer = to_socket_address(peer)
        self._settling = False
        self._on_ended = on_ended
        self._on_closed = on_closed
        self._on_error_sent = on_error_sent
        self._timer: IDelayedCall | None = None
        self._timer_at = 0.0
        self._unsent: list[Burst] = []
        self._offset = 0
        self._publishing = False
        self._stored = False
        self._stranger_at = 0.0
        self.first_sent_at: float | None = None
        """When the first packet left."""

    def open(self, local: Address, answers: IAnswers | None = None) -> None:
        """Take a port of ``local``, of the engine's or by ``answers``.

        :raises OSError: there is none
        """
        self.transport: Any = (answers or self._engine).open_session(local, self.peer, self)

    def start(self) -> None:
        """Begin."""
        self._expect()
        self.machine.start(self._seconds())
        self._settle()

    # What the engine calls

    def datagramReceived(self, datagram: bytes, peer: SocketAddress) -> None:
        """A packet came."""
        if peer != self._peer:
            if peer[0] == self._peer[0] and isinstance(self.machine, Asking):
                self._first_answer(datagram, peer)
            else:
                self._refuse_stranger(datagram, peer)
            return
        self.machine.datagram_received(datagram, self._seconds())
        self._settle()

    def datagrams_received(self, datagrams: list[bytes], peer: SocketAddress) -> int:
        """Packets came in a row, which a session with a window of incoming blocks expects."""
        if peer != self._peer:
            for datagram in datagrams:
                self.datagramReceived(datagram, peer)
            return 0
        receiver: Receiver = self.machine
        receiver.datagrams_received(datagrams, self._seconds())
        self._settle()
        return receiver.missing

    def unreachable(self, peer: SocketAddress) -> None:
        """ICMP: somebody's port is closed."""
        if peer == self._peer:
            self.machine.peer_unreachable()
            self._settle()

    def resume_sending(self) -> None:
        """The socket's buffer has room again."""
        unsent, self._unsent = self._unsent, []
        self._send(unsent)

    # What the owner calls

    def receive(self) -> None:
        """Take what waits at the socket: it may be the last ACK."""
        if self.transport is not None:
            self.transport.receive()

    def fail(self, error: TFTPError) -> None:
        """End the transfer and tell the peer."""
        self.machine.fail(error)
        self._settle()

    def abandon(self) -> None:
        """End the transfer without a word: its client has begun another from the same port."""
        self.machine.abandon()
        self._settle()

    def repeat_opening(self) -> None:
        """The client sent its request again."""
        self.machine.repeat_opening(self._seconds())
        self._settle()

    def busy(self) -> bool:
        """Whether it is getting on, so that another request from the same port must not end it (rule C096)."""
        return bool(self.machine.busy(self._seconds()))

    def outlasts_repeat(self) -> bool:
        """Whether its own request, when it comes again, is an old copy of that (rule C096)."""
        return bool(self.machine.outlasts_repeat(self._seconds()))

    # The three moves

    def _settle(self) -> None:
        if self._settling:
            return  # a Deferred that had fired already: the loop below goes on with what it brought
        machine = self.machine
        if not machine.happened:
            # The path of a block: no event, maybe a burst, and the timer can mostly stay where it is.
            bursts = machine.outbox
            if bursts:
                machine.outbox = []
                self._send(bursts)
            deadline = machine.deadline
            if deadline is None or deadline < self._timer_at or self._timer is None:
                self._arm()
            return
        self._settling = True
        while machine.happened or machine.outbox:
            if machine.outbox:
                self._send(machine.bursts())
            for event in machine.events():
                if isinstance(event, Read):
                    self._read(event.length)
                elif isinstance(event, Write):
                    self._write(event)
                elif isinstance(event, Ended):
                    self._ended(event)
                elif isinstance(event, Proceed):
                    self._proceed(event)
            machine = self.machine
        self._settling = False
        self._arm()

    def _send(self, bursts: list[Burst]) -> None:
        if self.first_sent_at is None:
            self.first_sent_at = self._clock.seconds()
        if self._unsent and self.machine.state is not State.ENDED:
            # Not all has left yet. An ERROR does not wait behind slices that nobody needs any more.
            self._unsent = queued(self._unsent, bursts)
            return
        if len(bursts) <= BURSTS_PER_TURN:
            unsent = self.transport.send(bursts, self._peer)
        else:
            unsent = self.transport.send(bursts[:BURSTS_PER_TURN], self._peer) + bursts[BURSTS_PER_TURN:]
        # Sending may have told that the peer is gone, and then all is over.
        if unsent and self.transport is not None:
            self._unsent = unsent
            self.transport.wait_writable()

    def _arm(self) -> None:
        """Move the timer, or close when all is over."""
        machine = self.machine
        if machine.state is State.ENDED:
            self._close()
            return
        deadline = machine.deadline
        if deadline is None:
            return
        if self._timer is not None:
            if deadline >= self._timer_at:
                return
            # Not reset(), which looks for the call among all that wait: 5 us with 50 sessions, and more with more.
            self._timer.cancel()
        self._timer = self._clock.callLater(max(TICK, deadline - self._seconds()), self._timer_fired)
        self._timer_at = deadline

    def _timer_fired(self) -> None:
        self._timer = None
        deadline = self.machine.deadline
        if deadline is not None and self._seconds() >= deadline:
            # What was answered while this process had to wait must not be repeated.
            self.receive()
        self.machine.timer_fired(self._seconds())
        self._settle()

    # The content

    def _read(self, length: int) -> None:
        try:
            result = self._content.read(self._offset, length)
            later = pending(result)
            if later is not None:
                later.addCallback(self._checked).addCallbacks(self._read_later, self._content_failed_later)
                return
            data = self._checked(result)
        except Exception as error:
            self.machine.fail(as_error(error))
            return
        self.machine.blocks_read(data, self._seconds())

    def _checked(self, data: Buffer) -> Buffer:
        """Count it; a backend that gives anything but bytes has failed here, and not in the machine."""
        self._offset += len(memoryview(data))
        return data

    def _read_later(self, data: Buffer) -> None:
        self.machine.blocks_read(data, self._seconds())
        self._settle()

    def _write(self, event: Write) -> None:
        try:
            later = pending(self._content.write(event.data)) if event.data else None
            if event.final:
                if later is None:
                    later = pending(self._publish())
                else:
                    later.addCallback(lambda _: self._publish())
        except Exception as error:
            self.machine.fail(as_error(error))
            return
        if later is None:
            self._written()
        else:
            later.addCallbacks(self._written_later, self._content_failed_later)

    def _publish(self) -> Any:
        """Make it visible, unless the transfer has failed while the last of it was being written."""
        if self._content is None:
            return None
        self._publishing = True
        result = self._content.finish()
        return pending(result) or result

    def _written(self) -> None:
        self._stored = self._publishing
        self.machine.blocks_written(self._seconds())

    def _written_later(self, _: object) -> None:
        if self.machine.state is not State.ENDED:
            self._written()
            self._settle()

    def _content_failed_later(self, failure: Failure) -> None:
        if self.machine.state is not State.ENDED:
            self.machine.fail(as_error(failure.value, failure))
            self._settle()

    # Endings

    def _ended(self, ended: Ended) -> None:
        if ended.error is not None:
            self._on_error_sent(ended.error.code)
        content, self._content = self._content, None
        release(content, stored=self._stored)
        self._on_ended(ended)

    def _close(self) -> None:
        if self.transport is None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.transport.close()
        self.transport = None
        self._unsent = []
        self._on_closed()

    # The peer

    def _expect(self) -> None:
        """Tell the socket how large packets are and how many come in a row."""
        machine = self.machine
        if isinstance(machine, Sender):
            self.transport.expect(SHORT_PACKET, 1)
        else:
            # One byte more than allowed, so that a block that is too long is seen to be (K3).
            agreed = machine.agreed
            self.transport.expect(max(agreed.blksize + HEADER_SIZE + 1, MAX_REQUEST), agreed.windowsize)

    def _first_answer(self, datagram: bytes, peer: SocketAddress) -> None:
        """The server answers from a port of its own, which becomes the other end (RFC 1350 section 4); a packet
        that is no answer does not.
        """
        self.machine.datagram_received(datagram, self._seconds())
        if self.machine.state is not State.OPENING:
            self._peer = peer
            self.peer = from_socket_address(peer)
        self._settle()

    def _proceed(self, event: Proceed) -> None:
        now = self._seconds()
        self.machine = event.machine
        self._expect()
        self.machine.start(now)
        if event.datagram is not None:
            self.machine.datagram_received(event.datagram, now)

    def _refuse_stranger(self, datagram: bytes, peer: SocketAddress) -> None:
        """ERROR 5 to a packet from elsewhere, and nothing changes here; an ERROR is never answered (C091)."""
        now = self._clock.seconds()
        if len(datagram) < HEADER_SIZE or datagram[1] == Opcode.ERROR or now < self._stranger_at:
            return
        self._stranger_at = now + STRANGER_INTERVAL
        self.transport.send([[encode_failure(UnknownTID())]], peer)
        self._on_error_sent(UnknownTID.code)
