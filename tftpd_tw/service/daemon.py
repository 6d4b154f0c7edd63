"""The tree of services that twistd runs.

::

    tftpd
    ├── tftp    request ports and transfers, here or in worker processes
    └── http    /metrics and /healthz, unless switched off

Ports are opened in the privileged phase, before twistd gives up root. Stopping takes no new requests, lets
running transfers finish for :data:`~tftpd_tw.service.transfers.DRAIN_SECONDS`, and ends the rest with an ERROR, so
that nothing half written is left.
"""

from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.web.http import HTTPFactory

from tftpd_tw.interfaces import Address
from tftpd_tw.service.configuration import HTTP_OFF, Configuration, HttpAddress
from tftpd_tw.service.cpus import worker_count
from tftpd_tw.service.opening import OpenError, announce, cannot_listen, open_request_sockets, places
from tftpd_tw.service.supervision import WorkersService
from tftpd_tw.service.transfers import Storage, Transfers
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.prometheus import TransferCollector, WorkerCollector
from tftpd_tw.web.site import make_site

log = Logger()


class TftpService(Service):
    """Request ports over a folder, in this process."""

    name = "tftp"

    def __init__(self, reactor: Any, configuration: Configuration, accounting: Accounting) -> None:
        self._reactor = reactor
        self._configuration = configuration
        self._accounting = accounting
        self._storage: Storage | None = None
        self._transfers: Transfers | None = None

    def privilegedStartService(self) -> None:
        """Open the folder and the ports.

        :raises OpenError: one of them cannot be opened
        """
        super().privilegedStartService()
        configuration = self._configuration
        self._storage = Storage(self._reactor, configuration)
        sockets = [sock for [sock] in open_request_sockets(configuration.network)]
        self._transfers = Transfers(self._reactor, configuration, self._storage, sockets, self._accounting)
        for address, place in zip(self._transfers.addresses, places(configuration.network), strict=True):
            announce(configuration.filesystem.root, address, place)

    def startService(self) -> None:
        """Start the threads: after twistd has gone to the background and given up root."""
        super().startService()
        if self._storage is not None:
            self._storage.start()
            self._storage.clean()

    def stopService(self) -> "Deferred[None]":
        """Drain."""
        super().stopService()
        assert self._transfers is not None
        return self._transfers.stop()


class HttpService(Service):
    """The HTTP port."""

    name = "http"

    def __init__(self, reactor: Any, address: HttpAddress, site: HTTPFactory) -> None:
        self._reactor = reactor
        self._address = address
        self._site = site
        self._port: Any = None

    def privilegedStartService(self) -> None:
        """Open the port.

        :raises OpenError: it cannot be opened
        """
        super().privilegedStartService()
        host, port = self._address.host, self._address.port
        try:
            self._port = self._reactor.listenTCP(port, self._site, interface=host)
        except CannotListenError as error:
            number = getattr(error.socketError, "errno", None)
            raise OpenError(cannot_listen("TCP", Address(host, port), number, "--http")) from None
        bound: Any = self._port.getHost()
        log.info("metrics on http://{address}/metrics", address=str(Address(host, bound.port)))

    def stopService(self) -> Any:
        """Close the port."""
        super().stopService()
        return self._port.stopListening() if self._port is not None else None


def make_service(configuration: Configuration, reactor: Any) -> MultiService:
    """The tree for ``configuration``."""
    tree = MultiService()
    tree.setName("tftpd")
    workers = worker_count(configuration.performance)
    if workers > 1:
        crew = WorkersService(reactor, configuration, workers)
        crew.setServiceParent(tree)
        site = make_site(TransferCollector(crew), WorkerCollector(crew), refresh=crew.refresh)
    else:
        accounting = Accounting(reactor)
        TftpService(reactor, configuration, accounting).setServiceParent(tree)
        site = make_site(TransferCollector(accounting))
    http = configuration.monitoring.http
    if http != HTTP_OFF:
        HttpService(reactor, http, site).setServiceParent(tree)
    return tree
