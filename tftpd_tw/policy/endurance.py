"""How long a transfer may go on: a lowest rate, and a lifetime.

A client that acknowledges each block just before the server would give up holds its place for days (S034). The
rate is that of the last :data:`PERIOD` seconds, so that a quick beginning does not pay for a crawl; pauses as boot
loaders make them while they unpack are shorter than that.
"""

from attrs import frozen

from tftpd_tw.protocol.errors import LifetimeOver, TFTPError, TooSlow

PERIOD = 60.0
"""Seconds over which the rate is measured."""


@frozen
class Endurance:
    """The two bounds; each may be None for no bound."""

    lifetime: float | None = None
    """Seconds. Some good transfers take hours: a large file in blocks of 512 bytes over a slow line."""
    slowest: float | None = None
    """Bytes of payload a second, over any :data:`PERIOD` from the beginning on."""

    def next_look(self, age: float) -> float:
        """Seconds until a transfer that is ``age`` seconds old should be looked at."""
        return PERIOD if self.lifetime is None else max(0.0, min(PERIOD, self.lifetime - age))

    def overdue(self, age: float, byte_count: int, seconds: float) -> TFTPError | None:
        """Why a transfer must end that is ``age`` seconds old and has moved ``byte_count`` bytes in the last
        ``seconds``; None if it may go on.
        """
        if self.lifetime is not None and age >= self.lifetime:
            return LifetimeOver(f"still not done after {age:.0f} seconds")
        if self.slowest is not None and byte_count < self.slowest * seconds:
            return TooSlow(f"{byte_count} bytes in {seconds:.0f} seconds")
        return None
