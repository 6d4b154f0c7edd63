"""The worker's side, in this process: what it does with what the daemon says, and when it ends."""

import json
import os
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from running import ack, data, request, udp
from twisted.internet import reactor as real_reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tftpd_tw.interfaces import Address
from tftpd_tw.service import worker
from tftpd_tw.service.configuration import Configuration, Filesystem, Network, Performance
from tftpd_tw.service.messages import (
    ASK_FIGURES,
    HURRY,
    LONGEST_LINE,
    Assignment,
    Change,
    Lines,
    ask_view,
    pack_event,
    unpack_event,
)
from tftpd_tw.service.opening import OpenError, Place, open_request_sockets, places
from tftpd_tw.service.value_types import BlockSize, DrainTime, Engine, Folder, Host, Port
from tftpd_tw.service.worker import Worker
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.totals import Totals


class Reactor:
    """The real one, but stopping it is only noted."""

    def __init__(self) -> None:
        self.stopped = 0

    def stop(self) -> None:
        """Note it."""
        self.stopped += 1

    def __getattr__(self, name: str) -> Any:
        return getattr(real_reactor, name)

    def __conform__(self, interface: Any) -> Any:
        return interface(real_reactor)


class WorkerCase(TestCase):
    """A worker whose pipes are in memory and whose socket is real."""

    timeout = 30
    engine = Engine("poll")

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.root = tmp_path / "root"
        self.root.mkdir()
        (self.root / "file").write_bytes(b"content")

    def setUp(self) -> None:
        self.reactor = Reactor()
        self.worker = Worker(self.reactor)
        self.pipe = StringTransport()
        # Unlike this one, the transport of a process tells the protocol that all is written.
        self.pipe.loseConnection = lambda: self.worker.connectionLost(Failure(Exception()))  # type: ignore[method-assign]
        self.worker.makeConnection(self.pipe)
        self.configuration = Configuration(
            network=Network((Host("127.0.0.1"),), Port(0), True),
            filesystem=Filesystem(Folder(str(self.root))),
            performance=Performance(engine=self.engine),
        )

    def begin(self, number: int = 1) -> None:
        """Give it something to do."""
        self.patch(worker, "FIRST_FOLDER", 500)
        [[sock]] = open_request_sockets(places(self.configuration.network))
        self.port = sock.getsockname()[1]
        # Behind a number that is no folder's, so that it opens the path.
        with sock:
            os.dup2(sock.fileno(), worker.FIRST_FOLDER + 1)
        self.worker.dataReceived(
            Assignment(number, self.configuration, tuple(places(self.configuration.network))).line()
        )

    def said(self) -> list[Any]:
        """The messages since the last look."""
        messages = [json.loads(line) for line in self.pipe.value().splitlines()]
        self.pipe.clear()
        return messages

    def exchange(self) -> None:
        """Read a file of one block."""
        with udp() as sock:
            sock.sendto(request(1, b"file"), ("127.0.0.1", self.port))
            packet, peer = sock.recvfrom(1024)
            assert packet == data(1, b"content")
            sock.sendto(ack(1), peer)

    async def figures(self) -> Totals:
        """What it has counted, once nothing is in progress."""
        while True:
            self.worker.dataReceived(ASK_FIGURES)
            totals = Totals.from_snapshot(self.said()[-1]["figures"])
            if not totals.active:
                return totals
            await deferLater(real_reactor, 0)

    async def test_it_serves(self) -> None:
        """It says that it does, serves, and says how much."""
        self.begin()
        assert self.said() == [{"ready": True}]
        await deferToThread(self.exchange)
        totals = await self.figures()
        assert totals.values[families.TRANSFERS] == {("read", "completed"): 1}
        assert totals.get(families.BYTES, "read") == 7
        self.worker.end()
        assert (self.reactor.stopped, self.worker.status) == (1, 0)

    async def test_only_the_first_counts_broadcasts(self) -> None:
        """All of them get each."""
        for number, expected in ((1, {("broadcast",): 1, ("malformed",): 2}), (2, {("malformed",): 2})):
            self.setUp()
            self.begin(number)
            for why in ("broadcast", "malformed", "malformed"):
                self.worker._accounting.datagram_dropped(why, Address("192.0.2.7", 2000), "")
            for _ in range(2):
                assert (await self.figures()).values[families.DROPPED] == expected
            self.worker.end()

    async def test_its_daemon_is_gone(self) -> None:
        """The pipe closes: it ends, after what is in progress."""
        performance = evolve(self.configuration.performance, drain_timeout=DrainTime(0.1))
        self.configuration = evolve(self.configuration, performance=performance)
        self.begin()
        with udp() as sock:
            sock.sendto(request(1, b"file"), ("127.0.0.1", self.port))
            await deferToThread(sock.recv, 1024)
            self.worker.connectionLost(Failure(Exception()))
            self.worker.end()
            assert not self.reactor.stopped
            while not self.reactor.stopped:
                await deferLater(real_reactor, 0.01)
        assert self.reactor.stopped == 1

    async def changed(self, where: tuple[Place, ...], new_sockets: int = 0) -> str:
        """Have it change to ``configuration``; what it says."""
        self.worker.dataReceived(Change(self.configuration, where, new_sockets).line())
        while not (answers := self.said()):
            await deferLater(real_reactor, 0)
        [answer] = answers
        text: str = answer["changed"]
        return text

    async def test_what_it_is_asked(self) -> None:
        """Its figures, and its transfers: those in progress, and what has ended since it was asked last."""
        self.begin()
        self.said()
        with udp() as sock:
            sock.sendto(request(1, b"file"), ("127.0.0.1", self.port))
            _, peer = await deferToThread(sock.recvfrom, 1024)
            self.worker.dataReceived(ask_view(0))
            [message] = self.said()
            [transfer] = message["view"]["active"]
            assert (transfer["name"], transfer["bytes"], message["view"]["ended"]) == ("file", 0, [])
            sock.sendto(ack(1), peer)
            while self.transfers():
                await deferLater(real_reactor, 0)
        ended: list[Any] = []
        while not ended:
            self.worker.dataReceived(ask_view(0))
            ended = self.said()[-1]["view"]["ended"]
            await deferLater(real_reactor, 0)
        [report] = ended
        assert (report["name"], report["outcome"], report["interface"]) == ("file", "completed", "lo")
        self.worker.dataReceived(ask_view(1))
        assert self.said() == [{"view": {"active": [], "ended": [], "count": 1, "missed": []}}]
        self.worker.dataReceived(ASK_FIGURES)
        assert set(self.said()[0]) == {"figures"}
        self.worker.end()

    def transfers(self) -> int:
        """How many are in progress."""
        self.worker.dataReceived(ask_view(0))
        return len(self.said()[-1]["view"]["active"])

    async def test_other_settings(self) -> None:
        """It says that it has them, and new requests get them (F21)."""
        self.begin()
        self.said()
        performance = Performance(BlockSize(100), engine=self.engine)
        self.configuration = evolve(self.configuration, performance=performance)
        assert await self.changed(tuple(places(self.configuration.network))) == ""
        with udp() as sock:
            sock.sendto(request(1, b"file", blksize=512), ("127.0.0.1", self.port))
            assert await deferToThread(sock.recv, 1024) == b"\0\6blksize\x00100\0"
            self.worker.end()
            self.worker.dataReceived(HURRY)
        assert self.reactor.stopped == 1

    async def test_other_sockets(self) -> None:
        """New ones come over the passage; one that is not wanted any more is closed."""
        self.begin()
        self.said()
        old = self.port
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.patch(worker, "PASSAGE", far.fileno())
        with near, far:
            [[new]] = open_request_sockets(places(self.configuration.network))
            with new:
                socket.send_fds(near, [b"s"], [new.fileno()])
                self.port = new.getsockname()[1]
            assert await self.changed((Place("127.0.0.1", self.port),), 1) == ""
        await deferToThread(self.exchange)
        with udp() as sock:
            sock.connect(("127.0.0.1", old))
            sock.send(request(1, b"file"))
            with pytest.raises(ConnectionRefusedError):
                sock.recv(1024)
        self.worker.end()

    async def test_settings_that_it_cannot_have(self) -> None:
        """It says why, and serves where it did."""
        self.begin()
        self.said()
        here = "127.0.0.1", self.port
        errors: list[Exception] = [OpenError("no"), ZeroDivisionError()]

        def fail(_: object, __: object) -> None:
            raise errors.pop(0)

        self.patch(worker.Transfers, "reload", fail)
        assert await self.changed(()) == "no"
        events: list[Any] = []
        self.patch(worker, "log", Logger(observer=events.append, namespace="test"))
        assert await self.changed(()) == "worker 1 has an error; see above"
        assert [event["log_format"] for event in events] == ["The settings cannot be changed"]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, pytest.raises(OSError, match="in use"):
            other.bind(here)
        self.worker.end()

    async def test_in_a_hurry(self) -> None:
        """It ends at once, and its transfers are told."""
        self.begin()
        with udp() as sock:
            sock.sendto(request(1, b"file"), ("127.0.0.1", self.port))
            assert await deferToThread(sock.recv, 1024) == data(1, b"content")
            self.worker.end()
            assert not self.reactor.stopped
            self.worker.dataReceived(HURRY)
            assert sock.recv(1024) == b"\0\5\0\0Server is stopping\0"
        assert self.reactor.stopped == 1

    async def test_it_is_ended_twice(self) -> None:
        """By a service manager and by the daemon, which each time hears where transfers stay on the port (F22)."""
        network = evolve(self.configuration.network, single_port=True)
        self.configuration = evolve(self.configuration, network=network)
        self.begin()
        with udp() as sock:
            sock.sendto(request(1, b"file"), ("127.0.0.1", self.port))
            assert await deferToThread(sock.recv, 1024) == data(1, b"content")
            self.said()
            for _ in range(2):
                self.worker.end()
                [message] = self.said()
                assert [place["address"] for place in message["staying"]] == ["127.0.0.1"]
            sock.sendto(ack(1), ("127.0.0.1", self.port))
            while not self.reactor.stopped:
                await deferLater(real_reactor, 0)
        assert self.said() == [{"staying": []}]

    def test_it_is_ended_before_it_began(self) -> None:
        """Then there is nothing to wait for, and what comes later is not done."""
        self.worker.connectionLost(Failure(Exception()))
        assert self.reactor.stopped == 1
        self.worker.dataReceived(Assignment(1, self.configuration, ()).line())
        assert self.said() == []

    def test_a_folder_that_cannot_be_opened(self) -> None:
        """One line, and an end that says so."""
        self.configuration = evolve(self.configuration, filesystem=Filesystem(Folder("/does/not/exist")))
        events: list[Any] = []
        self.patch(worker, "log", Logger(observer=events.append, namespace="test"))
        self.begin()
        assert events[0]["text"] == "tftpd: cannot serve the folder /does/not/exist: No such file or directory"
        assert (self.reactor.stopped, self.worker.status) == (1, 1)
        socket.socket(fileno=worker.FIRST_FOLDER + 1).close()

    def test_orders_that_make_no_sense(self) -> None:
        """The same, with a traceback for whoever has to find out."""
        events: list[Any] = []
        self.patch(worker, "log", Logger(observer=events.append, namespace="test"))
        self.worker.dataReceived(b"{}\n")
        assert [event["log_level"] for event in events] == [LogLevel.critical] * 2
        assert (self.reactor.stopped, self.worker.status) == (1, 1)

    def test_its_log(self) -> None:
        """Each event is a message."""
        Logger(observer=self.worker, namespace="a.b").info("{n} times", n=3)
        [message] = self.said()
        assert message["log"]["text"] == "3 times"

    def test_a_daemon_that_does_not_read(self) -> None:
        """Some lines wait until it does, in their order; those beyond are counted: memory does not grow."""
        self.patch(worker, "MOST_HELD", 3)
        log = Logger(observer=self.worker, namespace="a.b")
        self.patch(worker, "log", log)
        assert self.pipe.producer is self.worker
        self.worker.pauseProducing()
        for number in range(5):
            log.info("line {number}", number=number)
        assert self.said() == []
        self.worker.resumeProducing()
        assert [message["log"]["text"] for message in self.said()] == [
            "line 0",
            "line 1",
            "line 2",
            "2 log lines were lost while the daemon did not read them",
        ]
        log.info("not lost")
        assert len(self.said()) == 1
        self.worker.resumeProducing()
        assert self.said() == []
        self.worker.stopProducing()
        log.info("nobody is there")
        assert self.said() == []

    def test_the_last_lines_are_written(self) -> None:
        """It ends when they are."""
        closed: Deferred[None] = Deferred()
        self.pipe.loseConnection = lambda: closed.callback(None)  # type: ignore[method-assign]
        self.worker.end()
        assert closed.called
        assert not self.reactor.stopped
        self.worker.connectionLost(Failure(Exception()))
        assert self.reactor.stopped == 1


class WorkerByTheReactorCase(WorkerCase):
    """The same with the other engine."""

    engine = Engine("reactor")


def events_of(write: Any) -> list[Any]:
    """What a logger emits."""
    events: list[Any] = []
    write(Logger(observer=events.append, namespace="a.b"))
    return events


def test_an_event_travels() -> None:
    """Text, level, name, time and simple fields arrive; objects are only in the text."""
    [event] = events_of(lambda log: log.warn("{name} {thing} {n}", name="x", thing={1, 2}, n=3))
    found = unpack_event(json.loads(json.dumps(pack_event(event)))["log"], 4)
    assert found["text"] == "x {1, 2} 3"
    assert (found["name"], found["n"], found["worker"]) == ("x", 3, 4)
    assert "thing" not in found
    assert found["log_level"] is LogLevel.warn
    assert found["log_time"] == event["log_time"]


def test_a_failure_travels() -> None:
    """With its traceback."""

    def write(log: Logger) -> None:
        try:
            raise ValueError("broken")
        except ValueError:
            log.failure("it is")

    [event] = events_of(write)
    text = pack_event(event)["log"]["text"]
    assert text.startswith("it is\nTraceback")
    assert "ValueError: broken" in text


def test_an_event_that_is_too_long() -> None:
    """It is cut, so that its line is no longer than a line may be."""
    [event] = events_of(lambda log: log.info("{text}", text="x" * LONGEST_LINE))
    assert len(pack_event(event)["log"]["text"]) == 1 << 16


def test_a_long_line() -> None:
    """It is put together once, however many pieces it comes in: else it would take the square of its length."""
    lines, piece = Lines(), b"x" * 1000
    called = Counter[str]()

    def count(frame: Any, event: str, argument: Any) -> None:
        if event == "c_call" and argument.__name__ in ("join", "split"):
            called[argument.__name__] += 1

    found = []
    sys.setprofile(count)
    try:
        for _ in range(1000):
            found += lines.feed(piece)
        found += lines.feed(b"\nrest")
    finally:
        sys.setprofile(None)
    assert found == [piece * 1000]
    assert called == {"split": 1001, "join": 1}
    assert lines.feed(b"\n\n") == [b"rest", b""]


def test_lines() -> None:
    """They are whole, whatever the pieces; what never ends is dropped."""
    lines = Lines()
    assert lines.feed(b"a") == []
    assert lines.feed(b"b\nc\n\nd") == [b"ab", b"c", b""]
    assert lines.feed(b"\n") == [b"d"]
    assert lines.feed(b"x" * (LONGEST_LINE + 1)) == []
    assert lines.feed(b"y\n") == [b"y"]
