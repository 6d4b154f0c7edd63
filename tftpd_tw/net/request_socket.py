"""A request port, and the transfers that stay on it.

Mostly each transfer has a port of its own, and only requests arrive here. Where clients reach no other port, as
through NAT or in a container, their transfers stay on this one: what comes from such a client to the address that
it asked is its transfer's, unless it is a request. Answers leave from that address, by a control message that goes
together with the one that cuts bursts.

They all share a descriptor, and with it what the kernel keeps for one:

* Packets are read until none is left, and those of an upload's window are handed over together.
* Who finds the buffer full waits in line, and the line goes round.
* An ICMP error about one client is reported by the next call, whoever makes it. It says nothing about that call.
  The error queue names the client, and its transfer is told.
* A retired port stays open for the transfers that are on it, and may be wanted again meanwhile.

A packet from somebody who has no transfer here is what it always was: a request, or nothing that is answered
(CVE-2024-2169).
"""

import errno
import os
import socket
from collections import deque

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor, IWriteDescriptor
from zope.interface import implementer

from tftpd_tw.interfaces import Address
from tftpd_tw.net.bursts import BurstSender
from tftpd_tw.net.engine import (
    IRequestHandler,
    IRequestSocket,
    ISessionHandler,
    ISessionSocket,
    SocketAddress,
    from_socket_address,
    to_socket_address,
)
from tftpd_tw.net.sockets import (
    PENDING_ERRORS,
    arrival,
    carry_sessions,
    source_control,
    unreachable_peers,
)
from tftpd_tw.net.watcher import PACKETS_PER_TURN, WatchedSocket, Watcher
from tftpd_tw.protocol.lifecycle import Burst
from tftpd_tw.protocol.packets import MAX_REQUEST, Opcode

PACKETS_WHEN_LATE = 1024
"""Packets taken when a timer is due, which one of them may answer."""

_REQUESTS = frozenset({b"\0%c" % Opcode.RRQ, b"\0%c" % Opcode.WRQ})


@implementer(IReadDescriptor, IWriteDescriptor, IRequestSocket)
class RequestSocket(WatchedSocket):
    """A request port on a reactor."""

    def __init__(
        self, sock: socket.socket, watcher: Watcher, handler: IRequestHandler, single_port: bool = False
    ) -> None:
        self._socket = sock
        self._watcher = watcher
        self._handler = handler
        self._listening = True
        self._size = MAX_REQUEST + 1  # a request longer than allowed only has to look longer
        self._sessions: dict[SocketAddress, dict[Address, SharedSession]] = {}
        self._carries = False
        self._reading = False
        self._full = False
        self._waiting: deque[SharedSession] = deque()
        self.address = from_socket_address(sock.getsockname())
        self.single_port = single_port
        self.closed: Deferred[None] = Deferred()
        if single_port:
            self._carry()
        watcher.addReader(self)

    def doRead(self) -> None:
        """Hand over what has come."""
        self._read(PACKETS_PER_TURN)

    def receive(self) -> None:
        """The same, for a transfer that must not be late; whoever is handed a packet just now is not."""
        if not self._reading:
            self._read(PACKETS_WHEN_LATE)

    def _read(self, most: int) -> None:
        sock, sessions = self._socket, self._sessions
        windows: dict[SharedSession, list[bytes]] = {}
        failed = False
        self._reading = True
        try:
            for _ in range(most):
                try:
                    datagram, control, _, raw = sock.recvmsg(self._size, 256)
                except BlockingIOError:
                    break
                except OSError:
                    # It concerns one packet, and the request port stays open whatever it is. What has come counts
                    # first: a client that gives up sends an ERROR, and is not there for what is on its way to it.
                    failed = True
                    continue
                local, broadcast, interface = arrival(tuple(control), self.address)
                session = None
                if sessions and datagram[:2] not in _REQUESTS and (on_it := sessions.get(raw)) is not None:
                    session = on_it.get(local)
                if session is None:
                    if windows:
                        self._hand_over(windows)
                    if self._listening:
                        peer = from_socket_address(raw)
                        self._handler.request_received(datagram, peer, local, broadcast, self, interface)
                elif session.windowed:
                    windows.setdefault(session, []).append(datagram)
                else:
                    session.handler.datagramReceived(datagram, session.peer)
                if sock.fileno() < 0:
                    return
            if windows:
                self._hand_over(windows)
        finally:
            self._reading = False
        if failed:
            self.read_errors()

    def _hand_over(self, windows: "dict[SharedSession, list[bytes]]") -> None:
        while windows:
            session, datagrams = windows.popitem()
            if session.fileno() >= 0:
                session.handler.datagrams_received(datagrams, session.peer)

    def doWrite(self) -> None:
        """There is room in the buffer again."""
        self._full = False
        for _ in range(len(self._waiting)):
            session = self._waiting.popleft()
            if session.fileno() >= 0:
                session.handler.resume_sending()
            if self._full:
                if session.stuck and self._waiting[-1] is session:
                    self._waiting.rotate(1)  # it had its turn, but nothing of it
                return
        if not self._waiting:
            self._watcher.removeWriter(self)

    def read_errors(self) -> None:
        """Tell transfers what ICMP messages said."""
        if not self._carries or self._socket.fileno() < 0:
            return
        for raw in unreachable_peers(self._socket):
            for session in list(self._sessions.get(raw, {}).values()):
                session.handler.unreachable(session.peer)

    # Answers from this port

    def open_session(self, local: Address, peer: Address, handler: ISessionHandler) -> "SharedSession":
        """A transfer that stays here."""
        on_it = self._sessions.get(self._raw(peer), {})
        if local in on_it:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        if not self._carries:
            self._carry()
        session = SharedSession(self, self._socket, local, peer, self._raw(peer), handler)
        self._sessions[session.raw] = {**on_it, local: session}
        return session

    def send_once(self, datagram: bytes, local: Address, peer: Address) -> None:
        """Send one packet and forget it."""
        for _ in range(2):
            try:
                self._socket.sendmsg([datagram], source_control(local), 0, self._raw(peer))
                return
            except OSError as error:
                if error.errno not in PENDING_ERRORS:
                    return
                self.read_errors()

    def _carry(self) -> None:
        """From now on the kernel reports ICMP errors, and wakes us until they have been read."""
        carry_sessions(self._socket)
        self._carries = True

    def _raw(self, peer: Address) -> SocketAddress:
        return to_socket_address(peer, mapped=self._socket.family is socket.AF_INET6)

    # What the transfers here call

    def expect(self, size: int) -> None:
        """Datagrams may have ``size`` bytes from now on."""
        self._size = max(self._size, size)

    def wait_writable(self, session: "SharedSession", *, full: bool) -> None:
        """Have ``session`` go on once there is room; ``full`` says that there is none for anybody."""
        self._full = self._full or full
        self._waiting.append(session)
        self._watcher.addWriter(self)

    def leave(self, session: "SharedSession") -> None:
        """``session`` is over."""
        on_it = self._sessions[session.raw]
        del on_it[session.local]
        if not on_it:
            del self._sessions[session.raw]
        if not self._sessions:
            self._size = MAX_REQUEST + 1
            if not self._listening:
                self.close()

    # The end

    def retire(self) -> None:
        """Take no more requests."""
        self._listening = False
        if not self._sessions:
            self.close()

    def resume(self) -> None:
        """Take requests again."""
        self._listening = True

    def close(self) -> None:
        """Close it, whatever is on it."""
        self._watcher.removeReader(self)
        self._watcher.removeWriter(self)
        self._socket.close()
        if not self.closed.called:
            self.closed.callback(None)


@implementer(ISessionSocket)
class SharedSession(BurstSender):
    """One transfer's part of a request port."""

    __slots__ = ("_full", "_open", "_port", "address", "handler", "local", "peer", "raw", "stuck", "windowed")

    def __init__(
        self,
        port: RequestSocket,
        sock: socket.socket,
        local: Address,
        peer: Address,
        raw: SocketAddress,
        handler: ISessionHandler,
    ) -> None:
        super().__init__(sock, source_control(local))
        self._port = port
        self._open = True
        self.local = self.address = local
        self.peer = to_socket_address(peer)
        """As the handler knows it."""
        self.raw = raw
        """As the socket does."""
        self.handler = handler
        self.windowed = False
        """Whether packets come in a row."""
        self.stuck = False
        """Whether the buffer had no room for anything when it sent last."""
        self._full = False

    def fileno(self) -> int:
        """The port's descriptor, or -1 when this transfer is over."""
        return self._socket.fileno() if self._open else -1

    def expect(self, size: int, count: int) -> None:
        """Datagrams may have ``size`` bytes, and ``count`` of them may come in a row."""
        self.windowed = count > 1
        self._port.expect(size)

    def receive(self) -> None:
        """Take what has come to the port."""
        self._port.receive()

    def send(self, bursts: list[Burst], peer: SocketAddress) -> list[Burst]:
        """Send ``bursts`` to the client: nobody else's packets come to this transfer, to be answered."""
        unsent = super().send(bursts, self.raw)
        self._full = bool(unsent)
        if unsent:
            self.stuck = unsent[0] == bursts[0]
        return unsent

    def wait_writable(self) -> None:
        """Go on once there is room."""
        self._port.wait_writable(self, full=self._full)

    def read_errors(self) -> None:
        """Tell whom it concerns."""
        self._port.read_errors()

    def close(self) -> None:
        """The port stays."""
        if self._open:
            self._open = False
            self._port.leave(self)
