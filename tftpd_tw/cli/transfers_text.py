"""Transfers for people, one in a line: the cells of a table, and its columns."""

import time
from collections.abc import Sequence

from tftpd_tw.cli.figures_text import moment
from tftpd_tw.cli.table import Column
from tftpd_tw.cli.told import PROPER_ENDS, Told
from tftpd_tw.interfaces import Outcome
from tftpd_tw.service.units import duration, size

COLUMNS = (
    Column("time"),
    Column("client"),
    Column("MAC", rank=5),
    Column("way"),
    Column("name", shortest=16, tail=True),
    Column("outcome", shortest=14),
    Column("size", right=True, rank=1),
    Column("rate", right=True, rank=2),
    Column("resent", right=True, rank=3),
    Column("took", right=True, rank=4),
)


NARROW = 140
"""Columns of a terminal, with fewer of which less is said."""


def rows_of(transfers: Sequence[Told], now: float, width: int | None) -> list[list[str]]:
    """A row for each.

    :param now: in seconds since 1970
    :param width: of the terminal, if it is one
    """
    moments = [now - (told.seconds or 0.0) if told.outcome == "" else told.time for told in transfers]
    today = moment(now).partition(" ")[0]
    texts = ["-" if at is None else moment(at) for at in moments]
    if width is not None and all(text.startswith((today, "-")) for text in texts):
        texts = [text.removeprefix(today).strip() for text in texts]
    brief = width is not None and width < NARROW
    return [[text, *_cells(told, brief=brief)] for text, told in zip(texts, transfers, strict=True)]


def _cells(told: Told, *, brief: bool) -> tuple[str, ...]:
    return (
        told.client,
        told.mac or "-",
        told.direction,
        told.name,
        became(told, brief=brief),
        progress(told, brief=brief),
        rate(told.rate if told.bytes else None),
        str(told.retransmits),
        "-" if told.seconds is None else duration(told.seconds),
    )


def became(told: Told, *, brief: bool) -> str:
    """The outcome, or if ``brief`` the reason alone; and how many more there were like it."""
    text = told.reason if brief and told.reason else outcome(told)
    return f"{text}, +{told.more} more" if told.more else text


def outcome(told: Told) -> str:
    """The outcome, with the reason where that says more; or that it is in progress."""
    if not told.outcome:
        return "active" if told.verified else "active, no answer yet"
    return told.outcome if told.reason in ("", told.outcome) else f"{told.outcome}: {told.reason}"


def progress(told: Told, *, brief: bool) -> str:
    """How much of the file the client has, or the server."""
    if told.outcome and not told.bytes:
        return "0 B" if told.outcome == Outcome.COMPLETED else "-"
    if told.outcome in PROPER_ENDS or told.done is None or told.size is None:
        return size(told.bytes)
    part = f"{100 * told.done:.0f} %"
    return part if brief else f"{part} of {size(told.size)}"


def rate(value: float | None) -> str:
    """Bytes per second."""
    return "-" if value is None else f"{size(value)}/s"


def clock(at: float | None) -> str:
    """The local time of day of ``at``, which is in seconds since 1970."""
    return "-" if at is None else time.strftime("%H:%M:%S", time.localtime(at))
