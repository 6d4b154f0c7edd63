"""Signals: what the daemon does on them, and that nothing is left of it afterwards."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tftpd_tw.service.signals import Signals

NUMBERS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Reactor:
    """Calls at once what it is given from a signal's handler, and starts when it is told to."""

    def __init__(self) -> None:
        self.starting: list[Callable[[], None]] = []
        self.stopped: list[int] = []

    def callFromThread(self, function: Callable[[], object]) -> None:  # noqa: N802
        """Do."""
        function()

    def callWhenRunning(self, function: Callable[[], None]) -> None:  # noqa: N802
        """Keep it for :meth:`start`."""
        self.starting.append(function)

    def sigInt(self, number: int, frame: Any = None) -> None:  # noqa: N802
        """Twisted's handler."""
        self.stopped.append(number)

    sigTerm = sigInt  # noqa: N815

    def start(self) -> None:
        """As ``run`` does."""
        signal.signal(signal.SIGINT, self.sigInt)
        signal.signal(signal.SIGTERM, self.sigTerm)
        for function in self.starting:
            function()


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Whatever happens, this process gets its own back."""
    before = [signal.getsignal(number) for number in NUMBERS]
    yield
    for number, handler in zip(NUMBERS, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def reactor() -> Reactor:
    """One that has not started."""
    return Reactor()


@pytest.fixture
def called() -> list[str]:
    """What was done."""
    return []


@pytest.fixture
def signals(reactor: Reactor, called: list[str]) -> Signals:
    """Installed."""
    signals = Signals(reactor, lambda: called.append("reload"), lambda: called.append("hurry"))
    signals.install()
    return signals


def send(number: int) -> None:
    """To this process; its handler has run when this returns."""
    os.kill(os.getpid(), number)


def test_hangup(signals: Signals, called: list[str]) -> None:
    """It reloads, each time, even before the reactor runs."""
    send(signal.SIGHUP)
    send(signal.SIGHUP)
    assert called == ["reload", "reload"]


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_one_hurries(
    first: int, second: int, signals: Signals, reactor: Reactor, called: list[str]
) -> None:
    """The first one is Twisted's, and the reactor is not stopped twice (F22)."""
    reactor.start()
    send(first)
    assert (reactor.stopped, called) == ([first], [])
    send(second)
    send(first)
    assert (reactor.stopped, called) == ([first], ["hurry", "hurry"])


def test_a_daemon_that_is_stopping_already(signals: Signals, reactor: Reactor, called: list[str]) -> None:
    """By something else than a signal: the first one hurries."""
    reactor.start()
    signals.stopping = True
    send(signal.SIGTERM)
    assert (reactor.stopped, called) == ([], ["hurry"])


def test_they_are_given_back(signals: Signals, reactor: Reactor) -> None:
    """When the daemon has stopped, all is as before."""
    reactor.start()
    signals.restore()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == reactor.sigTerm
    assert signal.getsignal(signal.SIGINT) == reactor.sigInt
    signals.restore()


def test_a_reactor_that_starts_too_late(signals: Signals, reactor: Reactor) -> None:
    """A daemon that has been stopped by then has nothing to do with it."""
    signals.restore()
    reactor.start()
    assert signal.getsignal(signal.SIGTERM) == reactor.sigTerm


def test_a_reactor_without_signals(reactor: Reactor, signals: Signals) -> None:
    """Somebody else's handlers are left alone, as in ``reactor.run(installSignalHandlers=False)``."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for function in reactor.starting:
        function()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN


def test_another_thread(reactor: Reactor, called: list[str]) -> None:
    """Only the main thread may handle signals; in another one nothing is done, and nothing fails."""
    signals = Signals(reactor, lambda: called.append("reload"), lambda: called.append("hurry"))
    thread = threading.Thread(target=signals.install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
    assert reactor.starting == []
    signals.restore()
