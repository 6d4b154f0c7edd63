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

CLIENTS = 200
"""Clients of one name that are told apart; there may be more."""


@define
class _Miss:
    count: int = 0
    last: str = ""
    client: str = ""
    clients: dict[str, tuple[int, str]] = field(factory=dict)
    """How often each has asked, and when it did last."""


@define(eq=False)
class Misses:
    """Counts by name and reason."""

    _misses: OrderedDict[tuple[str, str, str], _Miss] = field(init=False, factory=OrderedDict)

    def add(
        self,
        direction: str,
        name: str,
        reason: str,
        count: int,
        last: str,
        client: str,
        clients: Mapping[str, tuple[int, str]],
    ) -> None:
        """Count requests.

        :param name: escaped
        :param last: when the last of them was
        :param client: whose that was
        :param clients: how many of them each client has sent, and when the last; of some it may be unknown
        """
        key = (direction, name, reason)
        miss = self._misses.get(key)
        if miss is None:
            if len(self._misses) >= CAPACITY:
                self._misses.popitem(last=False)
            miss = self._misses[key] = _Miss()
        self._misses.move_to_end(key)
        miss.count += count
        miss.last, miss.client = last, client
        for each, (times, at) in clients.items():
            if each in miss.clients or len(miss.clients) < CLIENTS:
                before, _ = miss.clients.get(each, (0, ""))
                miss.clients[each] = (before + times, at)

    def take(self) -> list[tuple[str, str, str, int, str, str, dict[str, tuple[int, str]]]]:
        """All that :meth:`add` needs of each, to count them elsewhere; they are not here any more."""
        taken = [(*key, miss.count, miss.last, miss.client, miss.clients) for key, miss in self._misses.items()]
        self._misses.clear()
        return taken

    def ranked(self, most: int, clients: Set[str] = frozenset()) -> list[dict[str, Any]]:
        """Up to ``most`` of them, those that are asked for most often first.

        :param clients: only what one of these has asked for, and how often they did; none: all
        """
        found = [
            {
                "direction": direction,
                "name": name,
                "reason": reason,
                **(_of_clients(miss, clients) if clients else _of_all(miss)),
            }
            for (direction, name, reason), miss in self._misses.items()
            if not clients or miss.clients.keys() & clients
        ]
        found.sort(key=lambda miss: (-miss["count"], miss["direction"], miss["name"], miss["reason"]))
        return found[:most]


def _of_all(miss: _Miss) -> dict[str, Any]:
    return {"count": miss.count, "clients": len(miss.clients), "last": miss.last, "last_client": miss.client}


def _of_clients(miss: _Miss, clients: Set[str]) -> dict[str, Any]:
    asked = {client: miss.clients[client] for client in miss.clients.keys() & clients}
    last, client = max((at, client) for client, (_, at) in asked.items())
    count = sum(times for times, _ in asked.values())
    return {"count": count, "clients": len(asked), "last": last, "last_client": client}
