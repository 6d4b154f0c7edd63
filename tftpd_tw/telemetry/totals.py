"""Figures as values: they can be added up, and sent from one process to another.

The figures of a daemon with several workers are the sum of theirs; those of one process are the same value.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from operator import add
from typing import Any

from attrs import define, field

from tftpd_tw.telemetry.families import ACTIVE, FAMILIES, Family, Kind, Labels


@define
class Histogram:
    """How many values fell below each bound of a family."""

    counts: list[int]
    """One for each bound, not cumulative, and one for what is above."""
    total: float = 0.0

    @classmethod
    def of(cls, family: Family) -> "Histogram":
        """One without values."""
        return cls([0] * (len(family.bounds) + 1))

    def __add__(self, other: "Histogram") -> "Histogram":
        """Both together; they are of one family."""
        return Histogram(list(map(add, self.counts, other.counts)), self.total + other.total)


def _values() -> dict[Family, dict[Labels, Any]]:
    return {family: {} for family in FAMILIES}


@define
class Totals:
    """All figures at one moment."""

    values: dict[Family, dict[Labels, Any]] = field(factory=_values)
    """Of each family and its labels: a number, or a :class:`Histogram`. What never happened is not there."""

    @property
    def active(self) -> int:
        """Transfers in progress."""
        return int(self.get(ACTIVE))

    def count(self, family: Family, *labels: str, by: float = 1) -> None:
        """Add to a counter or a gauge."""
        values = self.values[family]
        values[labels] = values.get(labels, 0) + by

    def observe(self, seen: Iterable[tuple[Family, float]], *labels: str) -> None:
        """Add to histograms, which have the same labels."""
        for family, value in seen:
            values = self.values[family]
            histogram = values.get(labels)
            if histogram is None:
                histogram = values[labels] = Histogram.of(family)
            histogram.counts[bisect_left(family.bounds, value)] += 1
            histogram.total += value

    def get(self, family: Family, *labels: str) -> Any:
        """One value of a counter or a gauge."""
        return self.values[family].get(labels, 0)

    def copy(self) -> "Totals":
        """The same for somebody who adds to it, other than to histograms."""
        return Totals({family: dict(values) for family, values in self.values.items()})

    def add(self, other: "Totals") -> None:
        """Add all that ``other`` has."""
        for family, values in other.values.items():
            mine = self.values[family]
            for labels, value in values.items():
                mine[labels] = mine[labels] + value if labels in mine else value

    def __add__(self, other: "Totals") -> "Totals":
        """Both together."""
        both = self.copy()
        both.add(other)
        return both

    def ended(self) -> "Totals":
        """What remains of a process that is gone: all that it has counted, and nothing that was so then."""
        return Totals(
            {family: {} if family.kind is Kind.GAUGE else values for family, values in self.values.items()}
        )

    def snapshot(self) -> dict[str, Any]:
        """The same for JSON; :meth:`from_snapshot` reads it."""
        return {
            family.name: [[labels, _packed(value)] for labels, value in values.items()]
            for family, values in self.values.items()
        }

    @classmethod
    def from_snapshot(cls, packed: Mapping[str, Any]) -> "Totals":
        """What :meth:`snapshot` gave.

        :raises ValueError: it is something else
        """
        totals = cls()
        try:
            for family in FAMILIES:
                for labels, value in packed[family.name]:
                    totals.values[family][_labels(family, labels)] = _value(family, value)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no snapshot of figures: {error!r}") from error
        return totals


def _packed(value: Any) -> Any:
    return [value.counts, value.total] if isinstance(value, Histogram) else value


def _labels(family: Family, values: Any) -> Labels:
    if len(values) != len(family.labels):
        raise ValueError(f"{family.name} has other labels than {values!r}")
    return tuple(map(str, values))


def _value(family: Family, value: Any) -> Any:
    if family.kind is not Kind.HISTOGRAM:
        if not isinstance(value, int | float):
            raise TypeError(f"{family.name} is no number")
        return value
    counts, total = value
    if len(counts) != len(family.bounds) + 1:
        raise ValueError(f"{family.name} has other bounds")
    return Histogram([int(count) for count in counts], float(total))
