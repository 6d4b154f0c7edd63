"""One address that asks ten thousand times a second (S031, S032): what it gets, and what others do meanwhile."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crowd import Crowd
from running import Daemon, serving, soon

from tftpd_tw.service.configuration import Security

FLOOD = Path(__file__).with_name("flood.py")
FLOODER = "127.1.2.3"
PER_SECOND = 10_000
SECONDS = 10
BLOCKS = 2_000
CONTENT = b"".join(number.to_bytes(4, "big") * 128 for number in range(BLOCKS))

MOST_GROWTH = 4 << 10
"""KiB for each process: 40 bytes kept for each request would be as much."""

MOST_LINES = 1_000
"""Of the log."""


def memory(daemon: Daemon) -> list[int]:
    """KiB that are resident in each process of the daemon."""
    pid = daemon.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    statuses = [Path(f"/proc/{number}/status").read_text() for number in (pid, *children)]
    return [int(found[1]) for status in statuses if (found := re.search(r"VmRSS:\s+([0-9]+) kB", status))]


@pytest.fixture
def daemon(engine: str, workers: int, tmp_path: Path) -> Iterator[Daemon]:
    """It has all settings as they are."""
    with serving(tmp_path / "root", engine, "--workers", str(workers)) as daemon:
        (daemon.root / "file").write_bytes(CONTENT)
        if workers > 1:
            assert soon(lambda: daemon.output.count(" serves") == workers), daemon.output
        yield daemon


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_flood_of_requests(daemon: Daemon, workers: int, capsys: pytest.CaptureFixture[str]) -> None:
    """It gets what its bucket has and no more; another client reads its files as ever; nothing is left of it."""
    requests = PER_SECOND * SECONDS
    command = [sys.executable, str(FLOOD), FLOODER, str(daemon.port), "file", str(requests), str(PER_SECOND)]
    with Crowd(daemon.port, b"file", CONTENT, 1) as other:
        assert soon(lambda: other.finished > 3)
        before, finished = memory(daemon), other.finished
        assert len(before) == (1 if workers == 1 else 1 + workers)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as flood:
            assert flood.stdin is not None
            assert flood.stdout is not None
            flooded: dict[str, Any] = json.loads(flood.stdout.readline())
            finished = other.finished - finished
            other.stop()
            daemon.wait_until(lambda: daemon.metric("tftp_connections_active") == 0, 60)
            flood.stdin.close()
            at_last: dict[str, Any] = json.loads(flood.stdout.readline())
    after = memory(daemon)
    with capsys.disabled():
        print(  # noqa: T201 - figures for whoever runs it
            f"\n{flooded['sent']} requests in {flooded['seconds']:.1f} s: {flooded['answers']} answers, and"
            f" {at_last['answers']} after {at_last['seconds']:.1f} s; {finished} files of {len(CONTENT)} bytes for"
            f" the other client; KiB {before} -> {after}; {len(daemon.lines)} lines"
        )
    assert flooded["sent"] == requests
    security = Security()
    for counted in (flooded, at_last):
        assert 0 < counted["answers"] <= security.answers + security.answers_per_second * counted["seconds"]
    assert other.failures == []
    assert finished > 0
    assert daemon.metric("tftp_connections_active") == 0
    assert all(now - then < MOST_GROWTH for then, now in zip(before, after, strict=True))
    assert len(daemon.lines) < MOST_LINES
