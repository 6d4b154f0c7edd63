"""Short transfers for five minutes, or for longer (``SOAK_SECONDS``): what is left of them in the daemon (F33).

A twentieth is given up by clients, in three ways, and one packet in a hundred is lost. What the daemon has after
the first tenth, when everything has come to its end, is what it must have at last.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from running import ANY_PORT, Daemon, running, soon
from soak import CONTENT, SIZES, UPLOADS

from tftpd_tw.service.configuration import Performance

SECONDS = max(300.0, float(os.environ.get("SOAK_SECONDS", "0")))
"""For the transfers; what they leave is waited for as well. In less time not even what may fill is full."""

WARMING_UP = 0.1
"""Of the time."""

SOAK, WATCHED = (str(Path(__file__).with_name(name)) for name in ("soak.py", "watched_daemon.py"))

EXPECTED = "reason=(completed|last-ack-missing|size-probe|no-answer|client-vanished|client-error:0) "
"""What the log says of these transfers; so many lines are more than a test has room for."""

CALLS_AT_REST = 4
"""For the lag of the event loop, the history of the last hour, the clock of the HTTP port, and the cache."""

LONGEST_REST = 120.0
"""Seconds until nothing goes on; clients that never answered are forgotten after thirty."""

MOST_GROWTH = 1.1
"""Of memory. The allocator takes some minutes until it has all that it wants, and a short run has a short first
tenth; what is left of a transfer shows in the objects long before.
"""

MOST_MORE = 10 << 10
"""KiB."""

MOST_DESCRIPTORS = 10
"""More than there were: files that the cache keeps open, and a connection of the HTTP port that is closing."""

MOST_THREADS = 1 + Performance().thread_pool_size + 10
"""The one that serves, those that wait for disks, and those that Twisted has for whatever may take a while."""

MOST_OBJECTS = 1 / 3
"""More than there were, for each transfer that was given up: one of the three ways to do so would leave as many if
it left one. The history of the last hour has some.
"""


@frozen
class Remains:
    """What a daemon has while it serves nobody."""

    kib: int
    descriptors: int
    threads: int
    calls: int
    objects: int

    def __str__(self) -> str:
        return (
            f"{self.kib} KiB, {self.descriptors} descriptors, {self.threads} threads, {self.calls} delayed calls,"
            f" {self.objects} objects"
        )


class Work:
    """The soaking client at work."""

    def __init__(self, daemon: Daemon, process: "subprocess.Popen[str]") -> None:
        self.daemon = daemon
        self._process = process

    def run(self, seconds: float) -> dict[str, Any]:
        """For so long; what there was since the first time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{seconds}\n")
        self._process.stdin.flush()
        counts: dict[str, Any] = json.loads(self._process.stdout.readline())
        return counts

    def rest(self) -> Remains:
        """What there is once all transfers have ended, and nobody who uploaded is waited for any more."""
        found: list[Remains] = []

        def resting() -> bool:
            if self.daemon.metric("tftp_connections_active") == 0:
                found.append(self.remains())
            return bool(found) and found[-1].calls <= CALLS_AT_REST

        self.daemon.wait_until(resting, LONGEST_REST)
        return found[-1]

    def remains(self) -> Remains:
        """What there is now."""
        daemon, process = self.daemon, Path(f"/proc/{self.daemon.process.pid}")
        seen = len(daemon.lines)
        daemon.process.send_signal(signal.SIGUSR2)
        assert soon(lambda: any("counts " in line for line in daemon.lines[seen:]))
        counts = json.loads(
            next(line for line in daemon.lines[seen:] if "counts " in line).partition("counts ")[2]
        )
        resident = re.search(r"VmRSS:\s+([0-9]+) kB", (process / "status").read_text())
        assert resident is not None
        return Remains(int(resident[1]), len(list((process / "fd").iterdir())), **counts)


@pytest.fixture
def work(engine: str, tmp_path: Path) -> Iterator[Work]:
    """It takes uploads, and has all other settings as they are."""
    root = tmp_path / "root"
    root.mkdir()
    for size in SIZES:
        (root / str(size)).write_bytes(CONTENT[:size])
    options = ["--uploads", "overwrite", "--engine", engine, "--workers", "1"]
    command = [sys.executable, WATCHED, "-n", "--pidfile=", "tftpd", "--root", str(root), *ANY_PORT, *options]
    with running(command, tmp_path, forgetting=EXPECTED) as daemon:
        daemon.root = root
        client = [sys.executable, SOAK, str(daemon.port), "7"]
        with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            yield Work(daemon, process)
            assert process.stdin is not None
            process.stdin.close()


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 300)
def test_nothing_is_left_of_many_transfers(work: Work, capsys: pytest.CaptureFixture[str]) -> None:
    """No memory, descriptor, thread, timer, session or temporary file, and every byte was right."""
    work.run(WARMING_UP * SECONDS)
    before = work.rest()
    counts = work.run((1 - WARMING_UP) * SECONDS)
    after = work.rest()
    with capsys.disabled():
        print(  # noqa: T201 - figures for whoever runs it
            f"\n{counts['completed']} transfers completed and {counts['aborted']} given up in {SECONDS:.0f} s,"
            f" {counts['lost']} packets lost\n  after a tenth: {before}\n  at last:       {after}"
        )
    assert counts["failures"] == [], work.daemon.output
    assert counts["completed"] > SECONDS
    assert counts["aborted"] > 0
    assert after.kib < before.kib * MOST_GROWTH
    assert after.kib < before.kib + MOST_MORE
    assert after.descriptors <= before.descriptors + MOST_DESCRIPTORS
    assert after.threads <= MOST_THREADS
    assert after.calls <= CALLS_AT_REST
    assert after.objects < before.objects + MOST_OBJECTS * counts["aborted"]
    assert sorted(path.name for path in work.daemon.root.iterdir()) == sorted(
        [*(str(size) for size in SIZES), *(f"put-{number}" for number in range(UPLOADS))]
    )
    for number in range(UPLOADS):
        content = (work.daemon.root / f"put-{number}").read_bytes()
        assert len(content) in SIZES
        assert content == CONTENT[: len(content)]
