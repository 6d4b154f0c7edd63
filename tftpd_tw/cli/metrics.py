"""``tftpd-tw metrics``: the figures of a running daemon, for people, for scripts or as Prometheus gets them."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from tftpd_tw.cli.asking import NoDaemonError, read_figures
from tftpd_tw.cli.daemon_options import add_daemon, the_daemon
from tftpd_tw.cli.figures_text import View, lines
from tftpd_tw.cli.output import nobody_reads
from tftpd_tw.interfaces import Address
from tftpd_tw.service.units import read_time
from tftpd_tw.telemetry.figures import Figures, Histogram

SCHEMA = 1
"""Of the JSON; it grows when something that was there changes its name or its meaning."""

_CLEAR = "\033[H\033[2J"


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "metrics",
        description="Print the figures of a running daemon: transfer rate, response time, errors, connections,"
        " CPU, memory, cache. The status is 3 if there is no daemon that answers.",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "prometheus"),
        default="text",
        help="for people; every figure in one line of JSON; or as Prometheus gets them [default: %(default)s]",
    )
    parser.add_argument(
        "--watch",
        metavar="SECONDS",
        type=_interval,
        help="print them again and again until Ctrl-C; rates and times of the text are then those since the last"
        " time, else those since the daemon was started",
    )
    add_daemon(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Print; the exit status."""
    try:
        return _print_all(options)
    except NoDaemonError as error:
        print(f"tftpd-tw metrics: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_status
    except KeyboardInterrupt:
        return 0 if options.watch else 130
    except BrokenPipeError:
        nobody_reads(sys.stdout)
        return 0


def _print_all(options: argparse.Namespace) -> int:
    daemon = the_daemon(options)
    write = _FORMATS[options.format]
    head = _CLEAR if options.watch and options.format == "text" and sys.stdout.isatty() else ""
    last: Figures | None = None
    while True:
        page, now = read_figures(daemon)
        print(head + write(daemon.address, page, now, last), flush=True)  # noqa: T201
        if options.watch is None:
            return 0
        last = now
        time.sleep(options.watch)


def _as_text(address: Address, _: str, now: Figures, last: Figures | None) -> str:
    return "\n".join(lines(address, View.of(now, last)))


def _as_json(_: Address, __: str, now: Figures, ___: Figures | None) -> str:
    return json.dumps(as_document(now, time.time()))


def _as_it_is(_: Address, page: str, __: Figures, ___: Figures | None) -> str:
    return page.removesuffix("\n")


_FORMATS: dict[str, Callable[[Address, str, Figures, Figures | None], str]] = {
    "text": _as_text,
    "json": _as_json,
    "prometheus": _as_it_is,
}


def as_document(figures: Figures, at: float) -> dict[str, Any]:
    """Every family with its labels and values; ``at`` is in seconds since 1970."""

    def value(one: "float | Histogram") -> dict[str, Any]:
        if isinstance(one, Histogram):
            buckets = {bound: int(count) for bound, count in one.buckets.items()}
            return {"buckets": buckets, "count": int(one.count), "sum": one.sum}
        return {"value": int(one) if one.is_integer() else one}

    return {
        "schema": SCHEMA,
        "time": at,
        "families": {
            name: {
                "type": series.kind,
                "values": [{"labels": dict(labels), **value(one)} for labels, one in series.values.items()],
            }
            for name, series in figures.series.items()
        },
    }


def _interval(text: str) -> float:
    try:
        seconds = read_time(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"expected seconds (or such as 500ms, 5m), 100ms to 1d, got {text!r}")
    return seconds
