"""What workers say to the daemon: their figures, which it adds up, and their log."""

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from worker_kit import Events, Reactor, Start, lines

from tftpd_tw.service.messages import ASK_FIGURES, REPLIES, ask_view, encode
from tftpd_tw.service.supervision import WorkersService
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.totals import Totals


def figures(active: int, **dropped: int) -> dict[str, Any]:
    """A snapshot."""
    totals = Totals()
    totals.count(families.ACTIVE, by=active)
    for reason, count in dropped.items():
        totals.count(families.DROPPED, reason, by=count)
    return totals.snapshot()


def refreshed(service: WorkersService) -> "Deferred[None]":
    """A scrape."""
    return service.refresh()


def test_figures_are_added_up(start: Start, reactor: Reactor) -> None:
    """Those that serve are asked, once for scrapes at the same time."""
    service = start()
    first, second = reactor.processes
    assert refreshed(service).called
    assert service.serving == 0
    first.says(ready=True)
    second.says(ready=True)
    assert service.serving == 2
    for process in (first, second):
        process.written = b""
    scrapes = [refreshed(service), refreshed(service)]
    assert first.written == second.written == ASK_FIGURES
    first.says(figures=figures(2, malformed=3))
    assert not any(scrape.called for scrape in scrapes)
    second.says(figures=figures(5, malformed=10))
    assert all(scrape.called for scrape in scrapes)
    assert service.totals().active == 7
    assert service.totals().get(families.DROPPED, "malformed") == 13
    assert service.unresponsive == 0
    reactor.advance(10)
    assert service.uptime == 10


def test_one_that_does_not_answer(start: Start, reactor: Reactor) -> None:
    """After a second its last figures stand in for it; it is not asked again before it has answered."""
    service = start()
    first, second = reactor.processes
    for process in (first, second):
        process.says(ready=True)
    scrape = refreshed(service)
    for process in (first, second):
        process.says(figures=figures(1, malformed=1))
    assert scrape.called
    second.written = b""
    for _ in range(2):
        scrape = refreshed(service)
        first.says(figures=figures(1, malformed=5))
        reactor.advance(0.99)
        assert not scrape.called
        reactor.advance(0.01)
        assert scrape.called
        assert service.unresponsive == 1
        assert service.totals().get(families.DROPPED, "malformed") == 6
    assert second.written == ASK_FIGURES
    second.says(figures=figures(1, malformed=2))
    scrape = refreshed(service)
    for process in (first, second):
        process.says(figures=figures(1, malformed=7))
    assert scrape.called
    assert service.unresponsive == 0
    assert second.written == ASK_FIGURES * 2


def test_the_dead_keep_their_figures(start: Start, reactor: Reactor) -> None:
    """What was counted stays counted; what was in progress is lost; a scrape does not wait for the dead."""
    service = start()
    first, second = reactor.processes
    for process in (first, second):
        process.says(ready=True)
        process.says(figures=figures(3, malformed=4))
    scrape = refreshed(service)
    second.says(figures=figures(3, malformed=4))
    first.dies(9)
    assert scrape.called
    assert service.serving == 1
    assert service.totals().active == 3
    assert service.totals().get(families.DROPPED, "malformed") == 8
    reactor.advance(1)
    third = reactor.processes[2]
    third.says(ready=True)
    third.says(figures=figures(1, malformed=1))
    assert service.totals().active == 4
    assert service.totals().get(families.DROPPED, "malformed") == 9
    assert service.restarts == 1


def seen(count: int, *names: str, active: int = 0) -> dict[str, Any]:
    """What a worker says of its transfers."""
    ended = [{"name": name, "time": name, "outcome": "completed"} for name in names]
    return {"count": count, "missed": [], "ended": ended, "active": [{"id": 7, "seconds": 1.0}] * active}


def test_transfers_are_put_together(start: Start, reactor: Reactor) -> None:
    """Each is asked for what has come since it was asked last, once for all who look at the same time."""
    service = start()
    first, second = reactor.processes
    assert service.look().called
    for process in (first, second):
        process.says(ready=True)
        process.written = b""
    looks = [service.look(), service.look()]
    assert first.written == second.written == ask_view(0)
    first.says(view=seen(1, "a", active=1))
    assert not any(look.called for look in looks)
    second.says(view=seen(2, "b", "c"))
    assert all(look.called for look in looks)
    assert [report["name"] for report in service.board.ended] == ["c", "b", "a"]
    assert [transfer["id"] for transfer in service.board.active] == ["1-7"]
    second.written = b""
    service.look()
    assert second.written == ask_view(2)


def test_one_that_does_not_say_its_transfers(start: Start, reactor: Reactor) -> None:
    """What it said last is shown; its figures are asked for all the same. One that dies has none any more."""
    service = start()
    first, second = reactor.processes
    for process in (first, second):
        process.says(ready=True)
    service.look()
    first.says(view=seen(1, "a", active=1))
    second.says(view=seen(0, active=1))
    look, scrape = service.look(), service.refresh()
    for process in (first, second):
        process.says(figures=figures(1))
    assert scrape.called
    second.says(view=seen(0, active=1))
    reactor.advance(1)
    assert look.called
    assert len(service.board.active) == 2
    look = service.look()
    second.says(view=seen(0, active=1))
    first.dies(9)
    assert look.called
    assert [transfer["worker"] for transfer in service.board.active] == [2]
    reactor.advance(1)
    third = reactor.processes[2]
    third.says(ready=True)
    third.written = b""
    service.look()
    assert third.written == ask_view(0)


def test_the_log_of_a_worker(start: Start, reactor: Reactor, events: Events) -> None:
    """An event comes out as it went in, with the worker's number, and with its own time."""
    start()
    log = {"time": 5.0, "level": "info", "namespace": "a.b", "text": "it {was}", "fields": {"bytes": 7}}
    piece = encode({"log": log})
    reactor.processes[1].protocol.childDataReceived(REPLIES, piece[:10])
    reactor.processes[1].protocol.childDataReceived(REPLIES, piece[10:])
    event = events[-1]
    assert (event["log_time"], event["log_namespace"], event["log_level"].name) == (5.0, "a.b", "info")
    assert (event["text"], event["bytes"], event["worker"]) == ("it {was}", 7, 2)
    assert event["log_system"] == "a.b#info worker 2"


def test_last_words(start: Start, reactor: Reactor, events: Events) -> None:
    """What a crash writes is in the log, line by line."""
    start()
    for number in (1, 2):
        reactor.processes[0].protocol.childDataReceived(number, b"Fatal \xff error\nmore\n")
    assert lines(events) == ["worker 1 (pid 1000): Fatal \\xff error", "worker 1 (pid 1000): more"] * 2


@pytest.mark.parametrize(
    "line", [b"{", b"7", b'{"log": {}}', b'{"log": 7}', b'{"figures": {}}', b'{"figures": []}', b"\xff"]
)
def test_nonsense(line: bytes, start: Start, reactor: Reactor, events: Events) -> None:
    """It is a line in the log and no more."""
    start()
    reactor.processes[0].protocol.childDataReceived(REPLIES, line + b"\n")
    assert lines(events)[0].startswith("worker 1 said what makes no sense: ")
    reactor.processes[0].says(ready=True)
    assert lines(events)[-1] == "worker 1 (pid 1000) serves"


def test_a_message_that_is_not_known(start: Start, reactor: Reactor) -> None:
    """One of another version's, perhaps."""
    start()
    reactor.processes[0].protocol.childDataReceived(REPLIES, json.dumps({"new": 1}).encode() + b"\n")


def test_what_the_daemon_uses_itself(start: Start, reactor: Reactor) -> None:
    """It is in the figures, and does not add up from one scrape to the next, not even while there is no worker."""
    service = start()
    for process in list(reactor.processes):
        process.dies(9)
    before, after = (service.totals().get(families.MOST_DESCRIPTORS) for _ in range(2))
    assert before == after > 0
