"""What the pages show of the daemon, gathered: its transfers, its last hour, its state."""

import os
import platform
import time
from importlib.metadata import version
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tftpd_tw.service.config_document import effective
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.reloading import Reloader
from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.history import INTERVAL, History
from tftpd_tw.telemetry.prometheus import Crew
from tftpd_tw.telemetry.totals import Totals

log = Logger()


class Serving(Protocol):
    """What serves: this process, or workers."""

    board: Board

    @property
    def healthy(self) -> bool:
        """Whether anybody serves."""

    @property
    def uptime(self) -> float:
        """Seconds since it was started."""

    @property
    def folders(self) -> Folders:
        """What is served."""

    def totals(self) -> Totals:
        """Its figures."""

    def refresh(self) -> "Deferred[None]":
        """Fetch them."""

    def look(self) -> "Deferred[None]":
        """Have the board be up to date."""


class WatchingService(Service):
    """Samples the figures, and has the board look often enough that little is lost if a worker dies.

    :param crew: the workers, if there are any
    """

    name = "watching"

    def __init__(self, reactor: Any, serving: Serving, reloader: Reloader, crew: Crew | None) -> None:
        self._reactor = reactor
        self._serving = serving
        self._reloader = reloader
        self._crew = crew
        self._loop = LoopingCall(self._sample)
        self._loop.clock = reactor
        self.board = serving.board
        self.history = History()

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._loop.start(INTERVAL).addErrback(lambda failure: log.failure("No more samples are taken", failure))

    def stopService(self) -> None:
        """End."""
        super().stopService()
        if self._loop.running:
            self._loop.stop()

    @property
    def healthy(self) -> bool:
        """Whether anybody serves."""
        return self._serving.healthy

    @property
    def uptime(self) -> float:
        """Seconds since the daemon was started."""
        return self._serving.uptime

    def totals(self) -> Totals:
        """Its figures, as of the last :meth:`refresh`."""
        return self._serving.totals()

    def refresh(self) -> "Deferred[None]":
        """Fetch its figures; never fails."""
        return self._serving.refresh()

    def look(self) -> "Deferred[None]":
        """Have the board be up to date; never fails."""
        return self._serving.look()

    def status(self) -> dict[str, Any]:
        """What there is to say beside the transfers, for JSON."""
        crew, reloader = self._crew, self._reloader
        return {
            "version": version("tftpd-tw"),
            "twisted": version("twisted"),
            "python": platform.python_version(),
            "pid": os.getpid(),
            "up_seconds": round(self.uptime, 3),
            "healthy": self.healthy,
            "workers": crew
            and {"serving": crew.serving, "unresponsive": crew.unresponsive, "replaced": crew.restarts},
            "reload": {"successful": reloader.successful, "at": reloader.at},
            "settings": effective(reloader.configuration),
        }

    def _sample(self) -> "Deferred[None]":
        refreshed = self._serving.refresh().addCallback(lambda _: self._serving.look())
        return refreshed.addCallback(
            lambda _: self.history.add(self._serving.totals(), self._reactor.seconds(), time.time())
        )
