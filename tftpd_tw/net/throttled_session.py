"""A session that keeps to a rate, for transfers that have one; others do not know of it.

What is sent waits for its turn: the blocks of a download, and of an upload the ACK of what has come, which is what
the client sends more upon. A window is cut into slices, each of which is booked by itself and leaves when its time
has come. For the machine no time passes meanwhile: so it does not repeat what only waits here, gives nobody up for
it, and knows the round trip of the network rather than that of the queue.

An ERROR and the ACK of a whole upload are booked too, but do not wait: nothing comes after them.
"""

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tftpd_tw.net.bursts import queued
from tftpd_tw.net.engine import SocketAddress
from tftpd_tw.net.session import Session
from tftpd_tw.policy.rates import Throttle
from tftpd_tw.protocol.lifecycle import Burst, State
from tftpd_tw.protocol.packets import HEADER_SIZE, Opcode, header
from tftpd_tw.protocol.receiving import Receiver

_AT_ONCE = frozenset({State.DALLYING, State.ENDED})


def ack_before(burst: Burst) -> bytes:
    """The ACK of the block before the first of ``burst``."""
    return header(Opcode.ACK.value, int.from_bytes(burst[0][2:HEADER_SIZE], "big") - 1 & 0xFFFF)


class HaltingTime:
    """The time of a clock, less the pauses."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._behind = 0.0
        self._halted_at: float | None = None

    def seconds(self) -> float:
        """What time it is."""
        now = self._clock.seconds() if self._halted_at is None else self._halted_at
        return now - self._behind

    def halt(self) -> None:
        """Stand still from now on."""
        self._halted_at = self._clock.seconds()

    def go_on(self) -> None:
        """The pause is over."""
        assert self._halted_at is not None
        self._behind += self._clock.seconds() - self._halted_at
        self._halted_at = None


class ThrottledSession(Session):
    """A transfer at the rates of ``throttle``; all else as :class:`~tftpd_tw.net.session.Session`."""

    def __init__(self, throttle: Throttle, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._throttle = throttle
        self._time = HaltingTime(self._clock)
        self._seconds = self._time.seconds
        self._receives = isinstance(self.machine, Receiver)
        self._booked = 0
        # Header and payload of each block of a slice.
        self._step = 2 * max(1, int(throttle.piece) // (self.machine.agreed.blksize + HEADER_SIZE))
        self._waiting: list[Burst] = []
        self._turn: IDelayedCall | None = None

    def datagramReceived(self, datagram: bytes, peer: SocketAddress) -> None:
        """A packet came; the ACK of all that has left, while more waits, says nothing that is not known."""
        if not (self._waiting and peer == self._peer and datagram == ack_before(self._waiting[0])):
            super().datagramReceived(datagram, peer)

    def resume_sending(self) -> None:
        """The socket's buffer has room again, for what has had its turn."""
        unsent, self._unsent = self._unsent, []
        super()._send(unsent)

    def _send(self, bursts: list[Burst]) -> None:
        if self.machine.state in _AT_ONCE:
            self._delay(bursts[0])
            super()._send(bursts)
            return
        step = self._step
        slices = [burst[at : at + step] for burst in bursts for at in range(0, len(burst), step)]
        if self._waiting:
            self._waiting = queued(self._waiting, slices)
        else:
            self._waiting = slices
            self._send_in_turn(0)

    def _send_in_turn(self, count: int) -> None:
        """Send the first ``count`` slices, whose turn it is, and those that may follow at once."""
        waiting, delay = self._waiting, 0.0
        while count < len(waiting):
            delay = self._delay(waiting[count])
            if delay:
                break
            count += 1
        self._waiting = waiting[count:]
        if self._waiting:
            self._turn = self._clock.callLater(delay, self._turn_comes)
            self._time.halt()
        if count:
            super()._send(waiting[:count])

    def _delay(self, burst: Burst) -> float:
        """Book ``burst``; how many seconds it has to wait. An ACK stands for what has come since the last one."""
        if self._receives:
            before, self._booked = self._booked, self.machine.byte_count
            size = self._booked - before
        else:
            size = sum(map(len, burst))
        return self._throttle.delay(size, self._clock.seconds())

    def _turn_comes(self) -> None:
        self._turn = None
        self._time.go_on()
        self._send_in_turn(1)
        self._arm()

    def _timer_fired(self) -> None:
        if self._turn is None:
            super()._timer_fired()
        else:
            self._timer = None

    def _close(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._waiting = []
        super()._close()
