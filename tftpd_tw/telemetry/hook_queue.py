"""What is done with each report of a transfer: a hook runs a command, or posts the record to a web server.

Nobody ever waits for a hook. What it does is done in a thread of its own, so many at the same time; further
reports wait, up to a number, and those beyond are dropped. What takes too long is ended; but its place is only
free again when its thread is, so that what cannot be ended, such as a program on a dead file server, does not pile
up.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.protocol.text import escaped
from tftpd_tw.telemetry.families import HookResult
from tftpd_tw.telemetry.reports import Report

MOST_WAITING = 1000
"""Reports that wait for one hook."""

Record = Mapping[str, Any]
"""A report as the log has it in JSON (``docs/records.md``)."""


class HookError(Exception):
    """What a hook did went wrong; its text says why, in printable ASCII."""


class Run(Protocol):
    """Something that a hook does, once."""

    def __call__(self) -> None:
        """Do it, in a thread.

        :raises HookError: it went wrong
        """

    def stop(self) -> None:
        """Have it end soon. Called in another thread, at any time."""


class Action(Protocol):
    """What a hook does. Those that do the same are equal."""

    def prepare(self, record: Record) -> Run:
        """What is to be done with ``record``."""


@frozen
class Hook:
    """What is done, and with which reports."""

    name: str
    """For the log."""
    action: Action
    timeout: float
    """Seconds that it may take."""
    at_once: int
    """How many runs at the same time."""
    outcomes: frozenset[Outcome] = frozenset()
    """Only what ended so; empty: everything."""
    only: Direction | None = None

    def wants(self, report: Report) -> bool:
        """Whether it does something with this one."""
        record = report.record
        return (not self.outcomes or record.outcome in self.outcomes) and (
            self.only is None or record.request.direction is self.only
        )


InThread = Callable[[Run], "Deferred[None]"]
"""Does it in a thread of its own; fires when that is over, and never at once."""

Note = Callable[[Hook, HookResult, str], None]
"""Is told what became of each report, and what went wrong; nothing if all is well, or if it was given up."""


@define(eq=False)
class HookQueue:
    """The reports of one hook.

    :param on_idle: called whenever there is nothing more to do
    """

    hook: Hook
    _clock: IReactorTime
    _in_thread: InThread
    _record_of: Callable[[Report], Record]
    _note: Note
    _on_idle: Callable[[], None]
    _waiting: deque[Report] = field(init=False, factory=deque)
    _running: dict[Run, IDelayedCall | None] = field(init=False, factory=dict)
    """With the timer of each, or None if its result has been noted."""

    @property
    def busy(self) -> bool:
        """Whether there is something that waits, or is being done and not given up."""
        return bool(self._waiting) or any(self._running.values())

    def add(self, report: Report) -> None:
        """Do it with ``report``, as soon as possible."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(report)
            self._start()
        else:
            self._note(self.hook, HookResult.DROPPED, f"dropped, since {MOST_WAITING} reports wait for it already")

    def give_up(self) -> None:
        """Do nothing more, and end what is being done."""
        for _ in self._waiting:
            self._note(self.hook, HookResult.DROPPED, "")
        self._waiting.clear()
        for run, timer in self._running.items():
            if timer is not None:
                timer.cancel()
                self._end(run, "")

    def _start(self) -> None:
        while self._waiting and len(self._running) < self.hook.at_once:
            run = self.hook.action.prepare(self._record_of(self._waiting.popleft()))
            self._running[run] = self._clock.callLater(self.hook.timeout, self._too_late, run)
            self._in_thread(run).addBoth(self._over, run)

    def _too_late(self, run: Run) -> None:
        self._end(run, f"ended, since it took longer than {self.hook.timeout:g} seconds")

    def _end(self, run: Run, why: str) -> None:
        self._running[run] = None
        self._note(self.hook, HookResult.TIMEOUT, why)
        run.stop()

    def _over(self, result: None | Failure, run: Run) -> None:
        timer = self._running.pop(run)
        if timer is not None:
            timer.cancel()
            if result is None:
                self._note(self.hook, HookResult.SUCCESS, "")
            else:
                self._note(self.hook, HookResult.FAILURE, _why(result))
        self._start()
        if not self.busy:
            self._on_idle()


def _why(failure: Failure) -> str:
    if failure.check(HookError):
        return str(failure.value)
    return escaped(f"{type(failure.value).__name__}: {failure.value}".encode(errors="backslashreplace"))
