"""The last hour of the daemon, sampled; and its board brought up to date so often that little is lost if a worker
dies.
"""

import time
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from tftpd_tw.telemetry.history import INTERVAL, History
from tftpd_tw.web.shown import Serving

log = Logger()


class SamplingService(Service):
    """Takes a sample of ``serving`` every ten seconds."""

    name = "sampling"

    def __init__(self, reactor: Any, serving: Serving) -> None:
        self._reactor = reactor
        self._serving = serving
        self._loop = LoopingCall(self._sample)
        self._loop.clock = reactor
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

    def _sample(self) -> "Deferred[None]":
        refreshed = self._serving.refresh().addCallback(lambda _: self._serving.look())
        return refreshed.addCallback(
            lambda _: self.history.add(self._serving.totals(), self._reactor.seconds(), time.time())
        )
