"""The receiving end: takes a write on a server, or does a client's read.

Blocks are taken in order and nothing else is kept (RFC 1350; RFC 7440 leaves it open, and every peer sends
from the gap on again). An ACK goes out when a window is full, at a gap, at a sign that the last ACK was lost,
and when nothing comes for a while. The ACK of the last block waits until the content is stored (rule C113);
after it the receiver stays for a moment, to answer a repeat of the last block (RFC 1350 section 6; C100).

Content is handed out after an ACK, to be stored while the next window is on its way: with Write events of
:data:`~tftpd_tw.protocol.lifecycle.READ_AHEAD` bytes or a window, whichever is more. While one is being stored a
second one may fill up, if there is to be so much memory; then the ACK waits, and the sender with it.
"""

from struct import Struct

from tftpd_tw.protocol.errors import IllegalOperation
from tftpd_tw.protocol.events import Ended, Reason, Write
from tftpd_tw.protocol.lifecycle import MAX_UNVERIFIED_SENDS, MOST_HELD, READ_AHEAD, Machine, State, Trigger
from tftpd_tw.protocol.netascii import Decoder
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.packets import HEADER_SIZE, Opcode, encode_ack
from tftpd_tw.protocol.timing import RetransmitTimer

SHORTEST_DALLY = 3.0
"""Seconds after the last ACK in which a repeat of the last block is answered (rule C100)."""

_DATA = Opcode.DATA << 16
_header = Struct("!I").unpack_from


class Receiver(Machine):
    """Takes content in blocks; see the module for how."""

    __slots__ = (
        "_ack_at",
        "_ack_held",
        "_acked",
        "_bytes",
        "_chunk",
        "_decoder",
        "_final",
        "_gap_at",
        "_held",
        "_held_bytes",
        "_modulus",
        "_most_in_memory",
        "_opening",
        "_received",
        "_sampling",
        "_sends",
        "_sent_at",
        "_verified",
        "_waited",
        "_window",
        "_writing",
        "_writing_bytes",
        "blksize",
        "windowsize",
    )

    def __init__(
        self,
        agreed: Agreed,
        timer: RetransmitTimer,
        *,
        opening: bytes | None,
        text: bool = False,
        verified: bool = False,
        most_held: int = MOST_HELD,
    ) -> None:
        """Be ready to start.

        :param opening: the ACK 0 or OACK that asks for block 1; None if block 1 is here already
        :param text: decode netascii
        :param verified: the peer has answered already (a client's read), so the opening may be repeated at will
        :param most_held: bytes of content that may be in memory, those being stored included; at least a window
        """
        super().__init__(agreed, timer)
        self.blksize = agreed.blksize
        self.windowsize = agreed.windowsize
        self._modulus = agreed.rollover.modulus
        self._opening = opening
        self._verified = verified
        self._decoder = Decoder() if text else None

        # Absolute block numbers: everything up to `received` is here, up to `acked` the sender knows it.
        self._received = 0
        self._acked = 0
        self._final = False
        self._gap_at: int | None = None

        # Content that is here and not yet handed out.
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._window = agreed.windowsize * agreed.blksize
        self._chunk = max(self._window, min(READ_AHEAD, most_held // 2))
        self._most_in_memory = min(2 * self._chunk - 1, most_held - self._window)
        """Bytes with which a window is still acknowledged, and the next one comes."""
        self._writing = False
        self._writing_bytes = 0
        self._ack_held = False
        self._bytes = 0

        # When something was last sent, whether its answer is a sample of the round trip, and whether the timer has
        # run out since there was progress.
        self._sends = 0
        self._sent_at = 0.0
        self._ack_at = 0.0
        self._sampling = False
        self._waited = False

    @property
    def byte_count(self) -> int:
        """Bytes of payload that have come, in order."""
        return self._bytes

    @property
    def block_count(self) -> int:
        """Blocks that have come, in order."""
        return self._received

    @property
    def missing(self) -> int:
        """Blocks of a window that has begun that are still to come."""
        here = self._received - self._acked
        return self.windowsize - here if here and self.state is State.FLOWING else 0

    def start(self, now: float) -> None:
        """Ask for block 1."""
        self._progress_at = now
        if self._opening is not None:
            self._sampling = True
            self._send(self._opening, now)

    def datagram_received(self, datagram: bytes, now: float) -> None:
        """Something came from the peer."""
        if datagram[:2] != b"\0\3" or len(datagram) < HEADER_SIZE:
            if self._verified and datagram[:2] == b"\0\6":
                self.repeat_opening(now)  # the server did not get our ACK 0
            self._other_packet(datagram)
            return
        if self._final or self.state is State.ENDED:
            self._after_the_last(datagram, now)
            return
        wire = datagram[2] << 8 | datagram[3]
        ahead = (wire - self._received) % self._modulus
        if ahead != 1 or self._ack_held:
            self._out_of_order(wire, now)
            return
        length = len(datagram) - HEADER_SIZE
        if length > self.blksize:
            self.fail(IllegalOperation(f"a block of {length} bytes where {self.blksize} were agreed"))
            return
        if self.state is State.OPENING:
            self._move(Trigger.ANSWERED)
        if self._sampling or self._waited:
            self.timer.answered(now - self._ack_at if self._sampling else None, late=not self._sampling)
            self._sampling = self._waited = False
        self._gap_at = None
        self._progress_at = self._sent_at = now
        self._received += 1
        self._bytes += length
        self._held.append(datagram[HEADER_SIZE:])
        self._held_bytes += length
        if length < self.blksize:
            self._final = True
            self._move(Trigger.LAST_BLOCK)
            self._flush()
            self._arm(now)
            return
        if self._received - self._acked >= self.windowsize:
            self._invite(now)
        # Inside a window the deadline stays where it is; the timer finds out that it has moved.

    def datagrams_received(self, datagrams: list[bytes], now: float) -> None:
        """Some came from the peer in a row; the same as one after the other."""
        self.datagram_received(datagrams[0], now)
        done = self._take_in_order(datagrams, now)
        for datagram in datagrams[done:]:
            self.datagram_received(datagram, now)

    def blocks_written(self, now: float) -> None:
        """The answer to Write: it is stored."""
        self._writing = False
        self._writing_bytes = 0
        if self.state is State.ENDED:
            return
        if self.state is State.STORING and not self._held and self._final:
            self._stored(now)
            return
        if self._stalled():
            # Storage moves: the patience with it begins anew.
            self._progress_at = now
            self._arm(now)
        if self._ack_held:
            self._ack_held = False
            self._invite(now)
        elif self._final:
            self._flush()

    def timer_fired(self, now: float) -> None:
        """``deadline`` has come (an early call does no harm)."""
        if self.deadline is None or now < self.deadline:
            return
        if self.state is State.DALLYING:
            self._move(Trigger.DALLIED)
            self.deadline = None
            return
        self._arm(now)
        if now < self.deadline:
            return
        if now >= self._progress_at + self.timer.give_up:
            self._give_up()
        else:
            self.timer.expired()
            self._waited = True
            self.retransmits += 1
            self._gap_at = None
            if self.state is State.OPENING and self._opening is not None:
                self._sampling = False
                self._send(self._opening, now)
            else:
                self._invite(now)
                self._sampling = False

    def repeat_opening(self, now: float) -> None:
        """The client repeated its request, or the server its OACK: repeat the answer."""
        if self.state is State.OPENING and self._opening is not None:
            self.retransmits += 1
            self._sampling = False
            self._send(self._opening, now)

    def _take_in_order(self, datagrams: list[bytes], now: float) -> int:
        """Take what is plain from the second one on: full blocks in order that do not complete the window. Each
        costs 0.6 us here, and 0.9 one by one. Returns the index of the next.
        """
        done = 1
        if self.state is not State.FLOWING or self._ack_held or self._sampling or self._waited:
            return done
        most = self.windowsize - (self._received - self._acked)
        size = self.blksize + HEADER_SIZE
        expected = _DATA | self.agreed.rollover.wire(self._received + 1)
        for datagram in datagrams[1:most]:
            if len(datagram) != size or _header(datagram)[0] != expected:
                break
            expected += 1  # at the wrap no block has it
            done += 1
        if done > 1:
            self._gap_at = None
            self._progress_at = self._sent_at = now
            self._received += done - 1
            self._bytes += (done - 1) * self.blksize
            self._held += [datagram[HEADER_SIZE:] for datagram in datagrams[1:done]]
            self._held_bytes += (done - 1) * self.blksize
        return done

    def _out_of_order(self, wire: int, now: float) -> None:
        """A gap, a repeat, or a packet that was long under way."""
        if self._ack_held:
            return  # nobody may send now, and nothing more is kept, even if it would be next
        block = self._received + self.agreed.rollover.ahead(wire, self._received)
        if block > self._received:
            if block > self._received + self.windowsize:
                return
            # Once for each gap. Numbers that run backwards are a new flight with the same gap.
            fresh = self._gap_at is None or block <= self._gap_at
            self._gap_at = block
            if not fresh:
                return
            if self.state is State.OPENING:
                self._move(Trigger.ANSWERED)
        elif self.windowsize > 1:
            # Only the end of a window that we acknowledged says that our ACK was lost (C130).
            if not block == self._acked == self._received:
                return
        elif block < 1:
            return
        self.retransmits += 1
        self._invite(now)
        self._sampling = False

    def _after_the_last(self, datagram: bytes, now: float) -> None:
        wire = datagram[2] << 8 | datagram[3]
        if self.state is State.DALLYING and wire == self.agreed.rollover.wire(self._received):
            self.retransmits += 1
            self.outbox.append([encode_ack(wire)])

    def _invite(self, now: float) -> None:
        """Acknowledge, and hand out content while the next window is on its way. While there is no room for that
        window, the sender waits for our storage.
        """
        if self._held_bytes + self._writing_bytes > self._most_in_memory:
            self._ack_held = True
            self._flush()
            self._arm(now)
            return
        self._acknowledge(now)
        if self._held_bytes + self._window > self._chunk:
            self._flush()

    def _acknowledge(self, now: float) -> None:
        self._acked = self._received
        self._sampling = True
        self._send(encode_ack(self.agreed.rollover.wire(self._received)), now)

    def _send(self, packet: bytes, now: float) -> None:
        self.outbox.append([packet])
        self._sends += 1
        self._ack_at = self._sent_at = now
        self._arm(now)

    def _arm(self, now: float) -> None:
        deadline = self._progress_at + self.timer.give_up
        unanswered = self.state is State.OPENING and not self._verified and self._sends >= MAX_UNVERIFIED_SENDS
        if not self._stalled() and not unanswered:
            deadline = min(deadline, self._sent_at + self.timer.wait)
        self.deadline = deadline

    def _stalled(self) -> bool:
        return self._ack_held or self.state is State.STORING

    def _silence(self) -> Ended:
        # A server that has answered the request but not the ACK of its OACK is there.
        return Ended(Reason.PEER_VANISHED) if self._verified else super()._silence()

    def _flush(self) -> None:
        """Hand out what is held, unless some is being stored already."""
        if self._writing:
            return
        data = b"".join(self._held)
        self._held.clear()
        self._writing_bytes = self._held_bytes
        self._held_bytes = 0
        if self._decoder is not None:
            data = self._decoder.decode(data, self._final)
        self._writing = True
        self.happened.append(Write(data, self._final))

    def _stored(self, now: float) -> None:
        """Everything is safe: acknowledge the last block and stay a moment."""
        self._acknowledge(now)
        self._end(Trigger.STORED, Ended(Reason.COMPLETED))
        self.deadline = now + max(2 * self.timer.wait, SHORTEST_DALLY)
