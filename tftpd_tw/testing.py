"""A simulated network and clock, for testing backends and for testing the daemon itself. Public.

A whole server and its clients run in one thread, in simulated time, with packets lost, doubled, delayed and
reordered from a fixed seed; nothing sleeps and nothing is random from run to run::

    network = MemoryNetwork(loss=0.05, seed=7)
    network.serve(MyBackend())
    assert network.get(b"pxelinux.0") == b"..."

For more than that, :meth:`MemoryNetwork.host` gives the engine of one simulated host: a
:class:`~tftpd_tw.net.listener.Listener`, a :class:`~tftpd_tw.net.client.Client` or a bare
:class:`RawPeer` that sends literal packets can be built on it.
"""

import errno
import os
import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, TypeVar

from attrs import Factory, define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from tftpd_tw.backends.memory import BytesReader, BytesWriter
from tftpd_tw.interfaces import Address, IBackend, ITransfer, ITransferObserver, TransferRecord
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.net.engine import (
    IEngine,
    IRequestHandler,
    IRequestSocket,
    ISessionHandler,
    ISessionSocket,
    SocketAddress,
    from_socket_address,
    joined,
    to_socket_address,
)
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.protocol.lifecycle import Burst
from tftpd_tw.protocol.packets import Mode

T = TypeVar("T")

_IP_AND_UDP = 28

_REQUESTS = frozenset({b"\0\1", b"\0\2"})

SERVER = "192.0.2.1"
"""The host that :meth:`MemoryNetwork.serve` serves on (an address that RFC 5737 keeps for examples)."""

REQUEST_PORT = Address(SERVER, 69)
"""Where that server takes requests."""

CLIENT = "192.0.2.100"
"""The host of :meth:`MemoryNetwork.get` and :meth:`MemoryNetwork.put`."""


@define(eq=False)
class MemoryNetwork:
    """Hosts, ports and what lies between them."""

    loss: float = 0.0
    """The share of packets that are lost, 0 to 1."""
    duplication: float = 0.0
    """The share that arrives twice."""
    reordering: float = 0.0
    """The share that is overtaken by those sent up to four delays later."""
    delay: float = 0.001
    """Seconds from host to host."""
    jitter: float = 0.0
    """Up to this many seconds more, evenly spread."""
    mtu: int = 65536
    """Bytes of an IP packet; a larger one is lost without a word, as in a broken tunnel."""
    seed: int = 0
    drop: Callable[[bytes], bool] = lambda datagram: False
    """A script: datagrams for which it is true are lost."""
    clock: Clock = field(init=False, factory=Clock)
    """Simulated time."""
    sent: list[tuple[Address, Address, bytes]] = field(init=False, factory=list)
    """Everything that was sent, lost or not: from, to, datagram."""
    records: "RecordingObserver" = field(init=False, default=Factory(lambda: RecordingObserver()))
    """What the listeners of :meth:`serve` reported."""
    _random: random.Random = field(
        init=False, default=Factory(lambda self: random.Random(self.seed), takes_self=True)
    )
    _ports: Iterator[int] = field(init=False, factory=lambda: count(49152))
    _request_sockets: "dict[tuple[str, int], MemoryRequestSocket]" = field(init=False, factory=dict)
    _session_sockets: "dict[tuple[str, int], MemorySessionSocket]" = field(init=False, factory=dict)

    # What a test of a backend needs

    def host(self, address: str) -> "MemoryHost":
        """The engine of the host with this address."""
        return MemoryHost(self, address)

    def serve(
        self,
        backend: IBackend,
        terms: Terms | None = None,
        *,
        answer_broadcasts: bool = False,
        single_port: bool = False,
        **policy: Any,
    ) -> Listener:
        """A server of ``backend`` on port 69 of :data:`SERVER`, where all stays if ``single_port``; ``policy`` as
        in :class:`~tftpd_tw.net.serving.Server`.
        """
        server = Server(self.host(SERVER), backend, terms or Terms(), [self.records], **policy)
        listener = Listener(server, answer_broadcasts)
        listener.listen(SERVER, 69, single_port=single_port)
        return listener

    def client(self, *, mode: Mode = Mode.OCTET, **wishes: Any) -> Client:
        """A client on :data:`CLIENT` of the server of :meth:`serve`; ``wishes`` as in
        :class:`~tftpd_tw.net.client.Wishes`.
        """
        return Client(self.host(CLIENT), REQUEST_PORT, Wishes(**wishes), mode=mode)

    def get(self, name: bytes, *, mode: Mode = Mode.OCTET, **wishes: Any) -> bytes:
        """Read a file, to the end of the transfer.

        :raises tftpd_tw.net.client.TransferFailed: it did not complete
        """
        got: list[bytes] = []
        self.run(self.client(mode=mode, **wishes).get(name, BytesWriter(got.append)))
        return got[0]

    def put(self, name: bytes, data: bytes, *, mode: Mode = Mode.OCTET, **wishes: Any) -> None:
        """Write a file, to the end of the transfer.

        :raises tftpd_tw.net.client.TransferFailed: it did not complete
        """
        self.run(self.client(mode=mode, **wishes).put(name, BytesReader(data)))

    def run(self, done: "Deferred[T]") -> T:
        """Let time pass until ``done`` has fired, and return its result or raise its failure.

        :raises AssertionError: nothing is left that could make it fire
        """
        results: list[Any] = []
        failures: list[BaseException] = []
        done.addCallbacks(results.append, lambda failure: failures.append(failure.value))
        while not results and not failures:
            assert self.step(), "nothing is left that could make it fire"
        if failures:
            raise failures[0]
        result: T = results[0]
        return result

    def run_until_idle(self, limit: float = 3600.0) -> None:
        """Let time pass until nothing is left to happen.

        :raises AssertionError: that takes more than ``limit`` simulated seconds
        """
        end = self.clock.seconds() + limit
        while self.step():
            assert self.clock.seconds() < end, f"still busy after {limit} seconds"

    def step(self) -> bool:
        """Move to the next thing that happens; False if there is none."""
        calls = self.clock.getDelayedCalls()
        if not calls:
            return False
        soonest = min(call.getTime() for call in calls)
        self.clock.advance(max(0.0, soonest - self.clock.seconds()))
        return True

    # What the sockets need

    def transmit(self, datagram: bytes, source: Address, destination: Address) -> None:
        """Decide the fate of one packet."""
        self.sent.append((source, destination, datagram))
        chance = self._random.random
        too_large = len(datagram) + _IP_AND_UDP > self.mtu
        if too_large or self.drop(datagram) or (self.loss and chance() < self.loss):
            return
        copies = 2 if self.duplication and chance() < self.duplication else 1
        for _ in range(copies):
            delay = self.delay + (self.jitter * chance() if self.jitter else 0.0)
            if self.reordering and chance() < self.reordering:
                delay += 4 * self.delay
            self.clock.callLater(delay, self._arrive, datagram, source, destination)

    def _arrive(self, datagram: bytes, source: Address, destination: Address) -> None:
        where = (destination.host, destination.port)
        request = self._request_sockets.get(where)
        session = self._session_between(destination, source)
        if session is not None and (request is None or datagram[:2] not in _REQUESTS):
            session.handler.datagramReceived(datagram, to_socket_address(source))
        elif request is not None:
            request.received(datagram, source)
        # Else ICMP port unreachable, which only a session notices.
        elif (sender := self._session_between(source, destination)) is not None:
            self.clock.callLater(self.delay, sender.port_unreachable, destination)

    def _session_between(self, local: Address, peer: Address) -> "MemorySessionSocket | None":
        """The session that has the port ``local``, for itself or for what comes from ``peer``."""
        request = self._request_sockets.get((local.host, local.port))
        if request is not None:
            return request.sessions.get(peer)
        return self._session_sockets.get((local.host, local.port))

    def free_port(self) -> int:
        """A port that nobody has had."""
        return next(self._ports)


@implementer(IRequestSocket)
@define(eq=False)
class MemoryRequestSocket:
    """A request port in memory."""

    _network: MemoryNetwork
    address: Address
    handler: IRequestHandler
    single_port: bool = False
    sessions: "dict[Address, MemorySessionSocket]" = field(init=False, factory=dict)
    """Transfers that stay here, by their clients."""
    closed: "Deferred[None]" = field(init=False, factory=Deferred)
    _listening: bool = field(init=False, default=True)

    def received(self, datagram: bytes, peer: Address) -> None:
        """Something came that is no transfer's."""
        if self._listening:
            self.handler.request_received(datagram, peer, self.address, False, self)

    def open_session(self, local: Address, peer: Address, handler: ISessionHandler) -> "MemorySessionSocket":
        """A transfer that stays here."""
        if peer in self.sessions:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        opened = MemorySessionSocket(self._network, self.address, handler, lambda: self._leave(peer))
        self.sessions[peer] = opened
        return opened

    def send_once(self, datagram: bytes, local: Address, peer: Address) -> None:
        """Send one packet."""
        self._network.transmit(datagram, self.address, peer)

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
            del self._network._request_sockets[self.address.host, self.address.port]
            self.closed.callback(None)


@implementer(ISessionSocket)
@define(eq=False)
class MemorySessionSocket:
    """A session's port in memory, or its part of a request port."""

    _network: MemoryNetwork
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
            self._network.transmit(datagram, self.address, from_socket_address(peer))
        return []

    def wait_writable(self) -> None:
        """The handler wants to know: in the next turn, if the buffer is not full."""
        self._waiting = True
        if not self.full:
            self._network.clock.callLater(0, self.drained)

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


@implementer(IEngine)
@define
class MemoryHost:
    """One host of a :class:`MemoryNetwork`; provides :class:`~tftpd_tw.net.engine.IEngine`."""

    network: MemoryNetwork
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
        if (host, port) in self.network._request_sockets:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        opened = MemoryRequestSocket(self.network, Address(host, port), handler, single_port)
        self.network._request_sockets[host, port] = opened
        return opened

    def open_session(self, local: Address, peer: Address, handler: ISessionHandler) -> MemorySessionSocket:
        """A socket for one transfer."""
        address = Address(local.host or self.address, self.network.free_port())
        sockets, where = self.network._session_sockets, (address.host, address.port)
        opened = sockets[where] = MemorySessionSocket(
            self.network, address, handler, lambda: sockets.__delitem__(where)
        )
        return opened

    def send_once(self, datagram: bytes, local: Address, peer: Address) -> None:
        """Send one packet."""
        source = Address(local.host or self.address, self.network.free_port())
        self.network.transmit(datagram, source, peer)

    def path_mtu(self, local: Address, peer: Address) -> int | None:
        """The network's MTU, as if it had been discovered."""
        return self.network.mtu

    def raw(self) -> "RawPeer":
        """A peer on this host that sends and collects literal packets."""
        peer = RawPeer(self.network)
        peer.socket = self.open_session(Address(self.address, 0), Address(self.address, 0), peer)
        return peer


@implementer(ISessionHandler)
@define(eq=False)
class RawPeer:
    """A client made of literal packets."""

    _network: MemoryNetwork
    received: list[tuple[bytes, Address]] = field(init=False, factory=list)
    """What came, and from where."""
    socket: MemorySessionSocket = field(init=False)

    def send(self, datagram: bytes, to: Address = REQUEST_PORT) -> None:
        """Send one packet."""
        self._network.transmit(datagram, self.socket.address, to)

    def ask(self, datagram: bytes, to: Address = REQUEST_PORT, wait: float = 0.05) -> list[bytes]:
        """Send one packet, wait so many seconds, and return what has come since."""
        before = len(self.received)
        self.send(datagram, to)
        return self.wait(wait, before)

    def wait(self, seconds: float, since: int | None = None) -> list[bytes]:
        """Let time pass; the packets that came meanwhile."""
        start = len(self.received) if since is None else since
        end = self._network.clock.seconds() + seconds
        while (left := end - self._network.clock.seconds()) > 0:
            calls = [call.getTime() for call in self._network.clock.getDelayedCalls()]
            soonest = min(calls, default=end) - self._network.clock.seconds()
            self._network.clock.advance(min(left, max(soonest, 0.0)))
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


@implementer(ITransferObserver)
@define
class RecordingObserver:
    """Keeps everything it is told."""

    started: list[ITransfer] = field(factory=list)
    ended: list[TransferRecord] = field(factory=list)
    refused: list[TransferRecord] = field(factory=list)
    errors: list[int] = field(factory=list)
    ignored: list[tuple[Address, str]] = field(factory=list)
    dropped: list[str] = field(factory=list)

    def transfer_started(self, transfer: ITransfer) -> None:
        """A session begins."""
        self.started.append(transfer)

    def transfer_ended(self, transfer: ITransfer, record: TransferRecord) -> None:
        """Its outcome is known."""
        self.ended.append(record)

    def request_refused(self, record: TransferRecord) -> None:
        """No session came of a request."""
        self.refused.append(record)

    def error_sent(self, code: int) -> None:
        """An ERROR packet left."""
        self.errors.append(code)

    def request_ignored(self, client: Address, why: str) -> None:
        """A rule or a limit."""
        self.ignored.append((client, why))

    def datagram_dropped(self, why: str) -> None:
        """No request."""
        self.dropped.append(why)
