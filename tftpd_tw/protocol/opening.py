"""The first exchange.

A server answers a request in one step: :func:`answer_read` and :func:`answer_write` turn the negotiated terms
into the machine that carries the transfer. A client has to ask first: :class:`Asking` sends the request until
some answer comes, and says with :class:`Proceed` which machine goes on from there.
"""

from attrs import frozen

from tftpd_tw.protocol.errors import IllegalOperation, OptionRefused
from tftpd_tw.protocol.events import Ended, Event, Reason
from tftpd_tw.protocol.lifecycle import MOST_HELD, Machine, State, Trigger
from tftpd_tw.protocol.options import Agreed, agree
from tftpd_tw.protocol.packets import (
    Ack,
    Data,
    Error,
    Mode,
    Opcode,
    OptionAck,
    Options,
    decode,
    encode_ack,
    encode_oack,
    encode_request,
)
from tftpd_tw.protocol.receiving import Receiver
from tftpd_tw.protocol.sending import Sender
from tftpd_tw.protocol.timing import Patience, RetransmitTimer


def answer_read(
    agreed: Agreed, patience: Patience, *, size: int | None, mode: Mode, most_held: int = MOST_HELD
) -> Sender:
    """The server's end of a read: an OACK if anything was agreed, else block 1 at once.

    :param size: bytes of the content as it is stored, or None
    :param most_held: bytes of content that may be in memory
    """
    opening = encode_oack(agreed.options) if agreed.options else None
    timer = RetransmitTimer(patience, agreed.timeout)
    text = mode is Mode.NETASCII
    return Sender(agreed, timer, size=size, opening=opening, text=text, most_held=most_held)


def answer_write(agreed: Agreed, patience: Patience, *, mode: Mode, most_held: int = MOST_HELD) -> Receiver:
    """The server's end of a write: an OACK if anything was agreed, else ACK 0 (RFC 2347).

    :param most_held: bytes of content that may be in memory
    """
    opening = encode_oack(agreed.options) if agreed.options else encode_ack(0)
    timer = RetransmitTimer(patience, agreed.timeout)
    return Receiver(agreed, timer, opening=opening, text=mode is Mode.NETASCII, most_held=most_held)


@frozen
class Proceed(Event):
    """The server answered: go on with ``machine``, and give it ``datagram`` after its start if there is one."""

    machine: Sender | Receiver
    datagram: bytes | None


class Asking(Machine):
    """A client's request, until it is answered. Its only event besides Ended is :class:`Proceed`."""

    __slots__ = ("_mode", "_options", "_patience", "_reading", "_request", "_size", "response_seconds")

    byte_count = 0
    block_count = 0

    def __init__(
        self,
        *,
        reading: bool,
        name: bytes,
        mode: Mode,
        options: Options,
        patience: Patience,
        size: int | None = None,
    ) -> None:
        """Be ready to start.

        :param reading: get rather than put
        :param size: bytes of the content of a put, or None if not known
        :raises ValueError: the request does not fit into one
        """
        asked = {option.lower(): value for option, value in options}
        negotiated = asked.get(b"timeout")
        super().__init__(Agreed(), RetransmitTimer(patience, float(negotiated) if negotiated else None))
        self._request = encode_request(Opcode.RRQ if reading else Opcode.WRQ, name, mode, options)
        self._reading = reading
        self._mode = mode
        self._options = options
        self._patience = patience
        self._size = size
        self.response_seconds: float | None = None
        """From the first request to the answer, whatever that was; None while there is none."""

    def start(self, now: float) -> None:
        """Send the request."""
        self._progress_at = now
        self._send(now)

    def datagram_received(self, datagram: bytes, now: float) -> None:
        """The server's first packet, from the port that it will use."""
        if self.state is not State.OPENING:
            return
        try:
            packet = decode(datagram)
        except IllegalOperation:
            return
        match packet:
            case Error():
                self._end(Trigger.FAILED, Ended(Reason.PEER_ERROR, packet.code, packet.text))
            case OptionAck():
                try:
                    agreed = agree(self._options, packet.options)
                except OptionRefused as error:
                    self.fail(error)
                else:
                    self._proceed(agreed, None, now)
            case Data(block=1) if self._reading:
                self._proceed(Agreed(), datagram, now)
            case Ack(block=0) if not self._reading:
                self._proceed(Agreed(), None, now)
        if self.state is not State.OPENING:
            self.response_seconds = now - self._progress_at

    def timer_fired(self, now: float) -> None:
        """``deadline`` has come (an early call does no harm)."""
        if self.deadline is None or now < self.deadline:
            return
        if now >= self._progress_at + self.timer.give_up:
            self._give_up()
            return
        self.timer.expired()
        self.retransmits += 1
        self._send(now)

    def _send(self, now: float) -> None:
        self.outbox.append([self._request])
        self.deadline = min(now + self.timer.wait, self._progress_at + self.timer.give_up)

    def _proceed(self, agreed: Agreed, datagram: bytes | None, now: float) -> None:
        self._move(Trigger.ANSWERED)
        self.deadline = None
        timer = RetransmitTimer(self._patience, agreed.timeout)
        if not self.retransmits:
            timer.at_least(now - self._progress_at)
        text = self._mode is Mode.NETASCII
        machine: Sender | Receiver
        if self._reading:
            opening = None if datagram else encode_ack(0)
            machine = Receiver(agreed, timer, opening=opening, text=text, verified=True)
        else:
            machine = Sender(agreed, timer, size=self._size, text=text, verified=True)
        machine.retransmits = self.retransmits
        self.happened.append(Proceed(machine, datagram))
