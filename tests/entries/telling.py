"""Transfers as a daemon tells of them, for tests that answer in its stead."""

import json
from typing import Any

NOW = 1790000000.0
"""When it answers, in seconds since 1970."""


def ended(**fields: Any) -> dict[str, Any]:
    """One that was completed ten seconds ago, but for what is said instead."""
    return {
        "time": "2026-09-21T14:13:10.000Z",
        "client": "192.0.2.7",
        "port": 2070,
        "local": "192.0.2.1",
        "direction": "read",
        "name": "boot/vmlinuz",
        "mode": "octet",
        "asked": {"blksize": "1468", "tsize": "0"},
        "mac": "52:54:00:12:34:56",
        "interface": "eth0",
        "agreed": {"blksize": 1468, "tsize": 8_000_000},
        "size": 8_000_000,
        "profile": None,
        "backend": "directory",
        "served": "/srv/tftp/boot/vmlinuz",
        "bytes": 8_000_000,
        "blocks": 5450,
        "retransmits": 0,
        "round_trip_ms": 0.2,
        "response_seconds": 0.001,
        "seconds": 2.0,
        "rate": 4_000_000,
        "outcome": "completed",
        "reason": "completed",
        "detail": "",
        "more": 0,
        "worker": None,
        **fields,
    }


def refused(name: str, reason: str = "not-found", **fields: Any) -> dict[str, Any]:
    """A request that none came of."""
    nothing = {"agreed": None, "size": None, "backend": None, "served": None, "bytes": 0, "blocks": 0, "rate": 0}
    why = {
        "outcome": "refused",
        "reason": reason,
        "detail": f"{name}: No such file or directory",
        "seconds": 0.001,
    }
    return ended(**{"name": name, **nothing, **why, **fields})


def active(number: int = 1, **fields: Any) -> dict[str, Any]:
    """One in progress, half of which is done."""
    transfer = ended(**{"id": f"0-{number}", "verified": True, "bytes": 4_000_000, **fields})
    for name in ("time", "mac", "interface", "response_seconds", "outcome", "reason", "detail", "more"):
        del transfer[name]
    return transfer


def told(*ended: dict[str, Any], active: Any = (), **fields: Any) -> tuple[int, str]:
    """What ``/api/transfers`` answers; the last that ended comes first."""
    answer = {"schema": 1, "time": NOW, "active": list(active), "ended": list(ended), **fields}
    return 200, json.dumps(answer)


def frame(*ended: dict[str, Any], active: Any = (), **fields: Any) -> dict[str, Any]:
    """What ``/events`` has each second; the last that ended comes last."""
    return {
        "schema": 1,
        "time": NOW,
        "healthy": True,
        "active": list(active),
        "active_count": len(active),
        "unverified": 0,
        "opening": 0,
        "rates": {"read": 0, "write": 0},
        "ended": list(ended),
        **fields,
    }


def stream(*frames: Any) -> tuple[int, str]:
    """What ``/events`` answers until the daemon is gone."""
    return 200, "".join(f"data: {json.dumps(each)}\n\n" for each in frames)
