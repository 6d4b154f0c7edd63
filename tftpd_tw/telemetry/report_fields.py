"""Transfers and reports as plain values: for a line of JSON, for the page, for the commands.

``docs/records.md`` documents the fields. What came from the network is escaped, so that it is printable ASCII.
"""

from typing import Any

from tftpd_tw.interfaces import ITransfer, Request, TransferRecord
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.text import escaped
from tftpd_tw.telemetry.reports import Report

PATH_LENGTH = 1024
"""Characters that are shown of the path of a file."""


def report_fields(report: Report) -> dict[str, Any]:
    """Those of ``report``, without its time."""
    record = report.record
    mac, interface = report.neighbour
    return {
        **_of_request(record.request),
        "mac": mac.hex(":") if mac else None,
        "interface": interface,
        **_of_terms(record, record.agreed),
        **_of_progress(record, record.seconds),
        "response_seconds": None if record.response_seconds is None else round(record.response_seconds, 6),
        "outcome": record.outcome.value,
        "reason": escaped(record.reason.encode()),
        "detail": escaped(record.detail.encode(errors="backslashreplace")),
        "more": report.more,
    }


def lasting_fields(transfer: ITransfer) -> dict[str, Any]:
    """Those of a transfer in progress that stay as they are."""
    return {**_of_request(transfer.request), **_of_terms(transfer, transfer.agreed)}


def progress_fields(transfer: ITransfer, now: float) -> dict[str, Any]:
    """Those that change.

    :param now: seconds of the clock that it is timed by
    """
    return {**_of_progress(transfer, now - transfer.began), "verified": transfer.verified}


def _of_request(request: Request) -> dict[str, Any]:
    return {
        "client": request.client.host,
        "port": request.client.port,
        "local": request.local.host,
        "direction": request.direction.value,
        "name": escaped(request.name),
        "mode": request.mode.decode(),
        "asked": {escaped(name.lower()): escaped(value) for name, value in request.options},
    }


def _of_terms(transfer: ITransfer | TransferRecord, agreed: Agreed | None) -> dict[str, Any]:
    source = transfer.source
    return {
        "agreed": agreed and {name.decode("ascii").lower(): int(value) for name, value in agreed.options},
        "size": transfer.request.size if agreed is None or agreed.tsize is None else agreed.tsize,
        "profile": transfer.profile or None,
        "backend": source and source.backend,
        "served": source and escaped(source.name, PATH_LENGTH),
    }


def _of_progress(transfer: ITransfer | TransferRecord, seconds: float) -> dict[str, Any]:
    byte_count, round_trip = transfer.byte_count, transfer.round_trip
    return {
        "bytes": byte_count,
        "blocks": transfer.block_count,
        "retransmits": transfer.retransmits,
        "round_trip_ms": None if round_trip is None else round(round_trip * 1000, 3),
        "seconds": round(seconds, 6),
        "rate": round(byte_count / seconds) if seconds > 0 else None,
    }
