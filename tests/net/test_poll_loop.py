"""The poll loop inside the reactor: whom it serves, and when it gives the reactor its turn."""

import os
from contextlib import closing

import pytest
from poll_reactor import PollReactor, plain_socket

from tftpd_tw.net import poll_loop
from tftpd_tw.net.engines import ENGINES


class Pipe:
    """A descriptor that is readable as long as it is not read."""

    def __init__(self, when_read=lambda: None):
        self.reader, self.writer = os.pipe()
        self.reads, self.when_read = 0, when_read

    def fileno(self):
        """The end that is watched."""
        return self.reader

    def ring(self):
        """Make it readable."""
        os.write(self.writer, b"x")

    def doRead(self):
        """One byte."""
        self.reads += 1
        os.read(self.reader, 1)
        self.when_read()

    def doWrite(self):
        """Not used."""

    def read_errors(self):
        """Not used."""

    def close(self):
        """Both ends."""
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def reactor():
    """A reactor with the loop in it."""
    with closing(PollReactor("poll")) as reactor:
        yield reactor


@pytest.fixture
def loop(reactor):
    """The loop."""
    return reactor.readers[0]


def test_the_loop_goes_on_while_there_is_something(loop):
    """What becomes ready while the loop serves is served in the same turn."""
    pipe = Pipe()
    pipe.when_read = lambda: pipe.reads < 5 and pipe.ring()
    loop.addReader(pipe)
    pipe.ring()
    loop.doRead()
    assert pipe.reads == 5


def test_the_slice_ends(loop, monkeypatch):
    """Endless work is interrupted when the slice is over, so that the reactor has its turn (C135)."""
    time = iter(n * poll_loop.SLICE / 4 for n in range(1000))
    monkeypatch.setattr(poll_loop.time, "monotonic", lambda: next(time))
    pipe = Pipe()
    pipe.when_read = pipe.ring
    loop.addReader(pipe)
    pipe.ring()
    loop.doRead()
    assert pipe.reads == 4


def test_the_bell_ends_the_slice(reactor, loop):
    """A thread or a signal that wakes the reactor is not kept waiting."""
    pipe = Pipe()

    def ring_both():
        reactor.bell.send(b"x")
        pipe.ring()

    pipe.when_read = ring_both
    loop.addReader(pipe)
    pipe.ring()
    loop.doRead()
    assert pipe.reads == 2


def test_a_failing_handler_ends_nothing(loop, logged):
    """What a handler raises is logged, and the next descriptor has its turn (K6)."""

    def fail():
        raise ZeroDivisionError

    failing, working = Pipe(fail), Pipe()
    for pipe in (failing, working):
        loop.addReader(pipe)
        pipe.ring()
    loop.doRead()
    assert (failing.reads, working.reads) == (1, 1)
    assert [failure.type for failure in logged] == [ZeroDivisionError]
    logged.clear()


def test_a_descriptor_closed_by_another_is_passed_over(loop):
    """The handler of one ready descriptor may close another that is ready as well."""
    second = Pipe()
    first = Pipe(lambda: loop.removeReader(second))
    third = Pipe(lambda: loop.removeReader(second))
    for pipe in (first, second, third):
        loop.addReader(pipe)
        pipe.ring()
    loop.doRead()
    assert first.reads == third.reads == 1
    assert second.reads <= 1
    second.close()


def test_it_watches_what_it_is_told(loop):
    """Reading and writing are watched apart, and twice is once."""
    with plain_socket() as sock:
        calls = []

        class Watched(Pipe):
            def fileno(self):
                return sock.fileno()

            def doWrite(self):
                calls.append("write")
                loop.removeWriter(self)

            def close(self):
                pass

        watched = Watched()
        for _ in range(2):
            loop.addReader(watched)
            loop.addWriter(watched)
        loop.doRead()
        assert calls == ["write"]
        loop.removeReader(watched)
        loop.removeReader(watched)
        assert not loop.busy


def test_auto_takes_the_loop_where_it_works(reactor):
    """A reactor without a bell, such as asyncio's, is used as it is."""
    assert ENGINES["auto"](reactor)._watcher is not reactor
    waker = reactor.__dict__.pop("waker")
    assert ENGINES["auto"](reactor)._watcher is reactor
    reactor.waker = waker


def test_the_last_socket_may_close_the_loop(loop):
    """A handler may find that all is over, and the loop ends in the middle of its turn."""
    pipe = Pipe(lambda: loop.close())
    loop.addReader(pipe)
    pipe.ring()
    loop.doRead()
    assert not loop.busy
    assert loop.fileno() == -1
    loop.close = lambda: None


class Scripted:
    """An epoll that finds what the script says, look by look, and then nothing."""

    closed = False

    def __init__(self, *found):
        self.found, self.waits = list(found), []

    def poll(self, wait, most):
        """The next of the script."""
        self.waits.append(wait)
        return self.found.pop(0) if self.found else []

    def close(self):
        """Nothing is open."""


@pytest.fixture
def looking(reactor, loop, monkeypatch):
    """The loop's ``_wait`` on a script, and a clock that goes on by a tenth of a spin with each look."""
    time = iter(n * poll_loop.SPIN / 10 for n in range(100_000))
    monkeypatch.setattr(poll_loop.time, "monotonic", lambda: next(time))
    real = loop._epoll

    def looking(*found):
        script = loop._epoll = Scripted(*found)
        result = loop._wait()
        loop._epoll = real
        return result, script.waits

    return looking


def test_the_loop_looks_again_before_it_sleeps(looking):
    """What comes at once is there without a sleep."""
    ready = [(7, 1)]
    assert looking(ready) == (ready, [0])
    assert looking([], [], [], ready) == (ready, [0, 0, 0, 0])
    found, waits = looking()
    assert found == []
    assert waits[-1] == poll_loop.LINGER
    assert set(waits[:-1]) == {0}
    assert len(waits) > 5


def test_looking_again_in_vain_stops(looking):
    """But for a try now and then, and all is as before when that finds something."""
    for _ in range(poll_loop.SPINS_IN_VAIN):
        assert len(looking()[1]) > 2
    lengths = [len(looking()[1]) for _ in range(2 * poll_loop.TRY_AGAIN)]
    assert sum(length > 2 for length in lengths) == 2
    assert set(lengths[:40]) == {1}
    while len(looking([], [], [(7, 1)])[1]) != 3:
        pass
    assert len(looking()[1]) > 2
