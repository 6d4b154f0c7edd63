"""The transfer of ``tftpd-tw get`` and ``put``, on a simulated network; and what is said of its failures."""

import os
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.cli.bench import Bench
from tftpd_tw.cli.client_options import Terms
from tftpd_tw.cli.exit_statuses import FAILED, LOCAL, NO_ANSWER, WRONG_OPTIONS, CommandError
from tftpd_tw.cli.get import CLEANING_SECONDS, _get
from tftpd_tw.cli.load import Plan
from tftpd_tw.cli.local_files import StreamReader, open_target
from tftpd_tw.cli.plain_progress import Position
from tftpd_tw.cli.put import _put
from tftpd_tw.cli.servers import Host
from tftpd_tw.cli.transferring import Exchange
from tftpd_tw.interfaces import Address, Direction
from tftpd_tw.net.client import TransferFailed, Transferred
from tftpd_tw.protocol.errors import DiskFull, OptionRefused, TFTPError
from tftpd_tw.protocol.events import Ended, Reason
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.testing import CLIENT, REQUEST_PORT, MemoryHost, MemoryNetwork

NOBODY = Address("192.0.2.200", 69)
"""A host without a server."""

TERMS = Terms(Host("server", 69), 512, 4, Patience(timeout=1.0, max_retries=1))


@define
class Running:
    """In a :class:`~tftpd_tw.cli.running_client.RunningClient`'s stead: a server whose name has some addresses."""

    addresses: tuple[Address, ...] = (REQUEST_PORT,)
    network: MemoryNetwork = field(factory=MemoryNetwork)
    files: dict[bytes, bytes] = field(factory=lambda: {b"file": bytes(range(256)) * 40})

    def __attrs_post_init__(self) -> None:
        self.network.serve(MemoryBackend(self.files, writable=True))

    @property
    def reactor(self) -> Clock:
        """The time."""
        return self.network.clock

    @property
    def engine(self) -> MemoryHost:
        """The host of the client."""
        return self.network.host(CLIENT)

    def in_thread(self, *_: Any) -> "Deferred[Any]":
        """What is called there is the resolver."""
        return succeed(list(self.addresses))


def exchange(direction: Direction = Direction.READ, name: bytes = b"file", file: str = "here") -> Exchange:
    """One of a file."""
    return Exchange(direction, name, file, file, TERMS)


def get(running: Running, what: Exchange, file: Path) -> Transferred:
    """Into ``file``, with threads that are none."""
    done: Transferred = running.network.run(
        Deferred.fromCoroutine(_get(running, what, open_target(str(file), maybeDeferred)))  # type: ignore[arg-type]
    )
    return done


def piped(content: bytes) -> StreamReader:
    """What a pipe holds."""
    end, pipe = os.pipe()
    os.write(pipe, content)
    os.close(pipe)
    return StreamReader(end, maybeDeferred)


@pytest.mark.parametrize("silent", [True, False])
def test_the_next_address(silent: bool, tmp_path: Path) -> None:
    """Where the first one says nothing, or that nobody listens, the next one is asked (C154)."""
    running = Running((NOBODY, REQUEST_PORT))
    if silent:
        running.network.drop = lambda datagram: running.network.clock.seconds() < 2.0
    what = exchange()
    done = get(running, what, tmp_path / "file")
    assert (done.byte_count, what.server) == (10240, REQUEST_PORT)
    assert (tmp_path / "file").read_bytes() == running.files[b"file"]
    assert (running.network.clock.seconds() > 2.0) == silent


def test_the_next_address_for_a_pipe() -> None:
    """What was read of it by then is not lost."""
    running = Running((NOBODY, REQUEST_PORT))
    what = exchange(Direction.WRITE, b"new")
    running.network.run(Deferred.fromCoroutine(_put(running, what, piped(b"content"))))  # type: ignore[arg-type]
    assert running.files[b"new"] == b"content"


@pytest.fixture
def with_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a file cannot be without a name, so that what is left can be seen."""
    monkeypatch.delattr(os, "O_TMPFILE")


@pytest.mark.usefixtures("with_names")
def test_an_address_that_refuses(tmp_path: Path) -> None:
    """It has answered: no other one is asked, and nothing is left."""
    running = Running((REQUEST_PORT, NOBODY))
    what = exchange(name=b"none")
    with pytest.raises(TransferFailed, match="ERROR 1"):
        get(running, what, tmp_path / "file")
    assert what.server == REQUEST_PORT
    assert os.listdir(tmp_path) == []


def test_the_next_address_for_a_load() -> None:
    """Likewise; a server that refuses has answered, and is the one."""
    for name, failures in (("file", {}), ("none", {"error:1": 3})):
        running = Running((NOBODY, REQUEST_PORT))
        bench = Bench(TERMS, name, Plan(clients=3, transfers=3, seconds=None))
        running.network.run(Deferred.fromCoroutine(bench._measure(running)))  # type: ignore[arg-type]
        assert bench.load is not None
        assert (bench.server, dict(bench.load.tally.failures)) == (REQUEST_PORT, failures)
    running = Running((REQUEST_PORT, NOBODY))
    running.network.run(Deferred.fromCoroutine(bench._measure(running)))  # type: ignore[arg-type]
    assert bench.server == REQUEST_PORT


@pytest.mark.usefixtures("with_names")
def test_no_address_that_answers(tmp_path: Path) -> None:
    """The last one is told."""
    running = Running((NOBODY, NOBODY._replace(host="192.0.2.201")))
    what = exchange()
    with pytest.raises(TransferFailed, match="no answer"):
        get(running, what, tmp_path / "file")
    assert what.server == NOBODY._replace(host="192.0.2.201")
    assert os.listdir(tmp_path) == []


def test_how_far_it_is(tmp_path: Path) -> None:
    """Nothing before it begins; then what the transfer knows."""
    running, what = Running(), exchange()
    assert what.position() == Position(0, None)
    target = open_target(str(tmp_path / "file"), maybeDeferred)
    done = Deferred.fromCoroutine(_get(running, what, target))  # type: ignore[arg-type]
    positions = set()
    while not done.called:
        running.network.step()
        positions.add(what.position())
    assert {position.size for position in positions} == {None, 10240}
    assert {0, 2048, 10240} <= {position.byte_count for position in positions}


def test_a_name_that_does_not_fit(tmp_path: Path) -> None:
    """It is the options that are wrong (C014)."""
    with pytest.raises(CommandError) as caught:
        get(Running(), exchange(name=b"x" * 600), tmp_path / "file")
    assert caught.value.exit_status == WRONG_OPTIONS


def test_nobody_is_asked_before_a_pipe_has_something() -> None:
    """Servers do not wait for long."""
    running = Running()
    reads: list[Deferred[bytes]] = []

    def later(*_: object) -> "Deferred[bytes]":
        reads.append(Deferred())
        return reads[-1]

    what = exchange(Direction.WRITE, b"new")
    done = Deferred.fromCoroutine(_put(running, what, StreamReader(0, later)))  # type: ignore[arg-type]
    running.network.run_until_idle()
    assert (len(reads), running.network.sent) == (1, [])
    reads.pop().callback(b"content")
    running.network.clock.advance(0.01)
    while not reads:
        running.network.step()
    reads.pop().callback(b"")
    running.network.run(done)
    assert running.files[b"new"] == b"content"


@pytest.mark.usefixtures("with_names")
def test_a_file_that_cannot_be_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it has come, and then the disk fails: nothing is left, and the old file stays."""
    (tmp_path / "file").write_bytes(b"old")

    def failing(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(TFTPError) as caught:
        get(Running(), exchange(), tmp_path / "file")
    assert isinstance(caught.value.__cause__, OSError)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_disk_that_hangs(tmp_path: Path) -> None:
    """A command does not wait for it for ever to remove what a failed transfer has left."""
    running = Running()
    target = open_target(str(tmp_path / "file"), lambda *_: Deferred())
    done = Deferred.fromCoroutine(_get(running, exchange(name=b"none"), target))  # type: ignore[arg-type]
    with pytest.raises(TransferFailed, match="ERROR 1"):
        running.network.run(done)
    assert running.network.clock.seconds() == pytest.approx(CLEANING_SECONDS, abs=0.1)


# What is said


def failure(what: Exchange, ended: Ended) -> tuple[int, str]:
    """The exit status and the line."""
    what.server = REQUEST_PORT
    error = what.failure(TransferFailed(ended))
    return error.exit_status, str(error).removeprefix("192.0.2.1:69: ")


def caused(error: TFTPError, cause: OSError) -> TFTPError:
    """``error``, which came of ``cause``."""
    error.__cause__ = cause
    return error


READ, WRITE = Direction


@pytest.mark.parametrize(
    ("direction", "ended", "status", "says"),
    [
        (READ, Ended(Reason.PEER_ERROR, 0, b"no"), FAILED, "ERROR 0: no; the log of the server may say why"),
        (READ, Ended(Reason.PEER_ERROR, 1, b"no"), FAILED, "ERROR 1: no; look at NAME"),
        (WRITE, Ended(Reason.PEER_ERROR, 1, b"no"), FAILED, "ERROR 1: no; there may be no such folder"),
        (READ, Ended(Reason.PEER_ERROR, 2, b"no"), FAILED, "ERROR 2: no; the server does not let this machine"),
        (WRITE, Ended(Reason.PEER_ERROR, 2, b"no"), FAILED, "ERROR 2: no; the server may take no uploads"),
        (WRITE, Ended(Reason.PEER_ERROR, 3, b"no"), FAILED, "ERROR 3: no; it takes room on the server"),
        (READ, Ended(Reason.PEER_ERROR, 8, b"no"), FAILED, "ERROR 8: no; try --block-size 512 --window-size 1"),
        (WRITE, Ended(Reason.PEER_ERROR, 8, b"no"), FAILED, "ERROR 8: no; try --block-size 512 --window-size 1"),
        (READ, Ended(Reason.PEER_ERROR, 77, b"no"), FAILED, "the server said ERROR 77: no"),
        (
            READ,
            Ended(Reason.NO_ANSWER),
            NO_ANSWER,
            "no answer from the server within 2 seconds; is that the",
        ),
        (
            READ,
            Ended(Reason.NO_ANSWER, unreachable=True),
            NO_ANSWER,
            "nobody listens on its port; does",
        ),
        (WRITE, Ended(Reason.PEER_VANISHED), NO_ANSWER, "the server stopped answering; try again"),
        (
            WRITE,
            Ended(Reason.PEER_VANISHED, unreachable=True),
            NO_ANSWER,
            "the server stopped answering: nobody listens on its port; try again",
        ),
        (READ, Ended("option-refused", error=OptionRefused("it")), FAILED, "it; try --block-size 512"),
        (READ, Ended("no-socket", error=TFTPError("Too many open files")), FAILED, "Too many open files"),
        (
            READ,
            Ended("disk-full", error=caused(DiskFull("write"), OSError(28, "No space left on device"))),
            LOCAL,
            "cannot write 'here': No space left on device",
        ),
    ],
)
def test_what_is_said_of_failures(direction: Direction, ended: Ended, status: int, says: str) -> None:
    """One line: whom it is about, what happened, and what to do."""
    found, line = failure(exchange(direction), ended)
    assert found == status
    assert says in line
    assert "\n" not in line


def summary(**done: Any) -> str:
    """What is said of a success."""
    defaults: dict[str, Any] = {"agreed": Agreed(), "byte_count": 0, "block_count": 0, "retransmits": 0}
    return exchange().summary(Transferred(**{**defaults, "seconds": 0.5, "round_trip": None, **done}))


@pytest.mark.parametrize(
    ("line", "done"),
    [
        ("here: 0 bytes in 0.500 s, 0 B/s, 0 retransmits, no options", {}),
        ("here: 9 bytes in 0.500 s, 18 B/s, 2 retransmits, no options", {"byte_count": 9, "retransmits": 2}),
        (
            "here: 4000000 bytes in 2.000 s, 2.00 MB/s, 0 retransmits, blksize 1428, windowsize 32",
            {
                "byte_count": 4_000_000,
                "seconds": 2.0,
                "agreed": Agreed(options=((b"BLKSIZE", b"1428"), (b"windowsize", b"32"), (b"tsize", b"4000000"))),
            },
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_successes(line: str, done: dict[str, Any]) -> None:
    """Bytes, seconds, rate, retransmits and what was agreed."""
    assert summary(**done) == line
