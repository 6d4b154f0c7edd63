"""Where ``tftpd-tw reload`` finds a daemon, and learns what became of it.

A signal says nothing back, and a number in a file may be that of another process by now. So a daemon on Linux
listens on a Unix socket whose name is ``tftpd-tw/`` and its process id, in the abstract namespace: there is no
file of it, it is gone with the process, and the kernel tells each end who is at the other. To connect is to ask
for a reload; the answer is what became of it, ``{"problems": [...], "late": [...]}``. Root is answered, and the
user that the daemon runs as.
"""

import json
import os
import re
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tftpd_tw.service.reloading import Outcome

log = Logger()

PREFIX = "tftpd-tw/"

MOST_PROBLEMS = 100
"""How many are told; the log has all."""

_CREDENTIALS = struct.Struct("=iII")

Reload = Callable[[], "Deferred[Outcome]"]


@frozen
class Peer:
    """Who is at the other end."""

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """What the kernel says of the other end of a Unix socket."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return Peer(pid, uid)


def address_of(pid: int) -> str:
    """Where the daemon with that process id listens."""
    return f"\0{PREFIX}{pid}"


def daemons(table: Path = Path("/proc/net/unix")) -> list[int]:
    """The process ids of all daemons that listen, by the names of their sockets."""
    with suppress(OSError):
        return sorted({int(pid) for pid in re.findall(rf" @{PREFIX}(\d+)$", table.read_text(), re.MULTILINE)})
    return []


@implementer(IReadDescriptor)
class ControlService(Service):
    """Listens, on Linux."""

    name = "control"

    def __init__(self, reactor: Any, reload: Reload) -> None:
        self._reactor = reactor
        self._reload = reload
        self._socket: socket.socket | None = None

    def startService(self) -> None:
        """Open the socket. There are other ways to reload a daemon that cannot."""
        super().startService()
        if sys.platform != "linux":
            return
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.bind(address_of(os.getpid()))
            sock.listen()
        except OSError as error:
            sock.close()
            log.warn("`tftpd-tw reload` will not find this daemon, send SIGHUP: {why}", why=error.strerror)
            return
        self._socket = sock
        self._reactor.addReader(self)

    def stopService(self) -> None:
        """Close it."""
        super().stopService()
        if self._socket is not None:
            self._reactor.removeReader(self)
            self._socket.close()
            self._socket = None

    def fileno(self) -> int:
        """The descriptor, or -1 when closed."""
        return self._socket.fileno() if self._socket is not None else -1

    def doRead(self) -> None:
        """Somebody has come."""
        assert self._socket is not None
        try:
            connection, _ = self._socket.accept()
        except OSError:
            return  # has gone again, or no descriptor is left
        connection.setblocking(False)
        if peer_of(connection).uid in (0, os.geteuid()):
            self._reload().addCallback(self._answer, connection)
        else:
            self._answer(Outcome([f"only root and uid {os.geteuid()} may have this daemon reload"]), connection)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor is stopping."""

    def logPrefix(self) -> str:
        """A name for the log."""
        return "control"

    def _answer(self, outcome: Outcome, connection: socket.socket) -> None:
        answer = {"problems": outcome.problems[:MOST_PROBLEMS], "late": outcome.late}
        with connection, suppress(OSError):  # it may not have waited
            connection.sendall(json.dumps(answer).encode())
