"""What may wait for a dead server: in a thread of its own, and not for ever (F21, F22)."""

import threading
from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from worker_kit import Reactor

from tftpd_tw.service.apart import PATIENCE, run_apart
from tftpd_tw.service.opening import OpenError


class Server:
    """It answers when it is told to, and notes what nobody has taken."""

    def __init__(self, reactor: Reactor) -> None:
        self.alive = threading.Event()
        self.unclaimed: list[str] = []
        self.results: list[object] = []
        self.thread: threading.Thread | None = None
        asked: Deferred[str] = run_apart(reactor, self._ask, self.unclaimed.append)
        asked.addBoth(self.results.append)

    def _ask(self) -> str:
        self.thread = threading.current_thread()
        self.alive.wait()
        return "answer"


@pytest.fixture
def server(reactor: Reactor) -> Iterator[Server]:
    """One that has been asked."""
    server = Server(reactor)
    yield server
    server.alive.set()


def test_an_answer(server: Server, reactor: Reactor) -> None:
    """It arrives in the reactor's thread."""
    server.alive.set()
    reactor.listen()
    assert server.results == ["answer"]
    assert reactor.getDelayedCalls() == []
    assert server.unclaimed == []
    assert server.thread is not None
    assert server.thread.daemon
    assert server.thread is not threading.current_thread()


def test_a_server_that_is_dead(server: Server, reactor: Reactor) -> None:
    """It is given up, in words; what it answers later is let go of."""
    reactor.advance(PATIENCE - 0.1)
    assert server.results == []
    reactor.advance(0.1)
    [failure] = server.results
    assert isinstance(failure, Failure)
    assert isinstance(failure.value, OpenError)
    assert "did not come within 30 seconds" in failure.value.text
    server.alive.set()
    reactor.listen()
    assert server.unclaimed == ["answer"]
