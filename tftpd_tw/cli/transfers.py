"""``tftpd-tw transfers``: what a running daemon is sending and taking, and what became of the last ones."""

import argparse
import json
import os
import time
from typing import Any

from tftpd_tw.cli.asking import SCHEMA, fetch_json
from tftpd_tw.cli.client_addresses import client_address
from tftpd_tw.cli.daemon_options import add_daemon, the_daemon
from tftpd_tw.cli.exit_statuses import CommandError
from tftpd_tw.cli.output import complain, say
from tftpd_tw.cli.table import lay_out, terminal_width
from tftpd_tw.cli.told import PROPER_ENDS, transfers
from tftpd_tw.cli.transfers_text import COLUMNS, rows_of
from tftpd_tw.cli.values import of_kind
from tftpd_tw.interfaces import Outcome
from tftpd_tw.protocol.text import escaped
from tftpd_tw.service import kind

LAST = 20
"""Of those that have ended, unless somebody says otherwise."""

FAILURES = [outcome.value for outcome in Outcome if outcome not in PROPER_ENDS]


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "transfers",
        description="List the transfers of a running daemon: those that have ended, the last one at the bottom,"
        " and below them those in progress. It remembers the last thousand (monitoring.recent_transfers). What is"
        " not written to a terminal is not cut. The status is 0; 3 if there is no daemon that answers; 2 if the"
        " options are wrong.",
    )
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--active", action="store_true", help="those in progress only")
    some.add_argument(
        "--failed", action="store_true", help="those only of which the client does not have what it asked for"
    )
    parser.add_argument(
        "--last",
        metavar="N",
        type=of_kind(kind.number("transfers", 0, 10**6)),
        help=f"how many of those that have ended, 0 for all [default: {LAST}]",
    )
    parser.add_argument("--client", metavar="IP", type=client_address, help="those of this client only")
    parser.add_argument("--name", metavar="TEXT", help="those only that have this in the name of the file")
    parser.add_argument(
        "--json", action="store_true", help="print them as one line of JSON, with the fields of docs/http.md"
    )
    add_daemon(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Ask and print; the exit status."""
    if options.active and options.last is not None:
        options.parser.error("--last is about those that have ended, and --active shows none of them")
    try:
        answer = fetch_json(the_daemon(options), "/api/transfers", **_parameters(options))
        answer = {**answer, "ended": [] if options.active else answer.get("ended")}
        say(_as_json(answer) if options.json else _as_text(answer, options))
    except CommandError as error:
        complain(f"tftpd-tw transfers: {error}")
        return error.exit_status
    return 0


def _parameters(options: argparse.Namespace) -> dict[str, Any]:
    """What is asked for; a last of none is all."""
    last = LAST if options.last is None else options.last
    asked = {
        "last": 0 if options.active else last or None,
        "client": options.client,
        "name": options.name and escaped(os.fsencode(options.name), 1024),
        "outcome": FAILURES if options.failed else None,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _as_json(answer: dict[str, Any]) -> str:
    return json.dumps({"schema": SCHEMA, **{name: answer.get(name) for name in ("time", "active", "ended")}})


def _as_text(answer: dict[str, Any], options: argparse.Namespace) -> str:
    found = [*reversed(transfers(answer, "ended")), *transfers(answer, "active")]
    if not found:
        if options.client or options.name or options.failed:
            return "The daemon remembers no such transfers."
        return (
            "Nothing is in progress." if options.active else "Nothing is in progress, and nothing has ended yet."
        )
    width = terminal_width()
    rows = rows_of(found, time.time(), width)
    layout = lay_out(COLUMNS, rows, width)
    note = f"\n(no room for: {', '.join(layout.left_out)})" if layout.left_out else ""
    return "\n".join(layout.lines(rows)) + note
