"""What commands understand of transfers, whoever tells of them."""

from typing import Any

import pytest
from telling import active, ended

from tftpd_tw.cli.told import Told, transfers


def test_one_that_has_ended() -> None:
    """All that there is to know of it."""
    told = Told.of(ended())
    assert (told.client, told.mac, told.interface) == ("192.0.2.7", "52:54:00:12:34:56", "eth0")
    assert (told.direction, told.name, told.served) == ("read", "boot/vmlinuz", "/srv/tftp/boot/vmlinuz")
    assert (told.asked, told.agreed) == (
        {"blksize": "1468", "tsize": "0"},
        {"blksize": "1468", "tsize": "8000000"},
    )
    assert (told.outcome, told.reason, told.time, told.done) == ("completed", "completed", 1789999990.0, 1.0)
    assert (told.rate, told.seconds, told.round_trip_ms) == (4_000_000, 2.0, 0.2)


def test_one_in_progress() -> None:
    """It has no outcome, and a part of it is done."""
    told = Told.of(active(verified=False))
    assert (told.outcome, told.id, told.verified, told.done, told.time) == ("", "0-1", False, 0.5, None)
    assert Told.of(active(size=None)).done is None
    assert Told.of(active(bytes=9_000_000)).done == 1.0


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, {"new": 1}, {"client": None, "time": None}])
def test_nothing(value: Any) -> None:
    """What is not there is empty, and never a mistake."""
    assert Told.of(value) == Told()


@pytest.mark.parametrize(
    ("field", "values", "found"),
    [
        ("bytes", ["x", None, -1, True, float("nan"), float("inf"), 10**400, [], {}], 0),
        ("rate", ["x", -0.5, False, float("nan"), float("-inf"), 10**30, []], None),
        ("time", [7, "soon", "2026-13-01T00:00:00Z", "", [], {}], None),
        ("agreed", [7, "x", [1], True], None),
        ("verified", [None, 0, "no"], True),
    ],
)
def test_values_that_are_not_as_they_should_be(field: str, values: list[Any], found: Any) -> None:
    """They are as if they were not there."""
    for value in values:
        assert getattr(Told.of(ended(**{field: value})), field) == found


def test_text_that_does_something_to_a_terminal() -> None:
    """It is printable ASCII, wherever it stands."""
    told = Told.of(
        ended(
            client="\033[2J",
            name=["\x07"],
            reason="\u202eabc",
            detail="\ud800",
            agreed={"\n": "\r"},
            served="a" * 9999,
        )
    )
    for text in (told.client, told.name, told.reason, told.detail, *(told.agreed or {}).popitem()):
        assert text
        assert text.isascii()
        assert text.isprintable()
    assert len(told.served) == 1024


@pytest.mark.parametrize("value", [None, 7, "abc", {"a": 1}])
def test_no_list_of_transfers(value: Any) -> None:
    """There are none."""
    assert transfers({"ended": value}, "ended") == []
    assert transfers({}, "ended") == []
