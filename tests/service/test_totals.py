"""Figures as values."""

import json
import re

import pytest

from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.families import FAMILIES, Kind
from tftpd_tw.telemetry.totals import Histogram, Totals


def test_totals_are_added_up() -> None:
    """Value by value; and what goes to another process is the same when it arrives."""
    one, other = Totals(), Totals()
    one.count(families.ACTIVE)
    other.count(families.ACTIVE, by=10)
    one.count(families.TRANSFERS, "read", "failed", by=3)
    other.count(families.TRANSFERS, "read", "failed", by=4)
    other.count(families.TRANSFERS, "write", "failed", by=5)
    one.observe([(families.RESPONSE_TIME, 0.001)], "read")
    other.observe([(families.RESPONSE_TIME, 20.0)], "read")
    both = one + other
    assert both.active == 11
    assert both.values[families.TRANSFERS] == {("read", "failed"): 7, ("write", "failed"): 5}
    assert both.get(families.TRANSFERS, "read", "completed") == 0
    histogram = both.values[families.RESPONSE_TIME]["read",]
    assert (sum(histogram.counts), histogram.total) == (2, 20.001)
    assert one.active == 1
    assert one.values[families.TRANSFERS] == {("read", "failed"): 3}
    assert Totals.from_snapshot(json.loads(json.dumps(both.snapshot()))) == both


def test_a_process_that_is_gone() -> None:
    """What it has counted stays, what was so then does not."""
    totals = Totals()
    for family in FAMILIES:
        labels = ("x",) * len(family.labels)
        if family.kind is Kind.HISTOGRAM:
            totals.observe([(family, 1)], *labels)
        else:
            totals.count(family, *labels)
    left = totals.ended()
    assert {family.kind for family, values in left.values.items() if values} == {Kind.COUNTER, Kind.HISTOGRAM}
    assert {family.kind for family, values in left.values.items() if not values} == {Kind.GAUGE}


@pytest.mark.parametrize(
    "change",
    [
        {"tftp_connections_active": None},
        {"tftp_connections_active": [[[], "x"]]},
        {"tftp_errors": 7},
        {"tftp_transfers": [[["read"], 1]]},
        {"tftp_response_time_seconds": [[["read"], [[1], 0]]]},
    ],
)
def test_a_snapshot_that_is_none(change: dict[str, object]) -> None:
    """There is one kind of error for it."""
    with pytest.raises(ValueError):  # noqa: PT011
        Totals.from_snapshot({**Totals().snapshot(), **change})


def test_a_snapshot_of_too_little() -> None:
    """Nothing may be missing."""
    with pytest.raises(ValueError, match="tftp_transfers"):
        Totals.from_snapshot({family.name: [] for family in FAMILIES if family is not families.TRANSFERS})


def test_the_histogram() -> None:
    """A value on a bound belongs below it, as Prometheus has it."""
    totals = Totals()
    totals.observe((families.LOOP_LAG, value) for value in (0.001, 0.005, 0.007, 0.01, 3.0))
    histogram = totals.values[families.LOOP_LAG][()]
    assert histogram == Histogram([1, 0, 1, 2, 0, 0, 0, 0, 0, 0, 1], pytest.approx(3.023))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_families(family: families.Family) -> None:
    """Names, labels and bounds are as Prometheus wants them."""
    assert re.fullmatch(r"tftp_[a-z]+(_[a-z]+)*", family.name)
    assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert len(set(family.labels)) == len(family.labels)
    assert all(len(values) == len(family.labels) for values in family.known)
    assert list(family.bounds) == sorted(set(family.bounds))
    assert bool(family.bounds) is (family.kind is Kind.HISTOGRAM)
