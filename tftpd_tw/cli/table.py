"""A table that fits its terminal: first less important columns go, then what may be cut is cut.

Without a width nothing goes and nothing is cut, for pipes and files.
"""

import sys
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size

from attrs import frozen

_GAP = "  "
_CUT = "..."

Rows = Sequence[Sequence[str]]
"""Cells for all columns."""


@frozen
class Column:
    """One column."""

    title: str
    right: bool = False
    """It has numbers."""
    shortest: int = 0
    """To how many characters it may be cut, its title too; 0: not at all."""
    tail: bool = False
    """Of what is cut the end is kept, which says more of the name of a file."""
    rank: int = 0
    """Columns of the highest rank go first; those of 0 stay."""


@frozen
class Layout:
    """What there is room for."""

    columns: Sequence[Column]
    widths: dict[int, int]
    """Of the columns that stay, by their places."""

    @property
    def left_out(self) -> list[str]:
        """Titles of the others."""
        return [column.title for at, column in enumerate(self.columns) if at not in self.widths]

    def lines(self, rows: Rows) -> Iterator[str]:
        """The table, with titles."""
        for row in ([column.title for column in self.columns], *rows):
            yield _GAP.join(self._cell(at, row[at]) for at in self.widths).rstrip()

    def cut(self, at: int, text: str) -> str:
        """As much of ``text`` as there is room for in the column at that place."""
        return cut(text, self.widths[at], tail=self.columns[at].tail)

    def _cell(self, at: int, text: str) -> str:
        text, room = self.cut(at, text), self.widths[at]
        return text.rjust(room) if self.columns[at].right else text.ljust(room)


def lay_out(columns: Sequence[Column], rows: Rows, width: int | None = None) -> Layout:
    """How to show ``rows``.

    :param width: characters that a line may have, if the columns that stay can be cut to that; None: any number
    """
    cells = [[column.title, *(row[at] for row in rows)] for at, column in enumerate(columns)]
    widths = {at: max(map(len, column)) for at, column in enumerate(cells)}
    if width is not None:
        while _total(_shortest(columns, widths)) > width and (at := _least(columns, widths)) is not None:
            del widths[at]
        widths = _narrowed(columns, widths, width)
    return Layout(columns, widths)


def terminal_width() -> int | None:
    """Characters of a line of standard output, if that is a terminal."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def cut(text: str, room: int, *, tail: bool = False) -> str:
    """``text`` in no more than ``room`` characters."""
    if len(text) <= room:
        return text
    kept = max(room - len(_CUT), 0)
    return (_CUT + text[len(text) - kept :] if tail else text[:kept] + _CUT)[:room]


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(_GAP) * (len(widths) - 1)


def _shortest(columns: Sequence[Column], widths: dict[int, int]) -> dict[int, int]:
    return {at: min(room, columns[at].shortest or room) for at, room in widths.items()}


def _least(columns: Sequence[Column], widths: dict[int, int]) -> int | None:
    """Which column goes first; None if all stay."""
    rank, at = max((columns[at].rank, at) for at in widths)
    return at if rank else None


def _narrowed(columns: Sequence[Column], widths: dict[int, int], width: int) -> dict[int, int]:
    """``widths`` that come to ``width``, if they can; the widest of those that can be cut is cut first."""
    narrow, shortest = dict(widths), _shortest(columns, widths)
    for _ in range(_total(widths) - width):
        at = max(narrow, key=lambda at: narrow[at] if narrow[at] > shortest[at] else 0)
        if narrow[at] == shortest[at]:
            break
        narrow[at] -= 1
    return narrow
