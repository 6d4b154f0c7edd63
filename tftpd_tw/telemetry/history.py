"""The last hour in figures, for charts: what a daemon did in each interval of ten seconds."""

from collections import deque
from typing import Any

from attrs import define, field, frozen

from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.totals import Totals

INTERVAL = 10.0
"""Seconds from one sample to the next."""

KEPT = 360
"""Samples: an hour."""

FAILURES = (Outcome.FAILED, Outcome.REFUSED)
"""Outcomes that a chart of errors shows."""


@frozen
class Sample:
    """One interval."""

    at: float
    """When it ended, in seconds since 1970."""
    read: float
    """Bytes per second that clients got."""
    written: float
    """Bytes per second that came from them."""
    active: int
    """Transfers at its end."""
    completed: int
    """Transfers in it."""
    failed: int
    """Transfers that failed, and requests that were refused, in it."""
    retransmits: int
    """Packets that were sent again."""


@define
class _Counted:
    """What has been counted by a moment."""

    seconds: float
    read: float
    written: float
    completed: float
    failed: float
    retransmits: float


@define(eq=False)
class History:
    """Samples, the oldest first."""

    _samples: deque[Sample] = field(init=False, factory=lambda: deque(maxlen=KEPT))
    _before: _Counted | None = field(init=False, default=None)

    def add(self, totals: Totals, seconds: float, at: float) -> None:
        """Have a sample of the time since the last call.

        :param totals: all figures now
        :param seconds: of a clock that is never set
        :param at: seconds since 1970
        """
        now = _counted(totals, seconds)
        before, self._before = self._before, now
        if before is None or now.seconds <= before.seconds:
            return
        passed = now.seconds - before.seconds
        self._samples.append(
            Sample(
                at,
                (now.read - before.read) / passed,
                (now.written - before.written) / passed,
                totals.active,
                round(now.completed - before.completed),
                round(now.failed - before.failed),
                round(now.retransmits - before.retransmits),
            )
        )

    def columns(self) -> dict[str, list[Any]]:
        """All samples for JSON: a list for each field of :class:`Sample`."""
        return {
            "at": [round(sample.at, 3) for sample in self._samples],
            "read": [round(sample.read) for sample in self._samples],
            "written": [round(sample.written) for sample in self._samples],
            "active": [sample.active for sample in self._samples],
            "completed": [sample.completed for sample in self._samples],
            "failed": [sample.failed for sample in self._samples],
            "retransmits": [sample.retransmits for sample in self._samples],
        }


def _counted(totals: Totals, seconds: float) -> _Counted:
    def ended(*outcomes: Outcome) -> int:
        return sum(int(totals.get(families.TRANSFERS, way, outcome)) for way in Direction for outcome in outcomes)

    return _Counted(
        seconds,
        totals.get(families.BYTES, Direction.READ),
        totals.get(families.BYTES, Direction.WRITE),
        ended(Outcome.COMPLETED),
        ended(*FAILURES),
        sum(totals.get(families.RETRANSMITS, way) for way in Direction),
    )
