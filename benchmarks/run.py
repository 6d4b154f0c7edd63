"""``python -m benchmarks.run``: all servers, case by case, in interleaved rounds; prints the figures as Markdown.

In every round each server has its turn, and each round begins with another one, so that what else happens on the
machine meets them all alike. For each case the servers are started anew.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from attrs import asdict

from benchmarks.cases import BARE, CASES, Case, quick
from benchmarks.chart import chart
from benchmarks.measuring import Sample, Settings, content, measure, measure_bare
from benchmarks.meter import Meter
from benchmarks.peers import OURS, OURS_2, PEERS, Peer, fetch
from benchmarks.places import BUILD, build, scratch_folder
from benchmarks.report import Machine, inserted, render
from benchmarks.serving import PROBE, NotReady, Server
from benchmarks.summary import Summary, summarize

IMAGE = Path("img") / "performance.svg"
Raw = dict[str, dict[str, list[Sample]]]


def say(text: str) -> None:
    """Progress, for who waits."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def options(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, help="rounds of each case (5; with --quick 1)")
    parser.add_argument("--quick", action="store_true", help="one round of small transfers: does everything work?")
    parser.add_argument(
        "--only",
        action="append",
        metavar="CASE",
        choices=[case.name for case in CASES],
        help="this case only; may be repeated",
    )
    parser.add_argument("--servers", metavar="A,B", help="these servers only, by name")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every measurement here")
    parser.add_argument(
        "--write",
        metavar="FILE",
        type=Path,
        help="write the figures between the markers of this document, and its chart",
    )
    parser.add_argument(
        "--client-timeout",
        type=int,
        default=1000,
        metavar="MS",
        help="silence after which a client repeats itself (1000)",
    )
    parser.add_argument(
        "--offload",
        action="store_true",
        help="clients use UDP_GRO and UDP_SEGMENT: less work for them, and for the kernel",
    )
    parser.add_argument(
        "--limit", type=float, default=90, metavar="MINUTES", help="start no measurement after this time (90)"
    )
    parser.add_argument("--note", default="", help="a line for the report")
    chosen = parser.parse_args(arguments)
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 5)
    return chosen


def prepare(root: Path, cases: list[Case]) -> None:
    """The files, readable by everybody: the same in every run."""
    root.chmod(0o755)
    source = random.Random(1)
    (root / PROBE).write_bytes(source.randbytes(1000))
    for name, size in sorted({content(case): case.size for case in cases}.items()):
        (root / name).write_bytes(source.randbytes(size))


def run_case(
    case: Case, peers: list[Peer], settings: Settings, rounds: int, end: float
) -> dict[str, list[Sample]]:
    """All rounds of a case."""
    found: dict[str, list[Sample]] = {}
    with contextlib.ExitStack() as stack:
        running = []
        for peer in peers:
            if (peer.name == OURS_2 and not case.servers) or (case.upload and not peer.uploads):
                continue
            if case.servers and peer.name not in case.servers:
                continue
            found[peer.name] = []
            server = Server(
                peer, settings.root, settings.cpus(case, settings.server_cpu), BUILD / f"{peer.name}.log"
            )
            try:
                running.append(stack.enter_context(server))
            except (NotReady, OSError) as reason:
                say(f"  {peer.name} does not serve: {reason}")
                found[peer.name].append({"broken": True, "error": "did not start"})
        for number in range(1, rounds + 1):
            first = number % max(1, len(running))
            turn = running[first:] + running[:first]
            for group in [turn] if case.together else [[server] for server in turn]:
                if time.monotonic() > end:
                    break
                for name, sample in measure(group, case, settings, number).items():
                    found[name].append(sample)
            if BARE in case.servers and time.monotonic() < end:
                for name, sample in measure_bare(case, settings).items():
                    found.setdefault(name, []).append(sample)
    return found


def machine(chosen: argparse.Namespace, versions: Mapping[str, str], missing: Mapping[str, str]) -> Machine:
    """What the figures depend on."""
    information = Path("/proc/cpuinfo").read_text()
    models = [line.partition(":")[2].strip() for line in information.splitlines() if line.startswith("model name")]
    meter = Meter(f"tftp-bench-{os.getpid()}-method")
    meter.close()
    return Machine(
        date=time.strftime("%Y-%m-%d %H:%M"),
        kernel=platform.release(),
        cpu=models[0] if models else platform.machine(),
        cpus=os.cpu_count() or 1,
        python=platform.python_version(),
        command=shlex.join(["python", "-m", "benchmarks.run", *map(_elsewhere, sys.argv[1:])]),
        rounds=chosen.rounds,
        method=meter.method,
        versions={name: version for name, version in versions.items() if name != OURS_2},
        missing=missing,
        note=chosen.note,
    )


def _elsewhere(argument: str) -> str:
    """As it would be on another machine: where a file was here is nobody's business."""
    return Path(argument).name if Path(argument).is_absolute() else argument


def main() -> int:
    """Run it all; the status is 0 when every case could be measured."""
    chosen = options(sys.argv[1:])
    cases = [case for case in CASES if not chosen.only or case.name in chosen.only]
    if chosen.quick:
        cases = [quick(case) for case in cases]
    wanted = {OURS, OURS_2, *(chosen.servers or ",".join(peer.name for peer in PEERS)).split(",")}
    unknown = wanted - {peer.name for peer in PEERS}
    if unknown:
        say(f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(peer.name for peer in PEERS)}")
        return 2
    build()
    for log in BUILD.glob("*.log"):
        log.unlink()
    versions, missing = fetch(tuple(peer for peer in PEERS if peer.name in wanted))
    for name, reason in missing.items():
        say(f"{name} is left out: {reason}")
    cpus = sorted(os.sched_getaffinity(0))
    root = scratch_folder()
    end = time.monotonic() + 60 * chosen.limit
    raw: Raw = {}
    try:
        settings = Settings(root, cpus[0], cpus[-1], chosen.client_timeout, chosen.offload)
        os.sched_setaffinity(0, {settings.client_cpu})
        prepare(root, cases)
        for case in cases:
            begun = time.monotonic()
            peers = [peer for peer in PEERS if peer.name in versions]
            raw[case.name] = run_case(case, peers, settings, chosen.rounds, end)
            say(f"{case.name}: {time.monotonic() - begun:.0f} s")
    finally:
        shutil.rmtree(root, ignore_errors=True)
    results: list[tuple[Case, Mapping[str, Summary]]] = [
        (case, {name: summarize(case, samples) for name, samples in raw[case.name].items()}) for case in cases
    ]
    facts = machine(chosen, versions, missing)
    if chosen.json:
        chosen.json.write_text(json.dumps({"machine": asdict(facts), "samples": raw}, indent=1) + "\n")
    if chosen.write:
        image = chosen.write.parent / IMAGE
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_text(chart(results, f"{facts.date}, {facts.cpu}, median of {facts.rounds}"))
        chosen.write.write_text(inserted(chosen.write.read_text(), render(facts, results, IMAGE.as_posix())))
    sys.stdout.write(render(facts, results))
    return 0 if all(summary.rounds for _, summaries in results for summary in summaries.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
