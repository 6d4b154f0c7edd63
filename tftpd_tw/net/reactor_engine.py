"""The portable engine: each socket is a reader of the reactor.

It needs a reactor with ``addReader`` (every one of Twisted's on POSIX). A reader of our own rather than a
``udp.Port``: it reads the address that was asked, sees ICMP errors, never closes because of one, writes no log
line when it comes and goes, and costs a third of the CPU of a ``Port`` for each packet.
"""

import socket
from typing import Any

from twisted.internet.interfaces import IReactorTime, IReadDescriptor, IWriteDescriptor
from zope.interface import implementer

from tftpd_tw.interfaces import Address
from tftpd_tw.net.bursts import BurstSender
from tftpd_tw.net.engine import (
    IEngine,
    IRequestHandler,
    ISessionHandler,
    ISessionSocket,
    SocketAddress,
    from_socket_address,
    to_socket_address,
)
from tftpd_tw.net.request_socket import RequestSocket
from tftpd_tw.net.routes import PathMTUs
from tftpd_tw.net.sockets import (
    ANY_PORT,
    COALESCED,
    bind_request_socket,
    bind_session_socket,
    coalesce,
    coalesced_size,
    name_of,
    unreachable_peers,
)
from tftpd_tw.net.watcher import PACKETS_PER_TURN, WatchedSocket, Watcher
from tftpd_tw.protocol.packets import MAX_REQUEST


@implementer(IReadDescriptor, IWriteDescriptor, ISessionSocket)
class SessionSocket(WatchedSocket, BurstSender):
    """The socket of a transfer that has a port of its own, on a reactor."""

    __slots__ = ("_count", "_handler", "_size", "_waiting", "_watcher")

    def __init__(self, sock: socket.socket, watcher: Watcher, handler: ISessionHandler) -> None:
        super().__init__(sock)
        self._watcher = watcher
        self._handler = handler
        self._size = MAX_REQUEST + 1
        self._count = 1
        self._waiting = False
        watcher.addReader(self)

    @property
    def address(self) -> Address:
        """What it is bound to."""
        return from_socket_address(self._socket.getsockname())

    def expect(self, size: int, count: int) -> None:
        """Datagrams may have ``size`` bytes, and ``count`` of them may come in a row."""
        self._size = size
        self._count = min(count, PACKETS_PER_TURN)
        if count > 1:
            try:
                coalesce(self._socket)
            except OSError as error:
                self.fallback = name_of(error)

    def receive(self) -> None:
        """Hand packets to the session."""
        if self._count > 1:
            self._read_window()
            return
        try:
            datagram, peer = self._socket.recvfrom(self._size)
        except BlockingIOError:
            return
        except OSError:
            self.read_errors()
            return
        self._handler.datagramReceived(datagram, peer)

    doRead = receive

    def _read_window(self) -> None:
        """Hand over what is there of a window, and go on while the rest of it comes: in a batch the packets cost
        less, and while one is served the next one comes, so that the client does not have to wake us each time.
        """
        sock, handler = self._socket, self._handler
        left = wanted = self._count
        while left > 0 and wanted > 0:
            batches = self._read_batches(min(left, wanted))
            if not batches:
                return
            for peer, datagrams in batches:
                if sock.fileno() < 0:
                    return
                wanted = handler.datagrams_received(datagrams, peer)
                left -= len(datagrams)

    def _read_batches(self, most: int) -> list[tuple[SocketAddress, list[bytes]]]:
        """Up to ``most`` packets that are there, with the addresses that they came from; or more, since a network
        card or the kernel may have put several into one piece.
        """
        receive = self._socket.recvmsg
        batches: list[tuple[SocketAddress, list[bytes]]] = []
        datagrams: list[bytes] = []
        sender = None
        while most > 0:
            try:
                data, control, _, peer = receive(COALESCED, 64)
            except BlockingIOError:
                break
            except OSError:
                if not batches:
                    self.read_errors()  # else it waits for the next turn: what came before counts first
                break
            if peer != sender:
                sender, datagrams = peer, []
                batches.append((peer, datagrams))
            if control and (size := coalesced_size(control)):
                datagrams += [data[at : at + size] for at in range(0, len(data), size)]
                most -= len(data) // size
            else:
                datagrams.append(data)
                most -= 1
        return batches

    def doWrite(self) -> None:
        """There is room in the buffer again."""
        self._waiting = False
        self._watcher.removeWriter(self)
        self._handler.resume_sending()

    def wait_writable(self) -> None:
        """Call the handler once there is room."""
        self._waiting = True
        self._watcher.addWriter(self)

    def read_errors(self) -> None:
        """Tell the handler what ICMP messages said, after what has come: a client that gives up sends an ERROR,
        and is not there for what is on its way to it.
        """
        if self._socket.fileno() < 0:
            return  # by an engine that was closed while there were transfers
        peers = unreachable_peers(self._socket)
        if not peers:
            return
        for sender, datagrams in self._read_batches(PACKETS_PER_TURN):
            for datagram in datagrams:
                if self._socket.fileno() >= 0:
                    self._handler.datagramReceived(datagram, sender)
        for peer in peers:
            if self._socket.fileno() >= 0:
                self._handler.unreachable(peer)

    def close(self) -> None:
        """Free the port."""
        self._watcher.removeReader(self)
        if self._waiting:
            self._watcher.removeWriter(self)
        self._socket.close()


@implementer(IEngine)
class ReactorEngine:
    """Sockets that ``watcher`` watches: the reactor, or a loop inside it.

    :param ports: those that transfers get
    """

    def __init__(self, reactor: Any, ports: range = ANY_PORT, watcher: Watcher | None = None) -> None:
        self._watcher: Watcher = reactor if watcher is None else watcher
        self._ports = ports
        self.clock = IReactorTime(reactor)
        self._path_mtus = PathMTUs(self.clock)

    def close(self) -> None:
        """Nothing is open but the sockets, which their users close."""

    def adopt(self, sock: socket.socket, handler: IRequestHandler, single_port: bool = False) -> RequestSocket:
        """A request port on ``sock``, which somebody else has opened: before root was given up, or in another
        process.
        """
        return RequestSocket(sock, self._watcher, handler, single_port)

    def listen(self, host: str, port: int, handler: IRequestHandler, single_port: bool = False) -> RequestSocket:
        """Open a request port."""
        return self.adopt(bind_request_socket(host, port), handler, single_port)

    def open_session(self, local: Address, peer: Address, handler: ISessionHandler) -> SessionSocket:
        """A socket for one transfer."""
        return SessionSocket(bind_session_socket(local, peer, self._ports), self._watcher, handler)

    def send_once(self, datagram: bytes, local: Address, peer: Address) -> None:
        """Send one packet and forget it."""
        try:
            with bind_session_socket(local, peer, self._ports) as sock:
                sock.sendto(datagram, to_socket_address(peer))
        except OSError:
            return

    def path_mtu(self, local: Address, peer: Address) -> int | None:
        """The MTU on the way to ``peer``."""
        return self._path_mtus.of(local, peer)
