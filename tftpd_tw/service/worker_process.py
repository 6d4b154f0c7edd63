"""The daemon's end of one worker process: what it is told, and what comes from it."""

import json
import socket
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from signal import Signals
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger, globalLogPublisher
from twisted.python.failure import Failure

from tftpd_tw.service.messages import (
    ASK_FIGURES,
    HURRY,
    REPLIES,
    Assignment,
    Change,
    Lines,
    ask_view,
    unpack_event,
    unpack_places,
)
from tftpd_tw.service.opening import Place
from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.totals import Totals

log = Logger()

ANSWER_WITHIN = 1.0
"""Seconds after which a worker that was asked for its figures counts as unresponsive."""


CHANGE_WITHIN = 10.0
"""Seconds that it may take a worker to change its settings."""


class Question:
    """Something that a worker is asked from time to time, and not again before it has answered."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._asked = False
        self._waiting: Deferred[None] | None = None
        self.answered_in_time = True
        """The last time."""

    def ask(self, tell: Callable[[], None]) -> "Deferred[None]":
        """Have ``tell`` ask it; fires when it has answered, or after :data:`ANSWER_WITHIN`. Never fails."""
        if not self._asked:
            self._asked = True
            tell()
        waiting = self._waiting = Deferred()
        return waiting.addTimeout(ANSWER_WITHIN, self._clock).addCallbacks(self._in_time, self._late)

    def answered(self) -> None:
        """It has, or never will."""
        self._asked = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def _in_time(self, _: None) -> None:
        self.answered_in_time = True

    def _late(self, _: Failure) -> None:
        self._waiting = None
        self.answered_in_time = False


class WorkerProcess(ProcessProtocol):
    """One process, from its start to its end.

    :param board: has what it tells of its transfers
    :param on_ready: called once, when it serves
    :param on_staying: called when it has said where its transfers stay
    :param on_ended: called once, with how it ended in words
    """

    transport: Any

    def __init__(
        self,
        assignment: Assignment,
        clock: IReactorTime,
        board: Board,
        on_ready: Callable[[], None],
        on_staying: Callable[[], None],
        on_ended: Callable[["WorkerProcess", str], None],
    ) -> None:
        self._assignment = assignment
        self._clock = clock
        self._on_ready = on_ready
        self._on_staying = on_staying
        self._on_ended = on_ended
        self._lines: defaultdict[int, Lines] = defaultdict(Lines)
        self._board = board
        self._figures = Question(clock)
        self._view = Question(clock)
        self._changes: deque[Deferred[str]] = deque()
        self.pid = 0
        self.passage, self.far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        """To pass descriptors to it, and where it gets them."""
        for end in (self.passage, self.far_end):
            end.setblocking(False)
        self.ready = False
        """Whether it serves."""
        self.staying: Sequence[Place] | None = ()
        """Where it has transfers though it takes no more requests; None from an order that may change that until
        it has answered.
        """
        self.totals = Totals()
        """The figures that it gave last."""

    @property
    def number(self) -> int:
        """Which worker it is."""
        return self._assignment.number

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's
        """It has been started."""
        self.pid = self.transport.pid
        self.transport.writeToChild(0, self._assignment.line())

    def ask(self) -> "Deferred[None]":
        """Fetch its figures; fires when they are there or it is clear that they won't come. Never fails."""
        return self._figures.ask(lambda: self._tell(ASK_FIGURES)) if self.ready else succeed(None)

    def ask_view(self) -> "Deferred[None]":
        """The same of what its transfers are, for the board."""
        return (
            self._view.ask(lambda: self._tell(ask_view(self._board.seen(self.number))))
            if self.ready
            else succeed(None)
        )

    @property
    def responsive(self) -> bool:
        """Whether it answered in time when it was asked last."""
        return self._figures.answered_in_time

    def change(self, change: Change, descriptors: Sequence[int] = ()) -> "Deferred[str]":
        """Have it serve by other settings, with these folders and sockets; fires with the reason if it cannot,
        else with nothing, which is also what comes of a process that ends meanwhile.
        """
        changed: Deferred[str] = Deferred()
        if descriptors:
            try:
                socket.send_fds(self.passage, [b"s"], descriptors)
            except OSError as error:
                return succeed(f"worker {self.number} cannot be given descriptors: {error.strerror}")
        self._changes.append(changed)
        self.staying = None
        self._tell(change.line())
        late = f"worker {self.number} did not answer within {CHANGE_WITHIN:.0f} seconds"
        return changed.addTimeout(CHANGE_WITHIN, self._clock).addErrback(lambda _: late)

    def hurry(self) -> None:
        """Have it end without waiting for transfers."""
        self._tell(HURRY)

    def terminate(self) -> None:
        """Have it drain and end."""
        self.staying = None
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
        self.close()
        self.ready = False
        self._board.forget(self.number)
        self._figures.answered()
        self._view.answered()
        while self._changes:
            self._changed("")
        self._on_ended(self, _how(reason.value))

    def close(self) -> None:
        """Close what it does not need any more, or never did."""
        self.passage.close()
        self.far_end.close()

    def _received(self, line: bytes) -> None:
        number = self._assignment.number
        try:
            message = json.loads(line)
            if "log" in message:
                globalLogPublisher(unpack_event(message["log"], number))
            elif "figures" in message:
                self.totals = Totals.from_snapshot(message["figures"])
                self._figures.answered()
            elif "view" in message:
                self._board.take(message["view"], number)
                self._view.answered()
            elif "changed" in message:
                self._changed(message["changed"])
            elif "ready" in message:
                self.ready = True
                log.info("worker {worker} (pid {pid}) serves", worker=number, pid=self.pid)
                self._on_ready()
            if "staying" in message and not self._changes:
                # Otherwise it does not know yet what it is told, and will say it again.
                self.staying = unpack_places(message)
                self._on_staying()
        except (ValueError, KeyError, TypeError, IndexError) as error:
            log.error("worker {worker} said what makes no sense: {error}", worker=number, error=repr(error))

    def _changed(self, why_not: str) -> None:
        # One that was given up takes an answer that comes too late all the same.
        self._changes.popleft().callback(why_not)

    def _tell(self, line: bytes) -> None:
        with suppress(KeyError):  # its end of the pipe is closed: processEnded comes
            self.transport.writeToChild(0, line)

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):  # processEnded comes
            self.transport.signalProcess(name)


def _how(ended: Any) -> str:
    """``signal 9 (SIGKILL)``, or ``status 1``."""
    if ended.signal is not None:
        return f"signal {ended.signal} ({Signals(ended.signal).name})"
    return f"status {ended.exitCode}"
