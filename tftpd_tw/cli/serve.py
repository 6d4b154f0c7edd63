"""``tftpd-tw serve``: the daemon in the foreground, for people who don't know twistd.

It is twistd all the same, with the plugin's own options; pipx and the like put only this command on the path.
"""

import argparse
import sys
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the subcommand. Its options are twistd's to read."""
    parser = commands.add_parser("serve", add_help=False)
    parser.set_defaults(run=run)


def run(_: argparse.Namespace, arguments: list[str]) -> int:
    """Become ``twistd -n tftpd``; returns only if that does."""
    from twisted.scripts import twistd

    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "tftpd", *arguments]
    twistd.run()
    return 0
