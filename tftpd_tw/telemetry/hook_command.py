"""A hook that runs a command, with the record as a line of JSON on its standard input.

There is no shell, and of ours it inherits the environment and nothing else: no descriptor, no ignored signal, no
terminal. It is started in a thread, by :mod:`subprocess`, which uses ``vfork`` and gives up the interpreter's lock
until the program is loaded. So neither a slow disk nor the size of the daemon has anybody wait. The reactor's
``spawnProcess`` has the reactor wait for both, and looks at each open descriptor first.
"""

import json
import os
import select
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import IO

from attrs import define, field, frozen

from tftpd_tw.protocol.text import escaped
from tftpd_tw.telemetry.hook_queue import HookError, Record

IN_ENVIRONMENT = ("client", "mac", "direction", "name", "served", "bytes", "outcome", "reason")
"""Fields that are there as ``TFTP_CLIENT`` and so on, for what does not read JSON."""

LONGEST_TEXT = 1000
"""Bytes that are kept of what it says on standard error; the first line of it is logged."""

LOOK_EVERY = 0.1
"""Seconds between two looks whether it has ended, while something that it started has its standard error open."""

TALKING_PAUSE = 0.01
"""Seconds between two reads of standard error by then; so what talks without end is slow, and not we."""


@frozen
class Command:
    """Runs a program."""

    arguments: tuple[str, ...]
    """The first is its absolute path."""

    def prepare(self, record: Record) -> "CommandRun":
        """A run of it."""
        return CommandRun(self.arguments, record)


@define(eq=False)
class CommandRun:
    """One run of a program."""

    _arguments: tuple[str, ...]
    _record: Record
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _pid: int = field(init=False, default=0)
    """While there is a process of that number and it is ours."""
    _stopped: bool = field(init=False, default=False)

    def __call__(self) -> None:
        """Run it to its end.

        :raises HookError: it cannot be started, or has another status than 0
        """
        try:
            process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_environment(self._record),
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise HookError(f"it cannot be started: {error.strerror}") from None
        with process:
            self._started(process.pid)
            assert process.stdin is not None
            assert process.stderr is not None
            with suppress(BrokenPipeError), process.stdin:
                process.stdin.write(json.dumps(self._record).encode() + b"\n")
            said = _listen(process.stderr, process.pid)
            with self._lock:
                self._pid = 0
                status = process.wait()
        if status:
            raise HookError(_ended(status, said))

    def stop(self) -> None:
        """Kill it, and what it has started."""
        with self._lock:
            self._stopped = True
            self._kill()

    def _started(self, pid: int) -> None:
        with self._lock:
            self._pid = pid
            if self._stopped:
                self._kill()

    def _kill(self) -> None:
        if self._pid:
            with suppress(ProcessLookupError, PermissionError):  # it may be another user by now
                os.killpg(self._pid, signal.SIGKILL)


def _environment(record: Record) -> dict[str, str]:
    """Ours, but for what workers are given so that they find our modules, and some of ``record``."""
    ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = {name: record[name] for name in IN_ENVIRONMENT}
    return ours | {f"TFTP_{name.upper()}": "" if value is None else str(value) for name, value in found.items()}


def _listen(errors: IO[bytes], pid: int) -> bytes:
    """Read what process ``pid`` says until it has ended; the beginning."""
    said = b""
    waiting = select.poll()
    waiting.register(errors, select.POLLIN)
    while True:
        # Before reading, so that nothing is missed that it said at the end.
        over = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        while waiting.poll(0 if over else LOOK_EVERY * 1000):
            text = os.read(errors.fileno(), 1 << 16)
            if not text:
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
                return said
            said = (said + text)[:LONGEST_TEXT]
            if len(said) == LONGEST_TEXT:
                time.sleep(TALKING_PAUSE)
                break
        if over:
            return said


def _ended(status: int, said: bytes) -> str:
    how = f"it ended with status {status}" if status > 0 else f"it ended with signal {-status}"
    first = said.strip().partition(b"\n")[0]
    return f"{how}: {escaped(first, 300)}" if first else how
