"""The last hour, in samples; and the names that are missing, in order."""

import json

import pytest

from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.history import KEPT, History
from tftpd_tw.telemetry.misses import CAPACITY, CLIENTS, Misses
from tftpd_tw.telemetry.totals import Totals


def test_a_sample_is_what_came_between_two_looks() -> None:
    """Rates and counts of that time, and what is so at its end."""
    history, totals = History(), Totals()
    totals.count(families.BYTES, Direction.READ, by=10_000)
    totals.count(families.TRANSFERS, Direction.READ, Outcome.COMPLETED, by=100)
    history.add(totals, 50.0, 1790000000.0)
    assert history.columns()["at"] == []
    totals.count(families.BYTES, Direction.READ, by=1000)
    totals.count(families.BYTES, Direction.WRITE, by=200)
    totals.count(families.ACTIVE, by=3)
    for outcome, count in (
        (Outcome.COMPLETED, 5),
        (Outcome.FAILED, 2),
        (Outcome.REFUSED, 4),
        (Outcome.SIZE_PROBE, 9),
    ):
        for way in Direction:
            totals.count(families.TRANSFERS, way, outcome, by=count)
    totals.count(families.RETRANSMITS, Direction.READ, by=6)
    totals.count(families.RETRANSMITS, Direction.WRITE, by=1)
    history.add(totals, 54.0, 1790000004.0)
    assert history.columns() == {
        "at": [1790000004.0],
        "read": [250],
        "written": [50],
        "active": [3],
        "completed": [10],
        "failed": [12],
        "retransmits": [7],
    }


def test_an_hour_is_kept() -> None:
    """And no more."""
    history = History()
    for number in range(2 * KEPT):
        history.add(Totals(), float(number), 1790000000.0 + number)
    columns = history.columns()
    assert {len(column) for column in columns.values()} == {KEPT}
    assert columns["at"][-1] == 1790000000.0 + 2 * KEPT - 1


def test_two_looks_at_once() -> None:
    """No time has passed, so there is nothing to divide by."""
    history = History()
    for _ in range(2):
        history.add(Totals(), 1.0, 1790000000.0)
    assert history.columns()["at"] == []


def miss(
    misses: Misses,
    name: str,
    client: str = "192.0.2.1",
    time: str = "1",
    reason: str = "not-found",
    count: int = 1,
) -> None:
    """Count requests for it."""
    misses.add("read", name, reason, count, time, client, {client: (count, time)})


def counted() -> Misses:
    """Some."""
    misses = Misses()
    miss(misses, "a")
    miss(misses, "b", count=6)
    miss(misses, "a", "192.0.2.2", "2")
    miss(misses, "a", "192.0.2.1", "3")
    miss(misses, "a", reason="access-violation")
    return misses


def test_misses_are_counted() -> None:
    """By name and reason; the most frequent first."""
    misses = counted()
    first, second, third = misses.ranked(10)
    assert (first["name"], first["count"], first["clients"]) == ("b", 6, 1)
    assert second == {
        "direction": "read",
        "name": "a",
        "reason": "not-found",
        "count": 3,
        "clients": 2,
        "last": "3",
        "last_client": "192.0.2.1",
    }
    assert (third["name"], third["reason"], third["count"]) == ("a", "access-violation", 1)
    assert misses.ranked(1) == [first]


def test_misses_of_a_client() -> None:
    """How often it has asked, and when, whoever else did."""
    misses = counted()
    assert misses.ranked(10, {"192.0.2.2"}) == [
        {
            "direction": "read",
            "name": "a",
            "reason": "not-found",
            "count": 1,
            "clients": 1,
            "last": "2",
            "last_client": "192.0.2.2",
        }
    ]
    both = misses.ranked(10, {"192.0.2.1", "192.0.2.2", "192.0.2.3"})
    assert both == misses.ranked(10)
    assert misses.ranked(10, {"192.0.2.3"}) == []


def test_misses_are_counted_elsewhere() -> None:
    """What is taken from one place, as a message, comes to the same in another, and is not taken twice."""
    expected, misses, other = counted().ranked(10), counted(), Misses()
    for each in json.loads(json.dumps(misses.take())):
        other.add(*each)
    assert other.ranked(10) == expected
    assert misses.take() == []
    assert misses.ranked(10) == []


def test_misses_are_bounded() -> None:
    """The name that was not asked for longest is forgotten, and no name has endless clients."""
    misses = Misses()
    for number in range(CAPACITY):
        miss(misses, str(number))
    miss(misses, "0")
    miss(misses, "one more")
    names = {each["name"] for each in misses.ranked(2 * CAPACITY)}
    assert len(names) == CAPACITY
    assert "1" not in names
    assert {"0", "2", "one more"} <= names
    for number in range(2 * CLIENTS):
        miss(misses, "0", f"client {number}")
    [first] = misses.ranked(1)
    assert (first["count"], first["clients"]) == (2 + 2 * CLIENTS, CLIENTS)


@pytest.mark.parametrize("most", [0, 1])
def test_no_misses(most: int) -> None:
    """Nothing was asked for that is missing."""
    assert Misses().ranked(most) == []
