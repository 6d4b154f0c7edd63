"""How far a transfer is, on a terminal, in one line that is gone when it is over.

Where rich is installed (the extra ``tools``) that is its progress bar; without it, or on a terminal that cannot
move its cursor, a line of our own. A thread draws it: a terminal may be stopped (Ctrl-S), and the transfer goes on
all the same. What is over soon shows nothing.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TextIO

from tftpd_tw.cli.plain_progress import Painter, PlainPainter, Position

FIRST_AFTER = 0.3
"""Seconds until anything is shown."""

INTERVAL = 0.1

_GOODBYE = 1.0
"""Seconds that the end of a transfer waits for a terminal that is stopped."""

_LABEL = 24
"""Columns that a name may take."""


@contextmanager
def shown(label: str, look: Callable[[], Position], terminal: TextIO | None) -> Iterator[None]:
    """Show what ``look`` says, which a thread calls, while the context lasts; nothing if ``terminal`` is none.

    :param label: what is transferred
    """
    if terminal is None or not terminal.isatty():
        yield
        return
    over = threading.Event()
    cut = label if len(label) <= _LABEL else label[: _LABEL - 3] + "..."
    thread = threading.Thread(target=_draw, args=(cut, look, terminal, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_GOODBYE)


def _draw(label: str, look: Callable[[], Position], terminal: TextIO, over: threading.Event) -> None:
    began = monotonic()
    if over.wait(FIRST_AFTER):
        return
    with suppress(OSError):  # it was closed
        painter = _painter(label, terminal, began)
        painter.paint(look())
        while not over.wait(INTERVAL):
            painter.paint(look())
        painter.clear()


def _painter(label: str, terminal: TextIO, began: float) -> Painter:
    try:
        from tftpd_tw.cli.rich_progress import RichPainter
    except ImportError:
        return PlainPainter(label, terminal, began)
    return RichPainter.on(terminal, label) or PlainPainter(label, terminal, began)
