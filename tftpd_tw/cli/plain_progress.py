"""The line of our own that says how far a transfer is, and what every such line does."""

import os
from time import monotonic
from typing import Protocol, TextIO

from attrs import define, field, frozen

from tftpd_tw.service.units import size

_NARROW, _BAR = 40, 20
"""Columns: of a terminal that says nothing or nonsense; of the bar."""


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


@define
class PlainPainter:
    """A line without any colour, which goes back to its beginning by a carriage return."""

    _label: str
    _terminal: TextIO
    _began: float
    """When the transfer did, in the time of :func:`time.monotonic`."""
    _length: int = field(init=False, default=0)

    def paint(self, position: Position) -> None:
        """Show this instead of what was there."""
        self._write(plain_line(self._label, position, monotonic() - self._began)[: _columns(self._terminal)])

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
