"""The daemon when it has workers: it opens, hands out, watches and adds up, and serves nobody itself.

Each worker gets one socket for every address, which shares the address with those of the other workers: the
kernel gives each client to one of them, by a hash of the client's address and port, so that a repeated request
comes to the worker that knows it. Only the daemon may bind, and only before it gave up root; workers inherit.

When a worker dies, its transfers die with it, and nobody else's. Its sockets are still open here, so the kernel
goes on giving it the same share of the clients: their requests wait in the sockets' buffers until the next
worker takes them (:mod:`~tftpd_tw.service.replacing`), in order and with their repeats, which it folds into one
transfer each; the kernel drops what the buffer has no room for, as with a packet that is lost. Closing the sockets
instead would make the kernel deal all clients anew, running and waiting ones, and what has waited would be lost.
"""

import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults

from tftpd_tw.service.apart import run_apart
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.cpus import cpus
from tftpd_tw.service.folders import Folders, bases
from tftpd_tw.service.messages import FIRST_FOLDER, PASSAGE, REPLIES, Assignment, Change
from tftpd_tw.service.opening import OpenError, announce
from tftpd_tw.service.replacing import Post
from tftpd_tw.service.request_ports import Port, RequestPorts, bound
from tftpd_tw.service.sharing import share_of_worker
from tftpd_tw.service.storage import Storage
from tftpd_tw.service.worker_process import WorkerProcess
from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.process import add_process
from tftpd_tw.telemetry.totals import Totals

Opened = tuple[Storage, list[int]]
"""Folders, and descriptors of them for the workers, who may not be able to open them by name."""


class WorkersService(Service):
    """Request ports over a folder, served by ``count`` processes. It is also their figures."""

    name = "tftp"

    def __init__(
        self, reactor: Any, configuration: Configuration, count: int, inherited: Sequence[socket.socket] = ()
    ) -> None:
        self.reactor = reactor
        self._configuration = configuration
        self._count = count
        self._inherited = inherited
        self._started_at = reactor.seconds()
        self._storage: Storage | None = None
        self._folders: list[int] = []
        self._ports: RequestPorts | None = None
        self._posts: list[Post] = []
        self._ready: Deferred[None] = Deferred()
        self._past = Totals()
        self._scrapes: list[Deferred[None]] = []
        self._looks: list[Deferred[None]] = []
        self.board = Board(configuration.monitoring.recent_transfers)
        """The transfers of all workers."""

    def privilegedStartService(self) -> None:
        """Open the folder and the ports.

        :raises OpenError: one of them cannot be opened
        """
        super().privilegedStartService()
        configuration = self._configuration
        if configuration.performance.cpu_affinity and not hasattr(os, "sched_setaffinity"):
            raise OpenError("--cpu-affinity: this system cannot pin a process to a CPU")
        self._storage, self._folders = self._open_folders(configuration)
        self._ports = RequestPorts(self._count, self._inherited)
        self._ports.open(configuration.network)
        _say_where(configuration, self._ports.all)

    def startService(self) -> None:
        """Start the workers, as the user that twistd has become.

        :raises OpenError: that user may not do so
        """
        super().startService()
        effective = os.access in os.supports_effective_ids
        if not sys.executable or not os.access(sys.executable, os.X_OK, effective_ids=effective):
            raise OpenError(
                f"--workers: uid {os.geteuid()} may not run {sys.executable or 'Python'}, as each worker must:"
                " install it where everybody may read, use no chroot, or use one worker"
            )
        assert self._storage is not None
        self._storage.start()
        self._storage.clean()
        numbers = range(1, self._count + 1)
        self._posts = [Post(number, self.reactor, self._start, self._departed) for number in numbers]
        for post in self._posts:
            post.fill()

    async def reload(self, configuration: Configuration) -> None:
        """Have all workers serve by ``configuration``, from now on and when they are replaced.

        :raises OpenError: that is not possible, and nothing has changed
        """
        before, ports = self._configuration, self.ports
        opened = await run_apart(
            self.reactor, partial(self._open_what_changed, configuration), self._close_folders
        )
        try:
            if not self.running:
                raise OpenError("the daemon is stopping")
            change = ports.open(configuration.network)
        except OpenError:
            self._close_folders(opened)
            raise
        self._configuration = configuration
        why_not = await self._change(change.opened, opened[1] if opened else ())
        if why_not or not self.running:
            self._configuration = before
            ports.undo(change)
            await self._change((), self._folders if opened else ())
            self._release()
            self._close_folders(opened)
            raise OpenError(why_not or "the daemon is stopping")
        ports.finish(change)
        if change.closing:
            await self._change()
            self._release()
        if opened:
            assert self._storage is not None
            self._close_folders((self._storage, self._folders))
            self._storage, self._folders = opened
            self._storage.start()
        _say_where(configuration, change.opened)

    def stopService(self) -> "Deferred[None]":
        """Have all workers drain; fires when none is left."""
        super().stopService()
        self.ports.retire()

        def finish(_: object) -> "Deferred[None]":
            self.ports.close()
            for folder in self._folders:
                os.close(folder)
            assert self._storage is not None
            return self._storage.close()

        seconds = self._configuration.performance.drain_timeout
        return gatherResults([post.stop(seconds) for post in self._posts]).addCallback(finish)

    def hurry(self) -> None:
        """Have all workers end at once, with all transfers."""
        for post in self._posts:
            post.hurry()
        if self._storage is not None:
            self._storage.hurry()

    @property
    def ports(self) -> RequestPorts:
        """The sockets, of which each worker gets its own."""
        assert self._ports is not None
        return self._ports

    def when_ready(self) -> "Deferred[None]":
        """Fires once every worker serves, for one who asks."""
        return self._ready

    def refresh(self) -> "Deferred[None]":
        """Ask every worker for its figures; fires when they are there, or too late. Never fails."""
        return self._ask_all(WorkerProcess.ask, self._scrapes)

    def look(self) -> "Deferred[None]":
        """Ask every worker for its transfers; fires when the board has them, or too late. Never fails."""
        return self._ask_all(WorkerProcess.ask_view, self._looks)

    @property
    def uptime(self) -> float:
        """Seconds since the daemon was started."""
        return float(self.reactor.seconds() - self._started_at)

    def totals(self) -> Totals:
        """The figures of all workers, those that are gone included, and what this process uses."""
        totals = self._past.copy()
        for process in self._processes():
            totals.add(process.totals)
        add_process(totals)
        return totals

    @property
    def healthy(self) -> bool:
        """Whether any worker serves."""
        return bool(self.running) and self.serving > 0

    @property
    def folders(self) -> Folders:
        """What is served."""
        assert self._storage is not None
        return self._storage.folders

    @property
    def serving(self) -> int:
        """How many workers serve."""
        return sum(process.ready for process in self._processes())

    @property
    def unresponsive(self) -> int:
        """How many of them did not say their figures in time."""
        return sum(process.ready and not process.responsive for process in self._processes())

    @property
    def restarts(self) -> int:
        """How many workers have been replaced."""
        return sum(post.restarts for post in self._posts)

    async def _change(self, new: Sequence[Port] = (), folders: Sequence[int] = ()) -> str:
        """Tell all what is so now; why one of them cannot do it, if so.

        :param new: those of the ports that they have not got yet
        :param folders: all folders, if they have not got them yet
        """
        waiting = []
        for process in self._processes():
            number = process.number
            mine = share_of_worker(self._configuration, number, self._count)
            change = Change(mine, self.ports.places, len(new), len(folders))
            sockets = [group[number - 1].fileno() for _, group in new]
            waiting.append(process.change(change, [*folders, *sockets]))
        answers: list[str] = await gatherResults(waiting)
        return next(filter(None, answers), "")

    def _release(self) -> None:
        """Close the retired ports on which no worker has transfers, once all have said where they do."""
        said = [process.staying for process in self._processes()]
        known = [places for places in said if places is not None]
        if len(known) == len(said):
            self.ports.release({place for places in known for place in places})

    def _open_folders(self, configuration: Configuration) -> Opened:
        storage = Storage(self.reactor, configuration)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        return storage, [os.open(base, flags) for base in bases(configuration)]

    def _open_what_changed(self, configuration: Configuration) -> Opened | None:
        """The folders, if they are others or there are others at their paths; for a thread."""
        wanted = bases(configuration)
        if wanted == bases(self._configuration) and not any(map(_replaced, wanted, self._folders)):
            return None
        return self._open_folders(configuration)

    def _close_folders(self, opened: Opened | None) -> None:
        if opened is not None:
            storage, folders = opened
            storage.close()
            for folder in folders:
                os.close(folder)

    def _start(self, number: int, on_ended: Callable[[WorkerProcess, str], None]) -> WorkerProcess:
        """Worker ``number``. It imports what this process would, and nothing from the current folder.

        :raises OSError: the system has no room for it
        """
        mask = cpus()
        cpu = mask[(number - 1) % len(mask)] if self._configuration.performance.cpu_affinity else None
        mine = share_of_worker(self._configuration, number, self._count)
        assignment = Assignment(number, mine, self.ports.places, cpu)
        process = WorkerProcess(assignment, self.reactor, self.board, self._one_is_ready, self._release, on_ended)
        sockets = [group[number - 1].fileno() for group in self.ports.groups]
        try:
            self.reactor.spawnProcess(
                process,
                sys.executable,
                [sys.executable, "-P", "-m", "tftpd_tw.service.worker", str(number)],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                childFDs={0: "w", 1: "r", 2: "r", REPLIES: "r", PASSAGE: process.far_end.fileno()}
                | {FIRST_FOLDER + index: passed for index, passed in enumerate((*self._folders, *sockets))},
            )
        except OSError:
            process.close()
            raise
        process.far_end.close()
        return process

    def _departed(self, process: WorkerProcess) -> None:
        """``process`` is gone; what it has counted stays."""
        self._past += process.totals.ended()
        self._release()

    def _one_is_ready(self) -> None:
        if self.serving == self._count and not self._ready.called:
            self._ready.callback(None)

    def _processes(self) -> list[WorkerProcess]:
        return [post.process for post in self._posts if post.process is not None]

    def _ask_all(
        self, ask: Callable[[WorkerProcess], "Deferred[None]"], together: "list[Deferred[None]]"
    ) -> "Deferred[None]":
        """Ask once for all who want it at the same time."""
        waiting: Deferred[None] = Deferred()
        together.append(waiting)

        def answered(_: object) -> None:
            everybody = together.copy()
            together.clear()
            for one in everybody:
                one.callback(None)

        if len(together) == 1:
            gatherResults([ask(process) for process in self._processes()]).addCallback(answered)
        return waiting


def _say_where(configuration: Configuration, ports: Sequence[Port]) -> None:
    for place, group in ports:
        announce(configuration.filesystem.root, bound(group), place)


def _replaced(path: str, folder: int) -> bool:
    """Whether there is another folder at ``path`` now; where we may not look any more, the old one stays."""
    try:
        return not os.path.samestat(os.stat(path), os.fstat(folder))
    except OSError:
        return False
