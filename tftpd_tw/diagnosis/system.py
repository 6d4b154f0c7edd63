"""The clock, the CPUs and the memory of the machine."""

import time
from collections.abc import Iterator

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import OK, WARN, Finding, sysctl
from tftpd_tw.service.cpus import worker_count
from tftpd_tw.service.units import size

EARLIEST = 1_735_689_600
"""2025, in seconds since 1970; a clock that says less was never set."""

LITTLE_MEMORY = 0.05
"""The part of it below which that what is left is worth a warning."""

MOST_PRESSURE = {"cpu": 25.0, "memory": 5.0, "io": 25.0}
"""Percent of the last minute in which somebody had to wait for it."""

_LOOK = {"cpu": "top", "memory": "free -h", "io": "iostat -x 1"}


def clock(case: Case) -> Iterator[Finding]:
    """Whether the time is right. Transfers do not mind, but whoever reads the log does."""
    now = case.machine.now()
    said = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    if now < EARLIEST:
        reason = "The clock was never set; so the log says nothing about when, and files seem to be of the future."
        yield Finding(WARN, "clock", said, reason, ("timedatectl set-ntp true",))
    elif not case.machine.clock_synchronised():
        reason = "Nobody keeps the clock right, so that the log cannot be compared with that of other machines."
        yield Finding(WARN, "clock", f"{said}, not synchronised", reason, ("timedatectl set-ntp true",))
    else:
        yield Finding(OK, "clock", f"{said}, synchronised")


def cpus(case: Case) -> Iterator[Finding]:
    """Whether there is one for each worker."""
    there, workers = case.machine.cpus(), worker_count(case.configuration.performance)
    figure = f"{there} for {workers} {'worker' if workers == 1 else 'workers'}"
    if workers > there:
        reason = "Workers that share a CPU wait for each other, and each takes memory."
        yield Finding(WARN, "cpus", figure, reason, ("--workers auto",))
    else:
        reason = "--workers auto uses them all" if workers < there else ""
        yield Finding(OK, "cpus", figure, reason)


def memory(case: Case) -> Iterator[Finding]:
    """Whether there is some left, and the daemon is in it and not in the swap."""
    table = case.machine.table("meminfo")
    left, whole = (int(table[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    figure = f"{size(left)} of {size(whole)} available"
    if case.runner.pid is not None and case.runner.swapped:
        reason = (
            f"{size(case.runner.swapped)} of the daemon are in the swap; to get them back all its clients wait."
        )
        yield Finding(WARN, "memory", figure, reason, (sysctl("vm.swappiness", 10),))
    elif left < LITTLE_MEMORY * whole:
        reason = "There is no room for files that were read, and for what transfers hold."
        yield Finding(WARN, "memory", figure, reason, ("ps aux --sort -rss | head",))
    else:
        yield Finding(OK, "memory", figure)


def pressure(case: Case) -> Iterator[Finding]:
    """How much of the last minute somebody had to wait for CPU, memory or disk."""
    waits = {what: _wait(case.machine.text(f"pressure/{what}")) for what in MOST_PRESSURE}
    figure = ", ".join(f"{what} {part:.0f} %" for what, part in waits.items())
    high = [what for what, part in waits.items() if part > MOST_PRESSURE[what]]
    if high:
        reason = "That much of the last minute some process had to wait for it."
        yield Finding(WARN, "pressure", figure, reason, tuple(_LOOK[what] for what in high))
    else:
        yield Finding(OK, "pressure", figure)


def _wait(text: str) -> float:
    """Percent, from a line as ``some avg10=0.00 avg60=0.00 avg300=0.00 total=0``."""
    [some] = (line for line in text.splitlines() if line.startswith("some"))
    return float(dict(word.split("=") for word in some.split()[1:])["avg60"])
