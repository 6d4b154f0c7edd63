"""The tree of services that twistd runs.

::

    tftpd
    ├── tftp      request ports and transfers, here or in worker processes
    ├── sampling  the last hour, for the pages
    ├── http      the pages and /metrics, unless switched off
    ├── control   where `tftpd-tw reload` is answered
    └── systemd   what it wants to be told, if it has started us

Ports are opened in the privileged phase, before twistd gives up root. Stopping takes no new requests, lets
running transfers finish for ``drain_timeout``, and ends the rest with an ERROR, so that nothing half written is
left; a second signal waits for neither that nor threads. A reload (:mod:`~tftpd_tw.service.reloading`) changes
what serves new requests, and no transfer that is in progress.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from prometheus_client.registry import Collector
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger

from tftpd_tw.service.apart import run_apart
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.control import ControlService
from tftpd_tw.service.cpus import worker_count
from tftpd_tw.service.http_port import HttpService, is_private
from tftpd_tw.service.log_lines import LogLines
from tftpd_tw.service.one_process import TftpService
from tftpd_tw.service.reloading import Read, Reloader
from tftpd_tw.service.sampling import SamplingService
from tftpd_tw.service.secret_file import read_secret
from tftpd_tw.service.signals import Signals
from tftpd_tw.service.status import status
from tftpd_tw.service.suggester import Suggester
from tftpd_tw.service.supervision import WorkersService
from tftpd_tw.service.systemd import NotifyService, Systemd
from tftpd_tw.service.value_types import HTTP_OFF
from tftpd_tw.telemetry.prometheus import BuildCollector, ReloadCollector, TransferCollector, WorkerCollector
from tftpd_tw.web.shown import Shown
from tftpd_tw.web.site import make_page, make_site

log = Logger()


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
        """Stop everything; fires when that is done. The HTTP port comes last: while transfers finish, somebody may
        want to know.
        """
        self._signals.stopping = True
        Service.stopService(self)

        def stop(services: Sequence[Service]) -> "Deferred[Any]":
            return DeferredList([maybeDeferred(service.stopService) for service in reversed(services)])

        def stopped(result: Any) -> Any:
            self._signals.restore()
            return result

        last = [service for service in self if service.name == HttpService.name]
        stopping = stop([service for service in self if service not in last])
        return stopping.addCallback(lambda _: stop(last)).addBoth(stopped)

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
        sampling = SamplingService(reactor, tftp)
        sampling.setServiceParent(tree)

        def run_blocking(function: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
            return run_apart(reactor, partial(function, *arguments))

        suggester = Suggester(reactor, lambda: tftp.folders, run_blocking)
        shown = Shown(tftp, sampling.history, lambda: status(tftp, reloader, crew), suggester)
        site = make_site(
            TransferCollector(tftp),
            *collectors,
            ReloadCollector(reloader),
            BuildCollector(),
            refresh=tftp.refresh,
            healthy=lambda: tftp.healthy,
            page=make_page(reactor, shown),
            secret=secret,
            private=private,
        )
        HttpService(reactor, monitoring.http, site, shows_page=private or secret is not None).setServiceParent(
            tree
        )
    ControlService(reactor, reloader.reload).setServiceParent(tree)
    notify.setServiceParent(tree)
    return tree
