"""What sockets need of a reactor, or of a loop inside it; and what it wants of each of them."""

import socket
from abc import ABC, abstractmethod
from typing import Any, Protocol

from twisted.python.failure import Failure

PACKETS_PER_TURN = 64
"""Packets that a socket takes before others have their turn."""


class Watcher(Protocol):
    """Says when a descriptor is ready."""

    running: bool

    def addReader(self, reader: Any) -> None:
        """Call ``doRead`` when something comes."""

    def addWriter(self, writer: Any) -> None:
        """Call ``doWrite`` when there is room."""

    def removeReader(self, reader: Any) -> None:
        """Do not call ``doRead`` any more."""

    def removeWriter(self, writer: Any) -> None:
        """Do not call ``doWrite`` any more."""


class WatchedSocket(ABC):
    """What a reactor asks of any socket."""

    __slots__ = ()

    _socket: socket.socket
    _watcher: Watcher
    _waiting: Any
    """Whether it is to be told when there is room."""

    def fileno(self) -> int:
        """The descriptor, or -1 when closed."""
        return self._socket.fileno()

    @abstractmethod
    def read_errors(self) -> None:
        """Tell whom it concerns what ICMP messages said."""

    def connectionLost(self, reason: Failure) -> None:
        """The reactor saw an error on the descriptor, which may be an ICMP message, or is stopping."""
        if not self._watcher.running:
            self._socket.close()
            return
        if self._socket.fileno() >= 0:
            self.read_errors()
        if self._socket.fileno() >= 0:
            self._watcher.addReader(self)
            if self._waiting:
                self._watcher.addWriter(self)

    def logPrefix(self) -> str:
        """A name for the log."""
        return "tftp"
