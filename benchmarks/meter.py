"""What a server uses: CPU of all its processes, those that have ended too, and memory.

CPU comes from a control group of the server's own where one can be made (version 1 cpuacct or version 2), so that
every forked child counts. Elsewhere it is the sum over the tree of processes and the children they waited for.

Memory is the resident set of the first process and what the others hold for themselves alone: pages that forked
children share with it are counted once.
"""

import contextlib
import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGESIZE")


def _hierarchies() -> list[tuple[Path, str, float]]:
    """Folders in which a group can be made, the file that has its CPU time, and the unit of that in seconds."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        place, (kind, _, options) = Path(left.split()[4]), right.split()
        if kind == "cgroup" and "cpuacct" in options.split(","):
            found.append((place, "cpuacct.usage", 1e-9))
        elif kind == "cgroup2":
            found.append((place, "cpu.stat", 1e-6))
    return found


class Meter:
    """The CPU and memory of one server."""

    def __init__(self, name: str) -> None:
        self.pid = 0
        self._group: Path | None = None
        for place, file, unit in _hierarchies():
            group = place / name
            with contextlib.suppress(OSError):
                group.mkdir()
                self._group, self._file, self._unit = group, group / file, unit
                self._file.read_text()
                break

    @property
    def method(self) -> str:
        """How CPU time is found, for the report."""
        if self._group is None:
            return "the sum over the tree of processes and the children they waited for"
        return f"a control group of the server's own ({self._file.name})"

    def enter(self) -> None:
        """Called in the new process before it becomes the server."""
        if self._group is not None:
            (self._group / "cgroup.procs").write_text("0")

    def close(self) -> None:
        """Remove the group once its processes have ended."""
        if self._group is not None:
            with contextlib.suppress(OSError):
                self._group.rmdir()

    def processes(self) -> list[int]:
        """All that run now."""
        if self._group is not None:
            return [int(line) for line in (self._group / "cgroup.procs").read_text().split()]
        parents: dict[int, list[int]] = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = entry.read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
        tree = [self.pid]
        for pid in tree:
            tree.extend(parents.get(pid, ()))
        return tree

    def cpu(self) -> float:
        """Seconds of CPU since the start."""
        if self._group is not None:
            text = self._file.read_text().split()
            return int(text[1] if text[0] == "usage_usec" else text[0]) * self._unit
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                total += sum(map(int, fields[11:15]))
        return total / TICKS

    def memory(self) -> float:
        """Megabytes now."""
        total = 0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                if pid == self.pid:
                    total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
                else:
                    total += private_bytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
        return total / 1e6


def private_bytes(rollup: str) -> int:
    """What a process holds alone, from its smaps_rollup."""
    lines = (line.split() for line in rollup.splitlines())
    return sum(int(words[1]) * 1024 for words in lines if words[0] in ("Private_Clean:", "Private_Dirty:"))
