"""Many clients at once on a simulated network, and what is counted of them."""

import gc
import json
from array import array
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.cli.load import PAUSE, Load, Plan
from tftpd_tw.cli.load_report import Spread, document, lines
from tftpd_tw.interfaces import Outcome
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.net.listener import Listener
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.testing import CLIENT, REQUEST_PORT, MemoryHost, MemoryNetwork

CONTENT = bytes(10_000)


class Stage:
    """A server in memory, and a load for it."""

    def __init__(
        self,
        clients: int = 3,
        *,
        transfers: int | None = None,
        seconds: float | None = None,
        name: bytes = b"file",
        host: type[MemoryHost] = MemoryHost,
        **network: Any,
    ) -> None:
        self.network = MemoryNetwork(**network)
        self.files = {b"file": CONTENT}
        self.listener: Listener = self.network.serve(MemoryBackend(self.files))
        wishes, patience = Wishes(block_size=1000, window_size=4), Patience(timeout=1.0, max_retries=1)
        client = Client(host(self.network, CLIENT), REQUEST_PORT, wishes, patience, dally=False)
        self.load = Load(client, name, Plan(clients, transfers, seconds))
        self.tally = self.load.tally

    def begin(self) -> "Deferred[None]":
        """Have it begin."""
        return Deferred.fromCoroutine(self.load.run())

    def run(self) -> None:
        """From its start to its end."""
        self.network.run(self.begin())

    @property
    def ours(self) -> int:
        """Open sockets of the clients."""
        return sum(where[0] == CLIENT for where in self.network.session_sockets)

    def assert_nothing_left(self) -> None:
        """No session at either end, and no timer."""
        assert self.ours == 0
        self.network.run_until_idle()
        assert self.listener.active == 0
        assert self.network.session_sockets == {}


def test_so_many_transfers() -> None:
    """All of them complete, and the server counts the same."""
    stage = Stage(transfers=20)
    stage.run()
    stage.assert_nothing_left()
    tally = stage.tally
    assert (tally.completed, tally.failed, tally.cut_off) == (20, 0, 0)
    ended = stage.network.records.ended
    assert {record.outcome for record in ended} == {Outcome.COMPLETED}
    assert (len(ended), sum(record.byte_count for record in ended)) == (20, tally.byte_count)
    assert len(tally.responses) == len(tally.durations) == 20
    assert max(tally.responses) == pytest.approx(0.002)
    assert tally.agreed is not None
    assert (tally.agreed.blksize, tally.agreed.windowsize) == (1000, 4)


def test_so_many_at_once() -> None:
    """Never more, and fewer only when no more are to come; each has one socket, which is closed at once."""
    stage = Stage(clients=3, transfers=20)
    most = 0
    done = stage.begin()
    while not done.called:
        most = max(most, stage.listener.active)
        assert stage.ours <= 3
        stage.network.step()
    assert most == 3
    assert stage.tally.seconds == pytest.approx(20 / 3 * max(stage.tally.durations), rel=0.1)


def test_more_clients_than_transfers() -> None:
    """Then some have nothing to do."""
    stage = Stage(clients=10, transfers=4)
    stage.run()
    assert stage.tally.completed == 4
    assert len(stage.network.records.started) == 4


def test_so_long() -> None:
    """When the time is over, what is under way is cut off: it counts its bytes, and is no failure."""
    stage = Stage(seconds=0.504)
    stage.run()
    stage.assert_nothing_left()
    tally = stage.tally
    assert tally.seconds == pytest.approx(0.504)
    assert (tally.failed, tally.cut_off) == (0, 3)
    assert tally.completed > 10
    assert len(tally.durations) == tally.completed
    assert tally.byte_count > tally.completed * len(CONTENT)
    assert [record.detail for record in stage.network.records.ended[-3:]] == ["Transfer was cancelled"] * 3


def test_time_that_is_not_used_up() -> None:
    """A load that has ended leaves no alarm behind."""
    stage = Stage(transfers=3, seconds=100)
    stage.run()
    stage.assert_nothing_left()
    assert stage.network.clock.seconds() < 90


@pytest.mark.parametrize("after", [0.0, 0.0015, 0.1])
def test_cancelling(after: float) -> None:
    """Cancelled at any time, it is cut off, and what there was by then is in the tally."""
    stage = Stage(seconds=100)
    done = stage.begin()
    while stage.network.clock.seconds() < after:
        stage.network.step()
    done.cancel()
    failures: list[Failure] = []
    done.addErrback(failures.append)
    assert failures[0].type is CancelledError
    assert stage.tally.cut_off == 3
    assert (stage.tally.completed > 0) == (after == 0.1)
    assert stage.tally.seconds == pytest.approx(stage.network.clock.seconds())
    stage.assert_nothing_left()


def test_where_nothing_works() -> None:
    """Each client fails once, and that is it; a refusal is a response."""
    stage = Stage(clients=5, seconds=100, name=b"none")
    stage.run()
    stage.assert_nothing_left()
    tally = stage.tally
    assert (tally.completed, tally.cut_off, dict(tally.failures)) == (0, 0, {"error:1": 5})
    assert tally.sentences == {"error:1": "the server said ERROR 1: File not found"}
    assert len(tally.responses) == 5
    assert tally.seconds < 1
    assert len(stage.network.records.refused) == 5


def cancelled_while_clients_wait_to_try_again() -> None:
    """All of it, so that nothing is left of it afterwards."""
    stage = Stage(clients=3, seconds=100, name=b"none")
    dropped: list[bytes] = []
    stage.network.drop = lambda datagram: len(dropped) < 1 and not dropped.append(datagram)
    done = stage.begin()
    while stage.tally.failed < 2:
        stage.network.step()
    done.cancel()
    failures: list[Failure] = []
    done.addErrback(failures.append)
    assert failures[0].type is CancelledError
    stage.assert_nothing_left()


def test_cancelling_while_clients_wait_to_try_again() -> None:
    """It ends at once, and nobody hears of it but whoever has begun it."""
    logged: list[LogEvent] = []
    observer = logged.append
    globalLogPublisher.addObserver(observer)
    cancelled_while_clients_wait_to_try_again()
    gc.collect()  # a failure that nobody has seen is told then
    globalLogPublisher.removeObserver(observer)
    assert logged == []


def test_silence() -> None:
    """Nobody is asked again and again who never answers."""
    stage = Stage(seconds=100, drop=lambda datagram: True)
    stage.run()
    stage.assert_nothing_left()
    assert (dict(stage.tally.failures), stage.tally.completed) == ({"no-answer": 3}, 0)
    assert stage.tally.seconds == pytest.approx(2.0, abs=0.2)
    assert len(stage.tally.responses) == 0
    assert stage.tally.retransmits >= 3


def test_a_server_that_dies() -> None:
    """What worked before works no more: then it ends too."""
    stage = Stage(clients=3, seconds=1000)
    done = stage.begin()
    while stage.tally.completed < 5:
        stage.network.step()
    stage.network.drop = lambda datagram: True
    stage.network.run(done)
    stage.assert_nothing_left()
    assert stage.tally.completed >= 5
    assert set(stage.tally.failures) <= {"no-answer", "server-vanished"}
    assert 3 <= stage.tally.failed <= 6
    assert stage.tally.seconds < 10


def test_one_client_that_has_bad_luck() -> None:
    """Failures between those that complete are no end; after each there is a pause."""
    luck = iter([True, True, False] * 4)  # each request that is lost is repeated once

    def drop(datagram: bytes) -> bool:
        return datagram[:2] == b"\0\1" and next(luck)

    stage = Stage(clients=1, transfers=8, drop=drop)
    stage.run()
    assert (stage.tally.completed, stage.tally.failed) == (4, 4)
    assert stage.tally.seconds > 4 * (2.0 + PAUSE)


def test_others_who_get_on() -> None:
    """While something is coming nobody ends it, however many fail."""
    held: list[bytes] = []

    def slowly(datagram: bytes) -> bool:
        """One client gets a block in a while, and nobody else anything."""
        if datagram[:2] == b"\0\1":
            held.append(datagram)
            return len(held) > 1
        return False

    stage = Stage(clients=2, seconds=10, drop=slowly)
    stage.files[b"file"] = bytes(20_000_000)
    stage.run()
    assert stage.tally.failed > 3
    assert stage.tally.cut_off >= 1
    assert stage.tally.seconds == pytest.approx(10)


def test_retransmits() -> None:
    """Of all clients, and what the wire lost is fetched all the same."""
    stage = Stage(transfers=30, loss=0.02, seed=3)
    stage.run()
    assert stage.tally.completed + stage.tally.failed == 30
    assert stage.tally.retransmits > 0


def test_no_descriptor_left() -> None:
    """That fails transfers, and does not spin."""

    class Exhausted(MemoryHost):
        def open_session(self, *_: Any) -> Any:
            raise OSError(24, "Too many open files")

    stage = Stage(clients=4, seconds=1.0, host=Exhausted)
    stage.run()
    assert dict(stage.tally.failures) == {"no-socket": 4}


def test_a_name_that_does_not_fit() -> None:
    """It is refused before anything is sent."""
    stage = Stage(transfers=10, name=b"x" * 600)
    with pytest.raises(ValueError, match="request"):
        stage.run()
    assert stage.network.sent == []


@pytest.mark.parametrize(
    ("count", "spread"),
    [
        (1, Spread(1, 1, 1, 1)),
        (2, Spread(1, 2, 2, 2)),
        (100, Spread(50, 95, 99, 100)),
        (1000, Spread(500, 950, 990, 1000)),
    ],
)
def test_percentiles(count: int, spread: Spread) -> None:
    """Each is one of the values: the smallest that so many are not above."""
    assert Spread.of(array("d", reversed(range(1, count + 1)))) == spread


def told(stage: Stage, interrupted: bool = False) -> tuple[list[str], dict[str, Any]]:
    """What is printed, in both forms."""
    plan = Plan(3, None, None)
    return (
        list(lines("192.0.2.1:69", "file", plan, stage.tally)),
        json.loads(json.dumps(document("192.0.2.1:69", "file", plan, stage.tally, interrupted))),
    )


def test_the_report() -> None:
    """Rates, times and counts, which fit together; nothing is wider than a terminal."""
    stage = Stage(transfers=20)
    stage.run()
    text, found = told(stage)
    seconds = found["seconds"]
    assert (found["schema"], found["server"], found["name"], found["clients"]) == (1, "192.0.2.1:69", "file", 3)
    assert (found["completed"], found["failed"], found["cut_off"]) == (20, 0, 0)
    assert (found["bytes"], found["failures"], found["interrupted"]) == (200_000, {}, False)
    assert found["bytes_per_second"] == pytest.approx(200_000 / seconds)
    assert found["completed_per_second"] == pytest.approx(20 / seconds)
    assert (found["block_size"], found["window_size"], found["retransmits"]) == (1000, 4, 0)
    assert set(found["response_seconds"]) == set(found["transfer_seconds"]) == {"p50", "p95", "p99", "max"}
    assert found["response_seconds"]["p50"] == pytest.approx(0.002)
    assert (
        0 < found["response_seconds"]["max"] < found["transfer_seconds"]["p50"] <= found["transfer_seconds"]["max"]
    )
    assert text[0].startswith("file of 192.0.2.1:69, 3 clients at once, ")
    assert "agreed         blocks of 1000 bytes, windows of 4" in text
    [response] = [line for line in text if line.startswith("response ")]
    assert response.split()[1:3] == ["2.00", "ms"]
    assert max(map(len, text)) < 80


def test_the_report_of_failures() -> None:
    """What was said for each reason; nothing instead of times that there are not."""
    stage = Stage(clients=3, seconds=10, name=b"none", drop=lambda datagram: True)
    stage.run()
    text, found = told(stage, interrupted=True)
    assert text[-1] == "3 failed: no answer from the server"
    assert next(lines("server", "file", Plan(1, None, None), stage.tally)).startswith(
        "file of server, 1 client at once, "
    )
    assert (found["failed"], found["failures"], found["interrupted"]) == (3, {"no-answer": 3}, True)
    assert found["response_seconds"] is found["transfer_seconds"] is found["block_size"] is None
    assert found["bytes_per_second"] == 0
