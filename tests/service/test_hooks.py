"""Hooks: how many at once, how long, what waits and what is dropped, how all that ends. Nothing is really run."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from worker_kit import Events, lines

from tftpd_tw.interfaces import Address, Direction, Outcome, Request, TransferRecord
from tftpd_tw.policy.notices import INTERVAL
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.telemetry.families import HOOK_RUNS
from tftpd_tw.telemetry.hook_queue import MOST_WAITING, Hook, HookError
from tftpd_tw.telemetry.hooks import STOP_SECONDS, Hooks
from tftpd_tw.telemetry.json_lines import json_line, line_fields
from tftpd_tw.telemetry.reports import Report
from tftpd_tw.telemetry.totals import Totals
from tftpd_tw.telemetry.transfer_log import event_of

REQUEST = Request(Direction.READ, b"f", Mode.OCTET, (), Address("192.0.2.7", 2000), Address("192.0.2.1", 69))
COMPLETED = Report(TransferRecord(REQUEST, None, Outcome.COMPLETED, "completed"), 1790000000.5)
FAILED = evolve(COMPLETED, record=evolve(COMPLETED.record, outcome=Outcome.FAILED, reason="client-vanished"))
WRITTEN = evolve(COMPLETED, record=evolve(COMPLETED.record, request=evolve(REQUEST, direction=Direction.WRITE)))


@define(eq=False)
class Run:
    """What would be run."""

    action: "Action"
    record: Mapping[str, Any]
    over: "Deferred[None]" = field(factory=Deferred)
    stopped: bool = False

    def __call__(self) -> None:
        """Never, here."""
        raise NotImplementedError

    def stop(self) -> None:
        """It is to end."""
        assert not self.stopped
        self.stopped = True

    def ends(self, error: Exception | None = None) -> None:
        """Its thread is over."""
        self.action.runs.remove(self)
        if error is None:
            self.over.callback(None)
        else:
            self.over.errback(error)


@define(eq=False)
class Action:
    """What is being run."""

    runs: list[Run] = field(factory=list)
    all: list[Run] = field(factory=list)

    def prepare(self, record: Mapping[str, Any]) -> Run:
        """A run."""
        run = Run(self, record)
        self.all.append(run)
        return run


def in_thread(run: Any) -> "Deferred[None]":
    """It begins."""
    run.action.runs.append(run)
    return run.over  # type: ignore[no-any-return]


@define(eq=False)
class Bench:
    """Hooks of a process, and time."""

    clock: Clock = field(factory=Clock)
    hooks: Hooks = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(1000.0)
        self.hooks = Hooks(self.clock, in_thread, worker=3)

    def use(self, **more: Any) -> Action:
        """One hook."""
        action = Action()
        self.hooks.use([hook(action, **more)])
        return action

    def results(self) -> dict[str, float]:
        """What became of reports."""
        totals = Totals()
        self.hooks.add_figures(totals)
        return {labels[0]: count for labels, count in totals.values[HOOK_RUNS].items()}


def hook(action: Action, name: str = "one", **more: Any) -> Hook:
    """One that does ``action``."""
    return Hook(name, action, **{"timeout": 10.0, "at_once": 2, **more})


@pytest.fixture
def bench() -> Bench:
    """No hooks yet."""
    return Bench()


def test_the_record_is_that_of_the_log(bench: Bench) -> None:
    """The same object as in its line of JSON, with the number of the worker."""
    action = bench.use()
    bench.hooks(COMPLETED)
    [run] = action.runs
    assert run.record == line_fields({**event_of(COMPLETED), "worker": 3})
    assert (run.record["version"], run.record["event"], run.record["worker"]) == (1, "transfer", 3)
    assert '"name": "f"' in json_line(event_of(COMPLETED))


def test_so_many_at_once_and_the_rest_in_turn(bench: Bench) -> None:
    """In the order of the reports."""
    action = bench.use(at_once=2)
    for number in range(5):
        bench.hooks(evolve(COMPLETED, more=number))
    assert [run.record["more"] for run in action.runs] == [0, 1]
    action.runs[1].ends()
    assert [run.record["more"] for run in action.runs] == [0, 2]
    while action.runs:
        action.runs[0].ends()
    assert [run.record["more"] for run in action.all] == [0, 1, 2, 3, 4]
    assert bench.results() == {"success": 5}
    assert bench.clock.getDelayedCalls() == []


def test_what_waits_is_bounded(bench: Bench, events: Events) -> None:
    """What is more is dropped, counted, and told once."""
    action = bench.use(at_once=1)
    for _ in range(1 + MOST_WAITING + 7):
        bench.hooks(COMPLETED)
    assert bench.results() == {"dropped": 7}
    assert lines(events, "hook") == [f"hook one: dropped, since {MOST_WAITING} reports wait for it already"]
    while action.runs:
        action.runs[0].ends()
    assert bench.results() == {"dropped": 7, "success": 1 + MOST_WAITING}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [COMPLETED, FAILED, WRITTEN]),
        ({"outcomes": frozenset({Outcome.FAILED, Outcome.REFUSED})}, [FAILED]),
        ({"only": Direction.WRITE}, [WRITTEN]),
        ({"only": Direction.READ, "outcomes": frozenset({Outcome.COMPLETED})}, [COMPLETED]),
    ],
)
def test_who_wants_what(bench: Bench, settings: dict[str, Any], expected: list[Report]) -> None:
    """By how it ended, and by its direction."""
    action = bench.use(at_once=9, **settings)
    for report in (COMPLETED, FAILED, WRITTEN):
        bench.hooks(report)
    assert [run.record for run in action.runs] == [
        line_fields({**event_of(report), "worker": 3}) for report in expected
    ]


def test_what_takes_too_long(bench: Bench, events: Events) -> None:
    """It is ended and counted; but its place is taken until its thread is over, and how that ends is not told."""
    action = bench.use(at_once=1, timeout=2.5)
    bench.hooks(COMPLETED)
    bench.hooks(COMPLETED)
    bench.clock.advance(2.4)
    [first] = action.runs
    assert not first.stopped
    bench.clock.advance(0.2)
    assert first.stopped
    assert bench.results() == {"timeout": 1}
    assert lines(events, "hook") == ["hook one: ended, since it took longer than 2.5 seconds"]
    bench.clock.advance(100)
    assert action.runs == [first]
    first.ends(HookError("it ended with signal 9"))
    assert bench.results() == {"timeout": 1}
    [second] = action.runs
    second.ends()
    assert bench.results() == {"timeout": 1, "success": 1}
    assert len(lines(events, "hook")) == 1


def test_failures_are_told_once_a_minute(bench: Bench, events: Events) -> None:
    """For each hook, with what went wrong and how often since; all are counted."""
    first, second = Action(), Action()
    bench.hooks.use([hook(first, "one"), hook(second, "two")])

    def fail(why: str) -> None:
        bench.hooks(COMPLETED)
        for action in (first, second):
            action.runs[0].ends(HookError(f"{why}!"))

    for why in ("a", "b", "c"):
        fail(why)
    assert lines(events, "hook") == ["hook one: a!", "hook two: a!"]
    bench.clock.advance(INTERVAL)
    fail("d")
    assert lines(events, "hook")[2:] == ["hook one: d! more=2", "hook two: d! more=2"]
    assert bench.results() == {"failure": 8}


def test_a_hook_with_an_error_of_its_own(bench: Bench, events: Events) -> None:
    """It is a failure like any other; the next one has its turn."""
    action = bench.use(at_once=1)
    bench.hooks(COMPLETED)
    bench.hooks(COMPLETED)
    action.runs[0].ends(RuntimeError("can't start new thread\n"))
    action.runs[0].ends()
    assert bench.results() == {"failure": 1, "success": 1}
    assert lines(events, "hook") == [r"hook one: RuntimeError: can\'t start new thread\x0a"]


def test_other_hooks_are_used(bench: Bench) -> None:
    """One that stays goes on, with what waits for it; one that goes does what it has to; a new one begins."""
    going, staying, new = Action(), Action(), Action()
    bench.hooks.use([hook(going, "going", at_once=1), hook(staying, "staying", at_once=1)])
    bench.hooks(COMPLETED)
    bench.hooks(COMPLETED)
    bench.hooks.use([hook(staying, "staying", at_once=1), hook(new, "new")])
    bench.hooks(FAILED)
    for action in (going, staying, new):
        while action.runs:
            action.runs[0].ends()
    assert [[run.record["outcome"] for run in action.all] for action in (going, staying, new)] == [
        ["completed", "completed"],
        ["completed", "completed", "failed"],
        ["failed"],
    ]
    assert bench.results() == {"success": 6}
    assert fired(bench.hooks.close)


def fired(function: Callable[[], "Deferred[None]"]) -> list[None]:
    """What it gives, as soon as it does."""
    found: list[None] = []
    function().addCallback(found.append)
    return found


@pytest.mark.parametrize("replaced", [False, True])
def test_the_end_waits_for_what_is_on_its_way(bench: Bench, events: Events, replaced: bool) -> None:
    """Also for hooks that a reload has replaced, and for what waits."""
    action = bench.use(at_once=1)
    for _ in range(2):
        bench.hooks(COMPLETED)
    if replaced:
        bench.hooks.use([])
    closed = fired(bench.hooks.close)
    bench.clock.advance(STOP_SECONDS - 0.1)
    action.runs[0].ends()
    assert not closed
    action.runs[0].ends()
    assert closed
    assert bench.results() == {"success": 2}
    assert lines(events, "") == []
    assert bench.clock.getDelayedCalls() == []


def test_the_end_does_not_wait_for_ever(bench: Bench, events: Events) -> None:
    """What is not done by then is ended or dropped, which is told in one line."""
    action = bench.use(at_once=2)
    for _ in range(5):
        bench.hooks(COMPLETED)
    closed = fired(bench.hooks.close)
    bench.clock.advance(STOP_SECONDS)
    assert closed
    assert [run.stopped for run in action.all] == [True, True]
    assert bench.results() == {"dropped": 3, "timeout": 2}
    assert lines(events, "") == ["5 reports were given up by hooks, since the daemon stops"]
    assert bench.clock.getDelayedCalls() == []
    for run in list(action.runs):
        run.ends(HookError("it ended with signal 9"))
    assert len(action.all) == 2


def test_what_was_given_up_for_its_time_is_not_waited_for(bench: Bench) -> None:
    """A program on a dead file server does not hold up the end."""
    action = bench.use(timeout=1.0)
    bench.hooks(COMPLETED)
    bench.clock.advance(1.0)
    assert action.runs[0].stopped
    assert fired(bench.hooks.close)


@pytest.mark.parametrize("closing", [False, True])
def test_in_a_hurry(bench: Bench, events: Events, closing: bool) -> None:
    """All is over at once, whether the end has begun or not; and no report begins anything any more."""
    action = bench.use(at_once=1)
    bench.hooks(COMPLETED)
    bench.hooks(COMPLETED)
    closed = fired(bench.hooks.close) if closing else []
    bench.hooks.hurry()
    assert action.runs[0].stopped
    if not closing:
        bench.hooks(COMPLETED)
        closed = fired(bench.hooks.close)
    assert closed
    assert len(action.all) == 1
    count = 2 if closing else 3
    assert bench.results() == {"timeout": 1, "dropped": count - 1}
    assert lines(events, "") == [f"{count} reports were given up by hooks, since the daemon stops"]
    assert bench.clock.getDelayedCalls() == []
