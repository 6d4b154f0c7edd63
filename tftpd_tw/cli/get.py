"""``tftpd-tw get``: a file from a server."""

import argparse
import os
import re
from contextlib import suppress
from typing import Any

from twisted.internet.defer import TimeoutError

from tftpd_tw.cli.client_options import Terms, add_host, add_options
from tftpd_tw.cli.exit_statuses import OF_A_TRANSFER
from tftpd_tw.cli.local_files import STANDARD, Target, open_target
from tftpd_tw.cli.running_client import RunningClient
from tftpd_tw.cli.transferring import Exchange, add_quiet, perform
from tftpd_tw.interfaces import Direction
from tftpd_tw.net.client import Transferred

CLEANING_SECONDS = 5.0
"""How long it may take a disk to remove what a transfer that failed has left."""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "get",
        description="Get a file from a TFTP server. FILE appears, or is replaced, when all of it is there; if that"
        f" fails, nothing is changed. {OF_A_TRANSFER}",
    )
    add_host(parser)
    parser.add_argument("name", metavar="NAME", help="what the server calls the file")
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="where it goes: a file or a folder, or - for standard output [default: the last part of NAME]",
    )
    add_options(parser)
    add_quiet(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Get it; the exit status."""
    file, name = options.file, options.name
    if file is None or (file != STANDARD and os.path.isdir(file)):
        last = re.split(r"[/\\]", name)[-1]
        if last in ("", ".", ".."):
            options.parser.error(
                f"NAME {name!r} does not end with the name of a file; say where it goes with FILE"
            )
        file = last if file is None else os.path.join(file, last)
    exchange = Exchange(
        Direction.READ, os.fsencode(name), file, name if file == STANDARD else file, Terms.of(options)
    )
    return perform(exchange, open_target, _get, quiet=options.quiet)


async def _get(running: RunningClient, exchange: Exchange, target: Target) -> Transferred:
    try:
        done = await exchange.carry(running, target)
        await target.stored
    finally:
        with suppress(TimeoutError):
            await target.discard().addTimeout(CLEANING_SECONDS, running.reactor)
    return done
