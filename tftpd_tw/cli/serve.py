"""``tftpd-tw serve``: the daemon in the foreground, for people who don't know twistd.

It is twistd all the same, with the plugin's own options; pipx and the like put only this command on the path.
"""

import argparse
import sys
from typing import Any

from twisted.python.usage import UsageError
from twisted.scripts.twistd import ServerOptions, runApp  # type: ignore[attr-defined]  # not in its __all__

from tftpd_tw.cli.exit_statuses import WRONG_OPTIONS


def add_parser(commands: Any) -> None:
    """Add the subcommand. Its options are twistd's to read."""
    parser = commands.add_parser("serve", add_help=False)
    parser.set_defaults(run=run)


def run(_: argparse.Namespace, arguments: list[str]) -> int:
    """Become ``twistd -n tftpd``; returns only if that does, or if the options are wrong."""
    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "tftpd", *arguments]  # the help shows the first
    options = ServerOptions()
    try:
        options.parseOptions(sys.argv[1:])
    except UsageError as error:
        print(f"tftpd-tw serve: {str(error).rstrip('.')}; see tftpd-tw serve --help", file=sys.stderr)  # noqa: T201
        return WRONG_OPTIONS
    runApp(options)
    return 0
