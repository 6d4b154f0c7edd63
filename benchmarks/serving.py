"""A server that runs for the time of a case: started, tried with a small transfer, ended with its children."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from benchmarks.meter import Meter
from benchmarks.peers import Peer, environment
from benchmarks.places import BUILD

PROBE = "probe.bin"
READY_S = 15.0
END_S = 5.0


class NotReady(Exception):
    """A server that did not serve within the time it had."""


def free_port(address: str) -> int:
    """A UDP port that nobody has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


class Server:
    """One running server; a context."""

    def __init__(self, peer: Peer, root: Path, cpus: set[int], log: Path) -> None:
        self.peer = peer
        self.port = peer.port or free_port(peer.address)
        self.meter = Meter(f"tftp-bench-{os.getpid()}-{self.port}")
        self._root, self._cpus, self._log = root, cpus, log
        self._file: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Server":
        command = self.peer.command(self.peer.address, self.port, self._root)
        self._file = self._log.open("ab")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=self._file,
            cwd=self._root,
            env=environment(command),
            start_new_session=True,
            preexec_fn=self._before,
        )
        self.meter.pid = self._process.pid
        try:
            self._wait()
        except BaseException:
            self.close()
            raise
        self.rest_mb = self.meter.memory()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _before(self) -> None:
        self.meter.enter()
        os.sched_setaffinity(0, self._cpus)

    def load(self, file: Path, *options: str) -> list[str]:
        """The command line of the load generator against this server."""
        return [
            *(str(BUILD / "load"), "--address", self.peer.address, "--port", str(self.port)),
            *("--file", str(file), *options),
        ]

    def _wait(self) -> None:
        """Until a small file arrives as it should."""
        end = time.monotonic() + READY_S
        options = ("--name", PROBE, "--timeout-ms", "200", "--give-up", "1", "--deadline", "2")
        while time.monotonic() < end:
            if subprocess.run(self.load(self._root / PROBE, *options), capture_output=True).returncode == 0:
                return
            if not self.alive:
                last = self._log.read_text(errors="replace").split("\n")[-2:]
                raise NotReady(f"it ended at once: {''.join(last)}")
            time.sleep(0.05)
        raise NotReady(f"no transfer within {READY_S:.0f} s")

    @property
    def alive(self) -> bool:
        """Whether it runs still."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End it and whatever it started: its process group, then what is left in its control group."""
        if self._process is not None:
            pid = self._process.pid
            for number in (signal.SIGTERM, signal.SIGKILL):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(END_S)
                    break
            for left in self.meter.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
            end = time.monotonic() + END_S
            while self.meter.processes() and time.monotonic() < end:
                time.sleep(0.02)
        if self._file is not None:
            self._file.close()
        self.meter.close()
