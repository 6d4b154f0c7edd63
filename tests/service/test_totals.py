"""Figures as values."""

import json

import pytest
from attrs import evolve

from tftpd_tw.telemetry.totals import RESPONSE_BOUNDS, Histogram, Totals


def test_totals_are_added_up() -> None:
    """Field by field; and what goes to another process is the same when it arrives."""
    one, other = Totals(active=1, retransmits=2), Totals(active=10, retransmits=20)
    one.transfers["read", "failed"] = 3
    other.transfers["read", "failed"] = 4
    other.transfers["write", "failed"] = 5
    one.byte_counts["read"] = 1000
    one.errors[1] = 6
    other.errors[4] = 7
    other.dropped["malformed"] = 8
    one.burst_fallbacks["read", "EIO"] = 9
    other.burst_fallbacks["read", "EIO"] = 1
    one.response_time.add(0.001)
    other.response_time.add(20.0)
    both = one + other
    assert (both.active, both.retransmits) == (11, 22)
    assert both.transfers == {("read", "failed"): 7, ("write", "failed"): 5}
    assert (both.byte_counts, both.errors, both.dropped) == ({"read": 1000}, {1: 6, 4: 7}, {"malformed": 8})
    assert both.burst_fallbacks == {("read", "EIO"): 10}
    assert (sum(both.response_time.counts), both.response_time.total) == (2, 20.001)
    assert one.active == 1
    assert both.ended() == evolve(both, active=0)
    assert Totals.from_snapshot(json.loads(json.dumps(both.snapshot()))) == both


@pytest.mark.parametrize(
    "change",
    [{"active": None}, {"active": "x"}, {"errors": 7}, {"transfers": [["read", 1]]}, {"response_time": [[1], 0]}],
)
def test_a_snapshot_that_is_none(change: dict[str, object]) -> None:
    """There is one kind of error for it."""
    with pytest.raises(ValueError):  # noqa: PT011
        Totals.from_snapshot({**Totals().snapshot(), **change})


def test_the_histogram() -> None:
    """A value on a bound belongs below it, as Prometheus has it."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 3.0):
        histogram.add(value)
    assert histogram.counts == [2, 2, 1]
    assert histogram.total == 8.0
    assert list(RESPONSE_BOUNDS) == sorted(RESPONSE_BOUNDS)
