"""The daemon's end of one worker process: what it is told, and what comes from it."""

import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from signal import Signals
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure

from tftpd_tw.service.messages import ASK_FIGURES, REPLIES, Assignment, Lines, unpack_event
from tftpd_tw.telemetry.totals import Totals

log = Logger()

ANSWER_WITHIN = 1.0
"""Seconds after which a worker that was asked for its figures counts as unresponsive."""


class WorkerProcess(ProcessProtocol):
    """One process, from its start to its end.

    :param on_ended: called once, with how it ended in words
    """

    transport: Any

    def __init__(
        self, assignment: Assignment, clock: IReactorTime, on_ended: Callable[["WorkerProcess", str], None]
    ) -> None:
        self._assignment = assignment
        self._clock = clock
        self._on_ended = on_ended
        self._lines: defaultdict[int, Lines] = defaultdict(Lines)
        self._answer: Deferred[None] | None = None
        self._asked = False
        self.pid = 0
        self.ready = False
        """Whether it serves."""
        self.responsive = True
        """Whether it answered in time when it was asked last."""
        self.totals = Totals()
        """The figures that it gave last."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's
        """It has been started."""
        self.pid = self.transport.pid
        self.transport.writeToChild(0, self._assignment.line())

    def ask(self) -> "Deferred[None]":
        """Fetch its figures; fires when they are there or it is clear that they won't come. Never fails."""
        if not self.ready:
            return succeed(None)
        if not self._asked:
            self._asked = True
            self.transport.writeToChild(0, ASK_FIGURES)
        self._answer = Deferred()
        return self._answer.addTimeout(ANSWER_WITHIN, self._clock).addCallbacks(self._answered, self._late)

    def terminate(self) -> None:
        """Have it drain and end."""
        self._signal("TERM")

    def kill(self) -> None:
        """End it now."""
        log.warn("worker {worker} (pid {pid}) does not stop: killed", worker=self._assignment.number, pid=self.pid)
        self._signal("KILL")

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: N802, N803 - Twisted's
        """A message, or the last words of a crash."""
        number = self._assignment.number
        for line in self._lines[childFD].feed(data):
            if childFD == REPLIES:
                self._received(line)
            else:
                text = line.decode(errors="backslashreplace")
                log.error("worker {worker} (pid {pid}): {text}", worker=number, pid=self.pid, text=text)

    def processEnded(self, reason: Failure) -> None:  # noqa: N802 - Twisted's
        """It is gone, and all that it has written was read."""
        self.ready = False
        self._fire()
        self._on_ended(self, _how(reason.value))

    def _received(self, line: bytes) -> None:
        number = self._assignment.number
        try:
            message = json.loads(line)
            if "log" in message:
                globalLogPublisher(unpack_event(message["log"], number))
            elif "figures" in message:
                self.totals = Totals.from_snapshot(message["figures"])
                self._asked = False
                self._fire()
            elif "ready" in message:
                self.ready = True
                log.info("worker {worker} (pid {pid}) serves", worker=number, pid=self.pid)
        except (ValueError, KeyError, TypeError) as error:
            log.error("worker {worker} said what makes no sense: {error}", worker=number, error=repr(error))

    def _fire(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.callback(None)

    def _answered(self, _: None) -> None:
        self.responsive = True

    def _late(self, _: Failure) -> None:
        self._answer = None
        self.responsive = False

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):  # processEnded comes
            self.transport.signalProcess(name)


def _how(ended: Any) -> str:
    """``signal 9 (SIGKILL)``, or ``status 1``."""
    if ended.signal is not None:
        return f"signal {ended.signal} ({Signals(ended.signal).name})"
    return f"status {ended.exitCode}"
