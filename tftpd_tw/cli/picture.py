"""What ``tftpd-tw top`` shows, as values: made of one frame after the other."""

from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen

from tftpd_tw.cli.told import PROPER_ENDS, Told, number, transfers
from tftpd_tw.interfaces import Address, Direction

KEPT = 500
"""Transfers that have ended; a frame has no more than 200."""

LATELY = 60.0
"""Seconds for which it is counted what was not served."""


@frozen
class Moving:
    """A transfer in progress."""

    told: Told
    rate: float | None
    """Bytes per second since the frame before; since its beginning, if that did not have it."""

    @property
    def left(self) -> float | None:
        """Seconds that it still takes, if it goes on like that."""
        if self.told.size is None or not self.rate:
            return None
        return max(self.told.size - self.told.bytes, 0) / self.rate


@define
class Picture:
    """All of it; ``problem`` says why nothing is new, while that is so."""

    address: Address
    problem: str = ""
    frames: int = 0
    """How many came since there were none."""
    time: float = 0.0
    """Of the last frame, in seconds since 1970."""
    healthy: bool = True
    rates: dict[str, float] = field(factory=dict)
    """Bytes per second, by direction."""
    active: list[Moving] = field(factory=list)
    """The oldest first; if there are very many, not all."""
    active_count: int = 0
    unverified: int = 0
    opening: int = 0
    ended: list[Told] = field(factory=list)
    """The last one first; each worker tells of its own, so that they do not come in the order of time."""

    def fail(self, problem: str) -> None:
        """There is no frame, and that is why."""
        self.problem, self.frames = problem, 0

    def take(self, frame: Mapping[str, Any]) -> None:
        """Show ``frame``. The first one has what ended before it, the others what ended since the one before."""
        if not self.frames:
            self.active, self.ended, self.problem = [], [], ""
        before = {moving.told.id: moving.told.bytes for moving in self.active}
        now = number(frame.get("time")) or 0.0
        passed = now - self.time
        self.frames, self.time = self.frames + 1, now
        self.healthy = frame.get("healthy") is not False
        rates = frame.get("rates")
        if not isinstance(rates, Mapping):
            rates = {}
        self.rates = {way.value: number(rates.get(way.value)) or 0.0 for way in Direction}
        self.active = [_moving(told, before.get(told.id), passed) for told in transfers(frame, "active")]
        self.active_count = int(number(frame.get("active_count")) or len(self.active))
        self.unverified = int(number(frame.get("unverified")) or 0)
        self.opening = int(number(frame.get("opening")) or 0)
        told = [*reversed(transfers(frame, "ended")), *self.ended]
        self.ended = sorted(told, key=lambda each: each.time or 0.0, reverse=True)[:KEPT]

    @property
    def failures(self) -> int:
        """How many requests were not served lately, as far as they are here."""
        since = self.time - LATELY
        return sum(
            1 + told.more for told in self.ended if told.outcome not in PROPER_ENDS and (told.time or 0.0) >= since
        )


def _moving(told: Told, before: int | None, passed: float) -> Moving:
    if before is None or passed <= 0:
        return Moving(told, told.rate)
    return Moving(told, max(told.bytes - before, 0) / passed)
