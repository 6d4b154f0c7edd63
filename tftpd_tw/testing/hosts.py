"""A host in memory: it opens sockets on a wire and knows the time there, as an engine does on a reactor."""

import errno
import os

from attrs import define
from twisted.internet.task import Clock
from zope.interface import implementer

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import IEngine, IRequestHandler, ISessionHandler
from tftpd_tw.testing.peer import RawPeer
from tftpd_tw.testing.sockets import MemoryRequestSocket, MemorySessionSocket
from tftpd_tw.testing.wire import Wire


@implementer(IEngine)
@define
class MemoryHost:
    """One host of a :class:`~tftpd_tw.testing.network.MemoryNetwork`, which is an engine like any other."""

    network: Wire
    address: str

    @property
    def clock(self) -> Clock:
        """The network's time."""
        return self.network.clock

    def listen(
        self, host: str, port: int, handler: IRequestHandler, single_port: bool = False
    ) -> MemoryRequestSocket:
        """Open a request port."""
        port = port or self.network.free_port()
        sockets, where = self.network.request_sockets, (host, port)
        if where in sockets:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        opened = sockets[where] = MemoryRequestSocket(
            self.network.transmit,
            self.network.clock,
            Address(host, port),
            handler,
            lambda: sockets.__delitem__(where),
            single_port,
        )
        return opened

    def open_session(self, local: Address, peer: Address, handler: ISessionHandler) -> MemorySessionSocket:
        """A socket for one transfer."""
        address = Address(local.host or self.address, self.network.free_port())
        sockets, where = self.network.session_sockets, (address.host, address.port)
        opened = sockets[where] = MemorySessionSocket(
            self.network.transmit, self.network.clock, address, handler, lambda: sockets.__delitem__(where)
        )
        return opened

    def send_once(self, datagram: bytes, local: Address, peer: Address) -> None:
        """Send one packet."""
        source = Address(local.host or self.address, self.network.free_port())
        self.network.transmit(datagram, source, peer)

    def path_mtu(self, local: Address, peer: Address) -> int | None:
        """The network's MTU, as if it had been discovered."""
        return self.network.mtu

    def raw(self) -> RawPeer:
        """A peer on this host that sends and collects literal packets."""
        peer = RawPeer(self.network)
        peer.socket = self.open_session(Address(self.address, 0), Address(self.address, 0), peer)
        return peer
