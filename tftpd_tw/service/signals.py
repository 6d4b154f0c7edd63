"""What the daemon does on signals, beside what Twisted does; and what a process needs that catches them itself.

SIGHUP, which would end the process, reads the settings again. SIGINT and SIGTERM stop the reactor, which is
Twisted's business; but the second of them, for which Twisted only has a traceback, does not wait for transfers.

Python calls a handler between two instructions of the main thread. A signal that comes after the last of them,
while the reactor is about to sleep, or that the kernel gives to another thread, must therefore wake the reactor as
well: its handler would be called with the next event only, which may be never.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from attrs import define, field

Handler = Callable[[int, FrameType | None], Any]

_STOPPING = {signal.SIGINT: "sigInt", signal.SIGTERM: "sigTerm"}
"""What the reactor has for each."""


@define(eq=False)
class Signals:
    """Handlers for the time of a daemon's life. What they call is called by the reactor, between two events."""

    _reactor: Any
    _on_hangup: Callable[[], object]
    _on_second_stop: Callable[[], object]
    stopping: bool = field(init=False, default=False)
    """Whether the daemon is stopping already, by a signal or otherwise."""
    _before: dict[int, Any] = field(init=False, factory=dict)

    def install(self) -> None:
        """Do so; a process that handles no signals in this thread is left alone."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._set(signal.SIGHUP, self._hangup)
        # Twisted's own come when the reactor starts.
        self._reactor.callWhenRunning(self._install_stopping)

    def restore(self) -> None:
        """Put back what was there before."""
        before, self._before = self._before, {}
        for number, handler in before.items():
            signal.signal(number, handler)

    def _install_stopping(self) -> None:
        for number, name in _STOPPING.items():
            twisteds: Handler | None = getattr(self._reactor, name, None)
            if self._before and twisteds is not None and signal.getsignal(number) == twisteds:
                self._set(number, self._stop(twisteds))

    def _set(self, number: int, handler: Handler) -> None:
        self._before[number] = signal.signal(number, handler)

    def _hangup(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._on_hangup)

    def _stop(self, twisteds: Handler) -> Handler:
        def stop(number: int, frame: FrameType | None) -> None:
            if self.stopping:
                self._reactor.callFromThread(self._on_second_stop)
            else:
                self.stopping = True
                twisteds(number, frame)

        return stop


@contextmanager
def waking(reactor: Any) -> Iterator[None]:
    """Signals wake the reactor meanwhile, as in ``run(installSignalHandlers=True)``; for the main thread."""
    # It reads its bell empty, whoever has rung it.
    before = signal.set_wakeup_fd(reactor.waker.o, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
