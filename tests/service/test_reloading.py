"""Settings that are read again: all are taken or none, and it is said what became of them (F21)."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from worker_kit import Events, lines

from tftpd_tw.service.apart import run_apart
from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.configuration import Configuration, Filesystem, Monitoring, Performance
from tftpd_tw.service.opening import OpenError
from tftpd_tw.service.reloading import Reloader, changed, without_restart
from tftpd_tw.service.value_types import Count, Folder, HttpAddress, WindowSize, Workers
from tftpd_tw.telemetry.prometheus import ReloadCollector

FIRST = Configuration(filesystem=Filesystem(Folder("/first")))


def windows(size: int) -> Configuration:
    """Other settings."""
    return evolve(FIRST, performance=Performance(window_size=WindowSize(size)))


class World:
    """A reloader whose neighbours note what they are told; the thread waits to be let go on."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.found: Configuration | Exception = FIRST
        self.refusal: Exception | None = None
        self.threads: list[Deferred[Any]] = []
        self.time = 1000.0
        self.reloader = Reloader(
            FIRST,
            self.read,
            self.apply,
            self.in_thread,
            began=lambda: self.told.append("began"),
            ended=lambda problems: self.told.append(list(problems)),
            now=lambda: self.time,
        )

    def read(self) -> Configuration:
        """The file."""
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    async def apply(self, configuration: Configuration) -> None:
        """Who serves."""
        if self.refusal is not None:
            raise self.refusal
        self.told.append(configuration)

    def in_thread(self, function: Callable[[], Any]) -> "Deferred[Any]":
        """Runs it when it is let go on."""
        self.threads.append(Deferred().addCallback(lambda _: function()))
        return self.threads[-1]

    def reload(self) -> "list[list[str]]":
        """Ask for it; where the answer will be."""
        answers: list[list[str]] = []
        self.reloader.reload().addCallback(lambda outcome: answers.append(list(outcome.problems)))
        return answers

    def go_on(self) -> None:
        """The oldest thread does its work."""
        self.threads.pop(0).callback(None)

    def metrics(self) -> dict[str, float]:
        """What Prometheus gets."""
        samples = [sample for family in ReloadCollector(self.reloader).collect() for sample in family.samples]
        return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


@pytest.fixture
def world() -> World:
    """Settings that were read at the start."""
    return World()


def test_the_start_counts(world: World) -> None:
    """What was read then was taken."""
    assert world.metrics() == {
        "tftp_config_last_reload_success": 1,
        "tftp_config_last_reload_timestamp_seconds": 1000.0,
        "tftp_config_reloads_total success": 0,
        "tftp_config_reloads_total failure": 0,
    }


def test_settings_that_are_taken(world: World, events: Events) -> None:
    """Who serves gets them; the log says which are others."""
    world.found, world.time = windows(3), 2000.0
    answers = world.reload()
    assert (answers, world.told) == ([], ["began"])
    world.go_on()
    assert answers == [[]]
    assert world.told == ["began", windows(3), []]
    assert world.reloader.configuration == windows(3)
    assert lines(events, "") == ["reloaded; changed: performance.window_size"]
    assert world.metrics()["tftp_config_last_reload_timestamp_seconds"] == 2000.0


def test_the_same_settings(world: World, events: Events) -> None:
    """They are handed on all the same: what is behind a name may be another."""
    world.reload()
    world.go_on()
    assert world.told == ["began", FIRST, []]
    assert lines(events, "") == ["reloaded; changed: nothing"]


MISTAKES = ["tftpd.yaml:7: performance.timeout: expected seconds, got 'soon'", "tftpd.yaml:9: port: unknown key"]


@pytest.mark.parametrize(
    ("found", "refusal", "problems"),
    [
        (ConfigurationError(MISTAKES), None, MISTAKES),
        (windows(3), OpenError("cannot listen on UDP"), ["cannot listen on UDP"]),
    ],
    ids=["file", "port"],
)
def test_settings_that_cannot_be_taken(
    found: Any, refusal: Exception | None, problems: list[str], world: World, events: Events
) -> None:
    """Nothing changes; each mistake is a line of the log, and the figures say so until the next that is right."""
    world.found, world.refusal, world.time = found, refusal, 2000.0
    answers = world.reload()
    world.go_on()
    assert answers == [problems]
    assert world.told == ["began", problems]
    assert world.reloader.configuration == FIRST
    start = "not reloaded, the settings stay as they were: "
    assert lines(events, "") == [start + problem for problem in problems]
    assert world.metrics() == {
        "tftp_config_last_reload_success": 0,
        "tftp_config_last_reload_timestamp_seconds": 2000.0,
        "tftp_config_reloads_total success": 0,
        "tftp_config_reloads_total failure": 1,
    }
    world.found, world.refusal = windows(3), None
    world.reload()
    world.go_on()
    assert world.metrics()["tftp_config_last_reload_success"] == 1


class BrokenTests(TestCase):
    """An error of our own."""

    def test_it_is_told(self) -> None:
        """The log has its traceback, and whoever asked hears of it."""
        world = World()
        world.refusal = ZeroDivisionError()
        answers = world.reload()
        world.go_on()
        assert answers == [["an error of the daemon's own; see its log"]]
        assert len(self.flushLoggedErrors(ZeroDivisionError)) == 1

    async def test_the_thread(self) -> None:
        """It is not the reactor's, and the end of the process does not wait for it; what it raises arrives."""
        from twisted.internet import reactor

        thread = await run_apart(reactor, threading.current_thread)
        assert thread.daemon
        assert thread is not threading.current_thread()
        with pytest.raises(ConfigurationError):
            await run_apart(reactor, self.fail_to_read)

    def fail_to_read(self) -> None:
        """As a file does."""
        raise ConfigurationError(["no"])


def test_who_asks_meanwhile_gets_the_next(world: World) -> None:
    """What is under way may have read the file before it was changed; all that wait are answered by one more."""
    first = world.reload()
    second, third = world.reload(), world.reload()
    assert len(world.threads) == 1
    world.go_on()
    assert (first, second, third) == ([[]], [], [])
    world.found = windows(3)
    world.go_on()
    assert (second, third) == ([[]], [[]])
    assert world.reloader.configuration == windows(3)
    assert world.threads == []
    assert world.told.count("began") == 2


def test_one_that_asks_again_when_it_is_answered(world: World) -> None:
    """It gets another, and there is one at a time."""
    later: list[Any] = []
    world.reloader.reload().addCallback(lambda _: later.append(world.reload()))
    waiting = world.reload()
    world.go_on()
    assert len(world.threads) == 1
    world.go_on()
    assert waiting == [[]]
    assert later == [[[]]]
    assert world.threads == []


def test_what_takes_a_restart(world: World, events: Events) -> None:
    """It stays as it is, and one line names it, at each reload until there was one."""
    http = HttpAddress("127.0.0.1", 1)
    world.found = evolve(
        FIRST,
        performance=Performance(workers=Workers(4), max_retries=Count(1)),
        monitoring=Monitoring(http),
    )
    for _ in range(2):
        outcome = world.reloader.reload()
        world.go_on()
        assert list(outcome.result.late) == ["performance.workers", "monitoring.http"]
    assert world.told[1] == evolve(FIRST, performance=Performance(max_retries=Count(1)))
    late = "changed by a restart only: performance.workers, monitoring.http"
    assert lines(events, "") == [
        "reloaded; changed: performance.max_retries",
        late,
        "reloaded; changed: nothing",
        late,
    ]


def test_names() -> None:
    """As users write them."""
    assert changed(FIRST, evolve(windows(3), filesystem=Filesystem())) == [
        "filesystem.root",
        "performance.window_size",
    ]
    assert without_restart(FIRST, windows(3)) == (windows(3), [])
