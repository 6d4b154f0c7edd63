"""``tftpd-tw bench``: many clients at once read one file, and what they see of the server is printed."""

import argparse
import json
import os
import resource
from typing import Any

from attrs import define, field

from tftpd_tw.cli.client_options import Terms, add_host, add_options
from tftpd_tw.cli.exit_statuses import (
    FAILED,
    NO_ANSWER,
    TRANSFERRED,
    WRONG_OPTIONS,
    CommandError,
    Interrupted,
)
from tftpd_tw.cli.load import Load, Plan, Tally
from tftpd_tw.cli.load_report import document, lines
from tftpd_tw.cli.output import complain, readable, say
from tftpd_tw.cli.running_client import RunningClient
from tftpd_tw.cli.servers import addresses_of
from tftpd_tw.cli.values import of_kind
from tftpd_tw.interfaces import Address
from tftpd_tw.net.client import SILENT
from tftpd_tw.protocol.events import Reason
from tftpd_tw.service import kind

SECONDS = 5.0
"""How long it takes if nobody says anything."""

_OTHER_DESCRIPTORS = 64


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "bench",
        description="Have many clients at once read a file and throw it away, again and again, and print how fast"
        " that was. The clients are one Python process, which may be the limit rather than the server: the line of"
        " its CPU tells. Ctrl-C ends it with what there is. The status is 0 if all transfers completed; 1 if some"
        " failed; 2 if the options are wrong; 3 if there is no way to the server, or nothing but"
        " silence from it; 130 if Ctrl-C ends it.",
    )
    add_host(parser)
    parser.add_argument("name", metavar="NAME", help="what the server calls the file")
    parser.add_argument(
        "--clients",
        metavar="N",
        type=of_kind(kind.number("clients", 1, 10_000)),
        default=10,
        help="how many at once [default: %(default)s]; most servers limit how many may come from one address",
    )
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--transfers",
        metavar="M",
        type=of_kind(kind.number("transfers", 1, 10**9)),
        help="end after so many in all",
    )
    either.add_argument(
        "--seconds",
        metavar="TIME",
        type=of_kind(kind.time(0.1, 86400)),
        help=f"end after that time, and cut off what is under way [default: {SECONDS:g}]",
    )
    add_options(parser)
    parser.add_argument("--json", action="store_true", help="print it as one line of JSON")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Measure and print; the exit status."""
    seconds = SECONDS if options.transfers is None and options.seconds is None else options.seconds
    bench = Bench(Terms.of(options), options.name, Plan(options.clients, options.transfers, seconds))
    try:
        return bench.run(in_json=options.json)
    except CommandError as error:
        complain(f"tftpd-tw bench: {error}")
        return error.exit_status


@define
class Bench:
    """What is measured."""

    terms: Terms
    name: str
    plan: Plan
    server: Address | None = field(init=False, default=None)
    load: Load | None = field(init=False, default=None)
    """None until it begins."""

    def run(self, *, in_json: bool) -> int:
        """Measure, print, and return the exit status.

        :raises CommandError: it cannot be measured, or not be printed
        """
        interrupted: Interrupted | None = None
        _allow_descriptors(self.plan.clients)
        running = RunningClient()
        try:
            running.run(self._measure(running))
        except Interrupted as error:
            if self.load is None:
                raise
            interrupted = error
        assert self.load is not None
        told = (str(self.server), readable(self.name), self.plan, self.load.tally)
        say(json.dumps(document(*told, interrupted is not None)) if in_json else "\n".join(lines(*told)))
        if interrupted is not None:
            return interrupted.exit_status
        return exit_status(self.load.tally)

    async def _measure(self, running: RunningClient) -> None:
        """Have the first address that answers busy."""
        addresses = await addresses_of(self.terms.host, running.in_thread)
        while True:
            self.server = addresses.pop(0)
            client = self.terms.client(running.engine, self.server)
            self.load = Load(client, os.fsencode(self.name), self.plan)
            try:
                await self.load.run()
            except ValueError as error:
                raise CommandError(WRONG_OPTIONS, str(error)) from None
            if not addresses or self.load.tally.completed or set(self.load.tally.failures) != {Reason.NO_ANSWER}:
                return


def exit_status(tally: Tally) -> int:
    """What came of it all."""
    going_on = tally.completed or (tally.cut_off and tally.responses)
    if not going_on and tally.failures.keys() <= SILENT:
        return NO_ANSWER
    return FAILED if tally.failed else TRANSFERRED


def _allow_descriptors(clients: int) -> None:
    """Each client has a socket, and many systems let a process have 1024 unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = clients + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
