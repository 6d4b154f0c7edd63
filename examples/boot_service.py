"""A server among the services of an application: limits, terms, figures for Prometheus, and an end without haste.

Run it with ``twistd -n -y examples/boot_service.py``, then ``curl tftp://127.0.0.1:6969/boot.ipxe`` and
``curl http://127.0.0.1:9069/metrics``.
"""

from typing import Any

from twisted.application.internet import TCPServer
from twisted.application.service import Application, MultiService, Service
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.interfaces import IBackend, ITransferObserver, Request
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.policy.limits import Bounds, Limits
from tftpd_tw.protocol.options import Policy
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.prometheus import TransferCollector
from tftpd_tw.telemetry.reports import Reports
from tftpd_tw.telemetry.transfer_log import TransferLog
from tftpd_tw.web.site import make_site

USUAL = Terms(Policy(max_windowsize=32))
OLD_ROMS = Terms(Policy(max_blksize=512, refused=frozenset({b"windowsize"})), profile="old-rom")


def terms_for(request: Request) -> Terms:
    return OLD_ROMS if request.client.host.startswith("192.0.2.") else USUAL


class BootService(Service):
    def __init__(self, reactor: Any, backend: IBackend, *observers: ITransferObserver) -> None:
        self.engine = ENGINES["auto"](reactor)
        limits = Limits(Bounds(transfers=200, transfers_per_client=20))
        server = Server(self.engine, backend, observers=observers, limits=limits, terms_for=terms_for)
        self.listener = Listener(server)

    def privilegedStartService(self) -> None:
        super().privilegedStartService()
        self.listener.listen("127.0.0.1", 6969)
        self.listener.listen("127.0.0.2", 6969, single_port=True)

    def stopService(self) -> "Deferred[None]":
        super().stopService()
        return self.listener.drain(10.0).addCallback(lambda _: self.engine.close())


figures = Accounting(reactor)
boot = BootService(
    reactor, MemoryBackend({b"boot.ipxe": b"#!ipxe\nshell\n"}), figures, Reports(reactor, [TransferLog()])
)
site = make_site(TransferCollector(figures), healthy=lambda: bool(boot.running))

application = Application("boot")
services = MultiService()
services.setServiceParent(application)
boot.setServiceParent(services)
TCPServer(9069, site, interface="127.0.0.1").setServiceParent(services)
