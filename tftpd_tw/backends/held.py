"""A directory that stays open for the threads that work beneath it.

A thread cannot be stopped. The descriptor of a root is closed only after the last of them has ended, so that none
can find another directory under its number. Several backends may hold the same one.
"""

from typing import TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred

from tftpd_tw.backends.confined import Root
from tftpd_tw.interfaces import RunBlocking

T = TypeVar("T")


@define(eq=False)
class HeldRoot:
    """``root``, which it owns, and the threads beneath it."""

    root: Root
    run_blocking: RunBlocking
    """Calls a function in a thread and gives a Deferred of its result."""
    closed: bool = field(init=False, default=False)
    _working: int = field(init=False, default=0)

    def in_thread(
        self, function: object, *arguments: object, run_blocking: RunBlocking | None = None
    ) -> "Deferred[object]":
        """What ``function(*arguments)`` returns, called where it may block.

        :param run_blocking: calls it instead of the usual one.
        """
        work = (run_blocking or self.run_blocking)(function, *arguments)
        self._working += 1
        return work.addBoth(self._worked)

    def close(self) -> None:
        """Let go of the directory, as soon as no thread works beneath it."""
        self.closed = True
        if not self._working:
            self.root.close()

    def _worked(self, result: T) -> T:
        self._working -= 1
        if self.closed and not self._working:
            self.root.close()
        return result
