"""A daemon whose log is JSON: whatever it writes, and however it was started, each line is an object."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import (
    ANY_PORT,
    IN_FOREGROUND,
    TWISTD,
    Daemon,
    ack,
    data,
    fetch_with,
    request,
    running,
    serving,
    soon,
    udp,
)

CONTENT = bytes(range(256)) * 10
TAC = Path(__file__).parents[2] / "tftpd.tac"
AS_JSON = ("--log-format", "json")
HOSTILE = b'a"\n{"version": 1}\r\x1b[2J\xff\xe2\x80\xa8\\'


def objects(lines: list[str]) -> list[Any]:
    """What is in the lines."""
    found = [json.loads(line) for line in lines]
    assert all(each["version"] == 1 for each in found)
    return found


def transfers(lines: list[str]) -> list[Any]:
    """The records of them."""
    return [each for each in objects(lines) if each["event"] == "transfer"]


@pytest.fixture(params=[1, 2])
def daemon(request: pytest.FixtureRequest, engine: str, tmp_path: Path) -> Iterator[Daemon]:
    """One that writes JSON, with so many workers."""
    root, workers = tmp_path / "root", request.param
    with serving(root, engine, *AS_JSON, "--workers", str(workers), "--uploads", "create") as daemon:
        (root / "file").write_bytes(CONTENT)
        assert soon(lambda: daemon.output.count(" serves") == (workers if workers > 1 else 0)), daemon.output
        yield daemon
    # To its last line.
    assert objects(daemon.lines)[-1]["text"] == "Server Shut Down."
    assert {each["worker"] for each in transfers(daemon.lines)} <= ({None} if workers == 1 else {1, 2})


def record_of(daemon: Daemon, port: int) -> Any:
    """That of the transfer of the client on ``port``."""
    assert soon(lambda: any(each["port"] == port for each in transfers(list(daemon.lines)))), daemon.output
    [record] = [each for each in transfers(list(daemon.lines)) if each["port"] == port]
    return record


def test_the_record_is_the_transfer(daemon: Daemon) -> None:
    """With the numbers that the client has seen."""
    with udp() as sock:
        assert fetch_with(sock, ("127.0.0.1", daemon.port), b"file", blksize=1000, tsize=0) == CONTENT
        record = record_of(daemon, sock.getsockname()[1])
    expected = {
        "client": "127.0.0.1",
        "local": "127.0.0.1",
        "direction": "read",
        "name": "file",
        "mode": "octet",
        "asked": {"blksize": "1000", "tsize": "0"},
        "agreed": {"blksize": 1000, "tsize": len(CONTENT)},
        "size": len(CONTENT),
        "bytes": len(CONTENT),
        "blocks": 3,
        "retransmits": 0,
        "outcome": "completed",
        "detail": "",
    }
    assert {name: record[name] for name in expected} == expected
    assert 0 < record["response_seconds"] < record["seconds"] < 30
    assert 0 < record["round_trip_ms"] < 30_000
    assert record["rate"] == pytest.approx(len(CONTENT) / record["seconds"], rel=0.01)


def test_a_hostile_request(daemon: Daemon) -> None:
    """It is one object, and not another one (C028, S038)."""
    with udp() as sock:
        sock.sendto(request(1, HOSTILE, **{HOSTILE.decode("latin-1"): 1}), ("127.0.0.1", daemon.port))
        assert sock.recv(1024).startswith(b"\0\5")
        record = record_of(daemon, sock.getsockname()[1])
    assert record["name"] == r"a\"\x0a{\"version\": 1}\x0d\x1b[2J\xff\xe2\x80\xa8" + "\\\\"
    assert (record["outcome"], record["agreed"], record["bytes"]) == ("refused", None, 0)


def test_an_upload(daemon: Daemon) -> None:
    """Its record comes when it is stored."""
    with udp() as sock:
        sock.sendto(request(2, b"new", tsize=3), ("127.0.0.1", daemon.port))
        packet, peer = sock.recvfrom(1024)
        assert packet == b"\0\6tsize\x003\0"
        sock.sendto(data(1, b"all"), peer)
        assert sock.recv(1024) == ack(1)
        record = record_of(daemon, sock.getsockname()[1])
    assert (record["direction"], record["size"], record["bytes"], record["outcome"]) == (
        "write",
        3,
        3,
        "completed",
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload(workers: int, engine: str, tmp_path: Path) -> None:
    """From text to JSON to what is important only."""
    root, file = tmp_path / "root", tmp_path / "tftpd.yaml"
    root.mkdir()
    (root / "file").write_bytes(CONTENT)

    def write(logging: str) -> None:
        file.write_text(
            f"filesystem: {{root: {root}}}\nperformance: {{engine: {engine}, workers: {workers}}}\n"
            f"logging: {{{logging}}}\n"
        )

    write("")
    with running([*IN_FOREGROUND, "tftpd", "--config", "tftpd.yaml", *ANY_PORT], tmp_path) as daemon:
        assert soon(lambda: daemon.output.count("] worker ") == (workers if workers > 1 else 0)), daemon.output

        def transfer() -> int:
            with udp() as sock:
                assert fetch_with(sock, ("127.0.0.1", daemon.port), b"file") == CONTENT
                port: int = sock.getsockname()[1]
            return port

        port = transfer()
        daemon.wait_for_line(rf"\] read completed .* client=127\.0\.0\.1:{port} ")
        write("format: json")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_line(r'"reloaded; changed: logging\.format"')
        port = transfer()
        daemon.wait_for_line(rf'"event": "transfer".*"port": {port},.*"blocks": 6,')
        write("format: json, level: warn")
        daemon.process.send_signal(signal.SIGHUP)
        assert soon(lambda: daemon.metric('tftp_config_reloads_total{result="success"}') == 2), daemon.output
        port = transfer()
        assert soon(lambda: daemon.metric('tftp_transfers_total{direction="read",outcome="completed"}') == 3)
        write("format: xml")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_line('"level": "error".* logging.format: expected one of text, json, got')
        assert str(port) not in daemon.output
    first = next(number for number, line in enumerate(daemon.lines) if line.startswith("{"))
    assert len(objects(daemon.lines[first:])) >= 3


@pytest.mark.parametrize("start", ["tac", "serve"])
def test_other_ways_to_start(start: str, engine: str, tmp_path: Path) -> None:
    """Every line, the first ones too."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(CONTENT)
    (tmp_path / "tftpd.yaml").write_text(
        f"network: {{port: 0}}\nfilesystem: {{root: {root}}}\nmonitoring: {{http: '127.0.0.1:0'}}\n"
        f"performance: {{engine: {engine}}}\nlogging: {{format: json}}\n"
    )
    command = {
        "tac": [*IN_FOREGROUND, "-y", str(TAC)],
        "serve": [str(Path(sys.executable).with_name("tftpd-tw")), "serve", "--config", "tftpd.yaml"],
    }[start]
    with running(command, tmp_path, {"TFTPD_CONFIG": "tftpd.yaml"}) as daemon, udp() as sock:
        assert fetch_with(sock, ("127.0.0.1", daemon.port), b"file") == CONTENT
        assert record_of(daemon, sock.getsockname()[1])["bytes"] == len(CONTENT)
    assert len(objects(daemon.lines)) >= 6


def test_in_the_background(engine: str, tmp_path: Path) -> None:
    """twistd's log file has it, and SIGUSR1 begins another one."""
    (tmp_path / "root").mkdir()
    log, old, pid_file = tmp_path / "tftpd.log", tmp_path / "tftpd.log.1", tmp_path / "pid"
    command = [TWISTD, f"--pidfile={pid_file}", f"--logfile={log}", "tftpd", "--root", "root", *ANY_PORT, *AS_JSON]
    subprocess.run([*command, "--engine", engine], cwd=tmp_path, check=True, timeout=30)
    pid = int(pid_file.read_text())
    watch = os.pidfd_open(pid)
    try:
        assert soon(lambda: "metrics on" in log.read_text())
        os.kill(pid, signal.SIGUSR1)
        assert soon(old.exists)
    finally:
        os.kill(pid, signal.SIGTERM)
        assert soon(lambda: not pid_file.exists())
        os.close(watch)
    assert "metrics on" in objects(old.read_text().splitlines())[-1]["text"]
    assert soon(lambda: log.read_text().endswith('"Server Shut Down."}\n'))
    assert len(objects(log.read_text().splitlines())) >= 2
