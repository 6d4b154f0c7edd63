"""A pseudo-terminal, and what is shown on it."""

import fcntl
import os
import pty
import select
import struct
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TextIO

from running import PATIENCE


class Terminal:
    """One with so many columns; ``file`` is its end of whoever writes to it."""

    def __init__(self, columns: int = 80) -> None:
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.file: TextIO = os.fdopen(os.dup(self.slave), "w")
        self.shown = ""

    def look(self, until: str = "") -> str:
        """All that was shown so far; wait for ``until`` in it."""
        end = monotonic() + PATIENCE
        while select.select([self._master], [], [], 0)[0] or until not in self.shown:
            assert monotonic() < end, f"{until!r} was not shown: {self.shown!r}"
            if select.select([self._master], [], [], 0.1)[0]:
                self.shown += os.read(self._master, 65536).decode()
        return self.shown

    def close(self) -> None:
        """Close both ends."""
        self.file.close()
        os.close(self.slave)
        os.close(self._master)


@contextmanager
def terminal(columns: int = 80) -> Iterator[Terminal]:
    """One for a while."""
    made = Terminal(columns)
    try:
        yield made
    finally:
        made.close()
