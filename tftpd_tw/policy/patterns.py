"""Regular expressions that take a time proportional to the length of the name, whatever the name.

The names come from strangers, and an engine that tries all ways to match, as :mod:`re` does, can be made to try
for years: ``(a+)+$`` needs more than a minute for thirty letters. RE2 goes through a name once. It knows no
look-around and no references to groups inside an expression; the rest is as everywhere
(https://github.com/google/re2/wiki/Syntax).

An expression meets bytes: ``.`` is any one of 256, also a line feed, and ``ignore_case`` knows ASCII letters.
"""

from collections.abc import Iterator
from typing import Any, Protocol, cast

from tftpd_tw.policy.replacements import Match

LARGEST = 500
"""Instructions of RE2 that an expression may come to; a usual one has fewer than 100.

A usual one takes 2 us for a name, the worst that were found take some milliseconds for the longest name.
"""

NOT_INSTALLED = "regular expressions need RE2, which is not installed: `pip install 'tftpd-tw[rewrite]'`"


class Pattern(Protocol):
    """A compiled regular expression."""

    groups: int

    def search(self, text: bytes, /) -> Match | None: ...

    def finditer(self, text: bytes, /) -> Iterator[Match]: ...


def compile_pattern(text: str, *, ignore_case: bool = False) -> Pattern:
    """Make ``text`` ready for use.

    :raises ValueError: it is no regular expression, one that is too large, or RE2 is not there
    """
    try:
        import re2

        options = re2.Options()
    except (ImportError, AttributeError):
        # Another package has a module of this name, without Options.
        raise ValueError(NOT_INSTALLED) from None
    options.encoding = re2.Options.Encoding.LATIN1
    options.dot_nl = True
    options.case_sensitive = not ignore_case
    options.log_errors = False
    try:
        pattern = re2.compile(text.encode(errors="surrogateescape"), options)
    except re2.error as error:
        raise ValueError(f"expected a regular expression of RE2, got {text!r}: {_why(error)}") from None
    if pattern.programsize > LARGEST:
        raise ValueError(
            f"expected a regular expression of {LARGEST} steps at most, got one of {pattern.programsize}"
        )
    return cast(Pattern, pattern)


def _why(error: Any) -> str:
    (reason,) = error.args
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
