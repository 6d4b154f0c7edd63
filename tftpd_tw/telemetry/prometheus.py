"""The counters as Prometheus metric families, built at each scrape.

Label values come from fixed lists, never from a file name or an address, so that no client can make them grow.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Protocol

from attrs import frozen
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.telemetry.totals import Histogram, Totals


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


@frozen
class TransferCollector(Collector):
    """Gives the figures of ``figures`` to a registry."""

    _figures: Figures

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        uptime, totals = self._figures.uptime, self._figures.totals()
        yield GaugeMetricFamily("tftp_server_uptime_seconds", "Seconds since the server started.", uptime)
        yield GaugeMetricFamily("tftp_connections_active", "Transfers in progress.", totals.active)

        transfers = CounterMetricFamily(
            "tftp_transfers",
            "Finished transfers and refused requests; size-probe is a client that only asked for the size.",
            labels=["direction", "outcome"],
        )
        for direction in Direction:
            for outcome in Outcome:
                count = totals.transfers[direction, outcome]
                transfers.add_metric([direction, outcome], count)
        yield transfers

        transferred = CounterMetricFamily(
            "tftp_bytes_transferred",
            "Bytes of payload that clients acknowledged (read) or that came from them in order (write).",
            labels=["direction"],
        )
        for direction in Direction:
            transferred.add_metric([direction], totals.byte_counts[direction])
        yield transferred

        errors = CounterMetricFamily("tftp_errors", "ERROR packets sent, by their code.", labels=["code"])
        for code, count in sorted(totals.errors.items()):
            errors.add_metric([str(code)], count)
        yield errors

        dropped = CounterMetricFamily(
            "tftp_datagrams_dropped",
            "Datagrams at the request port that began no transfer: no proper request, or one that was ignored.",
            labels=["reason"],
        )
        for reason, count in sorted(totals.dropped.items()):
            dropped.add_metric([reason], count)
        yield dropped

        yield CounterMetricFamily("tftp_retransmits", "Packets that were sent again.", value=totals.retransmits)

        fallbacks = CounterMetricFamily(
            "tftp_burst_fallbacks",
            "Transfers whose packets went through the kernel one by one, since it refused with this errno to cut a"
            " window into packets (read) or to join one (write).",
            labels=["direction", "errno"],
        )
        for labels, count in sorted(totals.burst_fallbacks.items()):
            fallbacks.add_metric(labels, count)
        yield fallbacks

        yield _histogram(
            "tftp_response_time_seconds",
            "Seconds from a request to the first packet of the answer.",
            totals.response_time,
        )


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


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    bounds = [str(bound) for bound in histogram.bounds] + ["+Inf"]
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.total)
