"""The ``tftpd-tw`` command."""

import argparse
import sys
from collections.abc import Sequence

from tftpd_tw import __version__
from tftpd_tw.cli import check, doctor, metrics, reload, serve, status
from tftpd_tw.cli import map as map_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status."""
    parser = argparse.ArgumentParser(prog="tftpd-tw", description="A fast, safe TFTP daemon.")
    parser.add_argument("--version", action="version", version=f"tftpd-tw {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    serve.add_parser(commands)
    check.add_parser(commands)
    map_command.add_parser(commands)
    reload.add_parser(commands)
    status.add_parser(commands)
    metrics.add_parser(commands)
    doctor.add_parser(commands)
    options, rest = parser.parse_known_args(sys.argv[1:] if arguments is None else arguments)
    if rest and options.run is not serve.run:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    exit_status: int = options.run(options, rest)
    return exit_status
