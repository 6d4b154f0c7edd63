"""The terminal of a command that has it to itself: a screen that is drawn on, keys as they are pressed, and
somebody who waits for all that can happen.

Signals, other threads and keys all end one wait, and are looked at after it, so that nothing comes in between
anything. What the terminal was it is again afterwards, also if a signal ends the command, and while Ctrl-Z has it
stopped.
"""

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from attrs import define, field

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_CAUGHT = (*_ENDING, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)


class Screen(Protocol):
    """What is drawn on."""

    def enter(self) -> None:
        """Take it; nothing is on it."""

    def leave(self) -> None:
        """Give it back as it was."""


class Ended(Exception):
    """Nothing more is to be shown: because of the signal ``number``, SIGHUP if the terminal is gone."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@define(eq=False)
class Terminal:
    """Where standard output is shown and standard input, if that is one, comes from."""

    _screen: Screen
    _keyboard: int | None = field(init=False, default=None)
    _modes: list[Any] = field(init=False, factory=list)
    _pipe: tuple[int, int] = field(init=False, factory=lambda: os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC))
    """Never closed, since another thread may be about to write to it."""

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have it, for a while."""
        if sys.stdin is not None and sys.stdin.isatty():
            self._keyboard = sys.stdin.fileno()
            self._modes = termios.tcgetattr(self._keyboard)
        # One that is ignored stays so: nohup, and shells that start what is in the background, have a reason.
        before = {number: handler for number in _CAUGHT if (handler := signal.getsignal(number)) != signal.SIG_IGN}
        wakeup = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        for number in before:
            signal.signal(number, lambda *_: None)
        try:
            self._take()
            yield
        finally:
            self._give_back()
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)

    def wake(self) -> None:
        """End the wait; in any thread."""
        with suppress(BlockingIOError):  # then there is enough to wake up for
            os.write(self._pipe[1], b"\0")

    def wait(self) -> bytes:
        """What has been typed, if anything; once something has happened that is worth a look.

        :raises Ended: by a signal that ends commands
        """
        sources = [self._pipe[0]] if self._keyboard is None else [self._pipe[0], self._keyboard]
        ready, _, _ = select.select(sources, [], [])
        for number in os.read(self._pipe[0], 4096) if self._pipe[0] in ready else b"":
            if number in _ENDING:
                raise Ended(number)
            if number == signal.SIGTSTP:
                self._stop()
            elif number == signal.SIGCONT:
                self._take()
        if self._keyboard not in ready or self._keyboard is None:
            return b""
        keys = os.read(self._keyboard, 1024)
        if not keys:
            raise Ended(signal.SIGHUP)
        return keys

    def _take(self) -> None:
        if self._keyboard is not None:
            tty.setcbreak(self._keyboard, termios.TCSADRAIN)
        self._screen.enter()

    def _give_back(self) -> None:
        self._screen.leave()
        if self._keyboard is not None:
            with suppress(termios.error):  # then it is gone
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._modes)

    def _stop(self) -> None:
        """As Ctrl-Z stops other commands."""
        self._give_back()
        caught = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, caught)
