"""``tftpd-tw reload``: have a running daemon read its settings again, and say what became of it."""

import argparse
import json
import socket
import sys
from pathlib import Path
from typing import Any

from tftpd_tw.protocol.text import escaped
from tftpd_tw.service import control
from tftpd_tw.service.reloading import Outcome

PATIENCE = 60.0
"""Seconds to wait for the daemon's answer; a worker that hangs takes it ten to give up."""


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "reload",
        description="Have a running daemon on this host read its settings again. Transfers in progress go on as"
        " they began. If anything is wrong the daemon goes on with the settings that it has; what is wrong is"
        " printed, and the status is 1. Takes root, or the user that the daemon runs as.",
    )
    parser.add_argument("--pid", type=int, help="the daemon's process, if there are several")
    parser.set_defaults(run=run)


class _NotFoundError(Exception):
    """There is no such daemon; in words."""


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Find it, ask it; the exit status."""
    try:
        pid = options.pid or _only_daemon()
        outcome = _ask(pid)
    except TimeoutError:
        outcome = Outcome([f"no answer within {PATIENCE:.0f} seconds; the daemon's log says what became of it"])
    except (OSError, ValueError, TypeError):
        outcome = Outcome(["the daemon ended before it answered"])
    except _NotFoundError as error:
        outcome = Outcome([str(error)])
    for problem in outcome.problems:
        print(f"tftpd-tw reload: {problem}", file=sys.stderr)  # noqa: T201
    if outcome.problems:
        return 1
    late = f", but for what takes a restart: {', '.join(outcome.late)}" if outcome.late else ""
    print(f"reloaded (pid {pid}){late}")  # noqa: T201
    return 0


def _only_daemon() -> int:
    found = control.daemons()
    if not found:
        raise _NotFoundError("there is no daemon on this host (or in this container) that could be asked")
    if len(found) > 1:
        named = "".join(f"\n  {pid}  {_command_line(pid)}" for pid in found)
        raise _NotFoundError(f"there are several daemons; choose one with --pid:{named}")
    return found[0]


def _command_line(pid: int) -> str:
    """How it was started, which tells the one from the other."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return ""
    return escaped(b" ".join(words))


def _ask(pid: int) -> Outcome:
    """The daemon's answer. Whoever else has taken its name is not believed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(PATIENCE)
        try:
            connection.connect(control.address_of(pid))
        except ConnectionRefusedError:
            raise _NotFoundError(f"process {pid} is no tftpd-tw daemon") from None
        if (owner := control.peer_of(connection).pid) != pid:
            raise _NotFoundError(f"the name of daemon {pid} is taken by process {owner}; send a SIGHUP")
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    return Outcome(**json.loads(answer))
