"""A session that keeps to a rate, for transfers that have one; others do not know of it.

What was sent is booked, and until it is paid for by time nothing is taken from the client: its ACK waits here, as
if the network were slower. So nothing that waits for its turn can be overtaken by a repeat, and the machine
measures a round trip that has the pause in it, which keeps it from repeating too early. A window leaves whole, and
the pause comes after it.

An upload is throttled by its blocks: they wait, and so do the ACKs that would ask for more.
"""

from typing import Any

from twisted.internet.interfaces import IDelayedCall

from tftpd_tw.net.engine import SocketAddress
from tftpd_tw.net.session import Session
from tftpd_tw.policy.rates import Throttle
from tftpd_tw.protocol.lifecycle import Burst, State
from tftpd_tw.protocol.sending import Sender

MOST_HELD = 8
"""Packets that are kept while the client has to wait, or a window of them."""


class ThrottledSession(Session):
    """A transfer at the rates of ``throttle``; all else as :class:`~tftpd_tw.net.session.Session`."""

    def __init__(self, throttle: Throttle, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._throttle = throttle
        self._sends_content = isinstance(self.machine, Sender)
        self._quiet_until = 0.0
        self._held: list[bytes] = []
        self._pause: IDelayedCall | None = None

    def datagramReceived(self, datagram: bytes, peer: SocketAddress) -> None:
        """A packet came: now is its time, or later."""
        if peer == self._peer and self.machine.state is not State.ENDED:
            now = self._seconds()
            if datagram[1:2] == b"\5":
                # A client that leaves need not wait for that, and gets nothing more.
                self._held = []
            elif now < self._quiet_until:
                self._hold(datagram, now)
                return
            elif not self._sends_content:
                self._quiet_until = now + self._throttle.delay(len(datagram), now)
        super().datagramReceived(datagram, peer)

    def datagrams_received(self, datagrams: list[bytes], peer: SocketAddress) -> int:
        """Packets came in a row: each has its own time."""
        for datagram in datagrams:
            if self.transport is not None:
                self.datagramReceived(datagram, peer)
        return 0

    def resume_sending(self) -> None:
        """The socket's buffer has room again, for what was booked when it was first to be sent."""
        unsent, self._unsent = self._unsent, []
        super()._send(unsent)

    def _send(self, bursts: list[Burst]) -> None:
        if self._sends_content:
            now = self._seconds()
            size = sum(len(piece) for burst in bursts for piece in burst)
            self._quiet_until = now + self._throttle.delay(size, now)
        super()._send(bursts)

    def _hold(self, datagram: bytes, now: float) -> None:
        # A client that has to wait says the same again.
        most = max(MOST_HELD, self.machine.agreed.windowsize)
        if len(self._held) < most and self._held[-1:] != [datagram]:
            self._held.append(datagram)
        if self._pause is None:
            self._pause = self._clock.callLater(self._quiet_until - now, self._resume)

    def _resume(self) -> None:
        self._pause = None
        held, self._held = self._held, []
        for datagram in held:
            if self.transport is not None:
                self.datagramReceived(datagram, self._peer)

    def _timer_fired(self) -> None:
        if self._held:
            # It is the client that waits. What it said moves the timer.
            self._timer = None
        else:
            super()._timer_fired()

    def _close(self) -> None:
        self._held = []
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        super()._close()
