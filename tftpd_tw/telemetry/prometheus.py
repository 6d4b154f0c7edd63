"""The counters as Prometheus metric families, built at each scrape."""

import platform
from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Protocol

from attrs import frozen
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

import tftpd_tw
import twisted
from tftpd_tw.telemetry.families import Family, Kind, Labels
from tftpd_tw.telemetry.totals import Histogram, Totals

VERSIONS = {
    "version": tftpd_tw.__version__,
    "twisted": twisted.__version__,
    "python": platform.python_version(),
}
"""Of what runs; what is installed may be replaced meanwhile."""


class Figures(Protocol):
    """Where figures come from: one process, or several workers."""

    @property
    def uptime(self) -> float:
        """Seconds since the daemon was started."""

    def totals(self) -> Totals:
        """The figures as they are now."""


class Crew(Protocol):
    """The workers of a daemon that has some."""

    @property
    def serving(self) -> int:
        """How many serve."""

    @property
    def unresponsive(self) -> int:
        """How many of them did not say their figures in time."""

    @property
    def restarts(self) -> int:
        """How many have been replaced so far."""


class Reloads(Protocol):
    """What became of the settings when they were read last."""

    @property
    def successful(self) -> bool:
        """Whether they were taken."""

    @property
    def at(self) -> float:
        """When that was, in seconds since 1970."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How often they were taken since the start (``success``), and how often not (``failure``)."""


@frozen
class TransferCollector(Collector):
    """Gives the figures of ``figures`` to a registry."""

    _figures: Figures

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        uptime, totals = self._figures.uptime, self._figures.totals()
        yield GaugeMetricFamily("tftp_server_uptime_seconds", "Seconds since the server started.", uptime)
        for family, values in totals.values.items():
            yield _METRICS[family.kind](family, values)


@frozen
class WorkerCollector(Collector):
    """Gives the state of the workers to a registry."""

    _crew: Crew

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        crew = self._crew
        yield GaugeMetricFamily("tftp_workers", "Worker processes that serve.", crew.serving)
        yield GaugeMetricFamily(
            "tftp_workers_unresponsive",
            "Workers that did not say their figures in time; their last ones are used.",
            crew.unresponsive,
        )
        yield CounterMetricFamily(
            "tftp_worker_restarts", "Workers that were replaced because they ended.", value=crew.restarts
        )


@frozen
class ReloadCollector(Collector):
    """Gives the state of the settings to a registry."""

    _reloads: Reloads

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        yield GaugeMetricFamily(
            "tftp_config_last_reload_success",
            "Whether the settings were taken when they were read last, at the start or by a reload.",
            int(self._reloads.successful),
        )
        yield GaugeMetricFamily(
            "tftp_config_last_reload_timestamp_seconds",
            "When the settings were read last, taken or not, in seconds since 1970.",
            self._reloads.at,
        )
        reloads = CounterMetricFamily("tftp_config_reloads", "Reloads of the settings.", labels=["result"])
        for result, count in self._reloads.counts.items():
            reloads.add_metric([result], count)
        yield reloads


class BuildCollector(Collector):
    """Says what is running."""

    def collect(self) -> Iterator[Metric]:
        """One family."""
        yield InfoMetricFamily("tftp_build", "What is running.", VERSIONS)


def _numbers(family: Family, values: Mapping[Labels, float]) -> Metric:
    make = CounterMetricFamily if family.kind is Kind.COUNTER else GaugeMetricFamily
    metric = make(family.name, family.text, labels=family.labels)
    for labels, value in {**dict.fromkeys(family.known, 0), **values}.items():
        metric.add_metric(labels, value)
    return metric


def _histograms(family: Family, values: Mapping[Labels, Histogram]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.text, labels=family.labels)
    bounds = [str(float(bound)) for bound in family.bounds] + ["+Inf"]
    nothing = Histogram.of(family)
    for labels, histogram in {**dict.fromkeys(family.known, nothing), **values}.items():
        buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
        metric.add_metric(labels, buckets=buckets, sum_value=histogram.total)
    return metric


_METRICS: dict[Kind, Callable[[Family, Mapping[Labels, Any]], Metric]] = {
    Kind.COUNTER: _numbers,
    Kind.GAUGE: _numbers,
    Kind.HISTOGRAM: _histograms,
}
