"""Names that clients ask for and do not get: which, how often, and why. For the operator who wonders what is
missing.

A boot loader tries many names and expects most of them to be missing, so a count says more than a list.
"""

from collections import OrderedDict
from collections.abc import Mapping, Set
from typing import Any

from attrs import define, field

CAPACITY = 1000
"""Names that are kept; the one that was not asked for longest goes first."""

CLIENTS = 50
"""Clients of one name that are told apart; there may be more."""


@define
class _Miss:
    count: int = 0
    last: str = ""
    client: str = ""
    clients: set[str] = field(factory=set)


@define(eq=False)
class Misses:
    """Counts by name and reason."""

    _misses: OrderedDict[tuple[str, str, str], _Miss] = field(init=False, factory=OrderedDict)

    def add(self, report: Mapping[str, Any]) -> None:
        """Count a refused request, and those like it that were not told."""
        key = (report["direction"], report["name"], report["reason"])
        miss = self._misses.get(key)
        if miss is None:
            if len(self._misses) >= CAPACITY:
                self._misses.popitem(last=False)
            miss = self._misses[key] = _Miss()
        self._misses.move_to_end(key)
        miss.count += 1 + report["more"]
        miss.last, miss.client = report["time"], report["client"]
        if len(miss.clients) < CLIENTS:
            miss.clients.add(miss.client)

    def ranked(self, most: int, clients: Set[str] = frozenset()) -> list[dict[str, Any]]:
        """Up to ``most`` of them, those that are asked for most often first.

        :param clients: only what one of these has asked for; none: all
        """
        asked = [item for item in self._misses.items() if not clients or item[1].clients & clients]
        ranked = sorted(asked, key=lambda item: (-item[1].count, item[0]))
        return [
            {
                "direction": direction,
                "name": name,
                "reason": reason,
                "count": miss.count,
                "clients": len(miss.clients),
                "last": miss.last,
                "last_client": miss.client,
            }
            for (direction, name, reason), miss in ranked[:most]
        ]
