"""Versions of Python and of the libraries, against what the package says it needs."""

import re
import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import FAIL, OK, Finding
from tftpd_tw.diagnosis.machine import Machine

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+)")
"""Those without a marker; what an extra needs, only those need who have asked for it."""


def software(case: Case) -> Iterator[Finding]:
    """All versions, or those that are too old. Python is new enough, since it has come so far."""
    versions, lacking = [f"Python {sys.version.split()[0]}"], False
    for requirement in case.machine.required():
        if (found := _REQUIREMENT.fullmatch(requirement)) is None:
            continue
        name, least = found[1], found[2]
        version = _installed(case.machine, name)
        versions.append(f"{name} {version}")
        if version is None or _numbers(version) < _numbers(least):
            lacking = True
            mend = f"{shlex.quote(sys.executable)} -m pip install --upgrade '{name}>={least}'"
            yield Finding(
                FAIL, "software", version or "not installed", f"{least} or newer is needed.", (mend,), name
            )
    if not lacking:
        yield Finding(OK, "software", ", ".join(versions))


def _installed(machine: Machine, name: str) -> str | None:
    try:
        return machine.installed(name)
    except PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """``26.10.0rc1`` as ``(26, 10)``: what comes after the numbers makes no difference here."""
    numbers = [int(number) for number in re.findall(r"(?:^|\.)(\d+)", version)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
