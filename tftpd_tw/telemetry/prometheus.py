"""The counters as Prometheus metric families, built at each scrape.

Label values come from fixed lists, never from a file name or an address, so that no client can make them grow.
"""

from collections.abc import Iterator
from itertools import accumulate

from attrs import frozen
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.telemetry.accounting import Accounting, Histogram


@frozen
class TransferCollector(Collector):
    """Gives the figures of ``accounting`` to a registry."""

    _accounting: Accounting

    def collect(self) -> Iterator[Metric]:
        """One family after the other."""
        accounting = self._accounting
        yield GaugeMetricFamily(
            "tftp_server_uptime_seconds", "Seconds since the server started.", accounting.uptime
        )
        yield GaugeMetricFamily("tftp_connections_active", "Transfers in progress.", len(accounting.active))

        transfers = CounterMetricFamily(
            "tftp_transfers",
            "Finished transfers and refused requests; size-probe is a client that only asked for the size.",
            labels=["direction", "outcome"],
        )
        for direction in Direction:
            for outcome in Outcome:
                count = accounting.transfers[direction.value, outcome.value]
                transfers.add_metric([direction.value, outcome.value], count)
        yield transfers

        transferred = CounterMetricFamily(
            "tftp_bytes_transferred",
            "Bytes of payload that clients acknowledged (read) or that came from them in order (write).",
            labels=["direction"],
        )
        for name, count in accounting.bytes_transferred().items():
            transferred.add_metric([name], count)
        yield transferred

        errors = CounterMetricFamily("tftp_errors", "ERROR packets sent, by their code.", labels=["code"])
        for code, count in sorted(accounting.errors.items()):
            errors.add_metric([str(code)], count)
        yield errors

        dropped = CounterMetricFamily(
            "tftp_datagrams_dropped",
            "Datagrams at the request port that began no transfer and were no proper request.",
            labels=["reason"],
        )
        for reason, count in sorted(accounting.dropped.items()):
            dropped.add_metric([reason], count)
        yield dropped

        yield CounterMetricFamily(
            "tftp_retransmits", "Packets that were sent again.", value=accounting.retransmits()
        )
        yield _histogram(
            "tftp_response_time_seconds",
            "Seconds from a request to the first packet of the answer.",
            accounting.response_time,
        )


def _histogram(name: str, text: str, histogram: Histogram) -> HistogramMetricFamily:
    bounds = [str(bound) for bound in histogram.bounds] + ["+Inf"]
    buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=histogram.total)
