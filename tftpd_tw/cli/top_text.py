"""What ``tftpd-tw top`` shows, as lines: for a terminal without rich, for a pipe, and once."""

from collections.abc import Iterator
from textwrap import wrap

from tftpd_tw.cli.picture import LATELY, Moving, Picture
from tftpd_tw.cli.table import Column, cut, lay_out
from tftpd_tw.cli.transfers_text import COLUMNS, clock, rate, rows_of
from tftpd_tw.interfaces import Direction
from tftpd_tw.service.units import size

BAR = 20
"""Characters."""

LEAST_ENDED = 5
"""Lines that those that have ended get at least, if there are so many."""

NOTHING = "no transfers yet"

ACTIVE = (
    Column("client"),
    Column("way"),
    Column("name", shortest=16, tail=True),
    Column("progress"),
    Column("size", right=True, rank=1),
    Column("rate", right=True),
    Column("left", right=True, rank=2),
    Column("resent", right=True, rank=3),
)


def lines(picture: Picture, width: int | None = None, height: int | None = None) -> Iterator[str]:
    """All of it, or as much as fits."""
    above = head(picture, width)
    yield from above
    active, ended = shares(picture, None if height is None else height - len(above))
    if not picture.active and not picture.ended:
        yield from ("", NOTHING)
    if picture.active:
        yield ""
        rows = active_rows(picture, active)
        yield from lay_out(ACTIVE, rows, width).lines(rows)
        if more := picture.active_count - active:
            yield f"and {more} more"
    if ended:
        yield ""
        rows = rows_of(picture.ended[:ended], picture.time, width)
        yield from lay_out(COLUMNS, rows, width).lines(rows)


def head(picture: Picture, width: int | None = None) -> list[str]:
    """What there is to say of all together: where, how much, and what is wrong."""
    said = [
        *(f"{name} {rate(picture.rates.get(way, 0.0))}" for way, name in _RATES),
        f"{picture.active_count} active",
        f"{picture.unverified} unverified",
        *([f"{picture.opening} opening"] if picture.opening else []),
        f"{picture.failures} not served in {LATELY:g} s",
    ]
    where = f"tftpd-tw at {picture.address}, {'last seen ' if picture.problem else ''}{clock(picture.time)}"
    wrong = [line for text in _complaints(picture) for line in wrap(text, width or len(text))]
    return [*(line if width is None else cut(line, width) for line in (where, "  ".join(said))), *wrong]


_RATES = ((Direction.READ, "reads"), (Direction.WRITE, "writes"))


def _complaints(picture: Picture) -> list[str]:
    found = []
    if picture.problem:
        found.append(f"{picture.problem}; trying again")
    if not picture.healthy:
        found.append("nobody serves: the workers do not start, and the log says why")
    return found


def shares(picture: Picture, room: int | None) -> tuple[int, int]:
    """How many transfers in progress, and how many that have ended, are shown in ``room`` lines."""
    active, ended = len(picture.active), len(picture.ended)
    if room is None:
        return active, min(ended, 20)
    if active:
        # Each table has an empty line and titles; where not all fit, a line says how many more there are.
        room -= 2
        reserved = min(ended, LEAST_ENDED) + 2 if ended else 0
        fit = max(room - reserved, 1)
        if picture.active_count > fit:
            active = max(fit - 1, 1)
            room -= 1
        room -= active
    return active, max(min(ended, room - 2), 0)


def bar(part: float | None) -> str:
    """``[#####...............]  25 %``; a dash if the part is not known."""
    if part is None:
        return "-"
    return f"[{'#' * int(part * BAR):.<{BAR}}] {100 * part:3.0f} %"


def left(seconds: float | None) -> str:
    """``1:05``, or ``2:00:00``."""
    if seconds is None or seconds >= 360000:
        return "-"
    whole = int(seconds + 0.5)
    text = f"{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 3600}:{text}" if whole >= 3600 else text.removeprefix("0")


def active_rows(picture: Picture, count: int) -> list[list[str]]:
    """A row for each of the first ``count`` that are in progress."""
    return [_cells(moving) for moving in picture.active[:count]]


def _cells(moving: Moving) -> list[str]:
    told = moving.told
    return [
        told.client,
        told.direction,
        told.name,
        bar(told.done) if told.verified else "no answer yet",
        size(told.size if told.size is not None else told.bytes),
        rate(moving.rate),
        left(moving.left),
        str(told.retransmits),
    ]
