"""``tftpd-tw doctor``: what is wrong with the machine, the settings or the daemon, and what mends it."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from attrs import asdict

from tftpd_tw import __version__
from tftpd_tw.cli.asking import NoDaemonError, fetch, read_figures
from tftpd_tw.cli.daemon_options import configured
from tftpd_tw.cli.exit_statuses import CommandError
from tftpd_tw.cli.findings_text import lines
from tftpd_tw.cli.output import nobody_reads
from tftpd_tw.cli.servers import Host, look_up
from tftpd_tw.diagnosis.case import Answer, Case, NoAnswer
from tftpd_tw.diagnosis.examining import examine
from tftpd_tw.diagnosis.findings import FAIL, Finding, count, worst
from tftpd_tw.diagnosis.machine import Machine
from tftpd_tw.diagnosis.probe import Probed, probe
from tftpd_tw.diagnosis.probed import as_values, findings
from tftpd_tw.diagnosis.runner import find_runner
from tftpd_tw.diagnosis.settings import Settings
from tftpd_tw.interfaces import Address
from tftpd_tw.net.client import TransferFailed
from tftpd_tw.service.config_file import DEFAULT_FILE, ConfigurationError
from tftpd_tw.service.configuration import Configuration, Monitoring
from tftpd_tw.service.setting import Setting, settings
from tftpd_tw.service.value_types import HTTP_OFF

SCHEMA = 1
"""Of the JSON; it grows when something that was there changes its name or its meaning."""

WELL, FAILED, INTERRUPTED = 0, 1, 130
"""Exit statuses; warnings are well. 2 is for wrong options."""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "doctor",
        description="Look at this machine, the settings and the daemon, if one runs, and print what was found:"
        " FAIL for what does not work, WARN for what could be better, both with what mends it; OK; and SKIP for"
        " what could not be looked at. Nothing is changed. As root it sees more. The status is 1 if something is"
        " FAIL, else 0; 2 if the options are wrong.",
    )
    parser.add_argument("--json", action="store_true", help="print it as one line of JSON")
    parser.add_argument(
        "--probe",
        metavar="HOST[:PORT]",
        type=Host.parse,
        help="look at the way to that TFTP server instead: whether it answers, how fast, what is lost",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="a file that the server has; with it, which block and window sizes are best"
    )
    parser.add_argument("-c", "--config", metavar="FILE", help=f"the settings [default: {DEFAULT_FILE}, if there]")
    group = parser.add_argument_group("settings that go before those of the file, as for `tftpd-tw serve`")
    for setting in settings(Configuration):
        if setting.about.option:
            group.add_argument(
                f"--{setting.about.option}",
                action=_Given,
                setting=setting,
                metavar="VALUE",
                nargs=0 if setting.kind is bool else None,
            )
    parser.set_defaults(run=run, given=(), parser=parser)


class _Given(argparse.Action):
    """Notes the setting that an option makes."""

    def __init__(self, *arguments: Any, setting: Setting, **keywords: Any) -> None:
        super().__init__(*arguments, **{**keywords, "default": argparse.SUPPRESS})
        self._setting = setting

    def __call__(self, _: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        namespace.given = (*namespace.given, (option, self._setting, values or "true"))


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Look and say; the exit status."""
    if options.name is not None and options.probe is None:
        options.parser.error("--name goes with --probe")
    try:
        return _probe(options) if options.probe is not None else _examine(options)
    except KeyboardInterrupt:
        return INTERRUPTED


def _examine(options: argparse.Namespace) -> int:
    file = options.config or (DEFAULT_FILE if os.path.exists(DEFAULT_FILE) else None)
    try:
        told = Settings.read(file, options.given)
    except ConfigurationError as error:
        options.parser.error("\n".join(error.problems))
    machine, settled = Machine(), told.configuration
    case = Case(machine, told, find_runner(machine, settled.network), _ask(settled.monitoring))
    return _say(examine(case), options)


def _probe(options: argparse.Namespace) -> int:
    try:
        probed = _probe_one_of(
            look_up(options.probe.at(None)), os.fsencode(options.name) if options.name else None
        )
    except ValueError as error:
        options.parser.error(f"--probe: {error}")
    except (OSError, TransferFailed, CommandError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        found = Finding(FAIL, "probe", "not possible", f"{reason}.", (), str(options.probe))
        return _say([found], options)
    return _say(list(findings(probed)), options, as_values(probed))


def _probe_one_of(servers: Sequence[Address], name: bytes | None) -> Probed:
    """The first that answers, or else the last."""
    for server in servers:
        probed = probe(server, name)
        if probed.round_trips.seconds:
            break
    return probed


def _say(found: Sequence[Finding], options: argparse.Namespace, probed: dict[str, Any] | None = None) -> int:
    if options.json:
        text = json.dumps({**as_document(found, time.time()), "probe": probed})
    else:
        coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        text = "\n".join(lines(found, coloured=coloured))
    try:
        print(text, flush=True)  # noqa: T201
    except BrokenPipeError:
        nobody_reads(sys.stdout)
    return FAILED if worst(found) is FAIL else WELL


def as_document(found: Sequence[Finding], at: float) -> dict[str, Any]:
    """All that was found; ``at`` is in seconds since 1970."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "time": at,
        "state": worst(found),
        "counts": count(found),
        "findings": [asdict(finding) for finding in found],
    }


def _ask(monitoring: Monitoring) -> Answer | NoAnswer:
    if monitoring.http == HTTP_OFF:
        return NoAnswer("monitoring.http is off, so that none can be asked", off=True)
    daemon = configured(monitoring)
    try:
        health, _ = fetch(daemon, "/healthz")
        _, figures = read_figures(daemon)
    except NoDaemonError as error:
        return NoAnswer(str(error))
    return Answer(str(daemon.address), health == 200, figures)
