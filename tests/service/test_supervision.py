"""The daemon's side of workers, with processes that are not there: starting, watching, stopping."""

import errno
import os
import signal
import socket

import pytest
from attrs import evolve
from worker_kit import Events, Reactor, Start, bound, lines

from tftpd_tw.service import opening, supervision
from tftpd_tw.service.configuration import Configuration, Performance
from tftpd_tw.service.messages import FIRST_FOLDER, PASSAGE, REPLIES, Assignment, pack_places
from tftpd_tw.service.opening import OpenError, Place, open_request_sockets
from tftpd_tw.service.replacing import STOP_WITHIN
from tftpd_tw.service.sharing import share_of_worker

FIRST_SOCKET = FIRST_FOLDER + 1
"""Behind the only folder."""


def test_what_a_worker_gets(start: Start, reactor: Reactor, configuration: Configuration) -> None:
    """Its orders, the folder and one socket for each address, bound like those of the other."""
    start()
    first, second = reactor.processes
    for number, process in enumerate((first, second), 1):
        assert process.arguments[1:] == ["-P", "-m", "tftpd_tw.service.worker", str(number)]
        assert "" not in process.environment["PYTHONPATH"].split(os.pathsep)
        assert {key: process.descriptors[key] for key in range(4)} == {0: "w", 1: "r", 2: "r", REPLIES: "r"}
        assert os.path.samefile(process.descriptors[FIRST_FOLDER], configuration.filesystem.root)
        # The daemon has only its own end of the passage.
        assert (process.protocol.far_end.fileno(), process.protocol.passage.fileno() >= 0) == (-1, True)
        orders = Assignment.from_line(process.written)
        assert (orders.number, len(orders.places), orders.cpu) == (number, 2, None)
        assert orders.configuration == share_of_worker(configuration, number, 2)
    for index, host in enumerate(configuration.network.addresses):
        mine, other = (process.descriptors[FIRST_SOCKET + index] for process in (first, second))
        assert mine != other
        assert bound(mine) == bound(other)
        assert bound(mine)[0] == host


def test_cpus_are_dealt_out(
    start: Start, reactor: Reactor, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the daemon may use when the worker starts."""
    monkeypatch.setattr(supervision, "cpus", lambda: [3, 5])
    start(evolve(configuration, performance=Performance(cpu_affinity=True)))
    reactor.processes[0].dies(9)
    monkeypatch.setattr(supervision, "cpus", lambda: [7])
    reactor.advance(1)
    assert [Assignment.from_line(process.written).cpu for process in reactor.processes] == [3, 5, 7]


def test_a_system_without_affinity(
    start: Start, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says so."""
    monkeypatch.delattr(os, "sched_setaffinity")
    with pytest.raises(OpenError, match="--cpu-affinity: this system cannot pin"):
        start(evolve(configuration, performance=Performance(cpu_affinity=True)))


def test_a_python_that_may_not_be_run(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user that twistd has become may not read root's own Python, or is in a chroot: one line, no start."""
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    with pytest.raises(OpenError, match=r"--workers: uid \d+ may not run .*python"):
        start()


def test_deaths(start: Start, reactor: Reactor, events: Events) -> None:
    """Each is one line, and each wait twice the last, up to half a minute."""
    service = start()
    for pause in (1, 2, 4, 8, 16, 30, 30):
        process = reactor.processes[-1]
        pid = process.pid
        process.says(ready=True)
        process.dies(9)
        assert lines(events)[-1] == (
            f"worker 2 (pid {pid}) ended: signal 9 (SIGKILL); the next one starts in {pause} s"
        )
        count = len(reactor.processes)
        reactor.advance(pause - 0.01)
        assert len(reactor.processes) == count
        reactor.advance(0.01)
        assert len(reactor.processes) == count + 1
    assert service.restarts == 7
    reactor.advance(60)
    reactor.processes[-1].dies(status=3)
    assert lines(events)[-1].endswith("ended: status 3; the next one starts in 1 s")
    assert all(not process.over for process in reactor.processes[:1])


def test_the_sockets_stay(start: Start, reactor: Reactor) -> None:
    """A worker that replaces another gets the same ones, with what waits in them."""
    start()
    before = reactor.processes[1].descriptors
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.sendto(b"request", bound(before[FIRST_SOCKET]))
        reactor.processes[1].dies(9)
        reactor.processes[0].dies(9)
        reactor.advance(1)
    for old, new in zip((before, reactor.processes[0].descriptors), reactor.processes[2:], strict=True):
        # But for the passage, which each process has for itself.
        assert new.descriptors | {PASSAGE: None} == old | {PASSAGE: None}
    waiting = []
    for process in reactor.processes[2:]:
        with socket.socket(fileno=os.dup(process.descriptors[FIRST_SOCKET])) as sock:
            try:
                waiting.append(sock.recv(100))
            except BlockingIOError:
                continue
    assert waiting == [b"request"]


def test_one_that_cannot_be_started(start: Start, reactor: Reactor, events: Events) -> None:
    """No room for a process is no reason to give up."""
    reactor.error = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    start()
    assert lines(events)[0] == (
        "worker 1 (pid 0) ended: it could not be started: Resource temporarily unavailable;"
        " the next one starts in 1 s"
    )
    reactor.error = None
    reactor.advance(1)
    assert len(reactor.processes) == 2


def test_stopping(start: Start, reactor: Reactor, events: Events) -> None:
    """All are told; it waits for the last; nobody is replaced. The ports are closed when all workers have said
    that they are on none: the clients of one must not be dealt to others meanwhile.
    """
    service = start()
    sockets = [bound(reactor.processes[0].descriptors[FIRST_SOCKET + index]) for index in range(2)]
    stopped = service.stopService()
    first, second = reactor.processes
    assert first.signals == second.signals == ["TERM"]
    places = Assignment.from_line(second.written).places
    second.says(**pack_places(places[:1]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
        other.bind(sockets[1])
    first.dies()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(sockets[1])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        with pytest.raises(OSError, match="in use"):
            other.bind(sockets[0])
        second.says(**pack_places(()))
        other.bind(sockets[0])
    assert not stopped.called
    second.dies()
    assert stopped.called
    assert reactor.getDelayedCalls() == []
    assert "next one" not in "".join(lines(events))


def test_one_that_does_not_stop(start: Start, reactor: Reactor, events: Events) -> None:
    """It is killed when transfers have had their time and five seconds more."""
    service = start()
    stopped = service.stopService()
    first, second = reactor.processes
    first.dies()
    reactor.advance(10.0 + STOP_WITHIN - 0.1)
    assert second.signals == ["TERM"]
    reactor.advance(0.1)
    assert second.signals == ["TERM", "KILL"]
    second.dies(9)
    assert lines(events) == [
        "worker 2 (pid 1001) does not stop: killed",
        "worker 2 (pid 1001) ended: signal 9 (SIGKILL)",
    ]
    assert stopped.called


def test_stopping_between_two_lives(start: Start, reactor: Reactor) -> None:
    """A worker that waits to be replaced is not."""
    service = start()
    first, second = reactor.processes
    first.dies(9)
    stopped = service.stopService()
    second.dies()
    assert stopped.called
    assert reactor.getDelayedCalls() == []


def test_one_that_is_gone_when_it_is_told(start: Start, reactor: Reactor) -> None:
    """Its end is only not known yet."""
    service = start()
    first, second = reactor.processes
    first.over = True
    stopped = service.stopService()
    first.dies()
    second.dies()
    assert stopped.called


def test_the_sockets_of_an_address_that_fails() -> None:
    """Those that were opened before are closed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OpenError, match=rf"UDP 192\.0\.2\.1:{port}: Cannot assign"):
        open_request_sockets([Place("127.0.0.1", port), Place("192.0.2.1", port)], 2)
    [group] = open_request_sockets([Place("127.0.0.1", port)], 3)
    assert {sock.getsockname() for sock in group} == {("127.0.0.1", port)}
    for sock in group:
        sock.close()


def test_workers_that_cannot_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line names the option."""
    bind = opening.bind_request_socket

    def alone(host: str, port: int, *, shared: bool = False, **more: object) -> socket.socket:
        if shared:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return bind(host, port)

    monkeypatch.setattr(opening, "bind_request_socket", alone)
    with pytest.raises(OpenError, match=r"--workers: 2 sockets for 127\.0\.0\.1: Too many open files"):
        open_request_sockets([Place("127.0.0.1", 0)], 2)


def test_signals_have_names(start: Start, reactor: Reactor, events: Events) -> None:
    """For whoever does not know the numbers."""
    start()
    reactor.processes[0].dies(signal.SIGSEGV)
    assert "ended: signal 11 (SIGSEGV);" in lines(events)[0]
