"""The daemon when it serves by itself, without workers: its ports, its folders, its transfers, its figures."""

from collections.abc import Sequence
from socket import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed

from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.opening import OpenError, announce
from tftpd_tw.service.request_ports import Port, RequestPorts
from tftpd_tw.service.storage import Storage
from tftpd_tw.service.transfers import Transfers
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.totals import Totals


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
