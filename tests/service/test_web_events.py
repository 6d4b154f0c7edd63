"""The live stream of the page: frames, for everybody who looks, and for nobody else."""

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from web_kit import FakeServing, ask, body, view

from tftpd_tw.telemetry import families
from tftpd_tw.web.events import INTERVAL, MOST_ACTIVE, MOST_ENDED, MOST_STREAMS, Events


class World:
    """A daemon, its stream and the time."""

    def __init__(self) -> None:
        self.clock, self.serving = Clock(), FakeServing()
        self.events = Events(self.clock, self.serving)

    def look(self) -> Any:
        """Somebody begins to look."""
        return ask(self.events, "")

    def passes(self, seconds: float = INTERVAL) -> None:
        """Time does."""
        self.clock.advance(seconds)


def frames(request: Any) -> list[Any]:
    """What has come, and is forgotten."""
    written, request.written = body(request).decode(), []
    events = written.split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    return [json.loads(event.removeprefix("data: ")) for event in events]


def ended(frame: Any) -> list[str]:
    """Names of those that a frame says have ended."""
    return [transfer["name"] for transfer in frame["ended"]]


def leaves(request: Any) -> None:
    """The connection is closed."""
    request.processingFailed(Failure(ConnectionError()))


@pytest.fixture
def world() -> World:
    """Nobody looks yet."""
    return World()


def test_a_frame_a_second(world: World) -> None:
    """From the first moment on; what has ended comes once, whatever was before."""
    world.serving.ended({"name": "before"})
    request = world.look()
    assert request.responseHeaders.getRawHeaders("content-type") == ["text/event-stream"]
    assert [ended(frame) for frame in frames(request)] == [["before"]]
    world.serving.ended({"name": "a"}, {"name": "b"})
    world.passes()
    world.passes()
    first, second = frames(request)
    assert (ended(first), ended(second)) == (["a", "b"], [])
    assert world.serving.asked == ["refresh", "look"] * 3


def test_what_a_frame_says(world: World) -> None:
    """The state, the rates since the one before, and those in progress."""
    world.serving.looks = [view(active=[{"id": 1, "seconds": 3.0}, {"id": 2, "seconds": 4.0}])]
    figures = world.serving.figures
    figures.count(families.UNVERIFIED, by=1)
    figures.count(families.OPENING, by=2)
    figures.count(families.BYTES, "read", by=1000)
    request = world.look()
    figures.count(families.BYTES, "read", by=5000)
    figures.count(families.BYTES, "write", by=70)
    world.serving.healthy = False
    world.passes(2 * INTERVAL)
    first, second = frames(request)
    assert first["rates"] == {"read": 0, "write": 0}
    assert second["rates"] == {"read": 2500, "write": 35}
    assert (first["healthy"], second["healthy"]) == (True, False)
    assert [transfer["id"] for transfer in first["active"]] == ["0-2", "0-1"]
    assert {key: second[key] for key in ("schema", "active_count", "unverified", "opening")} == {
        "schema": 1,
        "active_count": 2,
        "unverified": 1,
        "opening": 2,
    }


def test_a_frame_is_bounded(world: World) -> None:
    """Whatever the daemon has to do."""
    active = [{"id": number, "seconds": float(number)} for number in range(3 * MOST_ACTIVE)]
    world.serving.ended(*({"name": str(number)} for number in range(3 * MOST_ENDED)))
    world.serving.looks[0]["active"] = active
    [frame] = frames(world.look())
    assert frame["active_count"] == 3 * MOST_ACTIVE
    assert [transfer["id"] for transfer in frame["active"]] == [
        f"0-{number}" for number in range(3 * MOST_ACTIVE - 1, 2 * MOST_ACTIVE - 1, -1)
    ]
    assert ended(frame) == [str(number) for number in range(2 * MOST_ENDED, 3 * MOST_ENDED)]


def test_nobody_looks(world: World) -> None:
    """Then nothing is done; and whoever comes then gets a frame at once, and no rate of the time between."""
    world.passes()
    assert world.serving.asked == []
    request = world.look()
    leaves(request)
    assert world.clock.getDelayedCalls() == []
    world.passes(60)
    world.serving.figures.count(families.BYTES, "read", by=1000)
    [frame] = frames(world.look())
    assert frame["rates"] == {"read": 0, "write": 0}


def test_several_look(world: World) -> None:
    """Each frame is made once; who comes later gets the latest at once, with all that has ended."""
    world.serving.ended({"name": "a"})
    first = world.look()
    world.passes(INTERVAL / 2)
    second = world.look()
    assert [ended(frame) for frame in frames(second)] == [["a"]]
    world.serving.ended({"name": "b"})
    world.passes(INTERVAL / 2)
    assert [ended(frame) for frame in frames(first)] == [["a"], ["b"]]
    assert [ended(frame) for frame in frames(second)] == [["b"]]
    assert world.serving.asked == ["refresh", "look"] * 2
    leaves(first)
    world.passes()
    assert len(frames(second)) == 1


def test_a_slow_browser(world: World) -> None:
    """It misses frames, and nothing that has ended; nothing is kept for it. Others do not notice."""
    slow, other = world.look(), world.look()
    frames(slow)
    frames(other)
    slow.producer.pauseProducing()
    for name in "abc":
        world.serving.ended({"name": name})
        world.passes()
    assert frames(slow) == []
    assert [ended(frame) for frame in frames(other)] == [["a"], ["b"], ["c"]]
    slow.producer.resumeProducing()
    world.passes()
    assert [ended(frame) for frame in frames(slow)] == [["a", "b", "c"]]
    assert [ended(frame) for frame in frames(other)] == [[]]


def test_somebody_comes_while_a_frame_is_made(world: World) -> None:
    """There is one frame a second, whoever left and came meanwhile."""
    waiting = world.serving.waiting = Deferred()
    leaves(world.look())
    request = world.look()
    world.serving.waiting = None
    waiting.callback(None)
    frames(request)
    for _ in range(3):
        world.passes()
        assert len(frames(request)) == 1


def test_another_run(world: World) -> None:
    """A frame tells which run of the daemon it is of, and how many records there were."""
    [frame] = frames(world.look())
    world.serving.ended({"name": "a"}, {"name": "b"})
    world.passes()
    [after] = frames(world.look())
    [other] = frames(World().look())
    assert frame["instance"] == after["instance"] != other["instance"]
    assert (frame["ended_count"], after["ended_count"]) == (0, 2)
    assert [record["number"] for record in after["ended"]] == [1, 2]


def test_too_many(world: World) -> None:
    """There is a limit to those who look; a place that becomes free is free."""
    looking = [world.look() for _ in range(MOST_STREAMS)]
    late = world.look()
    assert (late.responseCode, body(late)) == (503, b"too many look already\n")
    leaves(looking[3])
    assert world.look().responseCode is None


def test_only_the_head(world: World) -> None:
    """Whoever asks for no more than that begins no stream."""
    request = ask(world.events, "", method="HEAD")
    assert body(request) == b""
    assert world.serving.asked == []
