"""The transfers of a daemon as plain values, those of all its workers together, for the page and the commands.

It is brought up to date from time to time: before somebody looks, and often enough that little is lost if a worker
dies.
"""

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any

from tftpd_tw.telemetry.misses import Misses
from tftpd_tw.telemetry.view import View

Item = dict[str, Any]
"""One transfer, with the fields of ``docs/records.md``; ``worker`` is None where there are none. One that has
ended has a ``number``, from 1 in the order in which the board took them.
"""


class Board:
    """Transfers in progress, and the last ``capacity`` that ended."""

    def __init__(self, capacity: int) -> None:
        self._seen: dict[int | None, int] = {}
        self._active: dict[int | None, list[Item]] = {}
        self._ended: deque[Item] = deque(maxlen=capacity)
        self.count = 0
        """How many have ended in all."""
        self.misses = Misses()
        """What was asked for and refused."""

    def seen(self, worker: int | None) -> int:
        """How many reports of ``worker`` are here, or were."""
        return self._seen.get(worker, 0)

    def take(self, view: Mapping[str, Any], worker: int | None = None) -> None:
        """Have what a process knows; see :meth:`View.since <tftpd_tw.telemetry.view.View.since>`."""
        self._seen[worker] = view["count"]
        self._active[worker] = [
            {**transfer, "id": f"{worker or 0}-{transfer['id']}", "worker": worker} for transfer in view["active"]
        ]
        for report in view["ended"]:
            self.count += 1
            self._ended.append({"number": self.count, **report, "worker": worker})
        for missed in view["missed"]:
            self.misses.add(*missed)

    def look(self, view: View) -> None:
        """Be up to date, where there is one process."""
        self.take(view.since(self.seen(None)))

    def forget(self, worker: int) -> None:
        """That process is gone, with its transfers; the next one of its number counts from 0 again."""
        self._seen.pop(worker, None)
        self._active.pop(worker, None)

    @property
    def active(self) -> list[Item]:
        """Those in progress, the oldest first."""
        together = [transfer for transfers in self._active.values() for transfer in transfers]
        return sorted(together, key=lambda transfer: -transfer["seconds"])

    def ended_since(self, count: int) -> list[Item]:
        """Those that have ended since :attr:`count` was that, as far as they are here; the oldest first."""
        new = min(self.count - count, len(self._ended))
        return list(islice(self._ended, len(self._ended) - new, None))

    @property
    def ended(self) -> list[Item]:
        """All that are here, the newest first."""
        return sorted(self._ended, key=lambda report: str(report["time"]), reverse=True)
