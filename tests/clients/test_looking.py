"""A running daemon, looked at by ``tftpd-tw metrics`` and ``tftpd-tw status``."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lacking import need
from running import ANY_PORT, IN_FOREGROUND, PATIENCE, TWISTD, Daemon, fetch, request, running, soon, udp

from tftpd_tw.telemetry.families import FAMILIES

TFTPD_TW = str(TWISTD.with_name("tftpd-tw"))
CONTENT = b"0123456789" * 100
WORKERS = pytest.mark.parametrize("workers", [1, 2])


@pytest.fixture
def daemon(workers: int, tmp_path: Path) -> Iterator[Daemon]:
    """One that has served a file and refused another."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(CONTENT)
    settings(tmp_path, f"workers: {workers}")
    with running([*IN_FOREGROUND, "tftpd", "--config", "tftpd.yaml", *ANY_PORT], tmp_path) as daemon:
        if workers > 1:
            assert soon(lambda: sum(" serves" in line for line in list(daemon.lines)) == workers), daemon.output
        assert fetch("127.0.0.1", daemon.port, b"file") == CONTENT
        with udp() as sock:
            sock.sendto(request(1, b"missing"), ("127.0.0.1", daemon.port))
            assert sock.recv(600).startswith(b"\0\5\0\1")
        yield daemon


def settings(folder: Path, performance: str) -> Path:
    """The file of the daemon."""
    file = folder / "tftpd.yaml"
    file.write_text(f"filesystem: {{root: {folder}/root}}\nperformance: {{{performance}}}\n")
    return file


def look(daemon: Daemon, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``tftpd-tw`` with these arguments."""
    return subprocess.run(
        [TFTPD_TW, *arguments, "--http", daemon.http],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def state(daemon: Daemon) -> tuple[int, str, list[str]]:
    """The exit status of ``tftpd-tw status``, and what it says."""
    found = look(daemon, "status", "--json")
    document = json.loads(found.stdout)
    return found.returncode, document["state"], document["problems"]


@WORKERS
def test_metrics(daemon: Daemon, workers: int, tmp_path: Path) -> None:
    """What happened, in each format; into a file as anywhere else."""
    file = tmp_path / "metrics.json"
    command = f"{TFTPD_TW} metrics --http {daemon.http} --format json > {file}"
    assert subprocess.run(command, shell=True, timeout=PATIENCE, check=False).returncode == 0
    families = json.loads(file.read_text())["families"]
    assert set(families) >= {family.name for family in FAMILIES}
    assert families["tftp_bytes_transferred"]["values"][0] == {"labels": {"direction": "read"}, "value": 1000}
    response = families["tftp_response_time_seconds"]["values"][0]
    assert response["count"] == response["buckets"]["+Inf"] == 2
    assert ("tftp_workers" in families) == (workers > 1)
    text = look(daemon, "metrics").stdout
    assert re.search(r"^transferred +1.00 kB +0 B$", text, re.M)
    assert re.search(r"^error rate +50.0 % +-$", text, re.M)
    assert re.search(r"^error reasons +not-found 1$", text, re.M)
    assert re.search(r"^memory +[0-9.]+ MB$", text, re.M)
    assert ("2 serving" in text) == (workers > 1)
    page = look(daemon, "metrics", "--format", "prometheus").stdout
    assert 'tftp_bytes_transferred_total{direction="read"} 1000.0\n' in page


@pytest.mark.parametrize("workers", [1])
def test_watching(daemon: Daemon) -> None:
    """Ctrl-C ends it well; and so does a reader who has seen enough."""
    command = [TFTPD_TW, "metrics", "--watch", "0.1", "--http", daemon.http]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        seen = (line for line in process.stdout if line.startswith("tftpd-tw"))
        assert next(seen).endswith("since it was started\n")
        assert re.search(r"of the last (\d+ ms|\d\.\d+ s)\n$", next(seen))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""
    piped = f"{' '.join(command)} | head -n 1"
    ended = subprocess.run(piped, shell=True, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (ended.stdout.count("\n"), ended.stderr) == (1, "")


@pytest.mark.parametrize("workers", [1])
def test_watch_of_procps(daemon: Daemon) -> None:
    """``watch -n 1 tftpd-tw metrics`` shows it."""
    watch, script = need("watch", "procps"), need("script", "bsdutils")
    command = f"timeout --foreground {PATIENCE} {watch} -n 1 '{TFTPD_TW} metrics --http {daemon.http}'"
    with subprocess.Popen(
        [script, "-qefc", command, "/dev/null"],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        shown = ""
        while "event loop lag" not in shown and (part := process.stdout.read(1)):
            shown += part
        process.terminate()
    assert "not-found 1" in shown
    assert "event loop lag" in shown


@WORKERS
def test_status(daemon: Daemon, workers: int, tmp_path: Path) -> None:
    """It follows what becomes of the daemon: well, with settings that were refused, well again, gone."""
    assert state(daemon) == (0, "healthy", [])
    assert ("2 workers serve" in look(daemon, "status").stdout) == (workers > 1)
    settings(tmp_path, "block_size: nonsense")
    daemon.process.send_signal(signal.SIGHUP)
    assert soon(lambda: state(daemon)[:2] == (1, "unhealthy"))
    [problem] = state(daemon)[2]
    assert "failed, and the settings before it are used" in problem
    settings(tmp_path, f"workers: {workers}")
    daemon.process.send_signal(signal.SIGHUP)
    assert soon(lambda: state(daemon) == (0, "healthy", []))
    daemon.end()
    status, name, problems = state(daemon)
    assert (status, name, len(problems)) == (3, "not-running", 1)
    gone = look(daemon, "metrics")
    assert (gone.returncode, gone.stdout, gone.stderr.count("\n")) == (3, "", 1)


@pytest.mark.parametrize("workers", [2])
def test_a_worker_that_hangs(daemon: Daemon) -> None:
    """It is told, and no more when it goes on."""
    children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
    assert len(children) == 2
    os.kill(int(children[0]), signal.SIGSTOP)
    try:
        assert state(daemon) == (1, "unhealthy", ["workers that do not respond: 1"])
    finally:
        os.kill(int(children[0]), signal.SIGCONT)
    assert soon(lambda: state(daemon) == (0, "healthy", []))


@pytest.mark.parametrize("workers", [1])
def test_a_daemon_that_hangs(daemon: Daemon) -> None:
    """It cannot be reached, and nobody waits for it for long."""
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        status, name, [problem] = state(daemon)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    assert (status, name) == (3, "not-running")
    assert problem == f"no answer from {daemon.http} within 5 seconds"
