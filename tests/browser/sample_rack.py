"""What a daemon tells a page while a rack boots: made up, but with every field, and with something wrong in it."""

import json
import platform
import random
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from attrs import frozen

Item = dict[str, Any]

HOUR = 3600.0
INTERVAL = 10.0

_ROOT = "/srv/tftp"
_BLOCKS = {"blksize": 1428, "windowsize": 16}


@frozen
class _Case:
    """What some of the transfers are like."""

    weight: int
    name: str
    outcome: str = "completed"
    reason: str = "completed"
    detail: str = ""
    size: int | None = None
    part: float = 1.0
    """How much of it arrived."""
    agreed: tuple[tuple[str, int], ...] = ()
    retransmits: int = 0
    direction: str = "read"
    served: str | None = None


def _missing(name: str, weight: int) -> _Case:
    return _Case(weight, name, "refused", "not-found", f"{name}: No such file or directory")


_WINDOWED = (("blksize", 1428), ("windowsize", 16))
_CASES = (
    _Case(14, "bootx64.efi", size=967_296, agreed=(("tsize", 967_296), ("blksize", 1428))),
    _Case(8, "bootx64.efi", "size-probe", "size-probe", "User aborted the transfer", 967_296, 0.0),
    _Case(12, "grub/grub.cfg", size=2_311),
    _Case(10, "images/rocky/vmlinuz", size=14_214_376, agreed=_WINDOWED),
    _Case(9, "images/rocky/initrd.img", size=87_130_112, agreed=_WINDOWED, retransmits=3),
    _missing("grub/x86_64-efi/command.lst", 7),
    _missing("grub/x86_64-efi/fs.lst", 6),
    _missing("images/rocky/initrd", 6),
    _Case(4, "images/rocky/initrd.img", "failed", "client-vanished", "", 87_130_112, 0.31, _WINDOWED, 46),
    _Case(2, "images/rocky/initrd.img", "failed", "client-error:3", "Buffer full", 87_130_112, 0.77, _WINDOWED),
    _Case(
        2,
        "backup/sw-r12-03.cfg",
        "refused",
        "denied",
        "uploads are not allowed",
        direction="write",
    ),
    _Case(1, "secret/ipmi.key", "refused", "denied-by-rule:denied_patterns", "denied-by-rule:denied_patterns"),
)


def iso(seconds: float) -> str:
    """As records have it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _client(number: int) -> tuple[str, str]:
    return f"10.20.12.{11 + number}", f"52:54:00:9c:{number:02x}:{(number * 37) % 256:02x}"


def active(count: int, now: float) -> list[Item]:
    """Transfers in progress, the oldest first."""
    chance = random.Random(7)
    found = []
    for number in range(count):
        host, _ = _client(number * 3 % 40)
        kernel = number % 4 == 3
        name, size = ("images/rocky/vmlinuz", 14_214_376) if kernel else ("images/rocky/initrd.img", 87_130_112)
        seconds = 9.4 * (count - number) / count + chance.random()
        loss = 31 if number == 2 else 0
        done = min(size - 1, round(seconds * (0.7e6 if loss else 9.1e6) * (0.7 + 0.5 * chance.random())))
        found.append(
            {
                "id": f"0-{number + 1}",
                "client": host,
                "port": 2070 + number,
                "local": "10.20.12.1",
                "direction": "read",
                "name": name,
                "mode": "octet",
                "asked": {"tsize": "0", "blksize": "1428", "windowsize": "16"},
                "agreed": {"tsize": size, **_BLOCKS},
                "size": size,
                "profile": None,
                "backend": "directory",
                "served": f"{_ROOT}/{name}",
                "bytes": done,
                "blocks": done // 1428,
                "retransmits": loss,
                "round_trip_ms": round(0.31 + chance.random() / 4, 3),
                "seconds": round(seconds, 6),
                "rate": round(done / seconds),
                "verified": True,
                "worker": None,
            }
        )
    if len(found) > 1:
        found[-2] |= {"bytes": 0, "blocks": 0, "round_trip_ms": None, "verified": False}
        found[-1] |= {
            "direction": "write",
            "name": "backup/sw-r12-07.cfg",
            "served": f"{_ROOT}/backup/sw-r12-07.cfg",
            "size": None,
            "agreed": {},
            "asked": {},
            "bytes": 48_128,
        }
    return found


def ended(count: int, now: float) -> list[Item]:
    """Records, the oldest first; the last one has just come."""
    chance = random.Random(11)
    found = []
    for number in range(count):
        [case] = chance.choices(_CASES, [case.weight for case in _CASES])
        host, mac = _client(chance.randrange(40))
        done = round((case.size or 0) * case.part)
        seconds = done / (8e6 * (0.6 + chance.random() / 2)) + 0.0004 + chance.random() / 1000
        if case.reason == "client-vanished":
            seconds += 30
        opened = case.outcome not in ("refused", "ignored")
        found.append(
            {
                "number": number + 1,
                "time": iso(now - (count - number - 1) * 2.7 - chance.random()),
                "client": host,
                "port": chance.randrange(1024, 65536),
                "local": "10.20.12.1",
                "direction": case.direction,
                "name": case.name,
                "mode": "octet",
                "asked": {name: str(value) for name, value in case.agreed},
                "mac": mac,
                "interface": "eth1",
                "agreed": dict(case.agreed) if opened else None,
                "size": case.size if opened else None,
                "profile": None,
                "backend": "directory" if opened else None,
                "served": f"{_ROOT}/{case.name}" if opened else None,
                "bytes": done,
                "blocks": done // dict(case.agreed).get("blksize", 512),
                "retransmits": case.retransmits,
                "round_trip_ms": 0.412 if opened else None,
                "response_seconds": 0.000412,
                "seconds": round(seconds, 6),
                "rate": round(done / seconds),
                "outcome": case.outcome,
                "reason": case.reason,
                "detail": case.detail,
                "more": 5 if case.reason == "not-found" and number % 9 == 0 else 0,
                "worker": None,
            }
        )
    return found


def frame(now: float, active_count: int = 12, ended_count: int = 200, **others: Any) -> Item:
    """What the stream brings."""
    return {
        "schema": 1,
        "time": now,
        "instance": "sample",
        "healthy": True,
        "active": active(min(active_count, 100), now),
        "active_count": active_count,
        "unverified": 1,
        "opening": 0,
        "rates": {"read": 117_400_000 if active_count else 0, "write": 31_200 if active_count else 0},
        "ended": ended(ended_count, now),
        "ended_count": ended_count,
        **others,
    }


def history(now: float) -> Item:
    """An hour in which a rack boots twice."""
    chance = random.Random(3)
    samples = []
    for number in range(360):
        at = now - (359 - number) * INTERVAL
        ago = (now - at) / 60
        busy = max(0.0, 1 - abs(ago - 41) / 6) + max(0.0, 1 - ago / 9)
        load = min(1.0, busy * 1.4) * (0.85 + 0.15 * chance.random())
        quiet = chance.random() < 0.04
        samples.append(
            (
                round(at, 3),
                round(load * 118e6) + (quiet and 40_000),
                round(1.1e6 * chance.random()) if 55 > ago > 51 else 0,
                round(load * 34),
                round(load * 60) + quiet,
                round(max(0.0, load - 0.55) * 14 * chance.random()) + (chance.random() < 0.02),
                round(max(0.0, load - 0.6) * 90 * chance.random()),
            )
        )
    names = ("at", "read", "written", "active", "completed", "failed", "retransmits")
    columns = zip(*samples, strict=True)
    return {"schema": 1, "time": now, "interval": INTERVAL} | {
        name: list(values) for name, values in zip(names, columns, strict=True)
    }


def status(now: float) -> Item:
    """A daemon that has been up for twelve days."""
    return {
        "schema": 1,
        "time": now,
        "version": version("tftpd-tw"),
        "twisted": version("twisted"),
        "python": platform.python_version(),
        "pid": 812,
        "up_seconds": 1_065_600.0,
        "healthy": True,
        "workers": {"serving": 2, "unresponsive": 0, "replaced": 0},
        "reload": {"successful": True, "at": now - 6_000},
        "settings": "filesystem:\n  root: /srv/tftp\nperformance:\n  workers: 2\n",
    }


def misses(now: float) -> Item:
    """Names that are missing, with what may be meant."""
    rows: tuple[tuple[int, str, str, int, list[str]], ...] = (
        (84, "grub/x86_64-efi/command.lst", "not-found", 40, []),
        (71, "grub/x86_64-efi/fs.lst", "not-found", 40, []),
        (38, "images/rocky/initrd", "not-found", 6, ["images/rocky/initrd.img"]),
        (12, "pxelinux.cfg/Default", "not-found", 2, ["pxelinux.cfg/default"]),
        (4, "backup/sw-r12-03.cfg", "denied", 1, []),
        (1, "secret/ipmi.key", "denied-by-rule:denied_patterns", 1, []),
    )
    return {
        "schema": 1,
        "time": now,
        "misses": [
            {
                "direction": "write" if name.startswith("backup") else "read",
                "name": name,
                "reason": reason,
                "count": count,
                "clients": clients,
                "last": iso(now - 7.3 * place),
                "last_client": _client(place * 5)[0],
                "suggestions": suggestions,
            }
            for place, (count, name, reason, clients, suggestions) in enumerate(rows)
        ],
    }


STUB = """
const answers = %s;
window.EventSource = class extends EventTarget {
  constructor() {
    super();
    (window.seen ??= {}).source = this;
    setTimeout(() => this.onmessage?.({ data: JSON.stringify(answers.events) }), 0);
  }
  close() {}
};
const real = window.fetch;
window.fetch = async (path) => {
  const name = String(path).replace(/^api\\//, "").replace(/\\?.*/, "");
  return name in answers ? new Response(JSON.stringify(answers[name])) : real(path);
};
"""
"""Run before the page's own scripts, it has them told this instead of what the daemon tells."""


def stub(now: float, **others: Any) -> str:
    """That script, with everything in it; ``others`` are parts of the frame."""
    answers = {
        "events": frame(now, **others),
        "status": status(now),
        "history": history(now),
        "misses": misses(now),
        "transfers": {"ended": ended(200, now)},
    }
    return STUB % json.dumps(answers)
