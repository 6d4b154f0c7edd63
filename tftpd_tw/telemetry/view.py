"""The transfers of one process as plain values: those in progress, and the reports of the last ones that ended.

Nothing is made of them before somebody looks. Whoever looks again says how much he has seen, and gets what is new.
"""

from collections import deque
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IReactorTime

from tftpd_tw.interfaces import ITransfer
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.json_lines import iso_time
from tftpd_tw.telemetry.report_fields import lasting_fields, progress_fields, report_fields
from tftpd_tw.telemetry.reports import Report

MOST_AT_ONCE = 1000
"""Reports that one look brings, the last of those that are new: they are put together while transfers wait."""


class View:
    """What is in progress, and the last ``capacity`` reports. It is to be told of each of these."""

    def __init__(self, clock: IReactorTime, accounting: Accounting, capacity: int) -> None:
        self._clock = clock
        self._accounting = accounting
        self._reports: deque[Report] = deque(maxlen=capacity)
        self._count = 0
        self._lasting: dict[ITransfer, dict[str, Any]] = {}

    def __call__(self, report: Report) -> None:
        """Keep ``report``."""
        self._reports.append(report)
        self._count += 1

    def since(self, seen: int) -> dict[str, Any]:
        """Values for JSON.

        :param seen: the ``count`` of the last look; 0 for the first one
        :returns: ``active``, transfers in progress, each with a number as ``id``; ``ended``, the last reports that
            have come since, the oldest first; ``count``, reports in all
        """
        now, new = self._clock.seconds(), min(self._count - seen, len(self._reports), MOST_AT_ONCE)
        active, known = self._accounting.active, self._lasting
        # Of a thousand transfers that takes 10 ms, and would each second, were it not kept.
        self._lasting = {transfer: known.get(transfer) or lasting_fields(transfer) for transfer in active}
        return {
            "active": [
                {"id": number, **self._lasting[transfer], **progress_fields(transfer, now)}
                for transfer, number in active.items()
            ],
            "ended": [
                {"time": iso_time(report.at), **report_fields(report)}
                for report in islice(self._reports, len(self._reports) - new, None)
            ],
            "count": self._count,
        }
