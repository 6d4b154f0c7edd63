"""Sockets in memory: what a host of a :class:`~tftpd_tw.testing.network.MemoryNetwork` opens."""

import errno
import os
from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import (
    IRequestHandler,
    IRequestSocket,
    ISessionHandler,
    ISessionSocket,
    SocketAddress,
    from_socket_address,
    joined,
    to_socket_address,
)
from tftpd_tw.protocol.lifecycle import Burst

Transmit = Callable[[bytes, Address, Address], None]
"""Sends a datagram from one address to another."""


@implementer(ISessionSocket)
@define(eq=False)
class MemorySessionSocket:
    """A session's port in memory, or its part of a request port."""

    _transmit: Transmit
    _clock: Clock
    address: Address
    handler: ISessionHandler
    _on_close: Callable[[], None]
    full: bool = False
    """Set it, and sends find the buffer full until it is unset and ``drained`` is called."""
    fallback: str = ""
    _waiting: bool = False
    _open: bool = True

    def expect(self, size: int, count: int) -> None:
        """There is no buffer to size."""

    def receive(self) -> None:
        """Nothing ever waits: what arrives is handed over at that time."""

    def send(self, bursts: list[Burst], peer: SocketAddress) -> list[Burst]:
        """Send ``bursts``, unless the buffer is full."""
        if self.full:
            return bursts
        for datagram in joined(bursts):
            self._transmit(datagram, self.address, from_socket_address(peer))
        return []

    def wait_writable(self) -> None:
        """The handler wants to know: in the next turn, if the buffer is not full."""
        self._waiting = True
        if not self.full:
            self._clock.callLater(0, self.drained)

    def drained(self) -> None:
        """The buffer has room again."""
        self.full = False
        if self._waiting and self._open:
            self._waiting = False
            self.handler.resume_sending()

    def port_unreachable(self, peer: Address) -> None:
        """ICMP has come back for a packet of ours."""
        if self._open:
            self.handler.unreachable(to_socket_address(peer))

    def close(self) -> None:
        """Free it."""
        self._open = False
        self._on_close()


@implementer(IRequestSocket)
@define(eq=False)
class MemoryRequestSocket:
    """A request port in memory."""

    _transmit: Transmit
    _clock: Clock
    address: Address
    handler: IRequestHandler
    _on_close: Callable[[], None]
    single_port: bool = False
    sessions: dict[Address, MemorySessionSocket] = field(init=False, factory=dict)
    """Transfers that stay here, by their clients."""
    closed: "Deferred[None]" = field(init=False, factory=Deferred)
    _listening: bool = field(init=False, default=True)

    def received(self, datagram: bytes, peer: Address) -> None:
        """Something came that is no transfer's."""
        if self._listening:
            self.handler.request_received(datagram, peer, self.address, False, self, 0)

    def open_session(self, local: Address, peer: Address, handler: ISessionHandler) -> MemorySessionSocket:
        """A transfer that stays here."""
        if peer in self.sessions:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        opened = MemorySessionSocket(self._transmit, self._clock, self.address, handler, lambda: self._leave(peer))
        self.sessions[peer] = opened
        return opened

    def send_once(self, datagram: bytes, local: Address, peer: Address) -> None:
        """Send one packet."""
        self._transmit(datagram, self.address, peer)

    def retire(self) -> None:
        """Take no more requests."""
        self._listening = False
        self._close_if_idle()

    def resume(self) -> None:
        """Take requests again."""
        self._listening = True

    def _leave(self, peer: Address) -> None:
        del self.sessions[peer]
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if not self._listening and not self.sessions:
            self._on_close()
            self.closed.callback(None)
