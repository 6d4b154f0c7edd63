"""What serves: a folder, its threads and a listener over request sockets that somebody has opened.

The daemon of one process has one of these; with several workers each of them has.
"""

import gc
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.shared_files import SharedFiles
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Address
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.protocol.options import MAX_BLKSIZE, Policy
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.service.configuration import FIT_MTU, Configuration, Performance
from tftpd_tw.service.opening import OpenError, places
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.transfer_log import TransferLog

log = Logger()

DRAIN_SECONDS = 10.0
"""How long running transfers may take to finish when the daemon is stopped."""

STORAGE_SECONDS = 5.0
"""How long it then waits for threads that are at work."""


class StorageThread(threading.Thread):
    """A thread that the end of the process does not wait for: it may itself wait for a dead server."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords, daemon=True)


class StorageThreads(ThreadPool):
    """A pool of such threads."""

    threadFactory = StorageThread  # noqa: N815 - Twisted's


class Storage:
    """The folder, and the threads that wait for its disk."""

    def __init__(self, reactor: Any, configuration: Configuration, path: str | None = None) -> None:
        """Open the folder.

        :param path: another path of the same folder
        :raises OpenError: it cannot be opened
        """
        filesystem, performance, cache = configuration.filesystem, configuration.performance, configuration.cache
        self._reactor = reactor
        self._threads = StorageThreads(0, performance.thread_pool_size, "tftpd-storage")
        self._working = 0
        self._finished: Deferred[None] | None = None
        run = self._in_thread if performance.async_io else execute
        read_ahead = performance.read_ahead
        files = None
        if cache.enabled:
            files = SharedFiles(run, reactor, ttl=cache.ttl, most_bytes=cache.size, read_ahead=read_ahead)
        try:
            self.backend = DirectoryBackend(
                path or filesystem.root,
                uploads=filesystem.uploads,
                run_blocking=run,
                files=files,
                read_ahead=read_ahead,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OpenError(f"cannot serve the folder {filesystem.root}: {reason}") from None
        if not performance.async_io and not self.backend.prompt:
            self.backend.close()
            raise OpenError(
                f"performance.async_io: false is for local file systems, and {filesystem.root} may be on another"
                " machine that keeps everybody waiting; leave it true"
            )

    def start(self) -> None:
        """Start the threads: after twistd has gone to the background and given up root."""
        self._threads.start()

    def clean(self) -> "Deferred[None]":
        """Remove what uploads of an earlier run have left; never fails."""
        if self.backend.uploads is UploadPolicy.DENY:
            return succeed(None)
        cleaning = self.backend.clean().addCallback(_cleaned)
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
        if not self._working:
            self._finish()
        return self._finished

    def _finish(self) -> None:
        finished, self._finished = self._finished, None
        if finished is None:
            return
        self.backend.close()
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


class Transfers:
    """Serves ``storage`` on ``sockets``, one for each place of the network, which it takes over."""

    def __init__(
        self,
        reactor: Any,
        configuration: Configuration,
        storage: Storage,
        sockets: Iterable[socket.socket],
        accounting: Accounting,
    ) -> None:
        self._storage = storage
        network = configuration.network
        self._engine = engine = ENGINES[configuration.performance.engine](reactor, network.port_range.ports)
        terms = make_terms(configuration.performance)
        server = Server(engine, storage.backend, terms, (accounting, TransferLog()))
        self._listener = Listener(server, network.answer_broadcast)
        self.addresses: list[Address] = []
        """Where it serves."""
        for sock, place in zip(sockets, places(network), strict=True):
            host, port, _ = engine.adopt(sock)
            self.addresses.append(self._listener.listen(host, port, single_port=place.single_port))

    @property
    def active(self) -> int:
        """Transfers in progress."""
        return self._listener.active

    def stop(self) -> "Deferred[None]":
        """Take no new requests, let transfers finish for :data:`DRAIN_SECONDS`, and close the storage."""
        if self.active:
            log.info(
                "stopping: {count} transfers have {seconds:.0f} seconds", count=self.active, seconds=DRAIN_SECONDS
            )

        def drained(_: object) -> "Deferred[None]":
            self._engine.close()
            return self._storage.close()

        return self._listener.drain(DRAIN_SECONDS).addBoth(drained)


def make_terms(performance: Performance) -> Terms:
    """How clients are treated, from the section that says so."""
    fit_mtu = performance.block_size == FIT_MTU
    policy = Policy(
        max_blksize=MAX_BLKSIZE if fit_mtu else performance.block_size,
        max_windowsize=performance.window_size,
        max_window_bytes=performance.buffer_size,
    )
    patience = Patience(performance.timeout, performance.max_retries)
    return Terms(policy, patience, fit_mtu, performance.mtu_slack, performance.buffer_size)


def prepare_process(reactor: Any) -> None:
    """What a process that serves needs once, when all is imported.

    Twisted counts in wall-clock time, which is often set only while a machine boots: a step back by an hour would
    stop every timer for an hour (F23). And what was imported is never garbage: to look through it takes the
    collector 10 ms, in which nobody is served.
    """
    if reactor.seconds is time.time:
        reactor.seconds = time.monotonic
    gc.freeze()


def _cleaned(count: int) -> None:
    if count:
        log.info("removed {count} unfinished uploads of an earlier run", count=count)
