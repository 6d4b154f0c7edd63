"""The transfers of a daemon as values: what each process knows, and all of it together."""

import json
from typing import Any

import pytest

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.reports import Reports
from tftpd_tw.telemetry.view import View
from tftpd_tw.testing import MemoryNetwork


@pytest.fixture
def watched() -> tuple[MemoryNetwork, View]:
    """A server with one file, and what is seen of it."""
    network = MemoryNetwork()
    accounting = Accounting(network.clock)
    view = View(network.clock, accounting, 3)
    observers = [accounting, Reports(network.clock, [view], on_refused=view.refused, now=lambda: 1790000000.25)]
    network.serve(MemoryBackend({b"file": b"x" * 1000}, writable=True), observers=observers)
    return network, view


def test_a_transfer_in_progress(watched: tuple[MemoryNetwork, View]) -> None:
    """How far it is, and all that is known of it; it can be sent as JSON."""
    network, view = watched
    peer = network.host("192.0.2.100").raw()
    peer.ask(b"\0\1file\0octet\0tsize\x000\0")
    peer.send(b"\0\4\0\0", peer.tid)
    peer.wait(1.0)
    peer.send(b"\0\4\0\1", peer.tid)
    peer.wait(0.01)
    found = view.since(0)
    assert json.loads(json.dumps(found)) == found
    [transfer] = found["active"]
    assert 1.0 < transfer.pop("seconds") < 1.2
    assert 512 / 1.2 < transfer.pop("rate") < 512
    assert transfer.pop("retransmits") > 0
    assert transfer.pop("round_trip_ms") == pytest.approx(50, abs=10)
    assert transfer == {
        "id": 1,
        "client": "192.0.2.100",
        "port": peer.socket.address.port,
        "local": "192.0.2.1",
        "direction": "read",
        "name": "file",
        "mode": "octet",
        "asked": {"tsize": "0"},
        "agreed": {"tsize": 1000},
        "size": 1000,
        "profile": None,
        "backend": "memory",
        "served": "file",
        "bytes": 512,
        "blocks": 1,
        "verified": True,
    }
    assert (found["ended"], found["count"]) == ([], 0)


def test_what_has_ended(watched: tuple[MemoryNetwork, View]) -> None:
    """Only what is new, and no more than is kept."""
    network, view = watched
    for number in range(2):
        network.put(b"%d" % number, b"x")
    network.run_until_idle()
    found = view.since(0)
    assert [report["name"] for report in found["ended"]] == ["0", "1"]
    assert {report["time"] for report in found["ended"]} == {"2026-09-21T14:13:20.250Z"}
    assert view.since(found["count"])["ended"] == []
    for number in range(2, 7):
        network.put(b"%d" % number, b"x")
    network.run_until_idle()
    assert [report["name"] for report in view.since(6)["ended"]] == ["6"]
    found = view.since(1)
    assert ([report["name"] for report in found["ended"]], found["count"]) == (["4", "5", "6"], 7)
    assert found["active"] == []


def seen(count: int, *ended: str, active: tuple[tuple[int, float], ...] = ()) -> dict[str, Any]:
    """What a process says: times of those that have ended, numbers and ages of those in progress."""
    return {
        "active": [{"id": number, "seconds": seconds} for number, seconds in active],
        "ended": [{"time": time, "outcome": "completed"} for time in ended],
        "count": count,
        "missed": [],
    }


def test_two_workers() -> None:
    """Their transfers together, each with its worker; those that ended in the order of time."""
    board = Board(4)
    board.take(seen(2, "1", "3", active=((7, 2.0),)), 1)
    board.take(seen(5, "2", active=((7, 1.0), (3, 9.0))), 2)
    assert [transfer["id"] for transfer in board.active] == ["2-3", "1-7", "2-7"]
    assert [(report["time"], report["worker"]) for report in board.ended] == [("3", 1), ("2", 2), ("1", 1)]
    assert (board.seen(1), board.seen(2), board.seen(3)) == (2, 5, 0)
    count = board.count
    board.take(seen(4, "4", "5"), 1)
    assert [report["time"] for report in board.ended_since(count)] == ["4", "5"]
    assert board.ended_since(board.count) == []
    assert [report["number"] for report in board.ended_since(count)] == [board.count - 1, board.count]
    assert [report["time"] for report in board.ended] == ["5", "4", "3", "2"]
    assert len(board.ended_since(0)) == 4
    assert [transfer["id"] for transfer in board.active] == ["2-3", "2-7"]


def test_a_worker_that_is_gone() -> None:
    """So are its transfers, and not what it said of those before; the next one counts anew."""
    board = Board(4)
    board.take(seen(2, "1", "2", active=((7, 2.0),)), 1)
    board.forget(1)
    assert (board.active, board.seen(1), len(board.ended)) == ([], 0, 2)
    board.take(seen(1, "3"), 1)
    assert (board.seen(1), len(board.ended)) == (1, 3)


def test_one_process(watched: tuple[MemoryNetwork, View]) -> None:
    """The same without workers; a second look brings nothing twice."""
    network, view = watched
    board = Board(4)
    network.get(b"file")
    network.run_until_idle()
    for _ in range(2):
        board.look(view)
    [report] = board.ended
    assert (report["name"], report["worker"], report["outcome"]) == ("file", None, "completed")


def test_every_refused_request_is_counted(watched: tuple[MemoryNetwork, View]) -> None:
    """Though the same one is told once a minute."""
    network, view = watched
    peer, board = network.host("192.0.2.100").raw(), Board(4)
    for _ in range(5):
        peer.ask(b"\0\1none\0octet\0")
    board.look(view)
    peer.ask(b"\0\1none\0octet\0")
    board.look(view)
    [miss] = board.misses.ranked(10)
    assert (miss["name"], miss["count"], miss["clients"]) == ("none", 6, 1)
    assert len(board.ended) == 1
