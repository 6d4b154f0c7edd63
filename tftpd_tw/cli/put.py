"""``tftpd-tw put``: a file to a server."""

import argparse
import os
from typing import Any

from tftpd_tw.backends.reading import FileReader
from tftpd_tw.cli.client_options import Terms, add_host, add_options
from tftpd_tw.cli.exit_statuses import OF_A_TRANSFER
from tftpd_tw.cli.local_files import STANDARD, StreamReader, open_source
from tftpd_tw.cli.running_client import RunningClient
from tftpd_tw.cli.transferring import Exchange, add_quiet, perform
from tftpd_tw.interfaces import Direction
from tftpd_tw.net.client import Transferred


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "put",
        description=f"Put a file on a TFTP server. {OF_A_TRANSFER}",
    )
    parser.add_argument("file", metavar="FILE", help="the file, or - for standard input")
    add_host(parser)
    parser.add_argument(
        "name", metavar="NAME", nargs="?", help="what the server is to call it [default: the last part of FILE]"
    )
    add_options(parser)
    add_quiet(parser)
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Put it; the exit status."""
    file, name = options.file, options.name
    if name is None:
        name = "" if file == STANDARD else os.path.basename(file)
        if not name:
            options.parser.error("say with NAME what the server is to call it")
    exchange = Exchange(Direction.WRITE, os.fsencode(name), file, name, Terms.of(options))
    return perform(exchange, open_source, _put, quiet=options.quiet)


async def _put(running: RunningClient, exchange: Exchange, source: FileReader | StreamReader) -> Transferred:
    if isinstance(source, StreamReader):
        await source.wait()
    return await exchange.carry(running, source)
