"""Findings for people: what is wrong first, with what follows and what mends it; then the rest, a line each."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN, WORST_FIRST, Finding, State, count

WIDEST = 100
"""Columns of text; commands are never broken."""

LEAST = 20
"""Columns for figures, however narrow it is."""

WIDEST_TITLE = 36
"""Columns; a longer one moves its own figure only."""

_INDENT = " " * 6

_SYSCTL = (
    "What `sysctl -w` sets is gone after a restart. To keep it, write `name = value` into"
    " /etc/sysctl.d/60-tftpd-tw.conf."
)

_COLOURS = {FAIL: "31;1", WARN: "33;1", OK: "32", SKIP: "2"}
"""Of a terminal; the word says the same."""


def lines(findings: Sequence[Finding], *, coloured: bool) -> Iterator[str]:
    """The text."""
    width = min(WIDEST, shutil.get_terminal_size().columns)
    column = min(WIDEST_TITLE, max((len(_title(finding)) for finding in findings), default=0))
    for finding in sorted(findings, key=lambda finding: WORST_FIRST.index(finding.state)):
        wrong = finding.state in (FAIL, WARN)
        said = [finding.figure] if wrong or not finding.reason else [finding.figure, finding.reason]
        margin = len(_INDENT) + column + 2
        first, *others = _wrapped("; ".join(said), max(LEAST, width - margin))
        yield f"{_word(finding.state, coloured)}  {_title(finding):{column}}  {first}"
        yield from (" " * margin + other for other in others)
        if wrong:
            yield from (_INDENT + line for line in _wrapped(finding.reason, width - len(_INDENT)))
        yield from (f"{_INDENT}> {remedy}" for remedy in finding.remedies)
        if wrong:
            yield ""
    if findings and not wrong:
        yield ""
    if any(remedy.startswith("sysctl -w") for finding in findings for remedy in finding.remedies):
        yield from _wrapped(_SYSCTL, width)
        yield ""
    yield ", ".join(f"{number} {state.upper()}" for state, number in count(findings).items())


def _wrapped(text: str, width: int) -> list[str]:
    """Lines; names of files and the like are never broken."""
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def _title(finding: Finding) -> str:
    title = finding.check.replace("-", " ")
    return f"{title} {finding.about}" if finding.about else title


def _word(state: State, coloured: bool) -> str:
    word = f"{state.upper():4}"
    return f"\033[{_COLOURS[state]}m{word}\033[0m" if coloured else word
