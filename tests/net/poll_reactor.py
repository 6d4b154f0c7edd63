"""Real sockets without a reactor's run: readers and writers polled by hand, and a clock that only the test
moves.
"""

import select
import socket
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer

from tftpd_tw.net.engines import ENGINES

PATIENCE = 10.0
"""Seconds of real time after which something that did not happen on the loopback device never will."""


@implementer(IReactorTime)
class PollReactor(Clock):
    """As much of a reactor as the engine uses."""

    running = True

    def __init__(self, engine: str = "reactor") -> None:
        super().__init__()
        self.readers: list[Any] = []
        self.writers: list[Any] = []
        self.waker, self.bell = socket.socketpair()
        self.engine = ENGINES[engine](self)
        self._own = list(self.readers)

    @property
    def idle(self) -> bool:
        """Whether no socket is open."""
        return self.readers == self._own and not any(loop.busy for loop in self._own)

    def close(self) -> None:
        """Close what the test has left open."""
        for loop in self._own:
            loop.close()
        for reader in list(self.readers):
            reader.close()
        self.waker.close()
        self.bell.close()

    def addReader(self, reader: Any) -> None:
        """Poll it."""
        if reader not in self.readers:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Poll it no more."""
        if reader in self.readers:
            self.readers.remove(reader)

    def addWriter(self, writer: Any) -> None:
        """Poll it."""
        if writer not in self.writers:
            self.writers.append(writer)

    def removeWriter(self, writer: Any) -> None:
        """Poll it no more."""
        if writer in self.writers:
            self.writers.remove(writer)

    def run_until(self, done: Callable[[], object]) -> None:
        """Serve sockets until it holds."""
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, "it did not happen"
            readable, writable, _ = select.select(self.readers, self.writers, [], 0.05)
            for reader in readable:
                if reader in self.readers:
                    reader.doRead()
            for writer in writable:
                if writer in self.writers:
                    writer.doWrite()


def plain_socket(host: str = "127.0.0.1") -> socket.socket:
    """An ordinary UDP socket on a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(PATIENCE)
    sock.bind((host, 0))
    return sock


def closed_port(host: str = "127.0.0.1") -> tuple[str, int]:
    """A port on which nobody listens."""
    with plain_socket(host) as sock:
        address: tuple[str, int] = sock.getsockname()[:2]
    return address
