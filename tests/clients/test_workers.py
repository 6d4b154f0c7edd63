"""``--workers``: several processes behind one port, and what becomes of them."""

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic
from urllib.error import HTTPError

import pytest
from attrs import frozen
from lacking import lacking
from running import (
    ANY_PORT,
    IN_FOREGROUND,
    PATIENCE,
    TWISTD,
    Daemon,
    ack,
    data,
    fetch,
    request,
    running,
    serving,
    soon,
    udp,
)

BLOCK = b"0123456789abcdef" * 32
COMPLETED = 'tftp_transfers_total{direction="read",outcome="completed"}'
ENOUGH = 200
"""Clients among whom are some of each worker, but for one time in 2**199."""


@pytest.fixture
def daemon(engine: str, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with two workers, which serve."""
    with serving(tmp_path / "root", engine, "--workers", "2", "--uploads", "create") as daemon:
        (daemon.root / "file").write_bytes(BLOCK * 3)
        wait_for_both(daemon)
        yield daemon


@frozen
class Client:
    """A client whose first block has come."""

    sock: socket.socket
    peer: tuple[str, int]

    def finish(self) -> None:
        """Get the rest of the file."""
        for number, payload in ((1, BLOCK), (2, BLOCK), (3, b"")):
            self.sock.sendto(ack(number), self.peer)
            while (packet := self.sock.recv(1024)) == data(number, BLOCK):
                pass  # it was repeated meanwhile
            assert packet == data(number + 1, payload)
        self.sock.sendto(ack(4), self.peer)


def workers(daemon: Daemon) -> dict[int, int]:
    """The process of each worker that has come to serve; the latest."""
    found = re.findall(r"worker (\d+) \(pid (\d+)\) serves", daemon.output)
    return {int(number): int(pid) for number, pid in found}


def wait_for_both(daemon: Daemon) -> None:
    """Until two serve."""
    assert soon(lambda: len(workers(daemon)) == 2), daemon.output


def begin(stack: ExitStack, daemon: Daemon) -> Client:
    """A client that has its first block and waits."""
    sock = stack.enter_context(udp())
    sock.sendto(request(1, b"file"), ("127.0.0.1", daemon.port))
    packet, peer = sock.recvfrom(1024)
    assert packet == data(1, BLOCK)
    return Client(sock, peer)


def read(daemon: Daemon) -> None:
    """A whole transfer."""
    with ExitStack() as stack:
        begin(stack, daemon).finish()


def one_of_each(stack: ExitStack, daemon: Daemon) -> dict[int, Client]:
    """A client in the middle of its transfer for each worker, by the worker's number."""
    found: dict[int, Client] = {}
    for _ in range(ENOUGH):
        client = begin(stack, daemon)
        number = next(number for number, pid in workers(daemon).items() if has_port(pid, client.peer[1]))
        found.setdefault(number, client)
        if len(found) == 2:
            return found
    raise AssertionError(f"only {list(found)} got clients")


def has_port(pid: int, port: int) -> bool:
    """Whether the process has a socket on that UDP port."""
    lines = (Path("/proc/net/udp").read_text() + Path("/proc/net/udp6").read_text()).splitlines()
    inodes = {fields[9] for fields in map(str.split, lines) if fields[1].endswith(f":{port:04X}")}
    links = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(entry.path))
        except FileNotFoundError:
            continue  # closed meanwhile
    return any(f"socket:[{inode}]" in links for inode in inodes)


@contextmanager
def watched(*pids: int) -> Iterator[list[int]]:
    """Descriptors that say whether processes, which are no children of ours, have ended."""
    with ExitStack() as stack:
        watches = [os.pidfd_open(pid) for pid in pids]
        for watch in watches:
            stack.callback(os.close, watch)
        yield watches


def ended(watches: list[int]) -> bool:
    """Wait for all of them."""
    return all(select.select([watch], [], [], PATIENCE)[0] for watch in watches)


def test_both_serve(daemon: Daemon) -> None:
    """The kernel deals the clients to both, and the figures are those of both together."""
    count = 0
    while not all(f"worker {number}] read completed" in daemon.output for number in (1, 2)):
        read(daemon)
        count += 1
        assert count < ENOUGH
    daemon.wait_until(lambda: daemon.metric(COMPLETED) == count)
    assert daemon.metric('tftp_bytes_transferred_total{direction="read"}') == count * len(BLOCK) * 3
    assert daemon.metric("tftp_workers") == 2
    assert daemon.metric("tftp_workers_unresponsive") == 0
    assert daemon.metric("tftp_worker_restarts_total") == 0
    lines = [line for line in daemon.lines if "read completed" in line]
    for line in lines:
        assert re.match(
            r"\S+ \[tftpd_tw\.transfers#info worker [12]\] read completed reason=(completed|last-ack-missing)",
            line,
        )
        assert len(re.findall(r"\d\d:\d\d:\d\d", line)) == 1


def test_uploads(daemon: Daemon) -> None:
    """A worker may write where the daemon may."""
    with udp() as sock:
        sock.sendto(request(2, b"new"), ("127.0.0.1", daemon.port))
        packet, peer = sock.recvfrom(1024)
        assert packet == ack(0)
        sock.sendto(data(1, b"all"), peer)
        assert sock.recv(1024) == ack(1)
    assert (daemon.root / "new").read_bytes() == b"all"


def test_a_worker_that_is_killed(daemon: Daemon) -> None:
    """It takes its own transfers with it and no other; who asks meanwhile waits for the next one."""
    with ExitStack() as stack:
        clients = one_of_each(stack, daemon)
        before = workers(daemon)
        completed = daemon.metric(COMPLETED)
        os.kill(before[1], signal.SIGKILL)
        daemon.wait_for_line(
            rf"worker 1 \(pid {before[1]}\) ended: signal 9 \(SIGKILL\); the next one starts in 1 s"
        )
        # The same address and port, so the same worker's socket. It asks once and does not repeat.
        clients[1].sock.sendto(request(1, b"file"), ("127.0.0.1", daemon.port))
        clients[2].finish()
        packet, peer = clients[1].sock.recvfrom(1024)
        assert packet == data(1, BLOCK)
        Client(clients[1].sock, peer).finish()
    assert soon(lambda: workers(daemon)[1] != before[1])
    assert workers(daemon)[2] == before[2]
    read(daemon)
    daemon.wait_until(lambda: daemon.metric(COMPLETED) == completed + 3)
    assert daemon.metric("tftp_workers") == 2
    assert daemon.metric("tftp_worker_restarts_total") == 1


def test_figures_outlive_their_worker(daemon: Daemon) -> None:
    """A counter never runs backwards; transfers that are lost are no longer in progress."""
    read(daemon)
    daemon.wait_until(lambda: daemon.metric(COMPLETED) == 1)
    with ExitStack() as stack:
        one_of_each(stack, daemon)
        begun = daemon.metric("tftp_connections_active")
        assert begun >= 2
        before = workers(daemon)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        daemon.wait_until(lambda: daemon.metric("tftp_worker_restarts_total") == 2)
        assert daemon.metric("tftp_connections_active") == 0
    assert daemon.metric(COMPLETED) == 1
    daemon.wait_until(lambda: daemon.metric("tftp_workers") == 2)
    read(daemon)
    daemon.wait_until(lambda: daemon.metric(COMPLETED) == 2)


def test_a_worker_that_hangs(daemon: Daemon) -> None:
    """The figures come all the same, with a number that says so."""
    pid = workers(daemon)[2]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert daemon.metric("tftp_workers_unresponsive") == 1
        assert daemon.metric("tftp_workers") == 2
    finally:
        os.kill(pid, signal.SIGCONT)
    daemon.wait_until(lambda: daemon.metric("tftp_workers_unresponsive") == 0)


def test_nobody_serves(daemon: Daemon) -> None:
    """Whoever watches is told so, until somebody does again."""
    assert daemon.get("/healthz") == "ok\n"
    for pid in workers(daemon).values():
        os.kill(pid, signal.SIGKILL)
    assert soon(lambda: daemon.output.count("next one starts") == 2)
    with pytest.raises(HTTPError, match="503"):
        daemon.get("/healthz")
    daemon.wait_until(lambda: daemon.metric("tftp_workers") == 2)
    assert daemon.get("/healthz") == "ok\n"


@pytest.mark.parametrize("everybody", [False, True], ids=["daemon", "everybody"])
def test_stopping(daemon: Daemon, everybody: bool) -> None:
    """SIGTERM, to the daemon or by a service manager to all: transfers are finished and no process is left."""
    with watched(*workers(daemon).values()) as watches:
        with ExitStack() as stack:
            clients = one_of_each(stack, daemon)
            daemon.stop()
            if everybody:
                for pid in workers(daemon).values():
                    os.kill(pid, signal.SIGTERM)
            for number in (1, 2):
                daemon.wait_for_line(rf"worker {number}\] stopping: \d+ transfers? (has|have) 10 seconds")
            # Each process has closed its sockets when it has heard; the daemon may be the last to do so.
            assert soon(lambda: refused(daemon.port))
            for client in clients.values():
                client.finish()
            # The others, that were only begun to find a worker, are ended when the time is over.
        assert daemon.wait() == -15
        assert ended(watches)
    for number in (1, 2):
        assert f"worker {number}] read completed" in daemon.output
    assert "next one starts" not in daemon.output


def test_a_second_signal(daemon: Daemon) -> None:
    """It ends all workers at once, and their clients are told (F22)."""
    with watched(*workers(daemon).values()) as watches, ExitStack() as stack:
        clients = one_of_each(stack, daemon)
        daemon.stop()
        for number in (1, 2):
            daemon.wait_for_line(rf"worker {number}\] stopping: \d+ transfers? (has|have) 10 seconds")
        began = monotonic()
        daemon.stop()
        for client in clients.values():
            while (packet := client.sock.recv(1024)) == data(1, BLOCK):
                pass  # it was repeated meanwhile
            assert packet == b"\0\5\0\0Server is stopping\0"
        assert daemon.wait() == -15
        assert ended(watches)
    assert monotonic() - began < 3
    assert "next one starts" not in daemon.output


def refused(port: int) -> bool:
    """Whether nobody listens any more."""
    with udp() as late:
        late.settimeout(0.2)
        late.connect(("127.0.0.1", port))
        late.send(request(1, b"file"))
        try:
            late.recv(1024)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
        raise AssertionError("a late request was answered")


def test_an_idle_daemon_ends_at_once(daemon: Daemon) -> None:
    """Nothing to wait for."""
    with watched(*workers(daemon).values()) as watches:
        daemon.stop()
        assert daemon.wait(seconds=5) == -15
        assert ended(watches)


def test_a_daemon_that_is_killed(engine: str, tmp_path: Path) -> None:
    """Its workers notice and end by themselves, so that the port is free."""
    root = tmp_path / "root"
    root.mkdir()
    command = [*IN_FOREGROUND, "tftpd", "--root", str(root), *ANY_PORT, "--engine", engine, "--workers", "2"]
    daemon = Daemon(command, tmp_path)
    try:
        wait_for_both(daemon)
        with watched(*workers(daemon).values()) as watches:
            daemon.process.kill()
            assert daemon.wait() == -9
            assert ended(watches)
        with udp() as sock:
            sock.bind(("127.0.0.1", daemon.port)) if False else None
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::", daemon.port))
    finally:
        daemon.end()


def test_a_broadcast_is_answered_once(engine: str, tmp_path: Path) -> None:
    """The kernel gives it to every socket on the port."""
    options = ("--workers", "2", "--answer-broadcast")
    with serving(tmp_path / "root", engine, *options) as daemon, udp("0.0.0.0") as sock:
        (daemon.root / "file").write_bytes(b"content")
        wait_for_both(daemon)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(request(1, b"file"), ("127.255.255.255", daemon.port))
        packet, peer = sock.recvfrom(1024)
        assert packet == data(1, b"content")
        sock.sendto(ack(1), peer)
        daemon.wait_until(lambda: daemon.metric(COMPLETED) == 1)
        assert daemon.metric("tftp_connections_active") == 0
        assert daemon.metric('tftp_datagrams_dropped_total{reason="broadcast"}') == 0


def test_each_on_its_cpu(engine: str, tmp_path: Path) -> None:
    """``--cpu-affinity`` deals the CPUs out, and begins again when there are no more."""
    allowed = sorted(os.sched_getaffinity(0))
    with serving(tmp_path / "root", engine, "--workers", "2", "--cpu-affinity") as daemon:
        wait_for_both(daemon)
        for number, pid in workers(daemon).items():
            assert os.sched_getaffinity(pid) == {allowed[(number - 1) % len(allowed)]}


def test_auto(engine: str, tmp_path: Path) -> None:
    """A worker for each CPU; none beside the daemon where there is only one."""
    count = len(os.sched_getaffinity(0))
    with serving(tmp_path / "root", engine, "--workers", "auto") as daemon:
        (daemon.root / "file").write_bytes(b"content")
        assert fetch("127.0.0.1", daemon.port, b"file") == b"content"
        if count > 1:
            daemon.wait_until(lambda: daemon.metric("tftp_workers") == count)


def test_one_is_the_daemon_itself(engine: str, tmp_path: Path) -> None:
    """No process but that."""
    with serving(tmp_path / "root", engine, "--workers", "1") as daemon:
        (daemon.root / "file").write_bytes(b"content")
        assert fetch("127.0.0.1", daemon.port, b"file") == b"content"
        assert Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text() == ""
        assert "tftp_workers" not in daemon.get("/metrics")


def test_a_second_daemon(daemon: Daemon) -> None:
    """Though the workers share the port, nobody else gets a part of it."""
    command = [*IN_FOREGROUND, "tftpd", "--root", str(daemon.root), "--http", "off", "--workers", "2"]
    result = subprocess.run(
        [*command, "--port", str(daemon.port)], cwd=daemon.root.parent, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 1
    assert f"cannot listen on UDP [::]:{daemon.port}: Address already in use" in result.stdout


@pytest.mark.parametrize("value", ["0", "257", "many", "1.5"])
def test_a_wrong_number(value: str, tmp_path: Path) -> None:
    """One line that names the option."""
    command = [*IN_FOREGROUND, "tftpd", "--root", str(tmp_path), "--workers", value]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert result.returncode == 1
    shown = repr(value) if value == "many" else value
    assert result.stderr == f"tftpd: --workers: expected 'auto' or a number, 1 to 256, got {shown}\n"


def python_for_everybody() -> tuple[str, dict[str, str]] | None:
    """A Python that a user without rights can run, with the path to our packages."""
    path = os.pathsep.join(part for part in sys.path if "site-packages" in part)
    environment = {"PYTHONPATH": os.pathsep.join([path, str(Path(__file__).parents[2])])}
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        try:
            subprocess.run(
                [python, "-P", "-c", "import tftpd_tw.service.worker"],
                user="nobody",
                cwd="/",
                env={**os.environ, **environment},
                check=True,
                capture_output=True,
                timeout=30,
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python, environment
    return None


def test_another_user(engine: str, tmp_path: Path) -> None:
    """Workers run as the user that twistd has become, on a port and a folder that only root could open."""
    if os.geteuid() != 0:
        lacking("only root can become somebody else")
    found = python_for_everybody()
    if found is None:
        lacking("no Python here that nobody may run")
    python, environment = found
    root = tmp_path / "private" / "root"
    root.mkdir(parents=True)
    (root / "file").write_bytes(b"content")
    root.chmod(0o755)
    root.parent.chmod(0o700)
    command = [python, "-P", str(TWISTD), "-n", "--pidfile=", "--uid", "nobody", "tftpd"]
    command += ["--root", str(root), *ANY_PORT, "--engine", engine, "--workers", "2"]
    with running(command, tmp_path, environment) as daemon:
        wait_for_both(daemon)
        for pid in workers(daemon).values():
            status = Path(f"/proc/{pid}/status").read_text()
            [uids] = re.findall(r"^Uid:\s+(.*)$", status, re.MULTILINE)
            assert set(uids.split()) == {str(os.stat(f"/proc/{daemon.process.pid}").st_uid)} != {"0"}
        assert fetch("127.0.0.1", daemon.port, b"file") == b"content"
        before = workers(daemon)
        os.kill(before[1], signal.SIGKILL)
        assert soon(lambda: workers(daemon)[1] != before[1]), daemon.output
        for _ in range(20):
            assert fetch("127.0.0.1", daemon.port, b"file") == b"content"
