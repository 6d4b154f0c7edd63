"""Sending: a window is one system call, where the kernel cuts it into packets (UDP_SEGMENT)."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Sequence

from tftpd_tw.net.engine import SocketAddress
from tftpd_tw.net.sockets import PENDING_ERRORS, SEGMENTATION_ERRORS, Control, name_of, segment_control
from tftpd_tw.protocol.lifecycle import Burst
from tftpd_tw.protocol.packets import HEADER_SIZE, Opcode, header


def queued(waiting: list[Burst], newer: list[Burst]) -> list[Burst]:
    """What is still to be sent of bursts that wait and ``newer`` ones: both, where those go on with the next
    block, since a window's content may come in parts. Otherwise they start where the peer is, and older ones are
    loss.
    """
    last = waiting[-1][-2:][0]
    follows = newer[0][0] == header(Opcode.DATA.value, int.from_bytes(last[2:HEADER_SIZE], "big") + 1 & 0xFFFF)
    return waiting + newer if follows else newer


class BurstSender(ABC):
    """The sending half of a session's socket.

    :param source: control messages that go with each packet
    """

    __slots__ = ("_control", "_control_size", "_segmented", "_socket", "_source", "fallback")

    def __init__(self, sock: socket.socket, source: Sequence[Control] = ()) -> None:
        self._socket = sock
        self._source = source
        self._segmented = True
        self._control: list[Control] = []
        self._control_size = 0
        self.fallback = ""

    @abstractmethod
    def fileno(self) -> int:
        """The descriptor, or -1 when closed."""

    @abstractmethod
    def read_errors(self) -> None:
        """Tell whom it concerns what ICMP messages said."""

    def send(self, bursts: list[Burst], peer: SocketAddress) -> list[Burst]:
        """Send ``bursts``, each with one system call where that works; the rest if the buffer is full."""
        sock, source = self._socket, self._source
        for index, burst in enumerate(bursts):
            try:
                if len(burst) <= 2:
                    sock.sendmsg(burst, source, 0, peer)
                elif self._segmented:
                    size = HEADER_SIZE + len(burst[1])
                    if size != self._control_size:
                        self._control, self._control_size = [*source, *segment_control(size)], size
                    sock.sendmsg(burst, self._control, 0, peer)
                else:
                    return self._send_singly(bursts[index:], peer)
            except BlockingIOError:
                return bursts[index:]
            except OSError as error:
                if len(burst) > 2 and error.errno in SEGMENTATION_ERRORS:
                    self._segmented = False
                    self.fallback = name_of(error)
                    return self._send_singly(bursts[index:], peer)
                if error.errno in PENDING_ERRORS:
                    self.read_errors()
                    return self._send_singly(bursts[index:], peer) if self.fileno() >= 0 else []
                # Anything else is loss (K5): the timer repeats it.
        return []

    def _send_singly(self, bursts: list[Burst], peer: SocketAddress) -> list[Burst]:
        """Send each block by itself."""
        for index, burst in enumerate(bursts):
            step = min(len(burst), 2)
            for at in range(0, len(burst), step):
                for _ in range(2):
                    try:
                        self._socket.sendmsg(burst[at : at + step], self._source, 0, peer)
                        break
                    except BlockingIOError:
                        return [burst[at:], *bursts[index + 1 :]]
                    except OSError as error:
                        if error.errno not in PENDING_ERRORS:
                            break
                        # It was about an earlier packet: this one has not left, and gets a second chance.
                        self.read_errors()
                        if self.fileno() < 0:
                            return []
        return []
