"""A daemon's figures for people: what to look at when transfers are slow, in lines that fit a terminal.

Each row is an entry of one of two tables: those that there are for reading and writing, and the others.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator

from attrs import frozen

from tftpd_tw.interfaces import Address, Direction, Outcome
from tftpd_tw.service.units import duration, number, size
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.figures import Figures

_ERRORS = (Outcome.FAILED, Outcome.REFUSED, Outcome.UNANSWERED)
_MOST_REASONS = 5


@frozen
class View:
    """Figures, and over which time they are looked at."""

    now: Figures
    counted: Figures
    """What was counted in that time."""
    seconds: float
    whole: bool
    """It is all the time since the daemon was started."""

    @classmethod
    def of(cls, now: Figures, last: Figures | None) -> "View":
        """Since ``last``; since the daemon was started if there is none, or if another one was running then."""
        if last is None or last.uptime > now.uptime:
            return cls(now, now, now.uptime, True)
        return cls(now, now.since(last), now.uptime - last.uptime, False)

    def count(self, family: families.Family, **labels: str) -> float:
        """How many in that time."""
        return self.counted.value(family.name, **labels)

    def rate(self, family: families.Family, **labels: str) -> float:
        """How many for each second of that time."""
        return self.count(family, **labels) / self.seconds if self.seconds > 0 else 0.0

    def gauge(self, family: families.Family) -> float:
        """What is so now."""
        return self.now.value(family.name)


def lines(address: Address, view: View) -> Iterator[str]:
    """The text."""
    now = view.now
    what = f"tftpd-tw {now.label('tftp_build_info', 'version')} at {address}"
    when = "since it was started" if view.whole else f"of the last {duration(view.seconds)}"
    yield f"{what}, up {duration(now.uptime)}; figures {when}"
    yield ""
    yield f"{'':16}{'read':>14}{'write':>14}"
    for title, cell in _BY_DIRECTION:
        yield f"{title:16}" + "".join(f"{cell(view, direction.value):>14}" for direction in Direction)
    yield ""
    for title, row in _ROWS:
        if text := row(view):
            yield f"{title:16}  {text}"


def moment(at: float) -> str:
    """Seconds since 1970 as the local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _wait(seconds: float | None) -> str:
    return "-" if seconds is None else duration(seconds)


def _part(count: float, of: float) -> str:
    return f"{number(100 * count / of)} %" if of else "-"


def _errors(view: View, direction: str) -> float:
    return sum(view.count(families.TRANSFERS, direction=direction, outcome=outcome.value) for outcome in _ERRORS)


def _error_rate(view: View, direction: str) -> str:
    probes = view.count(families.TRANSFERS, direction=direction, outcome=Outcome.SIZE_PROBE.value)
    finished = view.count(families.TRANSFERS, direction=direction) - probes
    return _part(_errors(view, direction), finished)


def _reasons(view: View) -> str:
    counts: Counter[str] = Counter()
    for labels, count in view.counted.values(families.REASONS.name).items():
        told = dict(labels)
        if told["outcome"] in _ERRORS:
            counts[told["reason"]] += int(count)
    return ", ".join(f"{reason} {count}" for reason, count in counts.most_common(_MOST_REASONS) if count)


def _cache(view: View) -> str:
    hits, misses = view.count(families.CACHE_HITS), view.count(families.CACHE_MISSES)
    part = f" ({_part(hits, hits + misses)} hits)" if hits or misses else ""
    return (
        f"{hits:.0f} hits, {misses:.0f} misses{part};"
        f" holds {size(view.gauge(families.CACHE_BYTES))}, {view.gauge(families.CACHE_DESCRIPTORS):.0f} open files"
    )


def _lag(view: View) -> str:
    lag = view.counted.histogram(families.LOOP_LAG.name)
    return f"mean {_wait(lag.mean)}, p95 {_wait(lag.quantile(0.95))}"


def _settings(view: View) -> str:
    at = moment(view.now.value("tftp_config_last_reload_timestamp_seconds"))
    if view.now.value("tftp_config_last_reload_success"):
        return f"taken {at}"
    return f"NOT taken {at}, the older ones are used; `tftpd-tw check` says why"


def _workers(view: View) -> str:
    if "tftp_workers" not in view.now.series:
        return ""
    serving, silent = view.now.value("tftp_workers"), view.now.value("tftp_workers_unresponsive")
    restarts = view.counted.value("tftp_worker_restarts")
    return f"{serving:.0f} serving, {silent:.0f} unresponsive, {restarts:.0f} replaced"


_BY_DIRECTION: tuple[tuple[str, Callable[[View, str], str]], ...] = (
    ("transfer rate", lambda view, way: f"{size(view.rate(families.BYTES, direction=way))}/s"),
    ("transferred", lambda view, way: size(view.count(families.BYTES, direction=way))),
    ("completed", lambda view, way: f"{view.count(families.TRANSFERS, direction=way, outcome='completed'):.0f}"),
    ("errors", lambda view, way: f"{_errors(view, way):.0f}"),
    ("error rate", _error_rate),
    ("retransmits", lambda view, way: f"{view.count(families.RETRANSMITS, direction=way):.0f}"),
    (
        "response mean",
        lambda view, way: _wait(view.counted.histogram(families.RESPONSE_TIME.name, direction=way).mean),
    ),
    (
        "response p50",
        lambda view, way: _wait(view.counted.histogram(families.RESPONSE_TIME.name, direction=way).quantile(0.5)),
    ),
    (
        "response p95",
        lambda view, way: _wait(view.counted.histogram(families.RESPONSE_TIME.name, direction=way).quantile(0.95)),
    ),
)

_ROWS: tuple[tuple[str, Callable[[View], str]], ...] = (
    (
        "connections",
        lambda view: (
            f"{view.gauge(families.ACTIVE):.0f} active, {view.gauge(families.UNVERIFIED):.0f} of them unverified;"
            f" {view.gauge(families.OPENING):.0f} opening"
        ),
    ),
    ("error reasons", _reasons),
    ("CPU", lambda view: f"{number(100 * view.rate(families.CPU))} % of one"),
    ("memory", lambda view: size(view.gauge(families.MEMORY))),
    (
        "descriptors",
        lambda view: f"{view.gauge(families.DESCRIPTORS):.0f} of {view.gauge(families.MOST_DESCRIPTORS):.0f}",
    ),
    ("cache", _cache),
    ("event loop lag", _lag),
    ("settings", _settings),
    ("workers", _workers),
)
