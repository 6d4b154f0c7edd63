"""What is wrong with the settings themselves."""

import shlex
from collections.abc import Iterator

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import FAIL, OK, WARN, Finding

_REFUSED = (
    "The daemon does not start with that, nor does it take it by a reload. What else was found is about the"
    " settings without this file."
)


def settings(case: Case) -> Iterator[Finding]:
    """Each mistake, and what has no effect."""
    told = case.settings
    mend = (f"tftpd-tw check {shlex.quote(told.file or '')}",)
    for index, line in enumerate(told.mistakes):
        yield Finding(FAIL, "settings", line, "" if index else _REFUSED, () if index else mend)
    for line in told.idle:
        yield Finding(WARN, "settings", line)
    if not told.mistakes and not told.idle:
        yield Finding(OK, "settings", told.file or "the defaults, and the options of this command")
