"""A line of the log as one JSON object: the record of a transfer or of a refused request, or a message.

``docs/records.md`` documents the fields. A field is added without another :data:`VERSION`; one that changes its
meaning or goes takes the next. All of it is ASCII and holds no line feed, whatever came from the network.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from twisted.logger import LogEvent, LogLevel, formatEvent

from tftpd_tw.interfaces import TransferRecord
from tftpd_tw.protocol.text import escaped

VERSION = 1


def json_line(event: LogEvent) -> str:
    """``event``, without a line feed at its end."""
    fields = record_fields(event)
    level = event.get("log_level") or LogLevel.info
    return json.dumps(
        {
            "version": VERSION,
            "event": "message" if fields is None else "transfer",
            "time": _iso(event["log_time"]),
            "level": level.name,
            "namespace": event.get("log_namespace", ""),
            "worker": event.get("worker"),
            **({"text": event_text(event)} if fields is None else fields),
        }
    )


def event_text(event: LogEvent) -> str:
    """What ``event`` says, with its traceback if it has one."""
    text = formatEvent(event)
    failure = event.get("log_failure")
    return text if failure is None else f"{text}\n{failure.getTraceback()}"


def record_fields(event: LogEvent) -> Mapping[str, Any] | None:
    """Those of the record of ``event``, which is there or has come from a worker as fields; None without one."""
    record: TransferRecord | None = event.get("record")
    fields: Mapping[str, Any] | None = event.get("record_fields")
    return fields if record is None else transfer_fields(record)


def transfer_fields(record: TransferRecord) -> dict[str, Any]:
    """The fields of ``record``, with values that JSON has a word for."""
    request, agreed = record.request, record.agreed
    return {
        "client": request.client.host,
        "port": request.client.port,
        "local": request.local.host,
        "direction": request.direction.value,
        "name": escaped(request.name),
        "mode": request.mode.value.decode(),
        "asked": {escaped(name.lower()): escaped(value) for name, value in request.options},
        "agreed": agreed and {name.decode("ascii").lower(): int(value) for name, value in agreed.options},
        "size": request.size if agreed is None or agreed.tsize is None else agreed.tsize,
        "bytes": record.byte_count,
        "blocks": record.block_count,
        "retransmits": record.retransmits,
        "round_trip_ms": None if record.round_trip is None else round(record.round_trip * 1000, 3),
        "response_seconds": None if record.response_seconds is None else round(record.response_seconds, 6),
        "seconds": round(record.seconds, 6),
        "rate": round(record.byte_count / record.seconds) if record.seconds > 0 else None,
        "outcome": record.outcome.value,
        "reason": record.reason,
        "detail": escaped(record.detail.encode(errors="backslashreplace")),
    }


def _iso(seconds: float) -> str:
    """``2026-01-31T12:34:56.789Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
