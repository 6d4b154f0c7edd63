"""One download, measured: the protocol's machines, a socket, and a limit; nothing is kept of what comes."""

import select
import socket
import time
from typing import Any

from attrs import frozen

from tftpd_tw.interfaces import Address
from tftpd_tw.net.client import TransferFailed
from tftpd_tw.net.engine import SocketAddress, joined, to_socket_address
from tftpd_tw.net.sockets import bind_session_socket, unreachable_peers
from tftpd_tw.protocol.errors import Cancelled
from tftpd_tw.protocol.events import Ended, Write
from tftpd_tw.protocol.lifecycle import Machine, State
from tftpd_tw.protocol.opening import Asking, Proceed
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.protocol.timing import Patience

_PATIENCE = Patience(timeout=1.0, max_retries=3)

_LARGEST = 65535


@frozen
class Limit:
    """Where a download ends at the latest."""

    seconds: float
    blocks: int


@frozen
class Downloaded:
    """What a download came to."""

    blksize: int
    windowsize: int
    size: int
    """Bytes of payload."""
    blocks: int
    retransmits: int
    seconds: float
    whole: bool
    """It was the whole file, and not what came until the limit."""

    @property
    def rate(self) -> float:
        """Bytes of payload for each second."""
        return self.size / self.seconds


def download(server: Address, name: bytes, blksize: int, windowsize: int, limit: Limit) -> Downloaded:
    """Read the file ``name``, with these options as far as the server grants them.

    :raises TransferFailed: it did not work
    :raises OSError: there is no way to the server
    """
    options = ((b"blksize", b"%d" % blksize), (b"windowsize", b"%d" % windowsize))
    asking = Asking(reading=True, name=name, mode=Mode.OCTET, options=options, patience=_PATIENCE, size=None)
    with bind_session_socket(Address("", 0), server) as sock:
        began = time.monotonic()
        download = _Download(sock, to_socket_address(server), asking)
        whole = download.run(began + limit.seconds, limit.blocks)
        seconds, machine = time.monotonic() - began, download.machine
    agreed = machine.agreed
    return Downloaded(
        agreed.blksize,
        agreed.windowsize,
        machine.byte_count,
        machine.block_count,
        asking.retransmits + machine.retransmits,
        seconds,
        whole,
    )


class _Download:
    """A machine and its socket."""

    def __init__(self, sock: socket.socket, peer: SocketAddress, machine: Machine) -> None:
        self.machine: Any = machine
        self._socket = sock
        self._peer = peer
        self._ended: Ended | None = None

    def run(self, until: float, blocks: int) -> bool:
        """Go on until it ends, or to a limit; whether it was the whole file.

        :raises TransferFailed: it did not work
        """
        self.machine.start(time.monotonic())
        self._settle()
        while self._ended is None:
            now = time.monotonic()
            if now >= until or self.machine.block_count >= blocks:
                self.machine.fail(Cancelled())
                self._settle()
                return False
            wait = max(0.0, min(until, self.machine.deadline or until) - now)
            if select.select([self._socket], [], [], wait)[0]:
                self._receive()
            else:
                self.machine.timer_fired(time.monotonic())
            self._settle()
        if not self._ended.succeeded:
            raise TransferFailed(self._ended)
        return True

    def _receive(self) -> None:
        try:
            datagram, peer = self._socket.recvfrom(_LARGEST)
        except OSError:
            if self._peer in unreachable_peers(self._socket):
                self.machine.peer_unreachable()
            return
        asking = self.machine.state is State.OPENING and isinstance(self.machine, Asking)
        if peer == self._peer or (asking and peer[0] == self._peer[0]):
            self.machine.datagram_received(datagram, time.monotonic())
            if asking and self.machine.state is not State.OPENING:
                self._peer = peer  # the port that the server has taken for this transfer

    def _settle(self) -> None:
        """Send what the machine wants to send, and serve its events."""
        while self.machine.outbox or self.machine.happened:
            for datagram in joined(self.machine.bursts()):
                self._socket.sendto(datagram, self._peer)
            for event in self.machine.events():
                match event:
                    case Proceed():
                        self.machine = event.machine
                        self.machine.start(time.monotonic())
                        if event.datagram is not None:
                            self.machine.datagram_received(event.datagram, time.monotonic())
                    case Write():
                        self.machine.blocks_written(time.monotonic())
                    case Ended():
                        self._ended = event
