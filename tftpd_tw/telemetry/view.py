"""The transfers of one process as plain values: those in progress, and the reports of the last ones that ended.

Nothing is made of them before somebody looks. Whoever looks again says how much he has seen, and gets what is new.
"""

from collections import deque
from collections.abc import Callable
from itertools import islice
from time import time
from typing import Any

from twisted.internet.interfaces import IReactorTime

from tftpd_tw.interfaces import ITransfer, TransferRecord
from tftpd_tw.protocol.text import escaped
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.json_lines import iso_time
from tftpd_tw.telemetry.misses import Misses
from tftpd_tw.telemetry.report_fields import lasting_fields, progress_fields, report_fields
from tftpd_tw.telemetry.reports import Report

MOST_AT_ONCE = 1000
"""Reports that one look brings, the last of those that are new: they are put together while transfers wait."""


class View:
    """What is in progress, what was refused, the last ``capacity`` reports; it has to be told of these."""

    def __init__(
        self, clock: IReactorTime, accounting: Accounting, capacity: int, now: Callable[[], float] = time
    ) -> None:
        self._clock = clock
        self._now = now
        self._accounting = accounting
        self._reports: deque[Report] = deque(maxlen=capacity)
        self._count = 0
        self._missed = Misses()
        self._lasting: dict[ITransfer, dict[str, Any]] = {}

    def __call__(self, report: Report) -> None:
        """Keep ``report``."""
        self._reports.append(report)
        self._count += 1

    def refused(self, record: TransferRecord) -> None:
        """Count a refused request, also one that is not told."""
        request, now = record.request, iso_time(self._now())
        name, reason, client = escaped(request.name), escaped(record.reason.encode()), request.client.host
        self._missed.add(request.direction.value, name, reason, 1, now, client, {client: (1, now)})

    def since(self, seen: int) -> dict[str, Any]:
        """Values for JSON.

        :param seen: the ``count`` of the last look; 0 for the first one
        :returns: ``active``, transfers in progress, each with a number as ``id``; ``ended``, the last reports that
            have come since, the oldest first; ``count``, reports in all; ``missed``, what was refused since the
            last look, for :meth:`Misses.add <tftpd_tw.telemetry.misses.Misses.add>`
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
            "missed": self._missed.take(),
        }
