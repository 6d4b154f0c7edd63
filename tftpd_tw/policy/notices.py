"""When to say again what happens again and again: once for each key and minute, with the number of times since.

Also in all there is a limit, since an attacker who forges addresses has as many keys as he likes. What is not said
is counted nevertheless, in the figures.
"""

from collections.abc import Hashable

from attrs import define, field

from tftpd_tw.policy.recent import Recent

INTERVAL = 60.0
"""Seconds between two notices with the same key."""

MOST_PER_INTERVAL = 100
"""Notices in so many seconds, whatever their keys, unless it is said otherwise."""


@define
class _Heard:
    said_at: float | None = None
    since: int = 0


@define(eq=False)
class Notices:
    """Decides what is said."""

    _most: int = MOST_PER_INTERVAL
    """In all."""
    _heard: Recent[Hashable, _Heard] = field(init=False, factory=lambda: Recent(_Heard))
    _began: float = field(init=False, default=0.0)
    _said: int = field(init=False, default=0)

    def due(self, key: Hashable, now: float) -> int | None:
        """It happened at ``now`` (seconds): how often it did since the last notice of ``key`` and was passed over,
        or None if this one is passed over too.
        """
        heard = self._heard.get(key)
        if now - self._began >= INTERVAL:
            self._began, self._said = now, 0
        if self._said >= self._most or (heard.said_at is not None and now - heard.said_at < INTERVAL):
            heard.since += 1
            return None
        self._said += 1
        heard.said_at = now
        since, heard.since = heard.since, 0
        return since
