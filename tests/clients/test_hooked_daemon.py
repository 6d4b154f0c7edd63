"""A daemon with hooks: scripts, and a web server of the test's own."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from lacking import lacking
from running import (
    ANY_PORT,
    IN_FOREGROUND,
    Daemon,
    ack,
    data,
    fetch,
    fetch_with,
    request,
    running,
    serving,
    soon,
    udp,
)

CONTENT = bytes(range(256)) * 10

Hook = Mapping[str, Any]


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., list[str]]:
    """Makes a script of a few lines, which is run in the folder of the test."""

    def make(name: str, text: str) -> list[str]:
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\ncd '{tmp_path}'\n{text}\n")
        file.chmod(0o755)
        return [str(file)]

    return make


def write(folder: Path, *hooks: Hook, **more: Any) -> Path:
    """A settings file with these hooks; JSON is YAML too."""
    file = folder / "tftpd.yaml"
    file.write_text(json.dumps({"monitoring": {"on_transfer": hooks}, **more}))
    return file


@contextmanager
def hooked(folder: Path, engine: str, *hooks: Hook, workers: int = 1, **more: Any) -> Iterator[Daemon]:
    """A daemon with them."""
    root = folder / "root"
    root.mkdir()
    (root / "file").write_bytes(CONTENT)
    file = write(folder, *hooks, **more)
    with serving(root, engine, "--config", str(file), "--workers", str(workers), "--uploads", "create") as daemon:
        assert soon(lambda: daemon.output.count(" serves") == (workers if workers > 1 else 0)), daemon.output
        yield daemon


def records(file: Path) -> list[Any]:
    """Those that a script has appended."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def runs(daemon: Daemon, result: str) -> float:
    """How many hooks have ended so."""
    return daemon.metric(f'tftp_hook_runs_total{{result="{result}"}}')


def download(daemon: Daemon) -> int:
    """The port of a client that got the file."""
    with udp() as sock:
        assert fetch_with(sock, ("127.0.0.1", daemon.port), b"file") == CONTENT
        port: int = sock.getsockname()[1]
    return port


def upload(daemon: Daemon, name: bytes) -> None:
    """Store a small file."""
    with udp() as sock:
        sock.sendto(request(2, name), ("127.0.0.1", daemon.port))
        packet, peer = sock.recvfrom(1024)
        assert packet == ack(0)
        sock.sendto(data(1, b"all"), peer)
        assert sock.recv(1024) == ack(1)


@pytest.mark.parametrize("workers", [1, 2])
def test_each_transfer(engine: str, workers: int, script: Callable[..., list[str]], tmp_path: Path) -> None:
    """Its record is the object that the log has, and comes once, from the process that had it."""
    hooks = (
        {"command": script("all", "cat >> all.json")},
        {"command": script("w", "cat >> w.json"), "only": "write"},
    )
    logging = {"format": "json"}
    with hooked(tmp_path, engine, *hooks, workers=workers, logging=logging) as daemon:
        for _ in range(6):
            download(daemon)
        upload(daemon, b"new")
        with udp() as sock:
            sock.sendto(request(1, b'missing\n"$(reboot)'), ("127.0.0.1", daemon.port))
            assert sock.recv(1024).startswith(b"\0\5\0\1")
        assert soon(lambda: len(records(tmp_path / "all.json")) == 8), daemon.output
        assert soon(lambda: runs(daemon, "success") == 9)
    logged = [each for each in map(json.loads, daemon.lines) if each["event"] == "transfer"]

    def by_port(record: Any) -> int:
        port: int = record["port"]
        return port

    assert sorted(records(tmp_path / "all.json"), key=by_port) == sorted(logged, key=by_port)
    assert {each["worker"] for each in logged} <= ({None} if workers == 1 else {1, 2})
    [written] = records(tmp_path / "w.json")
    assert (written["name"], written["bytes"], written["outcome"]) == ("new", 3, "completed")


class Web(BaseHTTPRequestHandler):
    """Answers by the path; a client of /never waits until its server is gone."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """What is posted is kept."""
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.posted.append((self.path, self.headers["Content-Type"], json.loads(body)))
        if self.path == "/never":
            server.gone.wait()
            return
        self.send_response(int(self.path[1:]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Not here."""


@pytest.fixture
def web() -> Iterator[Any]:
    """A web server."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads = True
    server.posted, server.gone = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.gone.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("workers", [1, 2])
def test_all_that_goes_wrong(workers: int, script: Callable[..., list[str]], web: Any, tmp_path: Path) -> None:
    """Hooks that hang, fail, are not there or write without end hinder neither each other nor the transfers. Each
    is counted, and told once.
    """
    hooks = (
        {"command": script("hangs", "exec sleep 1000"), "timeout": 0.5},
        {"command": script("fails", "echo no disk >&2; exit 3")},
        {"command": [str(tmp_path / "missing")]},
        {"command": script("talks", "exec yes >&2"), "timeout": 0.5},
        {
            "command": script(
                "writes", "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; cat >> writes.json"
            )
        },
        {"url": f"{web.url}/200"},
        {"url": f"{web.url}/500"},
        {"url": f"{web.url}/never", "timeout": 0.5},
    )
    with hooked(tmp_path, "auto", *hooks, workers=workers) as daemon:
        ports = {download(daemon) for _ in range(3)}
        assert soon(lambda: sum(runs(daemon, result) for result in ("success", "failure", "timeout")) == 24)
        assert (runs(daemon, "success"), runs(daemon, "failure"), runs(daemon, "timeout")) == (6, 9, 9)
        assert daemon.metric('tftp_transfers_total{direction="read",outcome="completed"}') == 3
        assert {record["port"] for record in records(tmp_path / "writes.json")} == ports
    for path in ("/200", "/500", "/never"):
        assert {record["port"] for where, kind, record in web.posted if where == path} == ports
        assert {kind for where, kind, record in web.posted if where == path} == {"application/json"}
    told = (
        f"hook monitoring.on_transfer[0] ({tmp_path}/hangs): ended, since it took longer than 0.5 seconds",
        f"hook monitoring.on_transfer[1] ({tmp_path}/fails): it ended with status 3: no disk",
        f"hook monitoring.on_transfer[2] ({tmp_path}/missing): it cannot be started: No such file or directory",
        f"hook monitoring.on_transfer[3] ({tmp_path}/talks): ended, since it took longer than 0.5 seconds",
        f"hook monitoring.on_transfer[6] ({web.url}): the server answered 500 Internal Server Error",
        f"hook monitoring.on_transfer[7] ({web.url}): ended, since it took longer than 0.5 seconds",
    )
    for line in told:
        assert 1 <= daemon.output.count(line) <= workers, line
    assert f"on_transfer[2].command: there is no program {tmp_path}/missing on this machine" in daemon.output


def test_nobody_waits_for_a_hook(engine: str, script: Callable[..., list[str]], tmp_path: Path) -> None:
    """Transfers go on, and what waits has its turn later."""
    os.mkfifo(tmp_path / "fifo")
    hook = {
        "command": script("slow", "cat > /dev/null; read line < fifo; echo >> done"),
        "at_once": 1,
        "timeout": 200,
    }
    with hooked(tmp_path, engine, hook) as daemon:
        for _ in range(20):
            download(daemon)
        assert runs(daemon, "success") == 0
        with open(tmp_path / "fifo", "w") as fifo:
            fifo.write("go on\n" * 20)
            fifo.flush()
            assert soon(lambda: (tmp_path / "done").exists())


@pytest.mark.parametrize("workers", [1, 2])
def test_a_reload(workers: int, script: Callable[..., list[str]], tmp_path: Path) -> None:
    """Other hooks are used from then on; with a mistake, the old ones are."""
    old, new = ({"command": script(name, f"cat >> {name}.json")} for name in ("old", "new"))

    def reload(*hooks: Hook, line: str) -> None:
        write(tmp_path, *hooks)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_line(line)

    with hooked(tmp_path, "auto", old, workers=workers) as daemon:
        first = download(daemon)
        assert soon(lambda: len(records(tmp_path / "old.json")) == 1)
        reload({"command": ["hook"]}, line=r"on_transfer\[0\]: expected the absolute path of a program")
        second = download(daemon)
        assert soon(lambda: len(records(tmp_path / "old.json")) == 2)
        reload(new, line=r"reloaded; changed: monitoring\.on_transfer")
        third = download(daemon)
        assert soon(lambda: runs(daemon, "success") == 3)
    assert [record["port"] for record in records(tmp_path / "old.json")] == [first, second]
    assert [record["port"] for record in records(tmp_path / "new.json")] == [third]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_end(workers: int, script: Callable[..., list[str]], tmp_path: Path) -> None:
    """What is on its way is finished, the last transfer's record too; what hangs is ended, and told."""
    hooks = (
        {"command": script("short", "cat >> short.json; sleep 0.5; echo >> done")},
        {"command": script("hangs", "echo $$ >> pids; exec sleep 1000"), "at_once": 2},
    )
    with hooked(tmp_path, "auto", *hooks, workers=workers) as daemon:
        ports = {download(daemon) for _ in range(3)}
        daemon.stop()
        assert daemon.wait() == -15
    assert {record["port"] for record in records(tmp_path / "short.json")} == ports
    assert (tmp_path / "done").read_text() == "\n" * 3
    assert "reports were given up by hooks, since the daemon stops" in daemon.output
    for pid in (tmp_path / "pids").read_text().split():
        assert soon(lambda pid=pid: not Path("/proc", pid).exists())  # type: ignore[misc]


PATIENT = """
from tftpd_tw.service import replacing
from tftpd_tw.telemetry import hooks

hooks.STOP_SECONDS = replacing.STOP_WITHIN = 3600.0
"""
"""Has the daemon wait for hooks longer than a test may take."""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_signal(workers: int, script: Callable[..., list[str]], tmp_path: Path) -> None:
    """It waits for no hook."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "file").write_bytes(CONTENT)
    (tmp_path / "sitecustomize.py").write_text(PATIENT)
    write(tmp_path, {"command": script("hangs", "echo $$ >> pids; exec sleep 1000")})
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))}
    options = ("--root", "root", "--config", "tftpd.yaml", "--workers", str(workers))
    with running([*IN_FOREGROUND, "tftpd", *ANY_PORT, *options], tmp_path, environment) as daemon:
        download(daemon)
        assert soon((tmp_path / "pids").exists)
        daemon.stop()
        daemon.wait_for_line("Received SIGTERM")
        daemon.stop()
        assert daemon.wait() == -15
    assert "] stopping at once" in daemon.output
    assert "1 reports were given up by hooks, since the daemon stops" in daemon.output
    [pid] = (tmp_path / "pids").read_text().split()
    assert soon(lambda: not Path("/proc", pid).exists())


@pytest.mark.parametrize("workers", [1, 2])
def test_what_it_inherits(workers: int, script: Callable[..., list[str]], tmp_path: Path) -> None:
    """No socket, no folder, and no signal that is ignored; of a worker neither."""
    hook = {"command": script("hook", "ls -l /proc/$$/fd > fds; grep SigIgn: /proc/$$/status > ignored")}
    with hooked(tmp_path, "auto", hook, workers=workers) as daemon:
        download(daemon)
        assert soon(lambda: runs(daemon, "success") == 1), daemon.output
    descriptors = (tmp_path / "fds").read_text()
    assert descriptors.count("pipe:") == 2
    assert "socket:" not in descriptors
    assert f"{tmp_path}/root" not in descriptors
    ignored = int((tmp_path / "ignored").read_text().split()[1], 16)
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM):
        assert not ignored & 1 << number - 1


def test_the_user() -> None:
    """It is the one that the daemon has become."""
    if os.geteuid() != 0:
        lacking("only root can become somebody else")
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        root, said = folder / "root", folder / "said"
        root.mkdir()
        (root / "file").write_bytes(CONTENT)
        said.touch()
        said.chmod(0o666)
        write(folder, {"command": ["/bin/sh", "-c", f"echo $(id -u) $(id -g) $(id -G) > {said}"]})
        options = "--uid 65534 --gid 65533 tftpd --root root --config tftpd.yaml"
        with running([*IN_FOREGROUND, *options.split(), *ANY_PORT], folder) as daemon:
            assert fetch("127.0.0.1", daemon.port, b"file") == CONTENT
            assert soon(lambda: runs(daemon, "success") == 1), daemon.output
        user, group, *groups = map(int, said.read_text().split())
    assert (user, group) == (65534, 65533)
    assert 0 not in groups
