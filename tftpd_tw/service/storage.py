"""The folders, and the threads that wait for their disks: from their start to their end, whatever a disk does.

No thread is ever joined that may be at work. One that waits for a dead file server waits for ever, and the daemon
must end all the same.
"""

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from tftpd_tw.backends.quota import Usages
from tftpd_tw.service.apart import run_apart
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.folders import Folders
from tftpd_tw.telemetry.totals import Totals

log = Logger()

OPENING_SECONDS = 60.0
"""How long folders that were replaced stay open, for requests that are on their way through them."""

STORAGE_SECONDS = 5.0
"""How long a daemon that stops waits for threads that are at work, once transfers are over."""


class StorageThread(threading.Thread):
    """A thread that the end of the process does not wait for: it may itself wait for a dead server."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords, daemon=True)


class StorageThreads(ThreadPool):
    """A pool of such threads."""

    threadFactory = StorageThread  # noqa: N815 - Twisted's


class Storage:
    """The folders, and the threads that wait for their disks.

    :param paths: other paths of the same folders
    :raises OpenError: a folder cannot be opened
    """

    def __init__(self, reactor: Any, configuration: Configuration, paths: Mapping[str, str] | None = None) -> None:
        self._reactor = reactor
        self.paths = paths or {}
        """Of folders that are opened from now on, in place of those that the settings name."""
        self._threads = StorageThreads(0, configuration.performance.thread_pool_size, "tftpd-storage")
        self._working = 0
        self._old: dict[Folders, Any] = {}
        self._usages = Usages()
        self._past = Totals()
        self._finished: Deferred[None] | None = None
        self._hurrying = False
        self.folders = self.open(configuration)

    def open(self, configuration: Configuration) -> Folders:
        """The folders of ``configuration``, to be handed to :meth:`use`.

        :raises OpenError: one of them cannot be opened
        """
        run = self._in_thread if configuration.performance.async_io else execute
        return Folders(configuration, run, self._reactor, self.paths, usages=self._usages)

    def open_apart(self, configuration: Configuration) -> "Deferred[Folders]":
        """The same while transfers run, which do not wait for it."""
        return run_apart(self._reactor, partial(self.open, configuration), Folders.close)

    def use(self, folders: Folders, threads: int) -> None:
        """From now on these, and so many threads; what is open in the old folders stays open."""
        old, self.folders = self.folders, folders
        self._threads.adjustPoolsize(0, threads)
        self._old[old] = self._reactor.callLater(OPENING_SECONDS, self._forget, old)

    def add_figures(self, totals: Totals) -> None:
        """Add what is known of the files, those of folders that were replaced included."""
        totals.add(self._past)
        for folders in (self.folders, *self._old):
            folders.add_figures(totals)

    def _forget(self, old: Folders) -> None:
        del self._old[old]
        last = Totals()
        old.add_figures(last)
        self._past.add(last.ended())
        old.close()

    def start(self) -> None:
        """Start the threads: after twistd has gone to the background and given up root."""
        self._threads.start()

    def clean(self) -> "Deferred[None]":
        """Remove what uploads of an earlier run have left; never fails."""
        cleaning = self.folders.clean().addCallback(_cleaned)
        return cleaning.addErrback(
            lambda failure: log.failure("Could not clean up after earlier uploads", failure)
        )

    def close(self) -> "Deferred[None]":
        """Let the threads finish what they are at, such as removing what failed uploads have left, and let go of
        the folder. A disk that hangs is not waited for: the threads do not keep the process alive.
        """
        self._finished = Deferred()
        timer = self._reactor.callLater(STORAGE_SECONDS, self._finish)
        self._finished.addCallback(lambda _: timer.cancel() if timer.active() else None)
        closed = self._finished
        if self._hurrying or not self._working:
            self._finish()
        return closed

    def hurry(self) -> None:
        """Wait for no thread any more, nor in :meth:`close`: nobody can tell one that is busy from one that hangs.
        What it had to remove is removed at the next start.
        """
        self._hurrying = True
        self._finish()

    def _finish(self) -> None:
        finished, self._finished = self._finished, None
        if finished is None:
            return
        for old, timer in self._old.items():
            timer.cancel()
            old.close()
        self._old = {}
        self.folders.close()
        if self._working:
            log.warn("{count} threads still wait for the disk", count=self._working)
        else:
            self._threads.stop()
        finished.callback(None)

    def _in_thread(self, function: Any, *arguments: Any) -> "Deferred[Any]":
        self._working += 1
        return deferToThreadPool(self._reactor, self._threads, function, *arguments).addBoth(self._worked)

    def _worked(self, result: Any) -> Any:
        self._working -= 1
        if not self._working and self._finished is not None:
            # After whoever waits for the result, who may have more to do.
            self._reactor.callLater(0, self._idle)
        return result

    def _idle(self) -> None:
        if not self._working:
            self._finish()


def _cleaned(count: int) -> None:
    if count:
        log.info("removed {count} unfinished uploads of an earlier run", count=count)
