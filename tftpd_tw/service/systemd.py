"""What systemd hands to a service and wants to be told: sd_listen_fds(3) and sd_notify(3), in a few lines.

Both are conventions about environment variables, and mean nothing where these are not set. They are taken out of
the environment, so that no worker finds them, and before twistd goes to the background, since they name the
process that it was then; the descriptors and the socket for notes outlive that. The socket is connected at once,
and so works in a chroot too.
"""

import os
import socket
import time
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import field, frozen
from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tftpd_tw.net.sockets import adopt_request_socket
from tftpd_tw.service.opening import OpenError

log = Logger()

FIRST_DESCRIPTOR = 3

STATUS_INTERVAL = 10.0
"""Seconds between two looks at what ``systemctl status`` shows."""


@frozen
class Systemd:
    """What it has given us; nothing at all where it did not start us."""

    sockets: tuple[socket.socket, ...] = ()
    """Request sockets, to be used instead of those of the settings."""
    notes: socket.socket | None = None
    """Where it wants to be told."""
    watchdog: float | None = None
    """Seconds within which it wants to hear from us again and again."""
    pid: int = field(factory=os.getpid)
    """The process that it knows as ours."""

    @classmethod
    def take(cls, environment: MutableMapping[str, str]) -> "Systemd":
        """What ``environment`` says, which is removed from it.

        :raises OpenError: a descriptor is no UDP socket
        """
        pid = os.getpid()
        said = {name: environment.pop(name, "") for name in _VARIABLES}
        sockets: tuple[socket.socket, ...] = ()
        if said["LISTEN_PID"] == str(pid):
            names = iter(said["LISTEN_FDNAMES"].split(":"))
            last = FIRST_DESCRIPTOR + _number(said["LISTEN_FDS"])
            sockets = tuple(_adopt(number, next(names, "")) for number in range(FIRST_DESCRIPTOR, last))
        watchdog = None
        if said["WATCHDOG_PID"] in ("", str(pid)):
            watchdog = _number(said["WATCHDOG_USEC"]) / 1e6 or None
        return cls(sockets, _connected(said["NOTIFY_SOCKET"]), watchdog, pid)

    def tell(self, *notes: str) -> None:
        """Send ``READY=1`` and the like, if it wants to be told. Never fails and never waits."""
        if self.notes is not None:
            with suppress(OSError):
                self.notes.send("\n".join(notes).encode())

    def close(self) -> None:
        """Tell it nothing more."""
        if self.notes is not None:
            self.notes.close()


class NotifyService(Service):
    """Tells systemd how the daemon is.

    :param active: how many transfers there are
    :param ready: fires when the daemon serves
    :param refresh: fetches what ``active`` says
    """

    name = "systemd"

    def __init__(
        self,
        reactor: Any,
        systemd: Systemd,
        active: Callable[[], int],
        ready: Callable[[], "Deferred[None]"] = lambda: succeed(None),
        refresh: Callable[[], "Deferred[None]"] = lambda: succeed(None),
    ) -> None:
        self._reactor = reactor
        self._systemd = systemd
        self._active = active
        self._when_ready = ready
        self._refresh = refresh
        self._is_ready = False
        self._problem = ""
        self._loops: list[LoopingCall] = []

    def startService(self) -> None:
        """Say that the daemon is ready once it is and the reactor runs."""
        super().startService()
        if self._systemd.notes is not None:
            self._reactor.callWhenRunning(self._started)

    def stopService(self) -> None:
        """Say that it is stopping, and then nothing more."""
        super().stopService()
        for loop in self._loops:
            loop.stop()
        self._loops = []
        self._systemd.tell("STOPPING=1", "STATUS=stopping, transfers may finish")
        self._systemd.close()

    def reloading(self) -> None:
        """The settings are being read again."""
        self._systemd.tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def reloaded(self, problems: Sequence[str]) -> None:
        """They have been, or not."""
        self._problem = f"; not reloaded: {problems[0]}" if problems else ""
        self._systemd.tell("READY=1", self._status())

    def _started(self) -> None:
        if not self.running:
            return
        if self._systemd.watchdog is not None:
            self._every(self._systemd.watchdog / 2, lambda: self._systemd.tell("WATCHDOG=1"))
        self._when_ready().addCallback(self._serving)

    def _serving(self, _: object) -> None:
        if self.running:
            main = [f"MAINPID={os.getpid()}"] if os.getpid() != self._systemd.pid else []
            self._systemd.tell("READY=1", *main)
            self._every(STATUS_INTERVAL, lambda: self._refresh().addCallback(self._tell_status))

    def _every(self, seconds: float, function: Callable[[], object]) -> None:
        loop = LoopingCall(function)
        loop.clock = self._reactor
        self._loops.append(loop)
        loop.start(seconds).addErrback(lambda failure: log.failure("systemd is not told any more", failure))

    def _tell_status(self, _: object) -> None:
        self._systemd.tell(self._status())

    def _status(self) -> str:
        return f"STATUS={self._active()} transfers in progress{self._problem}"


_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _adopt(descriptor: int, name: str) -> socket.socket:
    try:
        return adopt_request_socket(descriptor)
    except ValueError as error:
        called = f" ({name})" if name else ""
        raise OpenError(
            f"descriptor {descriptor}{called} was passed to be listened on, but {error}; have the socket unit say"
            " `ListenDatagram=` with a port"
        ) from None


def _connected(address: str) -> socket.socket | None:
    """The other end of ``NOTIFY_SOCKET``; ``@`` begins a name that is in no folder."""
    if not address.startswith(("/", "@")):
        return None
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.connect("\0" + address[1:] if address[0] == "@" else address)
    except OSError as error:
        sock.close()
        log.warn("cannot tell systemd anything at {address}: {why}", address=address, why=error.strerror)
        return None
    return sock
