"""The page for those who have another server now; ``python page.py`` prints it, from the table of the cases."""

import sys
from pathlib import Path

from case import OTHERS, TAKES_NONE, VERSIONS, Case
from cases import CASES

PAGE = Path(__file__).parents[2] / "docs" / "other-servers.md"

RULES = """\
filesystem:
  root: /srv/tftp
  rewrite:
    - {match: '[^/]*[^/.][^/]*/+\\.\\./+', replace: '', occurrences: until-none}
    - {match: '^/srv/tftp/', replace: ''}
"""
"""Make the daemon answer as others do."""

_PAGE = """\
# Beside other servers

<!-- Written by `make reference` from tests/comparison. -->

What tftpd-tw answers otherwise than {servers}, those of Debian 12. The same {count}
requests, right and wrong ones, went to all of them; each has a folder to serve and takes uploads, but for dnsmasq,
which cannot. The first answer is what counts: `DATA` with the bytes of the first block, `ACK 0` for an upload that
may begin, `OACK` with the options that are granted, `ERROR` with its code, or nothing; `=` is the answer of
tftpd-tw. The file that is asked for has 1300 bytes.

The tests send all of it again, `make test-long` to the others too, and fail where an answer is not the one here.

## What you may notice

{noticed}
With these settings the daemon takes such names; `tftpd-tw map` says what rules make of a name.

```yaml
{rules}```

## What only tests notice

Numbers are those of the rules in [protocol.md](protocol.md) and [trust.md](trust.md).

{rest}
## Where all are alike

{alike}.
"""


def _row(case: Case, last: str) -> list[str]:
    """What was asked, the answers, and one cell more."""
    others = [f"`{case.others[server]}`" if server in case.others else "=" for server in OTHERS]
    return [case.what, f"`{case.ours}`", *others, last]


def _table(last: str, rows: list[list[str]]) -> str:
    head = ["request", "tftpd-tw", *OTHERS, last]
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *rows))


def text() -> str:
    """The page."""
    noticed = [
        _row(case, case.note if case.why == TAKES_NONE else f"{case.note} ({case.why})")
        for case in CASES
        if case.note
    ]
    rest = [_row(case, case.why) for case in CASES if case.others and not case.note and case.why != TAKES_NONE]
    alike = "; ".join(case.what for case in CASES if not case.others)
    return _PAGE.format(
        servers=", ".join(f"{server} {version}" for server, version in VERSIONS.items()),
        count=len(CASES),
        noticed=_table("what it means", noticed),
        rules=RULES,
        rest=_table("why", rest),
        alike=alike[0].upper() + alike[1:],
    )


if __name__ == "__main__":
    sys.stdout.write(text())
