"""What these tests share: packets as words, content and backends that keep count, servers in memory.

Words are those of the rules: ``D1/512`` is block 1 with 512 bytes, ``A1`` an ACK, ``E4`` an ERROR,
``OA(blksize=600)`` an OACK; nothing at all is the empty string.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.interfaces import Address, IBackend, IReader, IWriter, Outcome, Request, TransferRecord
from tftpd_tw.net.engine import IRequestHandler, IRequestSocket, ISessionHandler
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Terms
from tftpd_tw.protocol.packets import Ack, Data, Error, OptionAck, decode
from tftpd_tw.testing import CLIENT, REQUEST_PORT, SERVER, MemoryHost, MemoryNetwork, MemorySessionSocket, RawPeer

# Packets


def rrq(name: str = "f", mode: str = "octet", **options: object) -> bytes:
    """A read request."""
    return request(1, name, mode, **options)


def wrq(name: str = "new", mode: str = "octet", **options: object) -> bytes:
    """A write request."""
    return request(2, name, mode, **options)


def request(opcode: int, name: str, mode: str, **options: object) -> bytes:
    """A request, right or wrong."""
    fields = [name, mode, *(str(word) for pair in options.items() for word in pair)]
    return bytes([0, opcode]) + b"".join(word.encode() + b"\0" for word in fields)


def packet(word: str) -> bytes:
    """The bytes of ``A1``, ``D1/512`` (of the content that :func:`content` gives there) or ``E8``."""
    match = re.fullmatch(r"([ADE])([0-9]+)(?:/([0-9]+))?", word)
    assert match, word
    kind, number, length = match[1], int(match[2]), int(match[3] or 0)
    opcode = {"A": 4, "D": 3, "E": 5}[kind]
    header = bytes([0, opcode]) + number.to_bytes(2, "big")
    if kind == "D":
        return header + content(length)
    return header + (b"why\0" if kind == "E" else b"")


def spoken(datagram: bytes) -> str:
    """The word for a packet."""
    match decode(datagram):
        case Ack(block):
            return f"A{block}"
        case Data(block, payload):
            return f"D{block}/{len(payload)}"
        case Error(code):
            return f"E{code}"
        case OptionAck(options):
            return "OA(" + ",".join(f"{name.decode()}={value.decode()}" for name, value in options) + ")"
        case other:
            return type(other).__name__


def words(datagrams: Iterable[bytes]) -> str:
    """The words for packets, in order."""
    return " ".join(spoken(datagram) for datagram in datagrams)


def content(length: int) -> bytes:
    """Bytes that differ from block to block, whatever the block's size."""
    return b"".join(b"%07d\n" % number for number in range(length // 8 + 1))[:length]


# Content that keeps count


@implementer(IReader)
class CountingReader:
    """Content whose reads answer as told; ``released`` must be 1 in the end."""

    def __init__(
        self, data: bytes = b"", *, size: int | None = -1, read: Callable[..., Any] | None = None
    ) -> None:
        self.data = data
        self.size = len(data) if size == -1 else size
        self.released = 0
        self._answer = read or (lambda data: data)

    def read(self, offset: int, length: int) -> Any:
        """What the test wants, of what is there."""
        assert not self.released
        return self._answer(self.data[offset : offset + length])

    def close(self) -> None:
        """Count."""
        self.released += 1


@implementer(IWriter)
class CountingWriter:
    """An upload that notes every call in ``calls``, and whose methods answer as told."""

    def __init__(self, **answers: Callable[[], Any]) -> None:
        self.calls: list[str] = []
        self.stored = b""
        self._answers = answers

    def write(self, data: bytes) -> Any:
        """Note."""
        self.stored += data
        return self._called("write")

    def finish(self) -> Any:
        """Note."""
        return self._called("finish")

    def cancel(self) -> Any:
        """Note."""
        return self._called("cancel")

    @property
    def endings(self) -> list[str]:
        """The calls that end it."""
        return [call for call in self.calls if call != "write"]

    def _called(self, name: str) -> Any:
        self.calls.append(name)
        return self._answers.get(name, lambda: None)()


@implementer(IBackend)
@define
class ScriptedBackend:
    """Answers each request with what ``opens`` gives or raises."""

    opens: Callable[[Request], Any]
    requests: list[Request] = field(factory=list)

    def open_read(self, request: Request) -> Any:
        """As told."""
        self.requests.append(request)
        return self.opens(request)

    open_write = open_read


def raising(error: BaseException) -> Callable[..., Any]:
    """A function that raises it, whatever it is called with."""

    def function(*_: object) -> Any:
        raise error

    return function


class Waiting:
    """A function that answers with Deferreds, which the test fires."""

    def __init__(self) -> None:
        self.deferreds: list[Deferred[Any]] = []
        self.cancelled = 0
        self.arguments: list[Any] = []

    def __call__(self, *arguments: Any) -> "Deferred[Any]":
        self.arguments.append(arguments)
        deferred: Deferred[Any] = Deferred(self._cancel)
        self.deferreds.append(deferred)
        return deferred

    def _cancel(self, _: object) -> None:
        self.cancelled += 1


# Servers


class World:
    """A server in memory and a client of literal packets."""

    def __init__(
        self,
        backend: IBackend | Callable[[Request], Any] | dict[bytes, bytes] | None = None,
        terms: Terms | None = None,
        *,
        server: str = SERVER,
        client: str = CLIENT,
        answer_broadcasts: bool = False,
        single_port: bool = False,
        policy: dict[str, Any] | None = None,
        **network: Any,
    ) -> None:
        if backend is None:
            backend = {b"f": content(1300)}
        if isinstance(backend, dict):
            self.files = backend
            backend = MemoryBackend(backend, writable=True)
        elif not IBackend.providedBy(backend):
            backend = ScriptedBackend(backend)
        self.backend: Any = backend
        self.network = MemoryNetwork(**network)
        self.clock = self.network.clock
        self.clock.advance(1000.5)  # so that nobody mistakes "never" for "just now"
        self.listener: Listener = self.network.serve(
            backend, terms, answer_broadcasts=answer_broadcasts, single_port=single_port, **(policy or {})
        )
        if server != SERVER:
            self.listener.listen(server, 69)
        self.request_port = Address(server, 69)
        self.peer: RawPeer = self.network.host(client).raw()
        self.records = self.network.records

    def another(self, host: str = CLIENT) -> RawPeer:
        """One more peer."""
        return self.network.host(host).raw()

    def ask(self, datagram: bytes, wait: float = 0.05) -> str:
        """What comes back for a packet to the request port."""
        return words(self.peer.ask(datagram, self.request_port, wait))

    def tell(self, *said: str | bytes, wait: float = 0.05) -> str:
        """What comes back for packets to the port that answered last."""
        before = len(self.peer.received)
        for word in said:
            self.peer.send(packet(word) if isinstance(word, str) else word, self.peer.tid)
        return words(self.peer.wait(wait, before))

    def quiet(self, seconds: float) -> str:
        """What comes while the client says nothing."""
        return words(self.peer.wait(seconds))

    def timeline(self, seconds: float) -> list[tuple[float, bytes]]:
        """What the server sends while the client says nothing, and when, from now on."""
        began = self.clock.seconds()
        sent: list[tuple[float, bytes]] = []

        def note(datagram: bytes) -> bool:
            sent.append((self.clock.seconds() - began, datagram))
            return False

        self.network.drop = note
        self.quiet(seconds)
        return sent

    def broadcast(self, datagram: bytes, wait: float = 0.05) -> str:
        """What comes back for a packet that was sent to everybody."""
        self.listener.request_received(datagram, self.peer.socket.address, REQUEST_PORT, True)
        return self.quiet(wait)

    @property
    def sessions(self) -> list[MemorySessionSocket]:
        """The open sockets that are not of raw peers."""
        sockets = self.network.session_sockets.values()
        return [socket for socket in sockets if not isinstance(socket.handler, RawPeer)]

    @property
    def last(self) -> TransferRecord:
        """The newest record of a transfer that ended."""
        return self.records.ended[-1]

    def ended_as(self) -> list[tuple[Outcome, str]]:
        """Outcome and reason of all transfers so far."""
        return [(record.outcome, record.reason) for record in self.records.ended]

    def assert_nothing_left(self) -> None:
        """No transfer, socket or timer."""
        assert self.listener.active == 0
        assert self.sessions == []
        assert self.clock.getDelayedCalls() == []
        assert self.listener._latest == {}


@implementer(IRequestHandler)
class ScriptedServer:
    """A server that answers each packet to its request port with ``replies``, from one other port."""

    def __init__(self, network: MemoryNetwork, *replies: bytes) -> None:
        self._network = network
        self._replies = replies
        self.requests: list[bytes] = []
        self.peer = network.host(SERVER).raw()
        network.host(SERVER).listen(SERVER, 69, self)

    def request_received(
        self,
        datagram: bytes,
        peer: Address,
        local: Address,
        broadcast: bool,
        port: IRequestSocket,
        interface: int,
    ) -> None:
        """Answer as told."""
        self.requests.append(datagram)
        for reply in self._replies:
            self.peer.send(reply, peer)


class ExhaustedHost(MemoryHost):
    """A host that has no descriptor left, while ``exhausted``."""

    exhausted = True

    def open_session(self, local: Address, peer: Address, handler: ISessionHandler) -> MemorySessionSocket:
        """None left."""
        if self.exhausted:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().open_session(local, peer, handler)
