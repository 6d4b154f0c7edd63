"""``tftpd-tw status``: whether a daemon runs and is well, in a few sentences and an exit status."""

import argparse
import json
import sys
import time
from typing import Any

from attrs import asdict, frozen

from tftpd_tw.cli.asking import NoDaemonError, NotAllowedError, fetch, read_figures
from tftpd_tw.cli.daemon_options import add_daemon, the_daemon
from tftpd_tw.cli.figures_text import moment
from tftpd_tw.service.units import duration
from tftpd_tw.telemetry.families import ACTIVE
from tftpd_tw.telemetry.figures import Figures

HEALTHY, UNHEALTHY, NOT_RUNNING = 0, 1, 3
"""Exit statuses. 2 is for wrong options; 3 is what service scripts have for what does not run."""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "status",
        description="Say whether a daemon runs and is well. The status is 0 if it is; 1 if it answers, but nobody"
        " serves, its last reload failed or a worker does not respond; 3 if it does not run, cannot be reached"
        " or wants to see another secret; 2 if the options are wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print it as one line of JSON")
    add_daemon(parser)
    parser.set_defaults(run=run)


@frozen
class Workers:
    """Processes that serve."""

    serving: int
    unresponsive: int
    replaced: int


@frozen
class Status:
    """What there is to say of a daemon that answers."""

    address: str
    version: str
    up_since: float
    """In seconds since 1970."""
    serving: bool
    active: int
    """Transfers."""
    reload_succeeded: bool
    """Its settings were taken when they were read last, at the start or by a reload."""
    reload_at: float
    """When that was, in seconds since 1970."""
    workers: Workers | None
    """None if the daemon itself serves."""

    @property
    def problems(self) -> list[str]:
        """What is not well."""
        found = []
        if not self.serving:
            found.append("nobody serves")
        if not self.reload_succeeded:
            found.append(f"the reload of {moment(self.reload_at)} failed, and the settings before it are used")
        if self.workers and self.workers.unresponsive:
            found.append(f"workers that do not respond: {self.workers.unresponsive}")
        return found

    @property
    def text(self) -> str:
        """For people."""
        state = "not well: " + "; ".join(self.problems) if self.problems else "well"
        crew = self.workers
        return (
            f"tftpd-tw {self.version} at {self.address} is {state}.\n"
            f"Up since {moment(self.up_since)} ({duration(time.time() - self.up_since)});"
            f" {_serving(crew) if crew else 'serves' if self.serving else 'does not serve'};"
            f" {self.active} active transfer{'s' * (self.active != 1)};"
            f" settings {'taken' if self.reload_succeeded else 'last refused'} {moment(self.reload_at)}"
            f"{f'; workers replaced so far: {crew.replaced}' if crew and crew.replaced else ''}."
        )


def _serving(crew: Workers) -> str:
    return "1 worker serves" if crew.serving == 1 else f"{crew.serving} workers serve"


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Ask and say; the exit status."""
    try:
        daemon = the_daemon(options)
        health, _text = fetch(daemon, "/healthz")
        _page, figures = read_figures(daemon)
    except NoDaemonError as error:
        if options.json:
            state = "not-allowed" if isinstance(error, NotAllowedError) else "not-running"
            print(json.dumps({"schema": 1, "state": state, "problems": [str(error)]}))  # noqa: T201
        else:
            print(f"tftpd-tw status: {error}", file=sys.stderr)  # noqa: T201
        return NOT_RUNNING
    status = summary(str(daemon.address), health == 200, figures, time.time())
    state = "unhealthy" if status.problems else "healthy"
    document = {"schema": 1, "state": state, "problems": status.problems, **asdict(status)}
    print(json.dumps(document) if options.json else status.text)  # noqa: T201
    return UNHEALTHY if status.problems else HEALTHY


def summary(address: str, serving: bool, figures: Figures, now: float) -> Status:
    """What ``figures`` say at ``now``, which is in seconds since 1970."""
    crew = None
    if "tftp_workers" in figures.series:
        names = ("tftp_workers", "tftp_workers_unresponsive", "tftp_worker_restarts")
        crew = Workers(*(int(figures.value(name)) for name in names))
    return Status(
        address,
        figures.label("tftp_build_info", "version"),
        now - figures.uptime,
        serving,
        int(figures.value(ACTIVE.name)),
        bool(figures.value("tftp_config_last_reload_success")),
        figures.value("tftp_config_last_reload_timestamp_seconds"),
        crew,
    )
