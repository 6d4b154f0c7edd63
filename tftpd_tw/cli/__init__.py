"""The ``tftpd-tw`` command.

A command is a module here, of its own name, with ``add_parser``. Only that of the command that is run is imported:
all of them take half a second, most of it for what only the others need. To list them takes none.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import dropwhile

from tftpd_tw import __version__

COMMANDS = {
    "serve": "serve a folder; options as in `twistd tftpd --help`",
    "check": "check a settings file",
    "map": "explain which file a name leads to",
    "reload": "have a running daemon read its settings again",
    "status": "say whether a daemon runs and is well",
    "metrics": "print the figures of a running daemon",
    "transfers": "list the transfers of a running daemon",
    "top": "watch the transfers of a running daemon",
    "explain": "explain what a client got and why",
    "doctor": "find what makes transfers slow or fail on this machine",
    "get": "get a file from a TFTP server",
    "put": "put a file on a TFTP server",
    "bench": "measure a TFTP server",
}
"""What each is for, in the order of ``--help``."""


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
    given = list(dropwhile("--".__eq__, given))  # as some versions of argparse do
    if given and given[0] in COMMANDS:
        # What is imported is no garbage, and to look through it as it comes takes a tenth of the time.
        gc.disable()
        import_module(f"{__name__}.{given[0]}").add_parser(commands)
        gc.freeze()
        gc.enable()
    else:
        for name, what_for in COMMANDS.items():
            commands.add_parser(name, help=what_for)
    options, rest = parser.parse_known_args(given)
    if rest and given[0] != "serve":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    exit_status: int = options.run(options, rest)
    return exit_status
