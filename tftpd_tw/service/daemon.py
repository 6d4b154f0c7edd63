"""The tree of services that twistd runs.

::

    tftpd
    ├── tftp    request ports and transfers
    └── http    /metrics and /healthz, unless switched off

Ports are opened in the privileged phase, before twistd gives up root. Stopping takes no new requests, lets
running transfers finish for :data:`DRAIN_SECONDS`, and ends the rest with an ERROR, so that nothing half
written is left.
"""

import errno
import os
from typing import Any

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.threadpool import ThreadPool
from twisted.web.http import HTTPFactory

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import IEngine
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.reactor_engine import ReactorEngine
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.protocol.options import MAX_BLKSIZE, Policy
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.service.configuration import FIT_MTU, HTTP_OFF, Configuration, HttpAddress, Network, Performance
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.prometheus import TransferCollector
from tftpd_tw.telemetry.transfer_log import TransferLog
from tftpd_tw.web.site import make_site

log = Logger()

DRAIN_SECONDS = 10.0
"""How long running transfers may take to finish when the daemon is stopped."""

STORAGE_THREADS = 8
"""Threads for whatever may wait for a disk."""


class StartError(SystemExit):
    """The daemon cannot start. As a SystemExit it ends twistd with one line instead of a traceback."""

    def __init__(self, text: str) -> None:
        super().__init__(f"tftpd: {text}")


class OpenError(StartError, Exception):
    """A folder or a port cannot be opened. As an Exception too, it ends a twistd that went to the background:
    the process that waits in the foreground is told only of those, and would wait for ever.
    """


class TftpService(Service):
    """Request ports over a folder."""

    name = "tftp"

    def __init__(self, reactor: Any, configuration: Configuration, accounting: Accounting) -> None:
        self._reactor = reactor
        self._configuration = configuration
        self._engine: IEngine = ReactorEngine(reactor)
        self._observers = (accounting, TransferLog())
        self._threads = ThreadPool(0, STORAGE_THREADS, "tftpd-storage")
        self._backend: DirectoryBackend | None = None
        self._listener: Listener | None = None

    def privilegedStartService(self) -> None:
        """Open the folder and the ports.

        :raises OpenError: one of them cannot be opened
        """
        super().privilegedStartService()
        filesystem = self._configuration.filesystem
        try:
            self._backend = DirectoryBackend(
                filesystem.root, uploads=filesystem.uploads, run_blocking=self._in_thread
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OpenError(f"cannot serve the folder {filesystem.root}: {reason}") from None
        server = Server(self._engine, self._backend, make_terms(self._configuration.performance), self._observers)
        network = self._configuration.network
        self._listener = Listener(server, network.answer_broadcast)
        for address in _listen(self._listener, network):
            log.info("serving {root} on UDP {address}", root=filesystem.root, address=str(address))

    def startService(self) -> None:
        """Start the threads: after twistd has gone to the background and given up root."""
        super().startService()
        self._threads.start()
        if self._backend is not None and self._backend.uploads is not UploadPolicy.DENY:
            cleaning = self._backend.clean()
            cleaning.addCallback(self._cleaned)
            cleaning.addErrback(lambda failure: log.failure("Could not clean up after earlier uploads", failure))

    def stopService(self) -> "Deferred[None]":
        """Drain."""
        super().stopService()
        listener, backend = self._listener, self._backend
        assert listener is not None
        assert backend is not None
        if listener.active:
            log.info(
                "stopping: {count} transfers have {seconds:.0f} seconds",
                count=listener.active,
                seconds=DRAIN_SECONDS,
            )

        def finish(result: object) -> object:
            self._threads.stop()
            backend.close()
            return result

        return listener.drain(DRAIN_SECONDS).addBoth(finish)

    def _cleaned(self, count: int) -> None:
        if count:
            log.info("removed {count} unfinished uploads of an earlier run", count=count)

    def _in_thread(self, function: Any, *arguments: Any) -> "Deferred[Any]":
        return deferToThreadPool(self._reactor, self._threads, function, *arguments)


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
            raise OpenError(_cannot_listen("TCP", Address(host, port), number, "--http")) from None
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
    accounting = Accounting(reactor)
    TftpService(reactor, configuration, accounting).setServiceParent(tree)
    http = configuration.monitoring.http
    if http != HTTP_OFF:
        HttpService(reactor, http, make_site(TransferCollector(accounting))).setServiceParent(tree)
    return tree


def make_terms(performance: Performance) -> Terms:
    """How clients are treated, from the section that says so."""
    fit_mtu = performance.block_size == FIT_MTU
    policy = Policy(MAX_BLKSIZE if fit_mtu else performance.block_size, performance.window_size)
    return Terms(policy, Patience(performance.timeout, performance.max_retries), fit_mtu)


def _listen(listener: Listener, network: Network) -> list[Address]:
    """Open every request port."""
    opened = []
    for host in network.addresses:
        try:
            opened.append(listener.listen(host, network.port))
        except OSError as error:
            no_ipv6 = host == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
            if not no_ipv6:
                where = Address(host, network.port)
                raise OpenError(_cannot_listen("UDP", where, error.errno, "--port")) from None
            try:
                opened.append(listener.listen("0.0.0.0", network.port))
            except OSError as second:
                where = Address("0.0.0.0", network.port)
                raise OpenError(_cannot_listen("UDP", where, second.errno, "--port")) from None
    return opened


def _cannot_listen(kind: str, where: Address, number: int | None, option: str) -> str:
    """One line: what failed, why, and what to do about it."""
    advice = {
        errno.EADDRINUSE: f"another program has it; stop that one (`ss -lpn 'sport = :{where.port}'` names it)"
        f" or choose another with {option}",
        errno.EACCES: f"ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with {option}, or start"
        " as root and give it up with `twistd --uid`",
        errno.EADDRNOTAVAIL: "this host has no such address; `ip address` lists those that it has",
    }.get(number or 0, f"choose another with {option}")
    reason = os.strerror(number) if number else "unknown error"
    return f"cannot listen on {kind} {where}: {reason}: {advice}"
