"""When to say again what happens again and again: once for each key and minute, with the number of times since.
What happens no more is not waited for: the last time is said when its minute is over.

Also in all there is a limit, since an attacker who forges addresses has as many keys as he likes. What is not said
is counted nevertheless, in the figures.
"""

from collections.abc import Hashable
from typing import Any

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
    waiting: dict[Hashable, Any] = field(init=False, factory=dict)
    """What was passed over and will be :meth:`late`, by key: the last of each that was given. There are no more of
    them than notices in the last interval."""

    def due(self, key: Hashable, now: float, what: Any = None) -> int | None:
        """It happened at ``now`` (seconds): how often it did since the last notice of ``key`` and was passed over,
        or None if this one is passed over too.

        :param what: to be had from :meth:`late`, if this one is passed over and the next does not come
        """
        heard = self._heard.get(key)
        if self._full(now) or _lately(heard, now):
            heard.since += 1
            if what is not None and _lately(heard, now):
                self.waiting[key] = what
            return None
        self.waiting.pop(key, None)
        return self._say(heard, now)

    def late(self, now: float, *, all_of_them: bool = False) -> list[tuple[Any, int]]:
        """What waits and may be said now, and how many were passed over before it since the notice before.

        :param all_of_them: also those whose interval is not over
        """
        found = []
        for key in list(self.waiting):
            heard = self._heard.get(key)
            if _lately(heard, now) and not all_of_them:
                continue
            what = self.waiting.pop(key)
            if heard.since and not self._full(now):  # else it was forgotten, or is counted for the next notice
                found.append((what, self._say(heard, now) - 1))
        return found

    def _full(self, now: float) -> bool:
        """Whether no more may be said in this interval."""
        if now - self._began >= INTERVAL:
            self._began, self._said = now, 0
        return self._said >= self._most

    def _say(self, heard: _Heard, now: float) -> int:
        self._said += 1
        heard.said_at = now
        since, heard.since = heard.since, 0
        return since


def _lately(heard: _Heard, now: float) -> bool:
    """Whether it was said in the last interval."""
    return heard.said_at is not None and now - heard.said_at < INTERVAL
