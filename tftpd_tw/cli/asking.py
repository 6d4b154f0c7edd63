"""Asking a running daemon by HTTP: where it is, what it answers, and its figures as values.

For the commands that look at a daemon and change nothing.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from attrs import define, evolve, field, frozen
from prometheus_client.parser import text_string_to_metric_families

from tftpd_tw.interfaces import Address
from tftpd_tw.service.config_file import ConfigFile, ConfigurationError
from tftpd_tw.service.config_reader import DEFAULT_FILE
from tftpd_tw.service.configuration import Monitoring
from tftpd_tw.service.kinds import KINDS
from tftpd_tw.service.value_types import HTTP_OFF, HttpAddress

PATIENCE = 5.0
"""Seconds for an answer; the daemon itself waits up to one for a worker that hangs."""

UPTIME = "tftp_server_uptime_seconds"
"""Every daemon has it."""

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Whom to ask when the daemon listens everywhere."""

_OPENER = build_opener(ProxyHandler({}))
"""Takes no notice of ``http_proxy``: no proxy has a way to this host's loopback."""

Labels = tuple[tuple[str, str], ...]
"""Names and values."""


class NoDaemonError(Exception):
    """There is none that answers; in one line."""


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the daemon is; one of them at most, and both set ``address``."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--http",
        metavar="HOST:PORT",
        dest="address",
        type=_given,
        help=f"where the daemon answers [default: as {DEFAULT_FILE} says; {_written(Monitoring().http)} if it"
        " says nothing]",
    )
    either.add_argument(
        "-c", "--config", metavar="FILE", dest="address", type=_named_by, help="where these settings have it"
    )


def the_address(options: argparse.Namespace) -> Address:
    """Where to ask. If the usual settings do not tell, that gets a warning: the daemon may run in spite of it."""
    given: Address | None = options.address
    if given is not None:
        return given
    usual = _reachable(Monitoring().http)
    if not os.path.exists(DEFAULT_FILE):
        return usual
    try:
        return _named_by(DEFAULT_FILE)
    except argparse.ArgumentTypeError as error:
        print(f"warning: {error}; so {usual} is asked", file=sys.stderr)  # noqa: T201
        return usual


def fetch(address: Address, path: str) -> tuple[int, str]:
    """The status of the answer, and its text.

    :raises NoDaemonError: there is none within :data:`PATIENCE`
    """
    until = monotonic() + PATIENCE
    request = Request(f"http://{address}{path}", headers={"Accept": "text/plain"})
    try:
        with _open(request) as answer:
            return answer.status or 0, _text(answer, until)
    except (HTTPException, ValueError):
        raise NoDaemonError(f"what answers at {address} is no tftpd-tw") from None
    except OSError as error:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, TimeoutError):
            raise NoDaemonError(f"no answer from {address} within {PATIENCE:g} seconds") from None
        why = getattr(cause, "strerror", None) or cause
        raise NoDaemonError(
            f"no daemon answers at {address}: {why}; it may not run, or have another --http"
        ) from None


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


def read_figures(address: Address) -> tuple[str, Figures]:
    """``/metrics`` as it is, and what it says.

    :raises NoDaemonError: there is no daemon that answers
    """
    status, text = fetch(address, "/metrics")
    try:
        figures = parse(text)
    except (ValueError, KeyError, IndexError):
        figures = Figures({})
    if status != 200 or UPTIME not in figures.series:
        raise NoDaemonError(f"what answers at {address} is no tftpd-tw")
    return text, figures


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


def _open(request: Request) -> HTTPResponse | HTTPError:
    try:
        answer: HTTPResponse = _OPENER.open(request, timeout=PATIENCE)
    except HTTPError as error:
        return error
    return answer


def _text(answer: HTTPResponse | HTTPError, until: float) -> str:
    """All of it; each part may come late, but not all of them."""
    parts = []
    while part := answer.read1(1 << 16):
        parts.append(part)
        if monotonic() > until:
            raise TimeoutError
    return b"".join(parts).decode()


def _given(text: str) -> Address:
    try:
        return _reachable(KINDS[HttpAddress].structure(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _named_by(file: str) -> Address:
    """The address that ``file`` has. Nothing else of it is looked at: a mistake elsewhere, for which the daemon
    has refused a reload, is no reason not to ask it.
    """
    try:
        monitoring = ConfigFile.read(file).tree.get("monitoring")
        told = monitoring.get("http") if isinstance(monitoring, dict) else None
        return _reachable(Monitoring().http if told is None else KINDS[HttpAddress].structure(told))
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(error.problems[0]) from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{file}: monitoring.http: {error}") from None


def _reachable(http: HttpAddress) -> Address:
    if http == HTTP_OFF:
        raise ValueError("is off, so there is nobody to ask")
    return Address(_LOOPBACK.get(http.host, http.host), http.port)


def _written(http: HttpAddress) -> str:
    return str(Address(http.host, http.port))
