"""What serves: a listener over request sockets that somebody has opened, and the folders behind it.

The daemon of one process has one of these; with several workers each of them has.
"""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import IRequestSocket
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.neighbours import Neighbours
from tftpd_tw.net.serving import Server
from tftpd_tw.policy.limits import Limits
from tftpd_tw.service.apart import in_own_thread
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.hooks import make_hooks
from tftpd_tw.service.opening import OpenError, Place
from tftpd_tw.service.storage import Storage
from tftpd_tw.service.treatment import make_bounds, make_server
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.hooks import Hooks
from tftpd_tw.telemetry.process import LoopLag, add_process
from tftpd_tw.telemetry.reports import Reports
from tftpd_tw.telemetry.totals import Totals
from tftpd_tw.telemetry.transfer_log import TransferLog
from tftpd_tw.telemetry.view import View

log = Logger()


class Transfers:
    """Serves ``storage`` on the sockets that it is given.

    :param on_left: called when ``staying`` has become less
    :param worker: the number of this process, if there are several
    """

    def __init__(
        self,
        reactor: Any,
        configuration: Configuration,
        storage: Storage,
        accounting: Accounting,
        on_left: Callable[[], object],
        worker: int | None = None,
    ) -> None:
        self._storage = storage
        self._on_left = on_left
        self._stopping = False
        self._configuration = configuration
        run_blocking = partial(_in_thread, reactor)
        self.view = View(reactor, accounting, configuration.monitoring.recent_transfers)
        """What is in progress, and what has ended lately."""
        self._hooks = Hooks(reactor, partial(in_own_thread, reactor, name="tftpd-hook"), worker)
        self._hooks.use(make_hooks(configuration.monitoring.on_transfer))
        listeners = (TransferLog(), self.view, self._hooks)
        self._reports = Reports(reactor, listeners, Neighbours(run_blocking).find, self.view.refused)
        self._observers = (accounting, self._reports)
        ports = configuration.network.port_range.ports
        self._engine = ENGINES[configuration.performance.engine](reactor, ports)
        self._limits = Limits(make_bounds(configuration))
        server = self._server(configuration, storage.folders)
        self._listener = Listener(server, configuration.network.answer_broadcast)
        self._ports: list[tuple[Place, IRequestSocket]] = []
        self._retired: dict[IRequestSocket, Place] = {}
        self._lag = LoopLag(reactor, accounting.loop_was_late)
        accounting.sources += [storage.add_figures, self._add_figures, self._hooks.add_figures, add_process]

    def start(self) -> None:
        """The process is what it will be, and serves from now on."""
        self._storage.start()
        self._lag.start()

    async def reload(self, configuration: Configuration) -> None:
        """Treat new requests as ``configuration`` says; running transfers go on as they began.

        :raises OpenError: a folder cannot be opened, or all is stopping; then all stays as it was
        """
        folders = await self._storage.open_apart(configuration)
        if self._stopping:
            folders.close()
            raise OpenError("the daemon is stopping")
        self._limits.bounds = make_bounds(configuration)
        self._listener.serve(self._server(configuration, folders), configuration.network.answer_broadcast)
        self._storage.use(folders, configuration.performance.thread_pool_size)
        self._hooks.use(make_hooks(configuration.monitoring.on_transfer))
        self._configuration = configuration

    def _server(self, configuration: Configuration, folders: Folders) -> Server:
        return make_server(self._engine, folders.backend, configuration, self._observers, self._limits)

    def _add_figures(self, totals: Totals) -> None:
        totals.count(families.OPENING, by=self._listener.opening)

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
        """Take no new requests, let transfers finish for ``drain_timeout``, then hooks, and close the storage."""
        seconds = self._configuration.performance.drain_timeout
        self._stopping = True
        self.keep(())
        draining = self._listener.drain(seconds)
        if self.active:
            # Said when the ports are closed, since that is what it says.
            have = "transfer has" if self.active == 1 else "transfers have"
            log.info(f"stopping: {{count}} {have} {{seconds:g}} seconds", count=self.active, seconds=seconds)

        def drained(_: object) -> "Deferred[Any]":
            self._lag.stop()
            self._reports.flush()
            self._engine.close()
            return gatherResults([self._hooks.close(), self._storage.close()])

        return draining.addBoth(drained)

    def hurry(self) -> None:
        """End all transfers now, and wait for no disk and no hook."""
        self._hooks.hurry()
        self._listener.end_all("the server was told to stop at once")
        self._storage.hurry()


def _in_thread(reactor: Any, function: Any, *arguments: Any) -> "Deferred[Any]":
    """In a thread of the reactor's: those of the storage may all wait for a disk."""
    return deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)
