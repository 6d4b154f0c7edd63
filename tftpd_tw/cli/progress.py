"""How far a transfer is, on a terminal, in one line that is gone when it is over.

Where rich is installed (the extra ``tools``) that is its progress bar; without it, or on a terminal that cannot
move its cursor, a line of our own. A thread draws it: a terminal may be stopped (Ctrl-S), and the transfer goes on
all the same. What is over soon shows nothing.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Protocol, TextIO

from attrs import define, field, frozen

from tftpd_tw.service.units import size

FIRST_AFTER = 0.3
"""Seconds until anything is shown."""

INTERVAL = 0.1

_GOODBYE = 1.0
"""Seconds that the end of a transfer waits for a terminal that is stopped."""

_NARROW, _LABEL, _BAR = 40, 24, 20
"""Columns: of a terminal that says nothing or nonsense; that a name may take; of the bar."""


@frozen
class Position:
    """How far it is."""

    byte_count: int
    size: int | None
    """Bytes in all, or None if not known."""


class Painter(Protocol):
    """Shows one line."""

    def paint(self, position: Position) -> None:
        """Show this instead of what was there."""

    def clear(self) -> None:
        """Show nothing any more."""


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
    if over.wait(FIRST_AFTER):
        return
    with suppress(OSError):  # it was closed
        painter = _painter(label, terminal)
        painter.paint(look())
        while not over.wait(INTERVAL):
            painter.paint(look())
        painter.clear()


def _painter(label: str, terminal: TextIO) -> Painter:
    try:
        from tftpd_tw.cli.rich_progress import RichPainter
    except ImportError:
        return PlainPainter(label, terminal)
    return RichPainter.on(terminal, label) or PlainPainter(label, terminal)


@define
class PlainPainter:
    """A line without any colour, which goes back to its beginning by a carriage return."""

    _label: str
    _terminal: TextIO
    _began: float = field(init=False, factory=monotonic)
    _length: int = field(init=False, default=0)

    def paint(self, position: Position) -> None:
        """Show this instead of what was there."""
        seconds = monotonic() - self._began + FIRST_AFTER
        self._write(plain_line(self._label, position, seconds)[: _columns(self._terminal)])

    def clear(self) -> None:
        """Overwrite it with spaces."""
        self._write("")
        self._terminal.write("\r")
        self._terminal.flush()

    def _write(self, line: str) -> None:
        self._terminal.write("\r" + line.ljust(self._length))
        self._terminal.flush()
        self._length = len(line)


def plain_line(label: str, position: Position, seconds: float) -> str:
    """``label  45 % [#########...........]  12.3 MB of 27.0 MB  5.10 MB/s  0:03``; of an unknown size the parts
    that are known.
    """
    count, whole = position.byte_count, position.size
    rate = count / seconds if seconds > 0 else 0.0
    parts = [label]
    if whole:
        done = min(count / whole, 1.0)
        parts += [f"{100 * done:3.0f} % [{'#' * int(done * _BAR):.<{_BAR}}]", f"{size(count)} of {size(whole)}"]
    else:
        parts.append(size(count))
    parts.append(f"{size(rate)}/s")
    if whole and rate:
        left = int(max(whole - count, 0) / rate)
        parts.append(f"{left // 60}:{left % 60:02}")
    return "  ".join(parts)


def _columns(terminal: TextIO) -> int:
    """What fits; one less than there is, since some terminals go to the next line when one is full."""
    try:
        columns = os.get_terminal_size(terminal.fileno()).columns
    except OSError:
        columns = 0
    return (columns or _NARROW) - 1
