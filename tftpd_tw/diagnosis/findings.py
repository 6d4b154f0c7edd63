"""What a check has found: values, and nothing of how they are shown."""

import enum
from collections import Counter
from collections.abc import Iterable

from attrs import frozen


class State(enum.StrEnum):
    """How it is."""

    OK = "ok"
    WARN = "warn"
    """The daemon works, and might work better, or will not work much longer."""
    FAIL = "fail"
    """Something does not work, or not as the settings have it."""
    SKIP = "skip"
    """Nobody could look, or there is nothing to look at."""


OK, WARN, FAIL, SKIP = State

WORST_FIRST = (FAIL, WARN, OK, SKIP)


@frozen
class Finding:
    """One thing that was looked at."""

    state: State
    check: str
    """What was looked at: words with hyphens, always the same."""
    figure: str
    """What was found, in a few words."""
    reason: str = ""
    """What follows from it: sentences where something is wrong, else a few words."""
    remedies: tuple[str, ...] = ()
    """What mends it, or says more: shell commands, settings (``performance.window_size: 16``), options
    (``--workers auto``), what a systemd unit has (``LimitNOFILE=65536``).
    """
    about: str = ""
    """Which one was looked at, where there are several: a folder, an address."""


def count(findings: Iterable[Finding]) -> dict[State, int]:
    """How many there are of each state, all of them included."""
    counts = Counter(finding.state for finding in findings)
    return {state: counts[state] for state in WORST_FIRST}


def worst(findings: Iterable[Finding]) -> State:
    """The worst state that one of them has; OK if there are none."""
    states = {finding.state for finding in findings}
    return next((state for state in (FAIL, WARN) if state in states), OK)


def sysctl(name: str, value: object) -> str:
    """The command that sets a parameter of the kernel, until the machine is started again."""
    text = str(value)
    return f'sysctl -w {name}="{text}"' if " " in text else f"sysctl -w {name}={text}"
