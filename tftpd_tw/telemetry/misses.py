"""Names that clients ask for and do not get: which, how often, and why. For the operator who wonders what is
missing.

A boot loader tries many names and expects most of them to be missing, so a count says more than a list.
"""

from collections import OrderedDict
from collections.abc import Iterable, Set
from typing import Any

from attrs import define, field

CAPACITY = 1000
"""Names that are kept; the one that was not asked for longest goes first."""

CLIENTS = 200
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

    def add(self, direction: str, name: str, reason: str, count: int, clients: Iterable[str], last: str) -> None:
        """Count requests.

        :param name: escaped
        :param clients: whose they were; the last one is that of the last
        :param last: when that was
        """
        key = (direction, name, reason)
        miss = self._misses.get(key)
        if miss is None:
            if len(self._misses) >= CAPACITY:
                self._misses.popitem(last=False)
            miss = self._misses[key] = _Miss()
        self._misses.move_to_end(key)
        miss.count += count
        miss.last = last
        for client in clients:
            miss.client = client
            if len(miss.clients) < CLIENTS:
                miss.clients.add(client)

    def take(self) -> list[tuple[str, str, str, int, list[str], str]]:
        """All that :meth:`add` needs of each, to count them elsewhere; they are not here any more."""
        taken = [
            (*key, miss.count, [*(miss.clients - {miss.client}), miss.client], miss.last)
            for key, miss in self._misses.items()
        ]
        self._misses.clear()
        return taken

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
