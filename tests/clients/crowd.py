"""Many clients at once in one thread, which read a file in lockstep, again and again."""

import selectors
import socket
import threading
from time import monotonic

from attrs import define, field
from running import ack, request

REPEAT = 1.0
"""Seconds after which a client says again what it said last."""


@define(eq=False)
class Reader:
    """One client, in one transfer after the other, each from a port of its own."""

    host: str
    sock: socket.socket
    said: tuple[bytes, tuple[str, int]]
    said_at: float
    content: bytes = b""
    number: int = 1
    """Of the block that it waits for."""


@define(eq=False)
class Crowd:
    """Reads ``name`` from ``port`` with ``count`` clients until it is stopped."""

    port: int
    name: bytes
    content: bytes
    count: int
    finished: int = 0
    failures: list[str] = field(factory=list)
    _stopping: bool = False
    _thread: threading.Thread = field(init=False)
    _selector: selectors.BaseSelector = field(factory=selectors.DefaultSelector, init=False)

    def __enter__(self) -> "Crowd":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """All finish what they are at."""
        self.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()

    def stop(self) -> None:
        """Nobody begins again."""
        self._stopping = True

    def _run(self) -> None:
        try:
            for number in range(self.count):
                # A host of its own for each: what one address may do at once is limited.
                self._begin(f"127.0.{1 + number // 250}.{1 + number % 250}")
            while self._selector.get_map():
                for key, _ in self._selector.select(REPEAT / 4):
                    self._take(key.data)
                for key in list(self._selector.get_map().values()):
                    if monotonic() > key.data.said_at + REPEAT:
                        self._say(key.data, *key.data.said)
        except Exception as error:
            self.failures.append(repr(error))
        finally:
            for key in list(self._selector.get_map().values()):
                self._end(key.data)
            self._selector.close()

    def _begin(self, host: str) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind((host, 0))
        reader = Reader(host, sock, (b"", ("", 0)), 0.0)
        self._selector.register(sock, selectors.EVENT_READ, reader)
        self._say(reader, request(1, self.name), ("127.0.0.1", self.port))

    def _say(self, reader: Reader, packet: bytes, peer: tuple[str, int]) -> None:
        reader.said, reader.said_at = (packet, peer), monotonic()
        reader.sock.sendto(packet, peer)

    def _take(self, reader: Reader) -> None:
        try:
            packet, peer = reader.sock.recvfrom(1024)
        except BlockingIOError:
            return
        if packet[:2] != b"\0\3":
            self.failures.append(f"block {reader.number}: {packet!r}")
            self._end(reader)
            return
        if packet[2:4] != (reader.number & 0xFFFF).to_bytes(2, "big"):
            return  # repeated by a server that had to wait for its turn
        reader.content += packet[4:]
        self._say(reader, ack(reader.number), peer)
        reader.number += 1
        if len(packet) < 516:
            if reader.content != self.content:
                self.failures.append(f"{len(reader.content)} bytes that are others")
            self.finished += 1
            self._end(reader)
            if not self._stopping:
                self._begin(reader.host)

    def _end(self, reader: Reader) -> None:
        self._selector.unregister(reader.sock)
        reader.sock.close()
