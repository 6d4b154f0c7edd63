"""What the HTTP port answers to programs."""

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from web_kit import FakeServing, ask, body, no_suggestions, shown, view

from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.totals import Totals
from tftpd_tw.web.api import MISSES, make_api


def answer(serving: FakeServing, path: str, suggest: Any = no_suggestions, **arguments: Any) -> Any:
    """The value that is answered, and how."""
    request = ask(make_api(shown(serving, suggest)), path, **arguments)
    assert request.responseHeaders.getRawHeaders("content-type") == ["application/json"]
    assert request.responseHeaders.getRawHeaders("cache-control") == ["no-store"]
    assert request.responseHeaders.getRawHeaders("content-length") == [str(len(body(request)))]
    return request.responseCode, json.loads(body(request))


def names(transfers: list[dict[str, Any]]) -> list[str]:
    """Of the files."""
    return [transfer["name"] for transfer in transfers]


@pytest.fixture
def serving() -> FakeServing:
    """With two in progress, and three that have ended."""
    serving = FakeServing()
    active = [
        {"id": 1, "client": "192.0.2.7", "name": "a1", "seconds": 1.0},
        {"id": 2, "client": "192.0.2.8", "name": "a2", "seconds": 5.0},
    ]
    serving.ended(
        {"time": "1", "name": "e1"},
        {"time": "3", "name": "e3", "client": "192.0.2.8", "outcome": "failed"},
        {"time": "2", "name": "e2", "outcome": "refused"},
    )
    serving.looks[0]["active"] = active
    return serving


def test_transfers(serving: FakeServing) -> None:
    """Up to date: the oldest in progress first, the last that ended first."""
    status, value = answer(serving, "transfers")
    assert status is None
    assert (value["schema"], names(value["active"]), names(value["ended"])) == (
        1,
        ["a2", "a1"],
        ["e3", "e2", "e1"],
    )
    assert value["active"][0]["id"] == "0-2"
    assert serving.asked == ["look"]


@pytest.mark.parametrize(
    ("arguments", "active", "ended"),
    [
        ({"last": "1"}, ["a2", "a1"], ["e3"]),
        ({"last": "0"}, ["a2", "a1"], []),
        ({"client": "192.0.2.8"}, ["a2"], ["e3"]),
        ({"client": ["192.0.2.8", "192.0.2.7"]}, ["a2", "a1"], ["e3", "e2", "e1"]),
        ({"client": "192.0.2"}, [], []),
        ({"name": "2"}, ["a2"], ["e2"]),
        ({"name": ["e", "2"]}, [], ["e2"]),
        ({"outcome": "failed"}, [], ["e3"]),
        ({"outcome": ["failed", "refused"], "last": "1"}, [], ["e3"]),
        ({"client": "192.0.2.7", "outcome": "refused"}, [], ["e2"]),
    ],
)
def test_some_transfers(serving: FakeServing, arguments: Any, active: list[str], ended: list[str]) -> None:
    """Those of a client, of a name, with an outcome; the last ones."""
    _, value = answer(serving, "transfers", **arguments)
    assert (names(value["active"]), names(value["ended"])) == (active, ended)


OUTCOMES = "outcome: expected one of completed, failed, refused, size-probe, unanswered, ignored, got 'lost'"


@pytest.mark.parametrize(
    ("path", "arguments", "error"),
    [
        ("transfers", {"last": "-1"}, "last: expected a number, got '-1'"),
        ("transfers", {"last": "\xff"}, "last: expected a number, got 'ÿ'"),
        ("misses", {"last": "x"}, "last: expected a number, got 'x'"),
        ("transfers", {"outcome": "lost"}, OUTCOMES),
        ("transfers", {"last": ""}, "last: expected a number, got ''"),
        (
            "transfers",
            {"outcomes": "failed"},
            "'outcomes' is no parameter of this page; it knows client, last, name, outcome",
        ),
        ("misses", {"name": "x"}, "'name' is no parameter of this page; it knows client, last"),
        ("history", {"last": "1"}, "'last' is no parameter of this page; it knows none"),
    ],
)
def test_mistakes(serving: FakeServing, path: str, arguments: Any, error: str) -> None:
    """What is wrong with a question is said."""
    assert answer(serving, path, **arguments) == (400, {"error": error})


def test_misses(serving: FakeServing) -> None:
    """Those that are asked for most often, with what may be meant."""
    serving.ended(
        {"outcome": "refused", "reason": "not-found", "name": "x", "time": "4", "more": 2},
        {"outcome": "refused", "reason": "not-found", "name": "y", "time": "5"},
        {"outcome": "refused", "reason": "not-found", "name": "x", "time": "6", "client": "192.0.2.9"},
    )
    serving.look()
    asked = []

    def suggest(names: Any) -> "Deferred[list[list[str]]]":
        asked.append(list(names))
        return succeed([[f"{name}1", f"{name}2"] for name in names])

    _, value = answer(serving, "misses", suggest)
    assert asked == [["x", "y"]]
    assert value["misses"][0] == {
        "direction": "read",
        "name": "x",
        "reason": "not-found",
        "count": 4,
        "clients": 2,
        "last": "6",
        "last_client": "192.0.2.9",
        "suggestions": ["x1", "x2"],
    }
    assert [miss["count"] for miss in value["misses"]] == [4, 1, 1]
    assert names(answer(serving, "misses", last="1")[1]["misses"]) == ["x"]
    assert names(answer(serving, "misses", client="192.0.2.9")[1]["misses"]) == ["x"]
    assert names(answer(serving, "misses", client=["192.0.2.9", "192.0.2.7"])[1]["misses"]) == ["x", "e2", "y"]
    assert names(answer(serving, "misses", client="192.0.2.1")[1]["misses"]) == []


def test_no_more_misses_than_anybody_reads(serving: FakeServing) -> None:
    """Unless they are asked for."""
    serving.ended(*({"outcome": "refused", "name": str(number)} for number in range(2 * MISSES)))
    serving.look()
    assert len(answer(serving, "misses")[1]["misses"]) == MISSES
    assert len(answer(serving, "misses", last="1000")[1]["misses"]) == 2 * MISSES + 1


def test_history(serving: FakeServing) -> None:
    """Columns, and how far apart they are."""
    for second in (0, 10):
        totals = Totals()
        totals.count(families.BYTES, "read", by=1000 * second)
        serving.history.add(totals, 100.0 + second, 1790000000.0 + second)
    _, value = answer(serving, "history")
    assert (value["interval"], value["at"], value["read"], value["written"]) == (10.0, [1790000010.0], [1000], [0])
    assert {len(value[key]) for key in ("active", "completed", "failed", "retransmits")} == {1}


def test_status(serving: FakeServing) -> None:
    """What the daemon says, with fresh figures."""
    _, value = answer(serving, "status")
    assert value["version"] == "1.2.3"
    assert serving.asked == ["refresh"]


def test_one_who_has_gone(serving: FakeServing) -> None:
    """Nothing is written to a connection that was closed while the answer was fetched."""
    serving.waiting = Deferred()
    request = ask(make_api(shown(serving)), "status")
    request.processingFailed(Failure(ConnectionError()))
    serving.waiting.callback(None)
    assert body(request) == b""


def test_nothing_else() -> None:
    """There is no such page."""
    api = make_api(shown(FakeServing()))
    assert ask(api, "secrets").responseCode == 404
    assert ask(api, "").responseCode == 404
    assert view() == {"count": 0, "ended": [], "active": [], "missed": []}
