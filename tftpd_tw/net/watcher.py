"""What sockets need of a reactor, or of a loop inside it."""

from typing import Any, Protocol

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
