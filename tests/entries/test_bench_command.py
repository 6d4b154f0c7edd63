"""``tftpd-tw bench`` against a real daemon, which counts the same."""

import json
import re
import resource
import signal
import socket
import subprocess
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from client_kit import TFTPD_TW, started, tftpd_tw
from running import ANY_PORT, IN_FOREGROUND, PATIENCE, Daemon, running, serving

from tftpd_tw import cli
from tftpd_tw.cli import bench
from tftpd_tw.cli.load import Tally
from tftpd_tw.net.client import SERVER_VANISHED
from tftpd_tw.protocol.events import Reason

SIZE = 50_000


@pytest.fixture
def daemon(engine: str, tmp_path: Path) -> Iterator[Daemon]:
    """One whose figures are those of one test."""
    with serving(tmp_path / "root", engine) as daemon:
        (daemon.root / "file").write_bytes(bytes(SIZE))
        yield daemon


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Daemon]:
    """One from which a file takes minutes."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_bytes(bytes(100 << 20))
    (tmp_path / "tftpd.yaml").write_text(
        f"filesystem: {{root: {tmp_path}/root}}\nsecurity: {{rate_limit: 1MB, connections_per_client: 3}}\n"
    )
    with running([*IN_FOREGROUND, "tftpd", "--config", "tftpd.yaml", *ANY_PORT], tmp_path) as daemon:
        yield daemon


def figures(daemon: Daemon) -> dict[str, float]:
    """What the daemon has counted of reads."""
    read = 'direction="read"'
    return {
        "completed": daemon.metric(f'tftp_transfers_total{{{read},outcome="completed"}}'),
        "bytes": daemon.metric(f"tftp_bytes_transferred_total{{{read}}}"),
        "responses": daemon.metric(f"tftp_response_time_seconds_count{{{read}}}"),
        "response_seconds": daemon.metric(f"tftp_response_time_seconds_sum{{{read}}}"),
        "active": daemon.metric("tftp_connections_active"),
    }


def measured(daemon: Daemon, *options: object, cwd: Path) -> tuple[int, dict[str, Any]]:
    """The exit status and the document."""
    done = tftpd_tw("bench", f"127.0.0.1:{daemon.port}", *options, "--json", cwd=cwd)
    assert (done.stderr, done.stdout.count(b"\n")) == (b"", 1)
    found: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, found


def test_the_daemon_counts_the_same(daemon: Daemon, tmp_path: Path) -> None:
    """Transfers, bytes and responses, none longer than its client sees it. No session is left."""
    status, found = measured(daemon, "file", "--transfers", 60, "--clients", 6, cwd=tmp_path)
    assert (status, found["completed"], found["failed"], found["cut_off"]) == (0, 60, 0, 0)
    assert (found["bytes"], found["clients"]) == (60 * SIZE, 6)
    daemon.wait_until(lambda: figures(daemon)["completed"] == 60)
    counted = figures(daemon)
    assert (counted["bytes"], counted["responses"], counted["active"]) == (60 * SIZE, 60, 0)
    assert 0 < counted["response_seconds"] <= 60 * found["response_seconds"]["max"]
    assert found["bytes_per_second"] == pytest.approx(60 * SIZE / found["seconds"])
    for spread in (found["response_seconds"], found["transfer_seconds"]):
        assert 0 < spread["p50"] <= spread["p95"] <= spread["p99"] <= spread["max"] <= found["seconds"]
    assert (found["block_size"], found["window_size"]) == (1428, 32)


@pytest.mark.parametrize("engine", ["poll"], indirect=True)
def test_text(daemon: Daemon, tmp_path: Path) -> None:
    """The same for people, with the options of the others."""
    server = f"127.0.0.1:{daemon.port}"
    options = ("--transfers", 5, "--clients", 2, "--block-size", "8KiB", "--window-size", 3)
    done = tftpd_tw("bench", server, "file", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert text.startswith(f"file of {server}, 2 clients at once, ")
    assert "\ntransfers      5 completed, " in text
    assert "\nagreed         blocks of 8192 bytes, windows of 3\n" in text


@pytest.mark.parametrize("engine", ["poll"], indirect=True)
def test_failures(daemon: Daemon, tmp_path: Path) -> None:
    """Status 1 and their reasons; a file that is not there is not asked for again and again."""
    status, found = measured(daemon, "none", "--clients", 3, cwd=tmp_path)
    assert (status, found["completed"], found["failures"]) == (1, 0, {"error:1": 3})
    assert daemon.metric('tftp_errors_total{code="1"}') == 3
    done = tftpd_tw("bench", f"127.0.0.1:{daemon.port}", "none", "--clients", 3, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.decode().splitlines()[-1] == "3 failed: the server said ERROR 1: File not found"


def test_more_time_than_there_is(slow: Daemon, tmp_path: Path) -> None:
    """What is under way is cut off, which is no failure, and the daemon keeps none of it."""
    status, found = measured(slow, "file", "--seconds", "0.5", "--clients", 3, cwd=tmp_path)
    assert (status, found["completed"], found["failed"], found["cut_off"]) == (0, 0, 0, 3)
    assert found["seconds"] == pytest.approx(0.5, abs=0.3)
    assert 0 < found["bytes"] < 3_000_000
    assert found["transfer_seconds"] is None
    slow.wait_until(lambda: slow.metric("tftp_connections_active") == 0)


@pytest.mark.parametrize("form", [("--json",), ()])
def test_interrupted(form: tuple[str, ...], slow: Daemon, tmp_path: Path) -> None:
    """Ctrl-C ends it with what there is; the daemon keeps no session."""
    server = f"127.0.0.1:{slow.port}"
    with started("bench", server, "file", "--clients", 2, "--seconds", "1h", *form, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        slow.wait_until(lambda: slow.metric('tftp_bytes_transferred_total{direction="read"}') > 100_000)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        text, complaints = process.stdout.read().decode(), process.stderr.read()
    assert complaints == b""
    if form:
        found = json.loads(text)
        assert (found["interrupted"], found["cut_off"], found["failed"]) == (True, 2, 0)
        assert found["bytes"] > 100_000
    else:
        assert "; 0 failed, 2 cut off at the end\n" in text
    slow.wait_until(lambda: slow.metric("tftp_connections_active") == 0)


def test_more_clients_than_descriptors(slow: Daemon, tmp_path: Path) -> None:
    """Each has a socket, as far as the system allows it."""
    command = f"ulimit -S -n 100; exec {TFTPD_TW} bench 127.0.0.1:{slow.port} file --clients 300"
    with subprocess.Popen(["sh", "-c", command], stdout=subprocess.DEVNULL) as process:
        slow.wait_until(lambda: slow.metric("tftp_connections_active") == 3)
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        process.terminate()
        assert process.wait(PATIENCE) == 143
    assert re.search(r"^Max open files +364 ", limits, re.M)


@pytest.mark.parametrize("engine", ["poll"], indirect=True)
def test_a_disk_that_is_full(daemon: Daemon, tmp_path: Path) -> None:
    """Whoever wants the document has to know (status 4)."""
    with open("/dev/full", "w") as full:
        command = ("bench", f"127.0.0.1:{daemon.port}", "file", "--transfers", 1, "--json")
        with started(*command, cwd=tmp_path, stdout=full.fileno()) as process:
            assert process.wait(PATIENCE) == 4
            assert process.stderr is not None
            line = process.stderr.read()
    assert line == b"tftpd-tw bench: cannot write standard output: No space left on device\n"


def test_a_server_that_cannot_be_found(tmp_path: Path) -> None:
    """Status 3, and one line."""
    done = tftpd_tw("bench", "nowhere.invalid", "file", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (3, b"", 1)
    assert done.stderr.startswith(b"tftpd-tw bench: no address is known for 'nowhere.invalid'")


def test_nobody_answers(tmp_path: Path) -> None:
    """Status 3, whether nobody listens there, or whoever does says nothing until the time is over."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{sock.getsockname()[1]}"
        done = tftpd_tw("bench", server, "file", "--seconds", "0.2", "--clients", 2, "--json", cwd=tmp_path)
        found = json.loads(done.stdout)
        assert (done.returncode, found["cut_off"], found["failed"]) == (3, 2, 0)
    # A port of which nobody else gets hold meanwhile.
    done = tftpd_tw("bench", "127.0.0.1:1", "file", "--clients", 3, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, b"")
    assert done.stdout.decode().splitlines()[-1].startswith("3 failed: no answer from the server")


SILENCE = {Reason.NO_ANSWER: 2, SERVER_VANISHED: 1}


@pytest.mark.parametrize(
    ("tally", "status"),
    [
        (Tally(failures=Counter(SILENCE)), 3),
        (Tally(failures=Counter(SILENCE), responses=array("d", [0.1])), 3),
        (Tally(failures=Counter(SILENCE), responses=array("d", [0.1]), cut_off=1), 1),
        (Tally(failures=Counter(SILENCE), completed=1), 1),
        (Tally(failures=Counter({**SILENCE, "error:1": 1})), 1),
        (Tally(completed=1), 0),
    ],
)
def test_statuses(tally: Tally, status: int) -> None:
    """Silence is no answer if nobody got anything; else it is a failure among others."""
    assert bench.exit_status(tally) == status


def test_a_name_that_does_not_fit(tmp_path: Path) -> None:
    """Status 2 (C014)."""
    done = tftpd_tw("bench", "127.0.0.1", "x" * 600, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"tftpd-tw bench: the request would take 644 bytes; TFTP allows 512\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--clients", "0"], "--clients: expected clients, 1 to 10000, got 0"),
        (["--transfers", "0"], "--transfers: expected transfers, 1 to 1000000000, got 0"),
        (["--seconds", "0"], "--seconds: expected seconds (or such as 500ms, 5m, 1h), 100ms to 1d, got 0"),
        (["--seconds", "1", "--transfers", "1"], "not allowed with argument --seconds"),
    ],
)
def test_wrong_options(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and what was expected."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["bench", "server", "file", *arguments])
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("limits", "changed"),
    [
        ((1024, 4096), (1064, 4096)),
        ((1024, 1050), (1050, 1050)),
        ((1024, resource.RLIM_INFINITY), (1064, resource.RLIM_INFINITY)),
        ((2000, 4096), None),
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_descriptors(
    limits: tuple[int, int], changed: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many as there are clients, if the system allows that."""
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: asked.append(wanted))
    bench._allow_descriptors(1000)
    assert asked == ([] if changed is None else [changed])


def test_the_help_says_what_limits_it(capsys: pytest.CaptureFixture[str]) -> None:
    """It may not be the server."""
    with pytest.raises(SystemExit):
        cli.main(["bench", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "The clients are one Python process, which may be the limit rather than the server" in text
