"""Counters of the kernel, and what they were at the last look, so that old trouble does not look like new.

They count since the machine was started, or since its network namespace was made; a file remembers them. What it
says holds for the same namespace of the same run of the machine only.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from attrs import asdict, frozen

from tftpd_tw.diagnosis.machine import Machine


@frozen
class Look:
    """What was counted at some time."""

    era: str
    """In which run of which network."""
    at: float
    """In seconds since 1970."""
    counters: Mapping[str, int]

    def since(self, before: "Look | None", name: str) -> int:
        """How many more there are than ``before``, if there is something to compare with."""
        return self.counters.get(name, 0) - (before.counters.get(name, 0) if before is not None else 0)

    def continues(self, before: "Look") -> bool:
        """Whether it is of the same era. Numbers of networks are used again, but counters never go back."""
        return self.era == before.era and all(
            self.counters.get(name, count) >= count for name, count in before.counters.items()
        )


def era(machine: Machine) -> str:
    """In which the counters count.

    :raises OSError: the kernel does not tell
    """
    return f"{machine.text('sys/kernel/random/boot_id').strip()} {machine.link('self/ns/net')}"


def recall(file: Path, now: Look) -> Look | None:
    """The look before ``now``; None if there was none in its era, or nobody can tell."""
    try:
        told = json.loads(file.read_text())
        counters = {str(name): int(value) for name, value in told["counters"].items()}
        before = Look(str(told["era"]), float(told["at"]), counters)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return before if now.continues(before) else None


def remember(file: Path, look: Look) -> None:
    """Keep it for the next time.

    :raises OSError: there is no place for it
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        fresh.write_text(json.dumps(asdict(look)))
        fresh.replace(file)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
