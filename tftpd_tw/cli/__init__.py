"""The ``tftpd-tw`` command.

A command is a module here, of its own name, with ``add_parser``. Only that of the command that is run is imported:
all of them take half a second, most of it for what only the others need.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from tftpd_tw import __version__

COMMANDS = (
    "serve",
    "check",
    "map",
    "reload",
    "status",
    "metrics",
    "transfers",
    "top",
    "explain",
    "doctor",
    "get",
    "put",
    "bench",
)
"""In the order of ``--help``."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status."""
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        return 130


def _run(given: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="tftpd-tw", description="A fast, safe TFTP daemon.")
    parser.add_argument("--version", action="version", version=f"tftpd-tw {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in given[:1] if given and given[0] in COMMANDS else COMMANDS:
        import_module(f"{__name__}.{name}").add_parser(commands)
    options, rest = parser.parse_known_args(given)
    if rest and given[0] != "serve":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    exit_status: int = options.run(options, rest)
    return exit_status
