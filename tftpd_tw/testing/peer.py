"""A client made of literal packets: for what no right client would send, and at what time."""

from attrs import define, field
from zope.interface import implementer

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import ISessionHandler, SocketAddress, from_socket_address
from tftpd_tw.testing.addresses import REQUEST_PORT
from tftpd_tw.testing.sockets import MemorySessionSocket
from tftpd_tw.testing.wire import Wire


@implementer(ISessionHandler)
@define(eq=False)
class RawPeer:
    """Sends what it is told, and keeps what comes; made by :meth:`~tftpd_tw.testing.hosts.MemoryHost.raw`."""

    _wire: Wire
    received: list[tuple[bytes, Address]] = field(init=False, factory=list)
    """What came, and from where."""
    socket: MemorySessionSocket = field(init=False)

    def send(self, datagram: bytes, to: Address = REQUEST_PORT) -> None:
        """Send one packet."""
        self._wire.transmit(datagram, self.socket.address, to)

    def ask(self, datagram: bytes, to: Address = REQUEST_PORT, wait: float = 0.05) -> list[bytes]:
        """Send one packet, wait so many seconds, and return what has come since."""
        before = len(self.received)
        self.send(datagram, to)
        return self.wait(wait, before)

    def wait(self, seconds: float, since: int | None = None) -> list[bytes]:
        """Let time pass; the packets that came meanwhile."""
        start = len(self.received) if since is None else since
        end = self._wire.clock.seconds() + seconds
        while (left := end - self._wire.clock.seconds()) > 0:
            calls = [call.getTime() for call in self._wire.clock.getDelayedCalls()]
            soonest = min(calls, default=end) - self._wire.clock.seconds()
            self._wire.clock.advance(min(left, max(soonest, 0.0)))
        return [datagram for datagram, _ in self.received[start:]]

    @property
    def tid(self) -> Address:
        """Where the last packet came from."""
        return self.received[-1][1]

    def datagramReceived(self, datagram: bytes, peer: SocketAddress) -> None:
        """Keep it."""
        self.received.append((datagram, from_socket_address(peer)))

    def datagrams_received(self, datagrams: list[bytes], peer: SocketAddress) -> int:
        """Keep them; none is waited for."""
        for datagram in datagrams:
            self.datagramReceived(datagram, peer)
        return 0

    def unreachable(self, peer: SocketAddress) -> None:
        """Nobody listens there; a raw peer does not mind."""

    def resume_sending(self) -> None:
        """Never needed: a raw peer does not wait."""
