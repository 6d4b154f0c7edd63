"""Worker processes that are not there, and the service that believes in them."""

import os
import queue
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define, field
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tftpd_tw.service.messages import REPLIES, encode
from tftpd_tw.service.supervision import WorkersService

Events = list[dict[str, Any]]
"""What was logged."""

Start = Callable[..., WorkersService]
"""Starts the service."""


@define(eq=False)
class Process:
    """What ``spawnProcess`` was asked for, and the transport of that."""

    protocol: Any
    arguments: list[str]
    environment: dict[str, str]
    descriptors: dict[int, Any]
    pid: int
    written: bytes = b""
    signals: list[str] = field(factory=list)
    over: bool = False

    def writeToChild(self, number: int, text: bytes) -> None:  # noqa: N802
        """To its standard input."""
        assert number == 0
        self.written += text

    def signalProcess(self, name: str) -> None:  # noqa: N802
        """Note it."""
        if self.over:
            raise ProcessExitedAlready
        self.signals.append(name)

    def orders(self) -> list[bytes]:
        """The lines that were written to it since the last look."""
        written, self.written = self.written, b""
        return written.splitlines(keepends=True)

    def says(self, **message: Any) -> None:
        """A message comes from it."""
        self.protocol.childDataReceived(REPLIES, encode(message))

    def dies(self, number: int | None = None, status: int = 0) -> None:
        """It ends."""
        self.over = True
        ended = ProcessTerminated(status or None, number) if number or status else ProcessDone(0)
        self.protocol.processEnded(Failure(ended))


class Reactor(Clock):
    """Time, and processes."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self.error: OSError | None = None
        self._said: queue.Queue[Callable[[], object]] = queue.Queue()

    def callFromThread(self, function: Callable[..., object], *arguments: object) -> None:  # noqa: N802
        """A thread speaks."""
        self._said.put(partial(function, *arguments))

    def listen(self) -> None:
        """Hear one thread out."""
        self._said.get(timeout=10)()

    def spawnProcess(self, protocol: Any, executable: str, args: list[str], **more: Any) -> None:  # noqa: N802
        """Start one."""
        assert executable == args[0] == sys.executable
        if self.error is not None:
            raise self.error
        process = Process(protocol, args, more["env"], more["childFDs"], 1000 + len(self.processes))
        self.processes.append(process)
        protocol.makeConnection(process)


def lines(events: Events, start: str = "worker") -> list[str]:
    """The log lines that begin so."""
    texts = [(event.get("log_format") or "").format(**event) for event in events]
    return [text for text in texts if text.startswith(start)]


def bound(descriptor: int) -> tuple[str, int]:
    """Where a socket of that number is bound."""
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        host, port = sock.getsockname()
        return host, port
