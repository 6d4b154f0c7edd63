"""One measurement: clients against a server, and what both used."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from attrs import define, frozen

from benchmarks.cases import BARE, Case
from benchmarks.places import BUILD
from benchmarks.serving import Server

Sample = dict[str, Any]
"""What the load generator printed, and of the server: cpu_s, rest_mb, peak_mb."""

GRACE_S = 15
UPLOAD_S = 3.0
LOOK_S = 0.1


@frozen
class Settings:
    """What is the same for every case of a run."""

    root: Path
    server_cpu: int
    client_cpu: int
    timeout_ms: int = 1000
    """After how much silence a client repeats what it sent last."""
    offload: bool = False

    def cpus(self, case: Case, ours: int) -> set[int]:
        """Where a process may run."""
        return {ours} if case.pinned else {self.server_cpu, self.client_cpu}


def content(case: Case) -> str:
    """The name of the file that a case transfers."""
    return f"{case.size}.bin"


@define
class _Run:
    """A load generator that runs, and the server that it is for."""

    server: Server
    process: "subprocess.Popen[str]"
    name: str
    cpu: float
    peak: float


def _start(server: Server, case: Case, settings: Settings, number: int) -> _Run:
    name = f"up-{server.port}-{number}" if case.upload else content(case)
    options = [
        *("--name", name, "--clients", str(case.clients), "--transfers", str(case.count)),
        *("--blksize", str(case.blksize), "--windowsize", str(case.windowsize)),
        *("--loss", str(case.loss), "--seed", str(number), "--timeout-ms", str(settings.timeout_ms)),
        *("--deadline", str(case.deadline), "--give-up", str(case.deadline)),
    ]
    options += ["--upload"] * case.upload + ["--offload"] * settings.offload
    cpus = settings.cpus(case, settings.client_cpu)
    cpu, peak = server.meter.cpu(), server.meter.memory()
    process = subprocess.Popen(
        server.load(settings.root / content(case), *options),
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cpus),
    )
    return _Run(server, process, name, cpu, peak)


def _sample(run: _Run, case: Case, settings: Settings, patience: float) -> Sample:
    try:
        output, _ = run.process.communicate(timeout=max(patience, 0.1))
        sample: Sample = json.loads(output)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        run.process.kill()
        run.process.communicate()
        return {"broken": True}
    sample |= {"cpu_s": run.server.meter.cpu() - run.cpu, "rest_mb": run.server.rest_mb, "peak_mb": run.peak}
    if case.upload:
        sample["mismatches"] += _wrong_uploads(
            settings.root, run.name, settings.root / content(case), sample["transfers"]
        )
    return sample


def measure(servers: list[Server], case: Case, settings: Settings, number: int) -> dict[str, Sample]:
    """The servers of one group at the same time, and what came out for each."""
    runs = [_start(server, case, settings, number) for server in servers]
    end = time.monotonic() + case.deadline + GRACE_S
    pause = LOOK_S / 5
    while any(run.process.poll() is None for run in runs) and time.monotonic() < end:
        time.sleep(pause)
        begun = time.monotonic()
        for run in runs:
            run.peak = max(run.peak, run.server.meter.memory())
        pause = max(LOOK_S, 20 * (time.monotonic() - begun))
    return {run.server.peer.name: _sample(run, case, settings, end - time.monotonic()) for run in runs}


def _wrong_uploads(root: Path, name: str, source: Path, expected: int) -> int:
    """How many uploads are not what was sent; all are removed. A server may need a moment to finish a file."""
    want = source.read_bytes()
    end = time.monotonic() + UPLOAD_S
    while True:
        files = sorted(root.glob(f"{name}.*"))
        right = sum(file.stat().st_size == len(want) and file.read_bytes() == want for file in files)
        if right >= expected or time.monotonic() > end:
            break
        time.sleep(0.1)
    for file in files:
        file.unlink(missing_ok=True)
    return max(0, expected - right)


def measure_bare(case: Case, settings: Settings) -> dict[str, Sample]:
    """The limit: the same bytes sent without a protocol."""
    command = [
        str(BUILD / "bare_send"),
        str(settings.root / content(case)),
        str(case.blksize),
        str(case.windowsize),
    ]
    command += [str(settings.server_cpu), str(settings.client_cpu)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    if done.returncode:
        return {BARE: {"broken": True}}
    sample: Sample = json.loads(done.stdout)
    return {BARE: sample | {"cpu_s": sample["cpu_s_per_gb"] * sample["mb"] / 1000}}
