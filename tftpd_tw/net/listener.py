"""The request ports: decode, fold repeats, and begin a transfer for each request.

A client that hears nothing asks again from the same port; that must find the transfer that is on its way, not
start a second one (rules C095 to C098). So transfers are remembered by the client's address and port and by those
that were asked. What is not a request gets ERROR 4 or nothing, as the rules C007 to C011 say: above all, nothing
that could be an answer is ever answered, or two servers could be set to talk to each other for ever
(CVE-2024-2169).
"""

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.net.engine import IRequestHandler, IRequestSocket
from tftpd_tw.net.served_transfer import ServedTransfer
from tftpd_tw.net.serving import Server
from tftpd_tw.protocol.errors import IllegalOperation, ServerStopping
from tftpd_tw.protocol.options import announced_size
from tftpd_tw.protocol.packets import Opcode, ReadRequest, WriteRequest, decode

MAX_MALFORMED_PER_SECOND = 10
"""ERROR 4 packets to one address within a second; what is more gets no answer (C009, S037)."""

_NEVER_ANSWERED = frozenset({Opcode.DATA, Opcode.ACK, Opcode.ERROR, Opcode.OACK})

Key = tuple[Address, Address]


@define
class _Entry:
    transfer: ServedTransfer
    datagram: bytes


@implementer(IRequestHandler)
@define(eq=False)
class Listener:
    """Serves one backend on any number of request ports."""

    _server: Server
    _answer_broadcasts: bool = False
    """Serve requests that were sent to a broadcast address, which RFC 1123 section 4.2.3.5 advises against and
    old Cisco devices need."""
    _sockets: list[IRequestSocket] = field(init=False, factory=list)
    _latest: dict[Key, _Entry] = field(init=False, factory=dict)
    _transfers: dict[ServedTransfer, Key] = field(init=False, factory=dict)
    _malformed: dict[str, int] = field(init=False, factory=dict)
    _malformed_second: int = field(init=False, default=0)
    _draining: "list[Deferred[None]]" = field(init=False, factory=list)

    def listen(self, host: str, port: int, *, single_port: bool = False) -> Address:
        """Open a request port as :meth:`open` does; the address that it got."""
        address: Address = self.open(host, port, single_port=single_port).address
        return address

    def open(self, host: str, port: int, *, single_port: bool = False) -> IRequestSocket:
        """Open a request port.

        :param single_port: transfers stay on it, instead of having a port each
        :raises OSError: it is taken, not allowed, or not an address of this host
        """
        return self.add(self._server.engine.listen(host, port, self, single_port))

    def add(self, socket: IRequestSocket) -> IRequestSocket:
        """Have a request port too that has been opened for this listener."""
        self._sockets.append(socket)
        return socket

    def stop_listening(self, socket: IRequestSocket) -> None:
        """Take no more requests from a port; transfers that began there go on."""
        self._sockets.remove(socket)
        socket.retire()

    def listen_again(self, socket: IRequestSocket) -> None:
        """Take requests again from a port that is not closed yet, since transfers are on it."""
        self._sockets.append(socket)
        socket.resume()

    def serve(self, server: Server, answer_broadcasts: bool) -> None:
        """Have ``server`` serve all requests from now on; transfers in progress stay with theirs. Both have the
        same engine.
        """
        self._server = server
        self._answer_broadcasts = answer_broadcasts

    @property
    def active(self) -> int:
        """Transfers in progress."""
        return len(self._transfers)

    @property
    def opening(self) -> int:
        """Those of them that wait for their content to be opened."""
        return sum(transfer.opening for transfer in self._transfers)

    def request_received(
        self,
        datagram: bytes,
        peer: Address,
        local: Address,
        broadcast: bool,
        port: IRequestSocket | None = None,
        interface: int = 0,
    ) -> None:
        """Something arrived at a request port, or at none that could be answered from."""
        server = self._server
        if len(datagram) < 2 or int.from_bytes(datagram[:2], "big") in _NEVER_ANSWERED or peer.port == 0:
            server.tell("datagram_dropped", "not-a-request", peer, "")
            return
        if broadcast and not self._answer_broadcasts:
            server.tell("datagram_dropped", "broadcast", peer, "")
            return
        key = (peer, local)
        entry = self._latest.get(key)
        if entry is not None:
            # Its last ACK may wait behind this request of a client that uses its port again.
            entry.transfer.receive()
            entry = self._latest.get(key)
        if entry is not None and entry.datagram == datagram and entry.transfer.repeat():
            return
        try:
            packet = decode(datagram)
        except IllegalOperation as error:
            server.tell("datagram_dropped", "malformed", peer, str(error))
            if not broadcast and self._may_complain(peer.host) and server.may_answer(peer.host):
                server.refuse(error, local, peer, server.answers(port, local))
            return
        assert isinstance(packet, (ReadRequest, WriteRequest))
        reading = isinstance(packet, ReadRequest)
        request = Request(
            Direction.READ if reading else Direction.WRITE,
            packet.name,
            packet.mode,
            packet.options,
            peer,
            local,
            None if reading else announced_size(packet.options),
            broadcast,
            interface,
        )
        if entry is not None:
            if not entry.transfer.busy():
                entry.transfer.abandon()
            elif entry.transfer.on_request_port:
                # Nobody could tell the packets of the one from those of the other.
                server.ignore(request, "port-in-use")
                return
        transfer = ServedTransfer(server, request, self._over, port)
        if server.limits is not None:
            limit = server.limits.admit(transfer, peer.host, server.engine.clock.seconds())
            if limit is not None:
                server.ignore(request, limit)
                return
        self._transfers[transfer] = key
        self._latest[key] = _Entry(transfer, datagram)
        transfer.begin()

    def close(self) -> None:
        """Take no more requests; transfers go on."""
        sockets, self._sockets = self._sockets, []
        for socket in sockets:
            socket.retire()

    def drain(self, seconds: float) -> "Deferred[None]":
        """Take no more requests, give transfers this long to finish and end the rest with an ERROR.

        An upload that is stored, now or later, does not wait for its client to have got the last ACK. If it is
        called again, as with 0 seconds for a user who is in a hurry, the shorter time counts.

        :returns: fires when none is left
        """
        self.close()
        for transfer in list(self._transfers):
            transfer.leave_when_done()
        if not self._transfers:
            return succeed(None)
        drained: Deferred[None] = Deferred()
        self._draining.append(drained)
        clock = self._server.engine.clock
        timer = clock.callLater(seconds, self.end_all, "the time to drain is over")
        return drained.addCallback(lambda _: timer.cancel() if timer.active() else None)

    def end_all(self, why: str) -> None:
        """End all transfers now, with an ERROR; ``why`` is for the log."""
        for transfer in list(self._transfers):
            transfer.fail(ServerStopping(why))
            transfer.abandon()

    def _over(self, transfer: ServedTransfer) -> None:
        key = self._transfers.pop(transfer)
        entry = self._latest.get(key)
        if entry is not None and entry.transfer is transfer:
            del self._latest[key]
        if self._draining and not self._transfers:
            draining, self._draining = self._draining, []
            for drained in draining:
                drained.callback(None)

    def _may_complain(self, host: str) -> bool:
        """Whether ``host`` gets another ERROR 4 in this second."""
        second = int(self._server.engine.clock.seconds())
        if second != self._malformed_second:
            self._malformed.clear()
            self._malformed_second = second
        count = self._malformed[host] = self._malformed.get(host, 0) + 1
        return count <= MAX_MALFORMED_PER_SECOND
