"""What systemd hands over and is told, with a datagram socket in its place."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from worker_kit import Events, lines

from tftpd_tw.service import systemd
from tftpd_tw.service.opening import OpenError
from tftpd_tw.service.systemd import NotifyService, Systemd


class Notes:
    """The socket that systemd listens on."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)

    def read(self) -> list[str]:
        """What has come since the last look."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def notes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Notes]:
    """Both kinds of names."""
    found = Notes(str(tmp_path / "notify") if request.param == "path" else f"@tftpd-tw-test/{os.getpid()}")
    yield found
    found.socket.close()


class Reactor(Clock):
    """Runs when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.starting: list[Callable[[], object]] = []

    def callWhenRunning(self, function: Callable[[], object]) -> None:  # noqa: N802
        """Keep it."""
        self.starting.append(function)

    def start(self) -> None:
        """Run."""
        for function in self.starting:
            function()


_taken: list[Systemd] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """What was taken is closed."""
    yield
    while _taken:
        _taken.pop().close()


def taken(**environment: str) -> Systemd:
    """What these variables say; none of them is left."""
    variables = {"PATH": "/bin", **environment}
    try:
        _taken.append(Systemd.take(variables))
    finally:
        assert variables == {"PATH": "/bin"}
    return _taken[-1]


# Taking


def test_nothing() -> None:
    """Without systemd there is nothing, and to tell it something does nothing."""
    found = taken()
    assert (found.sockets, found.notes, found.watchdog) == ((), None, None)
    found.tell("READY=1")


@pytest.fixture
def descriptors(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    """Two sockets with successive numbers, in the place of 3 and 4."""
    first = os.dup(0)
    while True:
        # Whatever numbers are free here.
        second = os.dup(0)
        if second == first + 1:
            break
        first = second
    sockets = []
    for number in (first, second):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            os.dup2(sock.fileno(), number)
        sockets.append(socket.socket(fileno=number))
    monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", first)
    yield sockets
    for sock in sockets:
        sock.detach()
        os.close(first)
        first += 1


def test_sockets(descriptors: list[socket.socket]) -> None:
    """Any number of them, in their order; names or not."""
    for names in ({}, {"LISTEN_FDNAMES": "a:b"}):
        found = taken(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2", **names)
        assert [sock.getsockname() for sock in found.sockets] == [sock.getsockname() for sock in descriptors]
        for sock in found.sockets:
            sock.detach()


def test_somebody_elses_sockets(descriptors: list[socket.socket]) -> None:
    """The variables were inherited from a parent that they are meant for."""
    assert taken(LISTEN_PID=str(os.getppid()), LISTEN_FDS="2").sockets == ()
    assert taken(LISTEN_FDS="2").sockets == ()
    assert taken(LISTEN_PID=str(os.getpid()), LISTEN_FDS="two").sockets == ()


def test_a_socket_of_the_wrong_kind(descriptors: list[socket.socket]) -> None:
    """The line says which, and what the unit should say."""
    with socket.socket() as stream:
        os.dup2(stream.fileno(), descriptors[0].fileno())
    number = descriptors[0].fileno()
    with pytest.raises(OpenError) as caught:
        taken(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="web")
    assert caught.value.text == (
        f"descriptor {number} (web) was passed to be listened on, but it is no UDP socket that is bound to a port;"
        " have the socket unit say `ListenDatagram=` with a port"
    )


def test_notes_that_cannot_be_sent(events: Events, tmp_path: Path) -> None:
    """A line says so, and all goes on; what is no address is none."""
    assert taken(NOTIFY_SOCKET=str(tmp_path / "gone")).notes is None
    assert lines(events, "cannot tell") == [
        f"cannot tell systemd anything at {tmp_path / 'gone'}: No such file or directory"
    ]
    assert taken(NOTIFY_SOCKET="vsock:2:1").notes is None


def test_a_full_socket(notes: Notes) -> None:
    """systemd that does not read keeps nobody waiting."""
    found = taken(NOTIFY_SOCKET=notes.address)
    for _ in range(10_000):
        found.tell("STATUS=" + "x" * 1000)
    assert found.notes is not None
    found.notes.close()
    found.tell("READY=1")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog(variables: dict[str, str], expected: float | None) -> None:
    """How often it wants to hear from us, if it is us."""
    assert taken(**variables).watchdog == expected


# Telling


@pytest.fixture
def reactor() -> Reactor:
    """One that does not run yet."""
    return Reactor()


def test_a_life(notes: Notes, reactor: Reactor) -> None:
    """Ready when the reactor runs, a sign of life at half the time, the status now and then, and the end."""
    given = taken(NOTIFY_SOCKET=notes.address, WATCHDOG_USEC="6000000")
    transfers = [0]
    service = NotifyService(reactor, given, lambda: transfers[0])
    service.startService()
    assert notes.read() == []
    reactor.start()
    assert notes.read() == ["WATCHDOG=1", "READY=1", "STATUS=0 transfers in progress"]
    reactor.advance(3)
    assert notes.read() == ["WATCHDOG=1"]
    transfers[0] = 7
    reactor.pump([1] * 9)
    assert notes.read() == ["WATCHDOG=1", "WATCHDOG=1", "STATUS=7 transfers in progress", "WATCHDOG=1"]
    service.stopService()
    assert notes.read() == ["STOPPING=1\nSTATUS=stopping, transfers may finish"]
    assert reactor.getDelayedCalls() == []


def test_reloading(notes: Notes, reactor: Reactor) -> None:
    """With the time that it began, by the clock that systemd has; what is wrong stays in the status."""
    service = NotifyService(reactor, taken(NOTIFY_SOCKET=notes.address), lambda: 2)
    service.reloading()
    [note] = notes.read()
    word, _, begun = note.partition("\nMONOTONIC_USEC=")
    assert word == "RELOADING=1"
    with open("/proc/uptime") as file:
        assert abs(int(begun) / 1e6 - float(file.read().split()[0])) < 60
    service.reloaded(["tftpd.yaml:7: no", "tftpd.yaml:9: no"])
    assert notes.read() == ["READY=1\nSTATUS=2 transfers in progress; not reloaded: tftpd.yaml:7: no"]
    service.reloaded([])
    assert notes.read() == ["READY=1\nSTATUS=2 transfers in progress"]


def test_ready_when_the_workers_are(notes: Notes, reactor: Reactor) -> None:
    """Not before; and the status waits for their figures."""
    ready: Deferred[None] = Deferred()
    fetched: list[Deferred[None]] = []

    def refresh() -> "Deferred[None]":
        fetched.append(Deferred())
        return fetched[-1]

    given = taken(NOTIFY_SOCKET=notes.address)
    service = NotifyService(reactor, given, lambda: 1, lambda: ready, refresh)
    service.startService()
    reactor.start()
    assert notes.read() == []
    ready.callback(None)
    assert notes.read() == ["READY=1"]
    fetched[0].callback(None)
    assert notes.read() == ["STATUS=1 transfers in progress"]
    reactor.advance(10)
    service.stopService()
    fetched[1].callback(None)
    assert notes.read() == ["STOPPING=1\nSTATUS=stopping, transfers may finish"]


def test_stopped_before_it_was_ready(notes: Notes, reactor: Reactor) -> None:
    """Then it never is."""
    ready: Deferred[None] = Deferred()
    for started in (False, True):
        given = taken(NOTIFY_SOCKET=notes.address, WATCHDOG_USEC="6000000")
        service = NotifyService(reactor, given, lambda: 0, lambda: ready)
        service.startService()
        if started:
            reactor.start()
        service.stopService()
        reactor.start()
    ready.callback(None)
    assert [note.partition("\n")[0] for note in notes.read()] == ["STOPPING=1", "WATCHDOG=1", "STOPPING=1"]
    assert reactor.getDelayedCalls() == []


def test_a_daemon_that_went_to_the_background(notes: Notes, reactor: Reactor) -> None:
    """It has another number than the process that systemd has started."""
    given = evolve(taken(NOTIFY_SOCKET=notes.address), pid=1)
    service = NotifyService(reactor, given, lambda: 0)
    service.startService()
    reactor.start()
    assert notes.read()[0] == f"READY=1\nMAINPID={os.getpid()}"
    service.stopService()


def test_without_systemd(reactor: Reactor) -> None:
    """Nothing is done at all."""
    service = NotifyService(reactor, taken(), lambda: 0)
    service.startService()
    assert reactor.starting == []
    service.reloading()
    service.reloaded([])
    service.stopService()
