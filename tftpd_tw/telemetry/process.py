"""What the process itself uses: CPU, memory, descriptors; and how late its event loop is.

``prometheus_client`` can tell that of one process only, and the daemon may be several.
"""

import os
import resource
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.totals import Totals

INTERVAL = 1.0
"""Seconds between two looks at the event loop."""


def add_process(totals: Totals) -> None:
    """Add what this process uses; where the system does not tell (no ``/proc``), some of it is missing."""
    times = os.times()
    totals.count(families.CPU, by=times.user + times.system)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    totals.count(families.MOST_DESCRIPTORS, by=soft)
    try:
        with open("/proc/self/statm", "rb") as statm:
            pages = int(statm.read().split()[1])
        descriptors = len(os.listdir("/proc/self/fd")) - 1  # one of them is that of the listing
    except OSError:
        return
    totals.count(families.MEMORY, by=pages * resource.getpagesize())
    totals.count(families.DESCRIPTORS, by=descriptors)


class LoopLag:
    """Sets a timer again and again, and notes how late it comes."""

    def __init__(self, clock: IReactorTime, observe: Callable[[float], None]) -> None:
        self._clock = clock
        self._observe = observe
        self._due = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin."""
        self._due = self._clock.seconds() + INTERVAL
        self._call = self._clock.callLater(INTERVAL, self._look)

    def stop(self) -> None:
        """End."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _look(self) -> None:
        self._observe(max(0.0, self._clock.seconds() - self._due))
        self.start()
