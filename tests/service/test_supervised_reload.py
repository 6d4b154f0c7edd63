"""Other settings for all workers, with processes that are not there: all of them get them, or none (F21)."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from worker_kit import Events, Process, Reactor, Start, bound, lines

from tftpd_tw.interfaces import Address
from tftpd_tw.service.configuration import Configuration, Filesystem, Performance
from tftpd_tw.service.messages import FIRST_FOLDER, HURRY, PASSAGE, Assignment, Change, pack_places
from tftpd_tw.service.opening import OpenError, Place, places
from tftpd_tw.service.replacing import STOP_WITHIN
from tftpd_tw.service.supervision import WorkersService
from tftpd_tw.service.value_types import DrainTime, Folder, Host, WindowSize
from tftpd_tw.service.worker_process import CHANGE_WITHIN


class Reload:
    """One, and what came of it."""

    def __init__(self, service: WorkersService, configuration: Configuration) -> None:
        self.results: list[Any] = []
        Deferred.fromCoroutine(service.reload(configuration)).addBoth(self.results.append)
        service.reactor.listen()  # to the thread that looks at the folders

    @property
    def taken(self) -> bool:
        """Whether it is done and well."""
        return self.results == [None]

    @property
    def why_not(self) -> str:
        """What it failed with."""
        [failure] = self.results
        error = failure.check(OpenError) and failure.value
        text: str = error.text
        return text


def change_of(process: Process) -> Change:
    """The one thing that it was told since the last look."""
    [order] = process.orders()
    return Change.from_message(json.loads(order))


@pytest.fixture
def passages() -> Iterator[list[socket.socket]]:
    """The workers' ends of the passages, which are closed in the daemon when a worker has started."""
    ends: list[socket.socket] = []
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def crew(start: Start, reactor: Reactor, passages: list[socket.socket], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The service, with both workers ready."""
    spawn = reactor.spawnProcess

    def keep_passage(protocol: Any, *arguments: Any, **more: Any) -> None:
        passages.append(socket.socket(fileno=os.dup(more["childFDs"][PASSAGE])))
        spawn(protocol, *arguments, **more)

    monkeypatch.setattr(reactor, "spawnProcess", keep_passage)
    service = start()
    for process in reactor.processes:
        process.says(ready=True)
        process.orders()
    return service


def windows(configuration: Configuration, size: int = 3) -> Configuration:
    """Other settings."""
    return evolve(configuration, performance=evolve(configuration.performance, window_size=WindowSize(size)))


def test_all_are_told(crew: WorkersService, reactor: Reactor, configuration: Configuration) -> None:
    """Each gets its own part, and it is done when all have answered; those that come later begin with it."""
    reload = Reload(crew, windows(configuration))
    first, second = reactor.processes
    for number, process in enumerate((first, second), 1):
        change = change_of(process)
        assert change.configuration.performance.window_size == 3
        assert change.configuration.network.answer_broadcast == (number == 1)
        assert change.configuration.cache.size == configuration.cache.size // 2
        assert list(change.places) == places(configuration.network)
        assert change.new_sockets == 0
        assert not reload.taken
        process.says(changed="")
    assert reload.taken
    first.dies(9)
    reactor.advance(1)
    assert Assignment.from_line(reactor.processes[2].written).configuration.performance.window_size == 3


def test_one_that_cannot(crew: WorkersService, reactor: Reactor, configuration: Configuration) -> None:
    """All go back to what they had, and so will those that come later."""
    reload = Reload(crew, windows(configuration))
    first, second = reactor.processes
    for process in (first, second):
        process.orders()
    first.says(changed="")
    second.says(changed="no room")
    for process in (first, second):
        assert change_of(process).configuration.performance.window_size == 64
        process.says(changed="")
    assert reload.why_not == "no room"
    first.dies(9)
    reactor.advance(1)
    assert Assignment.from_line(reactor.processes[2].written).configuration.performance.window_size == 64


def test_one_that_hangs(crew: WorkersService, reactor: Reactor, configuration: Configuration) -> None:
    """It is not waited for: when it goes on it finds both orders, and ends where it was."""
    reload = Reload(crew, windows(configuration))
    first, second = reactor.processes
    first.says(changed="")
    reactor.advance(CHANGE_WITHIN)
    first.says(changed="")
    reactor.advance(CHANGE_WITHIN)
    assert reload.why_not == "worker 2 did not answer within 10 seconds"
    sizes = [
        Change.from_message(json.loads(order)).configuration.performance.window_size for order in second.orders()
    ]
    assert sizes == [3, 64]
    again = Reload(crew, windows(configuration, 5))
    second.says(changed="")
    second.says(changed="")
    first.says(changed="")
    assert not again.results
    second.says(changed="")
    assert again.taken


def test_one_that_ends_meanwhile(crew: WorkersService, reactor: Reactor, configuration: Configuration) -> None:
    """It stops nobody, and its successor has the new settings."""
    reload = Reload(crew, windows(configuration))
    first, second = reactor.processes
    first.says(changed="")
    second.dies(9)
    assert reload.taken
    reactor.advance(1)
    assert Assignment.from_line(reactor.processes[2].written).configuration.performance.window_size == 3


def test_one_that_nobody_asked(crew: WorkersService, reactor: Reactor, events: Events) -> None:
    """An answer too many is a line of the log."""
    reactor.processes[0].says(changed="")
    assert lines(events) == ["worker 1 said what makes no sense: IndexError('pop from an empty deque')"]


def test_other_addresses(
    crew: WorkersService,
    reactor: Reactor,
    configuration: Configuration,
    passages: list[socket.socket],
    events: Events,
) -> None:
    """Each worker gets its socket before the order that says so; when all serve there the old ones are closed."""
    going = Address(*bound(reactor.processes[0].descriptors[FIRST_FOLDER + 1]))
    hosts = (Host("127.0.0.2"), Host("127.0.0.3"))
    reload = Reload(crew, evolve(configuration, network=evolve(configuration.network, addresses=hosts)))
    for process, passage in zip(reactor.processes, passages, strict=True):
        change = change_of(process)
        assert [place.address for place in change.places] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        assert change.new_sockets == 1
        _, [descriptor], _, _ = socket.recv_fds(passage, 10, 10)
        with socket.socket(fileno=descriptor) as sock:
            assert sock.getsockname()[0] == change.places[2].address
        process.says(changed="")
    for process in reactor.processes:
        change = change_of(process)
        assert [place.address for place in change.places] == ["127.0.0.2", "127.0.0.3"]
        assert change.new_sockets == 0
        process.says(changed="", staying=[])
    assert reload.taken
    assert any("serving" in line and "127.0.0.3" in line for line in lines(events, "serving"))
    assert lines(events, "closed") == [f"closed UDP {going}; transfers that began there go on"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(going[:2])
    reactor.processes[0].dies(9)
    reactor.advance(1)
    orders = Assignment.from_line(reactor.processes[2].written)
    assert orders.places == (Place("127.0.0.2", 0), Place("127.0.0.3", 0))


def test_an_address_that_comes_back(
    crew: WorkersService,
    reactor: Reactor,
    configuration: Configuration,
    passages: list[socket.socket],
) -> None:
    """A retired port stays open while a worker has transfers there. Where it is wanted again every worker is given
    its part of the same sockets, and nobody else's word that he has left closes them.
    """
    fewer = evolve(configuration, network=evolve(configuration.network, addresses=(Host("127.0.0.2"),)))
    gone = crew.ports.places[:1]
    address = bound(reactor.processes[0].descriptors[FIRST_FOLDER + 1])

    def reload(wanted: Configuration, *staying: Sequence[Place]) -> None:
        result = Reload(crew, wanted)
        while not result.results:
            for process, where in zip(reactor.processes, staying, strict=True):
                process.says(changed="", **pack_places(where))
        assert result.taken

    def taken() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            try:
                other.bind(address)
            except OSError:
                return True
            return False

    first, second = reactor.processes
    reload(fewer, gone, ())
    assert taken()
    reload(configuration, (), ())
    assert crew.ports.places[-1:] == gone
    for passage in passages:
        _, [descriptor], _, _ = socket.recv_fds(passage, 10, 10)
        assert bound(descriptor) == address
        os.close(descriptor)
    again = Reload(crew, fewer)
    while not again.results:
        for process in (first, second):
            process.says(**pack_places(()))  # before it has heard
        assert taken()
        for process in (first, second):
            process.says(changed="", **pack_places(gone))
    assert again.taken
    assert taken()
    first.says(**pack_places(()))
    assert taken()
    second.dies(9)
    assert not taken()


def test_other_addresses_that_are_taken_back(
    crew: WorkersService, reactor: Reactor, configuration: Configuration
) -> None:
    """The workers close them again."""
    before = crew.ports.places
    hosts = (Host("127.0.0.2"), Host("127.0.0.3"))
    reload = Reload(crew, evolve(configuration, network=evolve(configuration.network, addresses=hosts)))
    for process in reactor.processes:
        process.orders()
        process.says(changed="no")
    for process in reactor.processes:
        assert change_of(process).places == before
        process.says(changed="")
    assert reload.why_not == "no"
    assert crew.ports.places == before


def test_an_address_that_cannot_be_had(
    crew: WorkersService, reactor: Reactor, configuration: Configuration
) -> None:
    """Nobody is told anything."""
    hosts = (Host("127.0.0.2"), Host("192.0.2.1"))
    reload = Reload(crew, evolve(configuration, network=evolve(configuration.network, addresses=hosts)))
    assert "no such address" in reload.why_not
    assert [process.orders() for process in reactor.processes] == [[], []]


def test_a_passage_that_is_full(crew: WorkersService, reactor: Reactor, configuration: Configuration) -> None:
    """A worker that has not taken what it was sent before cannot be sent more."""
    process = crew._posts[0].process
    assert process is not None
    process.passage.close()
    hosts = (*configuration.network.addresses, Host("127.0.0.3"))
    reload = Reload(crew, evolve(configuration, network=evolve(configuration.network, addresses=hosts)))
    reactor.processes[1].says(changed="")
    for process in reactor.processes:
        process.says(changed="")
    assert reload.why_not == "worker 1 cannot be given descriptors: Bad file descriptor"
    assert len(crew.ports.addresses) == 2


def test_another_folder(
    crew: WorkersService, reactor: Reactor, configuration: Configuration, tmp_path: Path
) -> None:
    """Those that come later get it; one that is not there is refused before anybody is told."""
    other = tmp_path / "other"
    missing = Reload(crew, evolve(configuration, filesystem=Filesystem(Folder(str(other)))))
    assert missing.why_not == f"cannot serve the folder {other}: No such file or directory"
    other.mkdir()
    assert [process.orders() for process in reactor.processes] == [[], []]
    reload = Reload(crew, evolve(configuration, filesystem=Filesystem(Folder(str(other)))))
    for process in reactor.processes:
        process.says(changed="")
    assert reload.taken
    reactor.processes[0].dies(9)
    reactor.advance(1)
    assert os.path.samestat(os.fstat(reactor.processes[2].descriptors[FIRST_FOLDER]), os.stat(other))


def passed(passage: socket.socket) -> os.stat_result:
    """The one folder that came."""
    [folder] = socket.recv_fds(passage, 1, 10)[1]
    try:
        return os.fstat(folder)
    finally:
        os.close(folder)


def test_another_folder_at_the_same_path(
    crew: WorkersService, reactor: Reactor, configuration: Configuration, passages: list[socket.socket]
) -> None:
    """It is passed to the workers, who know only what was there; the old one too, if a worker cannot have it. The
    same folder is not passed again.
    """
    root = Path(configuration.filesystem.root)
    before = root.stat()
    root.rename(root.with_name("before"))
    root.mkdir()
    first, second = reactor.processes
    refused = Reload(crew, configuration)
    assert change_of(first).new_folders == 1
    assert os.path.samestat(passed(passages[0]), root.stat())
    first.says(changed="no")
    second.says(changed="")
    assert change_of(first).new_folders == 1
    assert os.path.samestat(passed(passages[0]), before)
    for process in (first, second):
        process.says(changed="")
    assert refused.why_not == "no"
    second.orders()
    for folders in (1, 0):
        taken = Reload(crew, configuration)
        for process in (first, second):
            assert change_of(process).new_folders == folders
            process.says(changed="")
        assert taken.taken
    first.dies(9)
    reactor.advance(1)
    assert os.path.samestat(os.fstat(reactor.processes[2].descriptors[FIRST_FOLDER]), root.stat())


def test_stopping_meanwhile(crew: WorkersService, reactor: Reactor, configuration: Configuration) -> None:
    """It is given up, and nothing is left of it."""
    hosts = (*configuration.network.addresses, Host("127.0.0.3"))
    reload = Reload(crew, evolve(configuration, network=evolve(configuration.network, addresses=hosts)))
    stopped = crew.stopService()
    for process in reactor.processes:
        process.dies()
    assert stopped.called
    assert reload.why_not == "the daemon is stopping"
    assert Reload(crew, configuration).why_not == "the daemon is stopping"
    assert crew.ports.addresses == []
    assert reactor.getDelayedCalls() == []


# Ready, and in a hurry


def test_ready(start: Start, reactor: Reactor) -> None:
    """When every worker serves, once."""
    service = start()
    first, second = reactor.processes
    ready = service.when_ready()
    first.says(ready=True)
    assert not ready.called
    second.says(ready=True)
    assert ready.called
    second.dies(9)
    reactor.advance(1)
    reactor.processes[2].says(ready=True)


def test_in_a_hurry(crew: WorkersService, reactor: Reactor) -> None:
    """All are told, and killed soon if that does not help (F22)."""
    stopped = crew.stopService()
    crew.hurry()
    first, second = reactor.processes
    assert first.orders() == second.orders() == [HURRY]
    first.dies()
    crew.hurry()
    reactor.advance(STOP_WITHIN)
    assert second.signals == ["TERM", "KILL"]
    second.dies(9)
    assert stopped.called
    crew.hurry()


def test_the_time_to_stop_is_that_of_the_settings(
    start: Start, reactor: Reactor, configuration: Configuration
) -> None:
    """Transfers have theirs, and then workers have theirs."""
    service = start(evolve(configuration, performance=Performance(drain_timeout=DrainTime(60))))
    service.stopService()
    reactor.advance(60 + STOP_WITHIN - 0.1)
    assert reactor.processes[0].signals == ["TERM"]
    reactor.advance(0.1)
    assert reactor.processes[0].signals == ["TERM", "KILL"]
    for process in reactor.processes:
        process.dies(9)
