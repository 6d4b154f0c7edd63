"""What the user may do as whom the daemon runs."""

import os
import subprocess
from typing import Any

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import SKIP, Finding
from tftpd_tw.diagnosis.runner import CAP_DAC_OVERRIDE

READ, ENTER = 4, 1
"""Bits of permissions."""

_PATIENCE = 5.0


class CannotBecomeError(Exception):
    """Only root can try what another user may do."""


def may(case: Case, folder: str, *questions: str) -> bool:
    """Whether all ``questions`` that test(1) answers, such as ``-r``, are true of ``folder`` for that user. It is
    tried, so that access lists and read-only file systems count.

    :raises CannotBecomeError: the user is another one, and we are not root
    """
    runner, user = case.runner, case.machine.user()
    other: dict[str, Any] = {}
    if runner.uid != user:
        if user != 0:
            raise CannotBecomeError
        other = {"user": runner.uid, "group": runner.groups[0], "extra_groups": runner.groups}
    return all(
        subprocess.run(["test", question, folder], cwd="/", timeout=_PATIENCE, **other).returncode == 0
        for question in questions
    )


def allows(case: Case, about: os.stat_result, permission: int) -> bool:
    """Whether the mode of a file gives that user ``permission``, which costs less than to try."""
    runner = case.runner
    if runner.capable(CAP_DAC_OVERRIDE):
        return True
    shift = 6 if about.st_uid == runner.uid else 3 if about.st_gid in runner.groups else 0
    return bool(about.st_mode >> shift & permission)


def untried(case: Case, check: str, folder: str) -> Finding:
    """What is found after :class:`CannotBecomeError`."""
    reason = f"what {case.runner.user} may, as whom the daemon runs, can be tried by root only"
    return Finding(SKIP, check, "cannot be tried", reason, ("sudo tftpd-tw doctor",), folder)
