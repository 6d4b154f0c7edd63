"""The tree of services that twistd runs.

::

    tftpd
    ├── tftp      request ports and transfers, here or in worker processes
    ├── watching  what the pages show, gathered
    ├── http      the pages and /metrics, unless switched off
    ├── control   where `tftpd-tw reload` is answered
    └── systemd   what it wants to be told, if it has started us

Ports are opened in the privileged phase, before twistd gives up root. Stopping takes no new requests, lets
running transfers finish for ``drain_timeout``, and ends the rest with an ERROR, so that nothing half written is
left; a second signal waits for neither that nor threads. A reload (:mod:`~tftpd_tw.service.reloading`) changes
what serves new requests, and no transfer that is in progress.
"""

from collections.abc import Sequence
from functools import partial
from socket import socket
from typing import Any

from prometheus_client.registry import Collector
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from tftpd_tw.service.apart import run_apart
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.control import ControlService
from tftpd_tw.service.cpus import worker_count
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.http_port import HttpService, is_private, read_secret
from tftpd_tw.service.log_lines import LogLines
from tftpd_tw.service.opening import OpenError, announce
from tftpd_tw.service.reloading import Read, Reloader
from tftpd_tw.service.request_ports import Port, RequestPorts
from tftpd_tw.service.signals import Signals
from tftpd_tw.service.storage import Storage
from tftpd_tw.service.suggester import Suggester
from tftpd_tw.service.supervision import WorkersService
from tftpd_tw.service.systemd import NotifyService, Systemd
from tftpd_tw.service.transfers import Transfers
from tftpd_tw.service.value_types import HTTP_OFF
from tftpd_tw.service.watching import WatchingService
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.prometheus import BuildCollector, ReloadCollector, TransferCollector, WorkerCollector
from tftpd_tw.telemetry.totals import Totals
from tftpd_tw.web.site import make_page, make_site

log = Logger()


class TftpService(Service):
    """Request ports over a folder, in this process."""

    name = "tftp"

    def __init__(
        self,
        reactor: Any,
        configuration: Configuration,
        inherited: Sequence[socket] = (),
    ) -> None:
        self._reactor = reactor
        self._configuration = configuration
        self._accounting = Accounting(reactor)
        self._inherited = inherited
        self._storage: Storage | None = None
        self._ports: RequestPorts | None = None
        self._transfers: Transfers | None = None
        self.board = Board(configuration.monitoring.recent_transfers)
        """The transfers."""

    def privilegedStartService(self) -> None:
        """Open the folder and the ports.

        :raises OpenError: one of them cannot be opened
        """
        super().privilegedStartService()
        configuration = self._configuration
        self._storage = Storage(self._reactor, configuration)
        self._ports = RequestPorts(inherited=self._inherited)
        self._ports.open(configuration.network)
        self._transfers = Transfers(
            self._reactor, configuration, self._storage, self._accounting, on_left=self._release
        )
        self._serve_on(self._ports.all)

    def startService(self) -> None:
        """Start the threads: after twistd has gone to the background and given up root."""
        super().startService()
        if self._storage is not None and self._transfers is not None:
            self._transfers.start()
            self._storage.clean()

    async def reload(self, configuration: Configuration) -> None:
        """Serve new requests by ``configuration``.

        :raises OpenError: that is not possible, and nothing has changed
        """
        assert self._ports is not None
        assert self._transfers is not None
        if not self.running:
            raise OpenError("the daemon is stopping")
        change = self._ports.open(configuration.network)
        try:
            await self._transfers.reload(configuration)
        except BaseException:
            self._ports.undo(change)
            self._release()
            raise
        self._configuration = configuration
        self._serve_on(change.opened)
        self._ports.finish(change)
        self._transfers.keep(self._ports.places)
        self._release()

    def stopService(self) -> "Deferred[None]":
        """Drain."""
        super().stopService()
        assert self._ports is not None
        assert self._transfers is not None
        stopped = self._transfers.stop()
        self._ports.close()
        return stopped

    @property
    def healthy(self) -> bool:
        """Whether anybody serves."""
        return bool(self.running)

    @property
    def uptime(self) -> float:
        """Seconds since the daemon was started."""
        return self._accounting.uptime

    @property
    def folders(self) -> Folders:
        """What is served."""
        assert self._storage is not None
        return self._storage.folders

    def when_ready(self) -> "Deferred[None]":
        """Fires once it serves, which it does from its start."""
        return succeed(None)

    def totals(self) -> Totals:
        """The figures."""
        return self._accounting.totals()

    def refresh(self) -> "Deferred[None]":
        """They are always fresh."""
        return succeed(None)

    def look(self) -> "Deferred[None]":
        """Have the board be up to date; fires when it is."""
        if self._transfers is not None:
            self.board.look(self._transfers.view)
        return succeed(None)

    def hurry(self) -> None:
        """End all transfers now."""
        if self._transfers is not None:
            self._transfers.hurry()

    def _release(self) -> None:
        assert self._ports is not None
        assert self._transfers is not None
        self._ports.release(self._transfers.staying)

    def _serve_on(self, ports: Sequence[Port]) -> None:
        assert self._transfers is not None
        for place, [sock] in ports:
            # A descriptor of its own: it may be needed for transfers when the port is closed here.
            address = self._transfers.listen(sock.dup(), place)
            announce(self._configuration.filesystem.root, address, place)


class Daemon(MultiService):
    """The tree, and what signals do to it."""

    def __init__(self, reactor: Any, tftp: TftpService | WorkersService, reloader: Reloader) -> None:
        super().__init__()
        self.setName("tftpd")
        self._tftp = tftp
        self._reloader = reloader
        self._signals = Signals(reactor, self._reload, self._hurry)

    def privilegedStartService(self) -> None:
        """Open everything. From now on no SIGHUP ends the process; one that comes too early waits.

        :raises OpenError: something cannot be opened
        """
        self._signals.install()
        try:
            super().privilegedStartService()
        except BaseException:
            self._signals.restore()
            raise

    def stopService(self) -> "Deferred[Any]":
        """Stop everything; fires when that is done."""
        self._signals.stopping = True

        def stopped(result: Any) -> Any:
            self._signals.restore()
            return result

        stopping: Deferred[Any] = super().stopService()
        return stopping.addBoth(stopped)

    def _reload(self) -> None:
        log.info("SIGHUP: reading the settings again")
        self._reloader.reload()

    def _hurry(self) -> None:
        log.info("stopping at once")
        self._tftp.hurry()


def make_service(
    configuration: Configuration,
    reactor: Any,
    read: Read | None = None,
    systemd: Systemd | None = None,
    log_lines: LogLines | None = None,
) -> Daemon:
    """The tree for ``configuration``.

    :param read: reads the settings again; without it they stay as they are
    :param systemd: what it has given us
    :param log_lines: how the log is written, to be kept up to date
    """
    systemd = systemd or Systemd()
    workers = worker_count(configuration.performance)
    tftp: TftpService | WorkersService
    collectors: list[Collector] = []
    crew = None
    if workers > 1:
        tftp = crew = WorkersService(reactor, configuration, workers, systemd.sockets)
        collectors.append(WorkerCollector(crew))
    else:
        tftp = TftpService(reactor, configuration, systemd.sockets)
    notify = NotifyService(reactor, systemd, lambda: tftp.totals().active, tftp.when_ready, tftp.refresh)

    async def apply(new: Configuration) -> None:
        await tftp.reload(new)
        if log_lines is not None:
            log_lines.use(new.logging)

    reloader = Reloader(
        configuration,
        read or (lambda: configuration),
        apply,
        partial(run_apart, reactor),
        began=notify.reloading,
        ended=notify.reloaded,
    )
    tree = Daemon(reactor, tftp, reloader)
    tftp.setServiceParent(tree)
    monitoring = configuration.monitoring
    if monitoring.http != HTTP_OFF:
        secret, private = read_secret(monitoring.secret_file), is_private(monitoring.http)
        watching = WatchingService(reactor, tftp, reloader, crew)
        watching.setServiceParent(tree)
        site = make_site(
            TransferCollector(tftp),
            *collectors,
            ReloadCollector(reloader),
            BuildCollector(),
            refresh=tftp.refresh,
            healthy=lambda: tftp.healthy,
            page=make_page(reactor, watching, Suggester(reactor, lambda: tftp.folders)),
            secret=secret,
            private=private,
        )
        HttpService(reactor, monitoring.http, site, shows_page=private or secret is not None).setServiceParent(
            tree
        )
    ControlService(reactor, reloader.reload).setServiceParent(tree)
    notify.setServiceParent(tree)
    return tree
