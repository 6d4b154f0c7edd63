"""A command's reactor: one piece of work, from its start to its end or to Ctrl-C.

The work is a coroutine. The first SIGINT, SIGTERM or SIGHUP cancels what it waits for, so that it can tell the
server and clean up; the second one does not wait for that. Nothing here writes to a terminal: that is done before
and after, or in a thread of its own, since a terminal may be stopped.

Threads are for disks, pipes and name servers. They do not keep the process alive: one that waits for what never
comes must not hold up Ctrl-C.
"""

import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from threading import Thread
from types import FrameType
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from tftpd_tw.cli.exit_statuses import Interrupted
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.service.process import prepare_process
from tftpd_tw.service.signals import waking

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_MOST_THREADS = 4


class _Threads(ThreadPool):
    threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]  # noqa: N815 - Twisted's


class RunningClient:
    """What a client needs to run, once in a process."""

    def __init__(self) -> None:
        from twisted.internet import reactor

        prepare_process(reactor)
        self.reactor: Any = reactor
        self.engine = ENGINES["auto"](reactor)
        self._threads = _Threads(0, _MOST_THREADS, "tftpd-tw")
        self._work: Deferred[Any] | None = None
        self._result: Any = Failure(CancelledError())
        self._signal = 0

    def in_thread(self, function: Callable[..., T], *arguments: object) -> "Deferred[T]":
        """What ``function`` returns or raises, called where it may wait."""
        return deferToThreadPool(self.reactor, self._threads, function, *arguments)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns or raises, with a reactor running meanwhile.

        :raises Interrupted: a signal has kept it from that
        """
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        # One that is ignored stays so: nohup, and shells that start what is in the background, have a reason.
        caught = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
        for number in caught:
            signal.signal(number, self._caught)
        self._threads.start()
        self.reactor.callWhenRunning(self._begin, work)
        try:
            with waking(self.reactor):
                self.reactor.run(installSignalHandlers=False)
        finally:
            for number in caught:
                signal.signal(number, before[number])
            self.engine.close()
        if isinstance(self._result, Failure):
            if self._signal:
                raise Interrupted(self._signal)
            self._result.raiseException()
        result: T = self._result
        return result

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        self._work = Deferred.fromCoroutine(work)
        self._work.addBoth(self._ended)

    def _ended(self, result: Any) -> None:
        self._result = result
        self._stop()

    def _caught(self, number: int, _: FrameType | None) -> None:
        # Called between any two instructions; the reactor calls what this is for between two events.
        first, self._signal = not self._signal, number
        self.reactor.callFromThread(self._interrupt if first else self._stop)

    def _interrupt(self) -> None:
        assert self._work is not None
        self._work.cancel()

    def _stop(self) -> None:
        with suppress(ReactorNotRunning):  # it is being stopped already
            self.reactor.stop()
