"""Figures as they are read: what a page in Prometheus' text format says, as values.

The other end of :mod:`~tftpd_tw.telemetry.prometheus`, for commands that look at a running daemon.
"""

from collections.abc import Mapping
from typing import Any

from attrs import define, evolve, field, frozen
from prometheus_client.parser import text_string_to_metric_families

UPTIME = "tftp_server_uptime_seconds"
"""Every daemon has it."""

Labels = tuple[tuple[str, str], ...]
"""Names and values."""


@define
class Histogram:
    """How many values there were up to each of some bounds."""

    buckets: dict[str, float] = field(factory=dict)
    """Bounds as they are written, the last is ``+Inf``; each counts those of the bounds before it too."""
    sum: float = 0.0

    @property
    def count(self) -> float:
        """How many in all."""
        return self.buckets.get("+Inf", 0.0)

    @property
    def mean(self) -> float | None:
        """None if there were no values."""
        return self.sum / self.count if self.count else None

    def quantile(self, part: float) -> float | None:
        """The value that ``part`` of them are below, as if those of a bucket lay evenly in it; no more than the
        last bound. So does Prometheus' ``histogram_quantile``. None if there were no values.
        """
        rank = part * self.count
        lower = before = 0.0
        for text, count in self.buckets.items():
            bound = float(text)
            if count >= rank and count > before:
                return (
                    lower
                    if bound == float("inf")
                    else lower + (bound - lower) * (rank - before) / (count - before)
                )
            lower, before = bound, count
        return None

    def plus(self, other: "Histogram", sign: int = 1) -> "Histogram":
        """Both together; or, with -1, what is more in this one."""
        bounds = {**self.buckets, **other.buckets}
        added = {text: self.buckets.get(text, 0) + sign * other.buckets.get(text, 0) for text in bounds}
        return Histogram(added, self.sum + sign * other.sum)


@frozen
class Series:
    """One family of figures."""

    kind: str
    """``counter``, ``gauge`` or ``histogram``."""
    values: dict[Labels, Any]
    """Numbers, or :class:`Histogram`."""


@frozen
class Figures:
    """All that ``/metrics`` said at one time, by the names of the families (without ``_total``)."""

    series: Mapping[str, Series]

    @property
    def uptime(self) -> float:
        """Seconds since the daemon was started."""
        return self.value(UPTIME)

    def value(self, name: str, **labels: str) -> float:
        """The sum of those that have these labels; 0 if there are none."""
        return float(sum(self._found(name, labels)))

    def histogram(self, name: str, **labels: str) -> Histogram:
        """Those that have these labels, added up."""
        together = Histogram()
        for each in self._found(name, labels):
            together = together.plus(each)
        return together

    def label(self, name: str, label: str) -> str:
        """What the first figure of a family has for ``label``; empty if there is none."""
        return next((dict(labels).get(label, "") for labels in self.values(name)), "")

    def values(self, name: str) -> dict[Labels, Any]:
        """All of a family; none if the daemon, which may be of another version, has no such family."""
        series = self.series.get(name)
        return {} if series is None else series.values

    def since(self, earlier: "Figures") -> "Figures":
        """With what was counted after ``earlier``, of the same daemon."""

        def less(series: Series, before: Series | None) -> Series:
            if series.kind == "gauge" or before is None:
                return series
            values = {
                labels: value.plus(before.values.get(labels, Histogram()), -1)
                if series.kind == "histogram"
                else value - before.values.get(labels, 0)
                for labels, value in series.values.items()
            }
            return evolve(series, values=values)

        return Figures({name: less(series, earlier.series.get(name)) for name, series in self.series.items()})

    def _found(self, name: str, labels: dict[str, str]) -> list[Any]:
        return [value for key, value in self.values(name).items() if labels.items() <= set(key)]


def parse(text: str) -> Figures:
    """What a page in Prometheus' text format says.

    :raises ValueError: it is no such page
    """
    found = {}
    for family in text_string_to_metric_families(text):
        values: dict[Labels, Any] = {}
        for sample in family.samples:
            labels = dict(sample.labels)
            bound = labels.pop("le", "")
            key = tuple(labels.items())
            if family.type != "histogram":
                values[key] = float(sample.value)
                continue
            histogram = values.setdefault(key, Histogram())
            if bound:
                histogram.buckets[bound] = float(sample.value)
            elif sample.name.endswith("_sum"):
                histogram.sum = float(sample.value)
        found[family.name] = Series(family.type, values)
    return Figures(found)
