"""``tftpd-tw explain``: what a client asked a running daemon for, what it got, why not, and what to do."""

import argparse
import json
import time
from typing import Any

from attrs import asdict

from tftpd_tw.cli.asking import SCHEMA
from tftpd_tw.cli.client_addresses import client_address
from tftpd_tw.cli.client_case import was_served
from tftpd_tw.cli.daemon_options import add_daemon, the_daemon
from tftpd_tw.cli.exit_statuses import CommandError
from tftpd_tw.cli.explain_text import lines
from tftpd_tw.cli.inquiry import Inquiry, inquire
from tftpd_tw.cli.output import complain, say

SERVED, NOT_SERVED, UNKNOWN = 0, 1, 4
"""Exit statuses beside those of wrong options and of no daemon."""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "explain",
        description="Ask a running daemon what a client asked for lately, and say what it got, why not, and what"
        " to do; with NAME also which file that leads to now. The status is 0 if the last request was served, or"
        " is being served; 1 if it was not; 3 if there is no daemon that answers; 4 if it knows nothing of the"
        " client, or not of that name; 2 if the options are wrong.",
    )
    parser.add_argument("client", metavar="CLIENT-IP", type=client_address, help="the client's address")
    parser.add_argument("name", metavar="NAME", nargs="?", help="a name that it asks for")
    parser.add_argument("--json", action="store_true", help="print it as one line of JSON")
    add_daemon(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Ask and explain; the exit status."""
    try:
        inquiry, now = inquire(the_daemon(options), options.client, options.name), time.time()
        if options.json:
            say(json.dumps(as_document(inquiry, options.name, now)))
        else:
            say("\n".join(lines(inquiry, now)))
    except CommandError as error:
        complain(f"tftpd-tw explain: {error}")
        return error.exit_status
    last = inquiry.case.last
    return UNKNOWN if last is None else SERVED if was_served(last) else NOT_SERVED


def as_document(inquiry: Inquiry, name: str | None, at: float) -> dict[str, Any]:
    """All that was found out; ``at`` is in seconds since 1970."""
    case = inquiry.case
    return {
        "schema": SCHEMA,
        "time": at,
        "client": case.client,
        "mac": case.told("mac") or None,
        "interface": case.told("interface") or None,
        "name": name,
        "served": None if case.last is None else was_served(case.last),
        "names": [
            {
                "direction": explanation.asked.direction,
                "name": explanation.asked.name,
                "count": explanation.asked.count,
                "served": explanation.asked.served,
                "last": asdict(explanation.asked.last),
                "meaning": explanation.meaning,
                "advice": explanation.advice,
                "suggestions": explanation.suggestions,
                "remarks": explanation.remarks,
                "commands": explanation.commands,
            }
            for explanation in inquiry.explanations
        ],
        "other_names": inquiry.others,
        "remembered": inquiry.memory and asdict(inquiry.memory),
        "looked_up": inquiry.looked_up and asdict(inquiry.looked_up),
    }
