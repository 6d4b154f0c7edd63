"""What serves: folders, their threads and a listener over request sockets that somebody has opened.

The daemon of one process has one of these; with several workers each of them has.
"""

import gc
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, execute
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool

from tftpd_tw.backends.quota import Usages
from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import IRequestSocket
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.policy.limits import Limits
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.opening import Place
from tftpd_tw.service.treatment import make_bounds, make_server
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.transfer_log import TransferLog

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
        self._paths = paths or {}
        self._threads = StorageThreads(0, configuration.performance.thread_pool_size, "tftpd-storage")
        self._working = 0
        self._old: dict[Folders, Any] = {}
        self._usages = Usages()
        self._finished: Deferred[None] | None = None
        self._hurrying = False
        self.folders = self.open(configuration)

    def open(self, configuration: Configuration) -> Folders:
        """The folders of ``configuration``, to be handed to :meth:`use`.

        :raises OpenError: one of them cannot be opened
        """
        run = self._in_thread if configuration.performance.async_io else execute
        return Folders(configuration, run, self._reactor, self._paths, usages=self._usages)

    def use(self, folders: Folders, threads: int) -> None:
        """From now on these, and so many threads; what is open in the old folders stays open."""
        old, self.folders = self.folders, folders
        self._threads.adjustPoolsize(0, threads)
        self._old[old] = self._reactor.callLater(OPENING_SECONDS, self._forget, old)

    def _forget(self, old: Folders) -> None:
        del self._old[old]
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


class Transfers:
    """Serves ``storage`` on the sockets that it is given.

    :param on_left: called when ``staying`` has become less
    """

    def __init__(
        self,
        reactor: Any,
        configuration: Configuration,
        storage: Storage,
        accounting: Accounting,
        on_left: Callable[[], object],
    ) -> None:
        self._storage = storage
        self._on_left = on_left
        self._configuration = configuration
        self._observers = (accounting, TransferLog())
        ports = configuration.network.port_range.ports
        self._engine = ENGINES[configuration.performance.engine](reactor, ports)
        self._limits = Limits(make_bounds(configuration))
        server = self._server(configuration, storage.folders)
        self._listener = Listener(server, configuration.network.answer_broadcast)
        self._ports: list[tuple[Place, IRequestSocket]] = []
        self._retired: dict[IRequestSocket, Place] = {}

    def reload(self, configuration: Configuration) -> None:
        """Treat new requests as ``configuration`` says; running transfers go on as they began.

        :raises OpenError: a folder cannot be opened; then all stays as it was
        """
        folders = self._storage.open(configuration)
        self._limits.bounds = make_bounds(configuration)
        self._listener.serve(self._server(configuration, folders), configuration.network.answer_broadcast)
        self._storage.use(folders, configuration.performance.thread_pool_size)
        self._configuration = configuration

    def _server(self, configuration: Configuration, folders: Folders) -> Server:
        return make_server(self._engine, folders.backend, configuration, self._observers, self._limits)

    @property
    def active(self) -> int:
        """Transfers in progress."""
        return self._listener.active

    @property
    def staying(self) -> list[Place]:
        """Where transfers are that began there, though no requests are taken any more."""
        return list(self._retired.values())

    def listen(self, sock: socket.socket, place: Place) -> Address:
        """Take requests from ``sock`` too, which it takes over; where that is bound. If it is in ``staying``, the
        sockets are the same one, and what is there goes on.
        """
        opened = next((retired for retired, where in self._retired.items() if where == place), None)
        if opened is not None:
            sock.close()
            del self._retired[opened]
            opened.single_port = place.single_port
            self._listener.listen_again(opened)
        else:
            opened = self._listener.add(self._engine.adopt(sock, self._listener, place.single_port))
            opened.closed.addCallback(self._left, opened)
        self._ports.append((place, opened))
        address: Address = opened.address
        return address

    def keep(self, places: Sequence[Place]) -> None:
        """Take requests there only, in the way that they say now. What has begun elsewhere goes on."""
        wanted = {place: place for place in places}
        for place, opened in self._ports:
            if place in wanted:
                opened.single_port = wanted[place].single_port
            else:
                self._listener.stop_listening(opened)
                if not opened.closed.called:
                    self._retired[opened] = place
        self._ports = [(place, opened) for place, opened in self._ports if place in wanted]

    def _left(self, _: None, opened: IRequestSocket) -> None:
        if self._retired.pop(opened, None) is not None:
            self._on_left()

    def stop(self) -> "Deferred[None]":
        """Take no new requests, let transfers finish for ``drain_timeout``, and close the storage."""
        seconds = self._configuration.performance.drain_timeout
        self.keep(())
        draining = self._listener.drain(seconds)
        if self.active:
            # Said when the ports are closed, since that is what it says.
            log.info("stopping: {count} transfers have {seconds:g} seconds", count=self.active, seconds=seconds)

        def drained(_: object) -> "Deferred[None]":
            self._engine.close()
            return self._storage.close()

        return draining.addBoth(drained)

    def hurry(self) -> None:
        """End all transfers now, and wait for no disk."""
        self._listener.end_all()
        self._storage.hurry()


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
