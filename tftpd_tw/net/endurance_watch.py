"""Looks now and then whether a transfer has gone on for too long or is too slow."""

from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from tftpd_tw.policy.endurance import Endurance
from tftpd_tw.protocol.errors import TFTPError


class Watched(Protocol):
    """What is looked at."""

    @property
    def byte_count(self) -> int:
        """Bytes of payload so far."""

    @property
    def done(self) -> bool:
        """Whether it need not be looked at any more."""

    def fail(self, error: TFTPError) -> None:
        """Stop."""


class EnduranceWatch:
    """Of one transfer, from when it began."""

    __slots__ = ("_began", "_call", "_clock", "_endurance", "_transfer")

    def __init__(self, endurance: Endurance, transfer: Watched, clock: IReactorTime, began: float) -> None:
        self._endurance = endurance
        self._transfer = transfer
        self._clock = clock
        self._began = began
        self._look_later()

    def stop(self) -> None:
        """Look no more."""
        if self._call.active():
            self._call.cancel()

    def _look_later(self) -> None:
        now = self._clock.seconds()
        wait = self._endurance.next_look(now - self._began)
        self._call = self._clock.callLater(wait, self._look, now, self._transfer.byte_count)

    def _look(self, since: float, byte_count: int) -> None:
        now, transfer = self._clock.seconds(), self._transfer
        error = self._endurance.overdue(now - self._began, transfer.byte_count - byte_count, now - since)
        if error is not None:
            transfer.fail(error)
        elif not transfer.done:
            self._look_later()
