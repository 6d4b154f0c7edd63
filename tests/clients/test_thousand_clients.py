"""A thousand clients that read at once, each from an address of its own; a hundred in the usual run (F30).

They are those of the load generator of the benchmarks, which checks every byte that it gets.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lacking import need
from running import Daemon, serving

SOURCE = Path(__file__).parents[2] / "benchmarks" / "load.c"
FEW, MANY = 100, 1000
FILES = {FEW: 1 << 17, MANY: 1 << 20}
"""Bytes of the file that so many clients read."""

DESCRIPTORS = 50
"""That the daemon may have besides those of the transfers, which have one each."""

LAG = "tftp_event_loop_lag_seconds_bucket"
LONG_LAG = 1.0
"""Seconds; a machine that has much else to do keeps the daemon waiting as well."""

MOST_LONG_LAGS = 0.2
"""Of all looks at the clock, one in each second."""

LOOK = 0.05
DEADLINE = 240


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The load generator."""
    program = tmp_path_factory.mktemp("generator") / "load"
    subprocess.run([need("cc", "gcc"), "-O2", "-o", program, SOURCE], check=True)
    return program


@pytest.fixture(scope="module")
def daemon(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """It has all settings as they are."""
    with serving(tmp_path_factory.mktemp("thousand") / "root", engine) as daemon:
        for clients, size in FILES.items():
            (daemon.root / str(clients)).write_bytes(os.urandom(size))
        yield daemon


def descriptors(daemon: Daemon) -> int:
    """That it has open."""
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def lags(daemon: Daemon) -> dict[float, float]:
    """How often the event loop was late, by the seconds that it was late by at most."""
    lines = [line for line in daemon.get("/metrics").splitlines() if line.startswith(LAG)]
    counts = [(float(line.split('"')[1]), float(line.rpartition(" ")[2])) for line in lines]
    return dict([counts[0], *((bound, count - less) for (_, less), (bound, count) in pairwise(counts))])


@pytest.mark.parametrize("window", [1, 8])
@pytest.mark.parametrize(
    "clients", [FEW, pytest.param(MANY, marks=[pytest.mark.long, pytest.mark.timeout(DEADLINE + 60)])]
)
def test_all_get_the_file(
    clients: int, window: int, daemon: Daemon, generator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every byte is right, nobody waits for long, and nothing is left of them."""
    daemon.get("/metrics")
    before, late_before = descriptors(daemon), lags(daemon)
    options = {
        "port": daemon.port,
        "name": clients,
        "file": daemon.root / str(clients),
        "clients": clients,
        "transfers": clients,
        "blksize": 1428,
        "windowsize": window,
        "give-up": DEADLINE,
        "deadline": DEADLINE,
    }
    command = [str(generator), *(str(word) for name, value in options.items() for word in (f"--{name}", value))]
    most = before
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            most = max(most, descriptors(daemon))
            try:
                process.wait(LOOK)
            except subprocess.TimeoutExpired:
                continue
        assert process.stdout is not None
        result: dict[str, Any] = json.loads(process.stdout.read())
    daemon.wait_until(lambda: daemon.metric("tftp_connections_active") == 0)
    daemon.wait_until(lambda: descriptors(daemon) <= before + 1)  # of the file, which stays open for others
    late = {bound: count - late_before[bound] for bound, count in lags(daemon).items()}
    if clients > FEW:
        longest = max((bound for bound, count in late.items() if count), default=0.0)
        with capsys.disabled():
            print(  # noqa: T201 - figures for whoever runs it
                f"\n{clients} clients, window {window}: {result['seconds']:.1f} s, {result['mb_per_s']:.0f} MB/s;"
                f" first packet after {result['first_p50_s']:.3f} s (median), {result['first_p99_s']:.3f} s (99 %)"
                f" and {result['first_max_s']:.3f} s at most; event loop late by {longest} s at most;"
                f" {most - before} descriptors; {result['retransmits']} blocks twice, {result['repeats']} repeats"
            )
    assert result["transfers"] == clients, result
    assert (result["failures"], result["mismatches"], result["windowsize"]) == (0, 0, window)
    assert clients / 2 < most - before <= clients + DESCRIPTORS
    long_lags = sum(count for bound, count in late.items() if bound > LONG_LAG)
    assert long_lags <= 1 + MOST_LONG_LAGS * sum(late.values())
