"""A worker's place, which is filled again when its process ends: after a pause that grows with each failure.

A process that dies at once would die again at once; one that has lived well may have had bad luck. Meanwhile its
requests wait in its sockets (:mod:`~tftpd_tw.service.supervision`).
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from tftpd_tw.service.worker_process import WorkerProcess

log = Logger()

FIRST_PAUSE = 1.0
"""Seconds before a worker that ended is replaced; twice as long each time that it happens again."""

LONGEST_PAUSE = 30.0

GOOD_LIFE = 60.0
"""Seconds after which a worker's end counts as the first one."""

STOP_WITHIN = 5.0
"""Seconds that a worker has to stop, beside the time that transfers have."""

Start = Callable[[int, Callable[[WorkerProcess, str], None]], WorkerProcess]
"""Starts the worker of a number, and has its end and how it came about told; raises OSError if it cannot."""


class Post:
    """The place of one worker, who is replaced when he ends.

    :param clock: the reactor's time
    :param on_departed: called with each process that has ended
    """

    def __init__(
        self, number: int, clock: Any, start: Start, on_departed: Callable[[WorkerProcess], None]
    ) -> None:
        self._number = number
        self._clock = clock
        self._start = start
        self._on_departed = on_departed
        self._began = 0.0
        self._failures = 0
        self._timer: Any = None
        self._empty: Deferred[None] | None = None
        self.process: WorkerProcess | None = None
        """Who fills it, if anybody does."""
        self.restarts = 0
        """How often he was replaced."""

    def fill(self) -> None:
        """Start a process."""
        self._began = self._clock.seconds()
        try:
            self.process = self._start(self._number, self._ended)
        except OSError as error:
            self._fill_later(0, f"it could not be started: {error.strerror}")

    def stop(self, drain_timeout: float) -> "Deferred[None]":
        """Have him end, and don't replace him; fires when he is gone.

        :param drain_timeout: seconds that his transfers have
        """
        if self._timer is not None:
            self._timer.cancel()
        if self.process is None:
            return succeed(None)
        self._empty = Deferred()
        self.process.terminate()
        self._timer = self._clock.callLater(drain_timeout + STOP_WITHIN, self.process.kill)
        return self._empty

    def hurry(self) -> None:
        """After :meth:`stop`: have him end at once."""
        if self.process is not None:
            self.process.hurry()
            if self._timer is not None and self._timer.active():
                self._timer.reset(STOP_WITHIN)

    def _ended(self, process: WorkerProcess, how: str) -> None:
        self.process = None
        self._on_departed(process)
        if self._empty is None:
            self._fill_later(process.pid, how)
            return
        if self._timer.active():
            self._timer.cancel()
        if how != "status 0":
            log.warn("worker {worker} (pid {pid}) ended: {how}", worker=self._number, pid=process.pid, how=how)
        self._empty.callback(None)

    def _fill_later(self, pid: int, how: str) -> None:
        if self._clock.seconds() - self._began >= GOOD_LIFE:
            self._failures = 0
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._failures)
        self._failures += 1
        log.error(
            "worker {worker} (pid {pid}) ended: {how}; the next one starts in {pause:.0f} s",
            worker=self._number,
            pid=pid,
            how=how,
            pause=pause,
        )
        self._timer = self._clock.callLater(pause, self._replace)

    def _replace(self) -> None:
        self._timer = None
        self.restarts += 1
        self.fill()
