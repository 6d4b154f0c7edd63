"""The sending end: answers a read on a server, or does a client's write.

The sender keeps the content from the first unacknowledged block on, so that nothing is ever read twice, and
sends a window at a time (RFC 7440; windowsize 1 is RFC 1350's lockstep). An OACK is block 0 of its first
flight: it is repeated, acknowledged and timed like any block.

::

          acked        sent                ready
            |            |                   |
    ........|############|...................|.......
      done    in flight    in memory           wanted with a Read event

Loss, in the order in which it is noticed:

* An ACK from inside the window: the blocks after it go out again at once (RFC 7440 section 4; rule C123),
  unless they were just repeated, or the client counts its windows from elsewhere and lost nothing.
* The same ACK again, with a window in flight: its first block is missing (C124). Once for each loss, and not
  where our own repeats explain it: some clients acknowledge every block they did not expect. In lockstep it
  never causes DATA (the Sorcerer's Apprentice, RFC 1123 section 4.2.3.1; C085).
* Two round trips without an ACK, and then four: the last block is repeated, to which a client answers with
  what it has. Where windows keep losing their ends, they leave in slices (:mod:`~tftpd_tw.protocol.pacing`).
* The wait of :mod:`~tftpd_tw.protocol.timing`: everything in flight is repeated.
"""

import math

from tftpd_tw.protocol.errors import ErrorCode, SourceTruncated
from tftpd_tw.protocol.events import Ended, Read, Reason
from tftpd_tw.protocol.lifecycle import MAX_UNVERIFIED_SENDS, MOST_HELD, READ_AHEAD, Machine, State, Trigger
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.pacing import SMALLEST_SLICE, Pace
from tftpd_tw.protocol.packets import HEADER_SIZE, Error, Opcode, header
from tftpd_tw.protocol.sendbuffer import SendBuffer
from tftpd_tw.protocol.timing import RetransmitTimer

ACK = Opcode.ACK.value

SAMPLE_INTERVAL = 0.005
"""Seconds between two measurements of the round trip: slower networks measure each, faster ones save 0.5 us."""

MAX_PROBES = 2
"""Repeats of a flight's last block before all of it is repeated: the second covers the loss of the first."""


class Sender(Machine):
    """Sends content in blocks; see the module for how."""

    __slots__ = (
        "_acked",
        "_awaited",
        "_buffer",
        "_capacity",
        "_duplicate_counts",
        "_flight_at",
        "_later",
        "_lowest_wire",
        "_modulus",
        "_opening",
        "_origin",
        "_pace",
        "_probes",
        "_quiet_before",
        "_quiet_until",
        "_reading",
        "_sample_at",
        "_sends",
        "_sent",
        "_window_bytes",
        "_window_end",
        "blksize",
        "windowsize",
    )

    def __init__(
        self,
        agreed: Agreed,
        timer: RetransmitTimer,
        *,
        size: int | None,
        opening: bytes | None = None,
        text: bool = False,
        verified: bool = False,
        most_held: int = MOST_HELD,
    ) -> None:
        """Be ready to start.

        :param size: bytes of content, or None if it ends when a read gives nothing
        :param opening: the OACK that goes first and is acknowledged as block 0
        :param text: encode as netascii
        :param verified: the peer has answered already (a client's write)
        :param most_held: bytes of content that may be in memory, at least a window; netascii may double them
        """
        super().__init__(agreed, timer)
        self.blksize = agreed.blksize
        self.windowsize = agreed.windowsize
        self._modulus = agreed.rollover.modulus
        self._origin = agreed.rollover.value
        self._lowest_wire = 0
        self._window_bytes = agreed.windowsize * agreed.blksize
        two_windows = 2 * self._window_bytes
        room = min(max(two_windows, READ_AHEAD), most_held)
        # Where no second window has room, none is read ahead: a piece of one would only cost a read more.
        self._capacity = room if room >= two_windows else self._window_bytes
        self._opening = opening
        self._buffer = SendBuffer(agreed, size, text)
        self._reading = False
        if verified:
            self.state = State.FLOWING

        # Absolute block numbers. In flight: acked + 1 to sent.
        self._acked = 0 if opening is None else -1
        self._sent = self._acked

        # The ACK of all that is in flight, while none of it was sent twice.
        self._awaited: bytes | None = None
        self._sample_at = 0.0

        # Repeats.
        self._window_end = 0
        self._sends = 0
        self._flight_at = 0.0
        self._probes = 0
        self._duplicate_counts = True
        self._quiet_before = 0
        self._quiet_until = 0.0

        # Slices: the first and last block of those that wait for the pause to be over.
        self._pace: Pace | None = None
        self._later: tuple[int, int] | None = None

    @property
    def byte_count(self) -> int:
        """Bytes of payload that the peer has acknowledged."""
        return min(max(self._acked, 0) * self.blksize, self._buffer.length)

    @property
    def block_count(self) -> int:
        """Blocks that the peer has acknowledged."""
        return max(self._acked, 0)

    def start(self, now: float) -> None:
        """Send the OACK, or ask for the content of the first window."""
        self._progress_at = now
        if self._opening is None:
            self._request_content()
            self._arm(now)
        else:
            self._sent = 0
            self._send(0, 0, now)

    def datagram_received(self, datagram: bytes, now: float) -> None:
        """Something came from the peer."""
        if datagram == self._awaited:
            self._flight_acknowledged(now)
            return
        if datagram[:2] != b"\0\4" or len(datagram) < HEADER_SIZE:
            self._other_packet(datagram)
            return
        if self.state is State.ENDED:
            return
        wire = datagram[2] << 8 | datagram[3]
        ahead = (wire - self._acked) % self._modulus
        in_flight = self._sent - self._acked
        if ahead > in_flight or wire < self._lowest_wire:
            return  # stale, or from the future (C087, C125)
        if ahead == 0:
            self._duplicate(in_flight, now)
            return
        if self.state is State.OPENING:
            if self._acked < 0 and wire:
                return  # with rollover=1 a 65535 looks like the 0 that answers an OACK
            self._move(Trigger.ANSWERED)
        self._acked += ahead
        self._lowest_wire = self._origin
        self._progress_at = now
        if self._acked == self._buffer.final:
            self._end(Trigger.ACKNOWLEDGED, Ended(Reason.COMPLETED))
            return
        probed, self._probes = self._probes, 0
        # An ACK of blocks that were sent twice says nothing of the round trip (Karn).
        fresh = self._duplicate_counts = self._acked >= self._quiet_before
        if ahead == in_flight:
            self._window_end = self._acked
            self._end_kept()
            round_trip = now - self._flight_at if fresh else None
            if round_trip is not None and self._acked == 0 and self.windowsize > 1:
                self.timer.at_least(round_trip)
            else:
                self.timer.answered(round_trip, late=probed > 0)
            self._send_window(now)
        else:
            # Where no window arrives whole, nothing would be known. A part tells what the whole takes at most.
            at_most = (now - self._flight_at) * in_flight / ahead
            better = fresh and at_most < (self.timer.round_trip or math.inf)
            self.timer.answered(at_most if better else None)
            # Whole windows since its last ACK, or since where its windows ended before a loss: this client
            # lost nothing here, it only counts from elsewhere.
            if ahead == self.windowsize or (self._acked - self._window_end) % self.windowsize == 0:
                self._window_end = self._acked
                self._send_window(now)
            elif now >= self._quiet_until:
                if probed:
                    self._end_lost()
                else:
                    self._end_kept()
                self._go_back(now)
            else:
                self._send_window(now)

    def _flight_acknowledged(self, now: float) -> None:
        """All that is in flight has arrived, at the first attempt: the path of a block.

        It asks only what is not known here already, and calls few functions; ``python -m benchmarks.floor``
        shows what that costs.
        """
        sent, buffer, timer = self._sent, self._buffer, self.timer
        self._acked = self._window_end = sent
        self._progress_at = now
        if sent == buffer.final:
            self._end(Trigger.ACKNOWLEDGED, Ended(Reason.COMPLETED))
            return
        self._duplicate_counts = True
        if now >= self._sample_at:
            self._sample_at = now + SAMPLE_INTERVAL
            timer.answered(now - self._flight_at)
        last = sent + self.windowsize
        if last > buffer.ready or self._pace is not None:
            self._end_kept()
            self._send_window(now)
            return
        self._sent = last
        self.outbox += buffer.bursts(sent + 1, last)
        self._awaited = header(ACK, last if last < 65536 else buffer.wire(last))
        self._flight_at = now
        self.deadline = now + timer.first_wait
        if buffer.ready - last < self.windowsize:
            self._want_more()

    def blocks_read(self, data: bytes | bytearray | memoryview, now: float) -> None:
        """The answer to Read: content, or nothing at its end."""
        if self.state is State.ENDED:
            return
        self._reading = False
        try:
            self._buffer.add(data, self._acked)
        except SourceTruncated as error:
            self.fail(error)
            return
        if self._sent == self._acked:
            # The client waited for us, not we for it.
            self._progress_at = now
        self._send_window(now, partial=True)

    def timer_fired(self, now: float) -> None:
        """``deadline`` has come (an early call does no harm)."""
        if self.deadline is None or now < self.deadline:
            return
        if now >= self._progress_at + self.timer.give_up:
            self._give_up()
        elif self._sent == self._acked:
            self._arm(now)
        elif self._later is not None:
            self._send(*self._later, now)
        elif self._probe_wait() is not None:
            self._probes += 1
            self._repeat(self._sent, now)
        else:
            self._probes = MAX_PROBES
            self.timer.expired()
            self._repeat(self._acked + 1, now)

    def repeat_opening(self, now: float) -> None:
        """The client repeated its request: repeat the answer."""
        if self.state is State.OPENING and self._sent > self._acked:
            self._repeat(self._acked + 1, now)

    # The peer's ACKs

    def _duplicate(self, in_flight: int, now: float) -> None:
        if in_flight and self.windowsize > 1 and self._duplicate_counts and self.state is State.FLOWING:
            self._go_back(now)

    def _go_back(self, now: float) -> None:
        """Send what follows the last ACK again, and whatever else the window has room for."""
        first = self._acked + 1
        self._mark_repeated()
        self._duplicate_counts = False
        self._quiet_until = now + self.timer.least
        self._sent = max(self._sent, min(self._acked + self.windowsize, self._buffer.ready))
        self._send(first, self._sent, now)
        self._want_more()

    def _repeat(self, first: int, now: float) -> None:
        """Time is over: send ``first`` to the last block in flight again."""
        self._mark_repeated()
        self._duplicate_counts = True
        self._send(first, self._sent, now)

    def _mark_repeated(self) -> None:
        # Blocks that the client gets twice make some clients send an ACK twice: that is no loss.
        self._quiet_before = self._sent + 1
        self._awaited = None

    def _end_lost(self) -> None:
        """What the probe had to ask for: the beginning of the window arrived, and nothing after it."""
        if self.windowsize > SMALLEST_SLICE:
            self._pace = self._pace or Pace(self.windowsize)
            self._pace.end_lost()

    def _end_kept(self) -> None:
        pace = self._pace
        if pace is not None:
            pace.end_kept()
            if pace.over:
                self._pace = None

    # Sending

    def _send_window(self, now: float, partial: bool = False) -> None:
        """Send what the window has room for.

        A window goes out whole, in one burst, unless its content comes slower than that.
        """
        last = self._acked + self.windowsize
        if last > self._buffer.ready:
            last = self._buffer.ready
            if not partial and not self._reading and not self._buffer.ended:
                self._request_content()
                self._arm(now)
                return
        if last > self._sent:
            first = self._sent + 1
            self._sent = last
            self._send(first, last, now)
        else:
            self._arm(now)
        self._want_more()

    def _send(self, first: int, last: int, now: float) -> None:
        """Put blocks ``first`` to ``last`` into bursts; all, or the first slice while the rest waits."""
        pace, later = self._pace, self._later
        self._later = None
        if later is not None and first == later[1] + 1:
            first = later[0]  # content that came during a pause goes behind what waits for the end of it
        if pace is not None and pace.gap:
            if now < self._flight_at + pace.gap:
                self._later = (first, last)
                self._arm(now)
                return
            if last - first >= pace.blocks:
                self._later = (first + pace.blocks, last)
                last = first + pace.blocks - 1
        if first < self._quiet_before:
            self.retransmits += min(last + 1, self._quiet_before) - first
        if first == 0 and self._opening is not None:
            self.outbox.append([self._opening])
            first = 1
        self.outbox += self._buffer.bursts(first, last)
        self._sends += 1
        self._flight_at = now
        if self._sent >= self._quiet_before and self.state is State.FLOWING:
            self._awaited = header(ACK, self._buffer.wire(self._sent))
        self._arm(now)

    def _probe_wait(self) -> float | None:
        """Seconds until the next probe of this flight; None if there is none before the timer's wait."""
        wait = self.timer.probe_wait
        if wait is None or self._probes == MAX_PROBES or self.state is State.OPENING:
            return None
        wait *= 1 << self._probes
        return wait if wait < self.timer.wait else None

    def _arm(self, now: float) -> None:
        """Set the deadline of what is in flight, or of our patience."""
        if self._sent == self._acked:
            self.deadline = self._progress_at + self.timer.give_up
        elif self._pace is not None and self._later is not None:
            self.deadline = self._flight_at + self._pace.gap
        elif self._probes == 0 and self.state is State.FLOWING:
            self.deadline = now + self.timer.first_wait
        elif self.state is State.OPENING and self._sends >= MAX_UNVERIFIED_SENDS:
            self.deadline = self._progress_at + self.timer.give_up
        else:
            wait = self._probe_wait() or self.timer.wait
            self.deadline = min(now + wait, self._progress_at + self.timer.give_up)

    # The content

    def _want_more(self) -> None:
        """Read the next window while the client is busy with this one."""
        if self._reading or self._buffer.ended or self._buffer.ready - self._sent >= self.windowsize:
            return
        # Whoever has not answered yet gets no more of our memory than the first window takes.
        if self.state is not State.FLOWING and self._sent != self._acked:
            return
        if self._buffer.room(self._acked, self._capacity) > 0:
            self._request_content()

    def _request_content(self) -> None:
        capacity = self._window_bytes if self.state is State.OPENING else self._capacity
        length = self._buffer.room(self._acked, capacity)
        if length == 0:
            # An empty file: there is nothing to read.
            self._buffer.add(b"", self._acked)
            self._send_window(self._progress_at, partial=True)
            return
        self._reading = True
        self.happened.append(Read(length))

    def _stalled(self) -> bool:
        return self._reading and self._sent == self._acked

    # Endings

    def _end(self, trigger: Trigger, outcome: Ended) -> None:
        self._awaited = None
        super()._end(trigger, outcome)

    def _all_sent(self) -> bool:
        return self.state is State.FLOWING and self._sent == self._buffer.final

    def _silence(self) -> Ended:
        if self._all_sent():
            return Ended(Reason.LAST_ACK_MISSING)
        return super()._silence()

    def _peer_error(self, error: Error) -> Ended:
        probing = self.state is State.OPENING and self.agreed.tsize is not None
        if probing and error.code in (ErrorCode.UNDEFINED, ErrorCode.OPTION_REFUSED):
            return Ended(Reason.SIZE_PROBE, error.code, error.text)
        # GRUB knows the size and closes with ERROR 0 instead of acknowledging an empty last block.
        empty_last = self._buffer.length % self.blksize == 0 and self._acked + 1 == self._buffer.final
        if empty_last and self._all_sent() and error.code == ErrorCode.UNDEFINED:
            return Ended(Reason.COMPLETED, error.code, error.text)
        return super()._peer_error(error)
