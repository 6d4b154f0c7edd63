"""A screen with bars and colours by rich, which need not be installed: import this where it is tried.

What is shown where, and how much of it, is as on a screen without it.
"""

import sys
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tftpd_tw.cli.picture import Moving, Picture
from tftpd_tw.cli.table import Column, Rows, lay_out
from tftpd_tw.cli.told import Told
from tftpd_tw.cli.top_text import ACTIVE, BAR, NOTHING, active_rows, head, shares
from tftpd_tw.cli.transfers_text import COLUMNS, rows_of
from tftpd_tw.interfaces import Outcome

_STYLES: dict[str, str] = {
    Outcome.COMPLETED: "green",
    Outcome.SIZE_PROBE: "green",
    Outcome.FAILED: "bold red",
    Outcome.REFUSED: "red",
}
"""Of outcomes; those of which nobody heard anything are yellow."""

Dress = Callable[[str, int, str], RenderableType]
"""What a cell is drawn as: its column's title, its row's number, its text."""


class RichScreen:
    """Draws with rich."""

    def __init__(self) -> None:
        self._console = Console(file=sys.stdout)
        self._live: Live | None = None

    def enter(self) -> None:
        """Take the terminal."""
        self._live = Live(
            console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._live.start()

    def leave(self) -> None:
        """Give it back."""
        if self._live is not None:
            self._live.stop()

    def paint(self, picture: Picture) -> None:
        """Show ``picture``."""
        if self._live is not None:
            width, height = self._console.size
            self._live.update(Group(*parts(picture, width, height)), refresh=True)


def parts(picture: Picture, width: int, height: int) -> Iterator[RenderableType]:
    where, how_much, *wrong = head(picture, width)
    yield Text(where, "bold")
    yield Text(how_much)
    yield from (Text(line, "bold red") for line in wrong)
    active, ended = shares(picture, height - 2 - len(wrong))
    if not picture.active and not picture.ended:
        yield from (Text(), Text(NOTHING))
    if active:
        yield Text()
        yield _table(ACTIVE, active_rows(picture, active), width, _dress_active(picture.active))
        if more := picture.active_count - active:
            yield Text(f"and {more} more", "dim")
    if ended:
        shown = picture.ended[:ended]
        yield Text()
        yield _table(COLUMNS, rows_of(shown, picture.time, width), width, _dress_ended(shown))


def _dress_active(moving: Sequence[Moving]) -> Dress:
    def dress(title: str, row: int, text: str) -> RenderableType:
        part = moving[row].told.done
        if title != "progress" or part is None or not moving[row].told.verified:
            return Text(text, "bold" if title == "name" else "")
        drawn = Table.grid()
        drawn.add_row(ProgressBar(total=1.0, completed=part, width=BAR), Text(f"{100 * part:6.0f} %"))
        return drawn

    return dress


def _dress_ended(ended: Sequence[Told]) -> Dress:
    def dress(title: str, row: int, text: str) -> RenderableType:
        return Text(text, _STYLES.get(ended[row].outcome, "yellow") if title == "outcome" else "")

    return dress


def _table(columns: Sequence[Column], rows: Rows, width: int, dress: Dress) -> Table:
    layout = lay_out(columns, rows, width)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for at, room in layout.widths.items():
        column = columns[at]
        table.add_column(
            layout.cut(at, column.title), justify="right" if column.right else "left", width=room, no_wrap=True
        )
    for number, row in enumerate(rows):
        table.add_row(*(dress(columns[at].title, number, layout.cut(at, row[at])) for at in layout.widths))
    return table
