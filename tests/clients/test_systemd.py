"""A daemon that systemd has started: with what there is of it here, or a parent that does the same."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

import pytest
from lacking import need
from running import IN_FOREGROUND, PATIENCE, TWISTD, Daemon, fetch, request, running, soon, udp

UNITS = Path(__file__).parents[2] / "docs" / "systemd"
NO_HTTP = ("--http", "off")

PARENT = """
import os, socket, sys
[hosts, share, *command] = sys.argv[1:]
opened = []
for host in hosts.split(","):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if share != "no":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if host == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((host, int(share) if share.isdigit() else 0))
    opened.append(sock)
# Out of the way first: what has these numbers now may be needed to read the next.
moved = [os.dup2(sock.fileno(), 100 + index) for index, sock in enumerate(opened)]
for index, descriptor in enumerate(moved):
    os.dup2(descriptor, 3 + index)
    os.close(descriptor)
names = ":".join(["tftp"] * len(opened))
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(opened)), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""
"""As systemd does it: sockets from 3 on, and variables that say so."""


class Notes:
    """The socket that systemd listens on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE)

    def wait_for(self, word: str) -> str:
        """The note that has it, from now on."""
        while True:
            note = self._socket.recv(4096).decode()
            self.seen.append(note)
            if word in note:
                return note

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    """One for each test."""
    notes = Notes(tmp_path / "notify")
    yield notes
    notes.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content" * 100)
    return root


@contextmanager
def inheriting(root: Path, engine: str, hosts: str, *options: str, share: str = "no") -> Iterator[Daemon]:
    """A daemon whose parent has opened sockets on any ports of ``hosts``."""
    command = [sys.executable, "-c", PARENT, hosts, share, *IN_FOREGROUND, "tftpd", "--root", str(root)]
    with running([*command, *NO_HTTP, "--engine", engine, *options], root.parent, http=False) as daemon:
        yield daemon


def served_at(daemon: Daemon) -> list[tuple[str, int]]:
    """Where it says that it serves."""
    places = [line.rpartition(" ")[2].rpartition(":") for line in daemon.lines if "] serving " in line]
    return [(host.strip("[]"), int(port)) for host, _, port in places]


def test_systemd_itself(engine: str, root: Path) -> None:
    """It opens the socket, starts the daemon with the first request, and that request is answered."""
    activate = need("systemd-socket-activate", "systemd")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [activate, "--datagram", "--listen", f"127.0.0.1:{port}", f"--setenv=PATH={os.environ['PATH']}"]
    command += [f"--setenv=PYTHONPATH={os.environ.get('PYTHONPATH', '')}"]
    process = subprocess.Popen(
        [*command, *IN_FOREGROUND, "tftpd", "--root", str(root), *NO_HTTP, "--engine", engine],
        cwd=root.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with udp() as sock:
            sock.settimeout(0.2)
            packet = b""
            for _ in range(100):
                sock.sendto(request(1, b"file"), ("127.0.0.1", port))
                try:
                    packet = sock.recv(1024)
                    break
                except TimeoutError:
                    continue
        assert packet.startswith(b"\0\3\0\1content")
    finally:
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE)
    assert f"serving {root} on UDP 127.0.0.1:{port}" in output
    assert "Traceback" not in output


def test_sockets_that_were_inherited(engine: str, root: Path) -> None:
    """Any number of them, of both families, instead of the configured address."""
    with inheriting(root, engine, "127.0.0.1,127.0.0.2,::1", "--address", "192.0.2.1") as daemon:
        assert soon(lambda: len(served_at(daemon)) == 3)
        places = served_at(daemon)
        assert [host for host, _ in places] == ["127.0.0.1", "127.0.0.2", "::1"]
        for host, port in places:
            assert fetch(host, port, b"file") == b"content" * 100


def test_the_wildcard(engine: str, root: Path) -> None:
    """``ListenDatagram=69`` is a socket of both families; the daemon knows which address was asked."""
    with inheriting(root, engine, "::") as daemon, udp() as sock:
        [(_, port)] = served_at(daemon)
        sock.sendto(request(1, b"file"), ("127.0.0.9", port))
        assert sock.recvfrom(1024)[1][0] == "127.0.0.9"
        sock.sendto(b"\0\5\0\0enough\0", sock.recvfrom(1024)[1])


def test_workers_share_one_socket_each(engine: str, root: Path) -> None:
    """With as many sockets on the address as workers; here the daemon may open the second one itself."""
    with inheriting(root, engine, "127.0.0.1", "--workers", "2", share="yes") as daemon:
        [(host, port)] = served_at(daemon)
        assert soon(lambda: daemon.output.count("serves") == 2)
        for _ in range(20):
            assert fetch(host, port, b"file") == b"content" * 100
        assert "LISTEN_FDS" not in Path(f"/proc/{worker(daemon)}/environ").read_text()


def worker(daemon: Daemon) -> str:
    """The process of one."""
    return daemon.wait_for_line(r"worker 1 \(pid (\d+)\) serves")[1]


def test_a_socket_of_the_wrong_kind(root: Path) -> None:
    """One line that says what the unit should say."""
    with socket.socket() as stream:
        stream.bind(("127.0.0.1", 0))
        stream.listen()
        script = "import os,sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid())"
        script += "; os.execv(sys.argv[2], sys.argv[2:])"
        result = subprocess.run(
            [sys.executable, "-c", script, str(stream.fileno()), *IN_FOREGROUND, "tftpd", "--root", str(root)],
            cwd=root.parent,
            env={**os.environ, "LISTEN_FDS": "1"},
            pass_fds=[stream.fileno()],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert "tftpd: descriptor 3 was passed to be listened on, but it is no UDP socket" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_it_is_told(workers: str, engine: str, root: Path, notes: Notes) -> None:
    """Ready when it serves, signs of life, a reload from its begin to its end, and that it is stopping."""
    command = [*IN_FOREGROUND, "tftpd", "--root", str(root), "--port", "0", *NO_HTTP, "--engine", engine]
    environment = {"NOTIFY_SOCKET": str(notes.path), "WATCHDOG_USEC": "200000"}
    with running([*command, "--workers", workers], root.parent, environment, http=False) as daemon:
        notes.wait_for("READY=1")
        assert "MAINPID" not in "".join(notes.seen)
        assert notes.wait_for("STATUS=") == "STATUS=0 transfers in progress"
        for _ in range(3):
            notes.wait_for("WATCHDOG=1")
        daemon.process.send_signal(signal.SIGHUP)
        assert notes.wait_for("RELOADING=1").startswith("RELOADING=1\nMONOTONIC_USEC=")
        assert notes.wait_for("READY=1") == "READY=1\nSTATUS=0 transfers in progress"
        if workers != "1":
            assert "NOTIFY_SOCKET" not in Path(f"/proc/{worker(daemon)}/environ").read_text()
        daemon.stop()
        notes.wait_for("STOPPING=1")


def test_in_the_background(root: Path, notes: Notes) -> None:
    """The sockets and the notes outlive that twistd forks; systemd is told which process it is to watch."""
    folder = root.parent
    pidfile, log = folder / "twistd.pid", folder / "twistd.log"
    command = [sys.executable, "-c", PARENT, "127.0.0.1", "no", str(TWISTD), "--pidfile", str(pidfile)]
    command += ["--logfile", str(log), "tftpd", "--root", str(root), *NO_HTTP]
    environment = {**os.environ, "NOTIFY_SOCKET": str(notes.path)}
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=PATIENCE, capture_output=True)
    pid = int(pidfile.read_text())
    try:
        assert notes.wait_for("READY=1") == f"READY=1\nMAINPID={pid}"
        [line] = [line for line in log.read_text().splitlines() if "] serving " in line]
        assert fetch("127.0.0.1", int(line.rpartition(":")[2]), b"file") == b"content" * 100
    finally:
        os.kill(pid, signal.SIGTERM)
        while Path(f"/proc/{pid}").exists():
            sleep(0.01)
    notes.wait_for("STOPPING=1")


def test_the_units(tmp_path: Path) -> None:
    """systemd understands every line, with the command where it is here."""
    analyze = need("systemd-analyze", "systemd")
    command = Path(sys.executable).with_name("tftpd-tw")
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/usr/local/bin/tftpd-tw", str(command))
        (tmp_path / unit.name).write_text(text)
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    result = subprocess.run([analyze, "verify", *paths], capture_output=True, text=True, timeout=60)
    told = [line for line in result.stderr.splitlines() if "tftpd" in line]
    assert told == []
