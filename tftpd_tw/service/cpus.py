"""How many workers there are, and which CPU each may be pinned to."""

import math
import os
from pathlib import Path

from tftpd_tw.service.configuration import Performance
from tftpd_tw.service.value_types import AUTO, MAX_WORKERS

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def worker_count(performance: Performance) -> int:
    """The number that is set; for ``auto``, the CPUs that this process may use."""
    return performance.workers if performance.workers != AUTO else usable_cpus()


def usable_cpus() -> int:
    """Those of this process's affinity mask, or fewer where a container or a unit has a quota of CPU time."""
    return max(1, min(len(cpus()), cpu_quota()))


def cpus() -> list[int]:
    """The CPUs of this process's affinity mask."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cpu_quota() -> int:
    """CPUs' worth of time that the control groups (version 2) of this process allow, rounded up."""
    quota = MAX_WORKERS
    try:
        paths = [line[3:] for line in OWN_CGROUPS.read_text().splitlines() if line.startswith("0::/")]
    except OSError:
        return quota
    for path in paths:
        group = CGROUPS / path.strip("/")
        for place in (group, *group.parents):
            try:
                limit, period = (place / "cpu.max").read_text().split()
                quota = min(quota, math.ceil(int(limit) / int(period)))
            except (OSError, ValueError):
                pass  # none here, or "max"
            if place == CGROUPS:
                break
    return max(1, quota)
