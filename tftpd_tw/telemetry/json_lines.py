"""A line of the log as one JSON object: a report of a transfer or of a request, or a message.

``docs/records.md`` documents the fields. A field is added without another :data:`VERSION`; one that changes its
meaning or goes takes the next. All of it is ASCII and holds no line feed, whatever came from the network.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.logger import LogEvent, LogLevel, formatEvent

from tftpd_tw.telemetry.report_fields import report_fields
from tftpd_tw.telemetry.reports import Report

VERSION = 1


def json_line(event: LogEvent) -> str:
    """``event``, without a line feed at its end."""
    return json.dumps(line_fields(event))


def line_fields(event: LogEvent) -> dict[str, Any]:
    """The object in the line of ``event``."""
    fields = fields_of_report(event)
    level = event.get("log_level") or LogLevel.info
    return {
        "version": VERSION,
        "event": "message" if fields is None else "transfer",
        "time": iso_time(event["log_time"]),
        "level": level.name,
        "namespace": event.get("log_namespace", ""),
        "worker": event.get("worker"),
        **({"text": event_text(event)} if fields is None else fields),
    }


def event_text(event: LogEvent) -> str:
    """What ``event`` says, with its traceback if it has one."""
    text = formatEvent(event)
    failure = event.get("log_failure")
    return text if failure is None else f"{text}\n{failure.getTraceback()}"


def fields_of_report(event: LogEvent) -> Mapping[str, Any] | None:
    """Those of the report of ``event``, which is there or has come from a worker as fields; None without one."""
    report: Report | None = event.get("report")
    fields: Mapping[str, Any] | None = event.get("report_fields")
    return fields if report is None else report_fields(report)


def iso_time(seconds: float) -> str:
    """``2026-01-31T12:34:56.789Z``."""
    time = datetime.fromtimestamp(seconds, UTC)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
