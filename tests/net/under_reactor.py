"""A script run under one of Twisted's reactors, which a process can have only one of: so in a process of its own.

A script is a module here with ``main(reactor, engine)``, which answers with a Deferred and writes to standard
output what it has seen. Failures that are logged go to standard error.
"""

import importlib
import subprocess
import sys
from collections.abc import Generator
from typing import Any

from poll_reactor import PATIENCE
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import react
from twisted.logger import LogEvent, globalLogBeginner, textFileLogObserver

from tftpd_tw.net.engines import ENGINES

REACTORS = ["epoll", "poll", "select", "asyncio"]


def output(script: str, reactor_name: str, engine: str) -> str:
    """What a script writes, which must end well and without a word in the log."""
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__, script, reactor_name, engine],
        capture_output=True,
        text=True,
        timeout=6 * PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def run(script: str, reactor_name: str, engine: str) -> None:
    """Run it in this process, and exit."""
    importlib.import_module(f"twisted.internet.{reactor_name}reactor").install()
    globalLogBeginner.beginLoggingTo([shown], redirectStandardIO=False, discardBuffer=True)
    react(begin, (script, engine))


@inlineCallbacks
def begin(reactor: Any, script: str, engine: str) -> "Generator[Deferred[None], None, None]":
    """What it does. Sockets that are open then, as of a client that has its file and stays for a while, are closed
    with the reactor: one that is not would be a warning.
    """
    yield importlib.import_module(script).main(reactor, ENGINES[engine](reactor))


def shown(event: LogEvent) -> None:
    """Whatever is worth a line, but the log's own start."""
    if event.get("log_namespace") != "log_legacy" and "log_failure" in event:
        textFileLogObserver(sys.stderr)(event)


if __name__ == "__main__":
    run(*sys.argv[1:])
