"""``tftpd-tw top``: what a running daemon is doing, a frame a second."""

import argparse
import os
import signal
import sys
from queue import SimpleQueue
from typing import Any, Protocol

from tftpd_tw.cli.asking import NoDaemonError, RunningDaemon
from tftpd_tw.cli.daemon_options import add_daemon, the_daemon
from tftpd_tw.cli.exit_statuses import CommandError
from tftpd_tw.cli.frames import News, followed, frames
from tftpd_tw.cli.output import complain, say
from tftpd_tw.cli.picture import Picture
from tftpd_tw.cli.plain_screen import PlainScreen
from tftpd_tw.cli.table import terminal_width
from tftpd_tw.cli.terminal import Ended, Screen, Terminal
from tftpd_tw.cli.top_text import lines

SHOWN = 0
"""Exit status."""

_QUIT = b"qQ"


class Painted(Screen, Protocol):
    """A screen that shows pictures."""

    def paint(self, picture: Picture) -> None:
        """Show this instead of what was there."""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "top",
        description="Show what a running daemon is doing, once a second: rates, transfers in progress, and those"
        " that have ended, with their reasons. `q` or Ctrl-C ends it. If the daemon goes away, it goes on trying."
        " The status is 0; 3 if there is no daemon that answers at the beginning; 2 if the options are wrong.",
    )
    parser.add_argument(
        "--once",
        action="store_true",
        help="print it once, with the rates of a second; so it is where there is no terminal",
    )
    add_daemon(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Show it; the exit status."""
    daemon = the_daemon(options)
    picture = Picture(daemon.address)
    live = not options.once and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    try:
        if live:
            return _watch(daemon, picture)
        _look(daemon, picture)
        say("\n".join(lines(picture, terminal_width())))
    except CommandError as error:
        complain(f"tftpd-tw top: {error}")
        return error.exit_status
    return SHOWN


def _look(daemon: RunningDaemon, picture: Picture) -> None:
    """Take two frames, since the first one has no rates.

    :raises NoDaemonError: there are none
    """
    for frame in frames(daemon):
        picture.take(frame)
        if picture.frames == 2:
            return


def _watch(daemon: RunningDaemon, picture: Picture) -> int:
    """Show one frame after the other; the exit status.

    :raises NoDaemonError: there is none at the beginning
    """
    screen = _screen()
    terminal, news = Terminal(screen), SimpleQueue[News]()

    def deliver(new: News) -> None:
        news.put(new)
        terminal.wake()

    with followed(daemon, deliver):
        _take(picture, news.get())
        if picture.problem:
            raise NoDaemonError(picture.problem)
        try:
            with terminal.taken():
                while True:
                    screen.paint(picture)
                    if any(key in _QUIT for key in terminal.wait()):
                        return SHOWN
                    while not news.empty():
                        _take(picture, news.get())
        except Ended as ended:
            return SHOWN if ended.number == signal.SIGINT else 128 + ended.number
        except OSError:
            return 128 + signal.SIGHUP  # the terminal is gone


def _take(picture: Picture, new: News) -> None:
    if isinstance(new, NoDaemonError):
        picture.fail(str(new))
    else:
        picture.take(new)


def _screen() -> Painted:
    try:
        from tftpd_tw.cli.rich_screen import RichScreen
    except ImportError:
        return PlainScreen()
    return RichScreen()
