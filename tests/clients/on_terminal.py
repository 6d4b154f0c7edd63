"""A command on a terminal of its own: what it shows, what is typed, how large it is."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic

from running import PATIENCE

_HOME = "\033[H"
"""Where each frame begins."""

_ESCAPES = re.compile(r"\033\[[0-9;?]*[A-Za-z]")


class OnTerminal:
    """It, and the process that has it."""

    def __init__(self, command: Sequence[str], columns: int, rows: int, environment: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.written = ""
        """All of it, with what moves the cursor."""
        self.resize(columns, rows)
        # The terminal has its size, whatever whoever runs the tests says of his own.
        usual = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            command,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**usual, "TERM": "xterm", **environment},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)

    def resize(self, columns: int, rows: int) -> None:
        """Have it so large from now on."""
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Press them."""
        os.write(self._ours, keys)

    @property
    def modes(self) -> tuple[bool, bool]:
        """Whether it shows what is typed, and hands it over by lines: both are so for a shell."""
        flags = termios.tcgetattr(self._ours)[3]
        return bool(flags & termios.ECHO), bool(flags & termios.ICANON)

    @property
    def frame(self) -> list[str]:
        """The lines of the last frame, without colours; the last one may not be all of it yet."""
        return _ESCAPES.sub("", self.written.rpartition(_HOME)[2]).replace("\r", "").splitlines()

    def see(self, pattern: str, since: int = 0) -> None:
        """Wait until that is in what was written after the first ``since`` characters."""
        self._read(lambda: re.search(pattern, self.written[since:]) is not None, pattern)

    def see_frame(self, *patterns: str, columns: int = 1000, rows: int = 1000) -> list[str]:
        """Wait for a frame that is there as a whole, has all that, and is no larger than that; its lines."""
        found: list[str] = []

        def complete() -> bool:
            whole = self.written.rpartition(_HOME)[0].rpartition(_HOME)[2]
            found[:] = _ESCAPES.sub("", whole).replace("\r", "").splitlines()
            fits = len(found) <= rows and max(map(len, found), default=0) <= columns
            return fits and all(any(re.search(pattern, line) for line in found) for pattern in patterns)

        self._read(complete, " and ".join(patterns))
        return found

    def end(self) -> int:
        """Wait for the end of the process; its exit status."""
        self._read(lambda: False, "")
        return self.process.wait(PATIENCE)

    def _read(self, enough: Callable[[], bool], what: str) -> None:
        until = monotonic() + PATIENCE
        while not enough():
            ready, _, _ = select.select([self._ours], [], [], max(until - monotonic(), 0))
            assert ready, f"no {what!r} in:\n{self.written}"
            try:
                self.written += os.read(self._ours, 65536).decode(errors="replace")
            except OSError:  # nobody has it any more
                assert not what, f"ended without {what!r}:\n{self.written}"
                return

    def close(self) -> None:
        """End what still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


@contextmanager
def on_terminal(
    command: Sequence[str], columns: int = 100, rows: int = 30, **environment: str
) -> Iterator[OnTerminal]:
    """That command on a terminal of that size."""
    made = OnTerminal(command, columns, rows, environment)
    try:
        yield made
    finally:
        made.close()
