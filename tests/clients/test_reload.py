"""A daemon whose settings are changed while it serves (F21)."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from crowd import Crowd
from running import ANY_PORT, IN_FOREGROUND, Daemon, ack, data, fetch, request, running, soon, udp

CONTENT = bytes(range(256)) * 100
TAC = Path(__file__).parents[2] / "tftpd.tac"
WORKERS = pytest.mark.parametrize("workers", [1, 2])


class Settings:
    """A file, and the daemon that serves by it."""

    daemon: Daemon

    def __init__(self, folder: Path, engine: str, workers: int) -> None:
        self.file = folder / "tftpd.yaml"
        self.root = folder / "root"
        self.root.mkdir()
        (self.root / "file").write_bytes(CONTENT)
        self._engine = engine
        self.workers = workers
        self.write()

    def write(self, performance: str = "", network: str = "") -> None:
        """What the file says."""
        self.file.write_text(
            f"filesystem: {{root: {self.root}}}\n"
            f"network: {{{network}}}\n"
            f"performance: {{engine: {self._engine}, workers: {self.workers}{performance}}}\n"
            # A hundred clients have one address here.
            "security: {answers: 100000, answers_per_second: 100000}\n"
        )

    def count(self, text: str) -> int:
        """Lines of the log that have it."""
        return sum(text in line for line in list(self.daemon.lines))

    def reload(self, line: str = "] reloaded; changed:") -> None:
        """SIGHUP; returns when the log has one more line like that."""
        before = self.count(line)
        self.daemon.process.send_signal(signal.SIGHUP)
        assert soon(lambda: self.count(line) > before), self.daemon.output

    def granted(self) -> int:
        """The block size that somebody gets now who wants a larger one."""
        with udp() as sock:
            sock.sendto(request(1, b"file", blksize=2000), ("127.0.0.1", self.daemon.port))
            packet, peer = sock.recvfrom(1024)
            assert packet.startswith(b"\0\6blksize\0"), packet
            sock.sendto(b"\0\5\0\0enough\0", peer)
            return int(packet.split(b"\0")[2])

    def metric(self, name: str) -> float:
        """One that has no labels."""
        return self.daemon.metric(f"tftp_config_last_reload_{name}")


@pytest.fixture
def settings(engine: str, workers: int, tmp_path: Path) -> Iterator[Settings]:
    """A daemon that serves by a file."""
    settings = Settings(tmp_path, engine, workers)
    command = [*IN_FOREGROUND, "tftpd", "--config", "tftpd.yaml", *ANY_PORT]
    with running(command, tmp_path) as daemon:
        settings.daemon = daemon
        daemon.root = settings.root
        if workers > 1:
            assert soon(lambda: settings.count("serves") == workers), daemon.output
        yield settings


@WORKERS
def test_a_hundred_reloads_under_a_hundred_clients(settings: Settings) -> None:
    """No transfer fails; who asks afterwards gets the new settings, from whichever worker; and a file with a
    mistake changes nothing.
    """
    with Crowd(settings.daemon.port, b"file", CONTENT, 100) as crowd:
        assert soon(lambda: crowd.finished > 0)
        for number in range(100):
            size = 1000 + number
            settings.write(f", block_size: {size}")
            settings.reload()
            assert {settings.granted() for _ in range(4 * settings.workers)} == {size}
            if number % 5 == 0:
                settings.write(", block_size: small")
                settings.reload("tftpd.yaml:3: performance.block_size: expected")
                assert settings.granted() == size
        finished = crowd.finished
        assert soon(lambda: crowd.finished > finished + 100)
    assert crowd.failures == []
    # Those who only asked for the size of a block have said so.
    assert settings.count("read failed") == settings.count("reason=client-error:0")


@WORKERS
def test_a_file_with_mistakes(settings: Settings) -> None:
    """Nothing changes: log and figures say what is wrong and where, until it is mended."""
    began = settings.metric("timestamp_seconds")
    assert settings.metric("success") == 1
    settings.write(", block_size: 1000, timeout: soon", "prot: 69")
    settings.reload("performance.timeout")
    for problem in (
        f"{settings.file}:2: network.prot: unknown key; did you mean 'port'?",
        f"{settings.file}:3: performance.timeout: expected seconds",
    ):
        assert settings.count(f"not reloaded, the settings stay as they were: {problem}") == 1
    assert settings.metric("success") == 0
    failed = settings.metric("timestamp_seconds")
    assert failed > began
    assert settings.granted() == 2000
    assert fetch("127.0.0.1", settings.daemon.port, b"file") == CONTENT
    settings.write(", block_size: 1000")
    settings.reload()
    assert settings.metric("success") == 1
    assert settings.metric("timestamp_seconds") > failed
    assert settings.granted() == 1000


def follow(sock: socket.socket, peer: tuple[str, int]) -> None:
    """Get the rest of the file, of which the first block has come."""
    for number in range(1, 51):
        sock.sendto(ack(number), peer)
        while (packet := sock.recv(1024)) == data(number, CONTENT[(number - 1) * 512 : number * 512]):
            pass  # repeated meanwhile
        assert packet == data(number + 1, CONTENT[number * 512 : (number + 1) * 512])
    sock.sendto(ack(51), peer)


@WORKERS
def test_another_folder_at_the_same_path(settings: Settings) -> None:
    """A tree that was put in place of the old one is served from then on, by every worker; who reads the old one
    gets the rest of that.
    """
    port = settings.daemon.port
    with udp() as old:
        old.sendto(request(1, b"file"), ("127.0.0.1", port))
        packet, peer = old.recvfrom(1024)
        assert packet == data(1, CONTENT[:512])
        settings.root.rename(settings.root.with_name("before"))
        settings.root.mkdir()
        (settings.root / "file").write_bytes(b"new")
        for _ in range(2):
            settings.reload()
            assert {fetch("127.0.0.1", port, b"file") for _ in range(4 * settings.workers)} == {b"new"}
        follow(old, peer)


@WORKERS
def test_other_addresses(settings: Settings) -> None:
    """A new one serves at once, one that is gone does not, and a transfer that began there is finished."""
    port = settings.daemon.port
    with udp() as old:
        old.sendto(request(1, b"file"), ("127.0.0.2", port))
        packet, peer = old.recvfrom(1024)
        assert packet == data(1, CONTENT[:512])
        settings.write(network="addresses: [127.0.0.1, 127.0.0.3]")
        settings.reload()
        new = settings.daemon.wait_for_line(r"serving .* on UDP 127\.0\.0\.3:(\d+)")[1]
        assert fetch("127.0.0.3", int(new), b"file") == CONTENT
        with udp() as late:
            late.connect(("127.0.0.2", port))
            late.send(request(1, b"file"))
            with pytest.raises(ConnectionRefusedError):
                late.recv(1024)
        follow(old, peer)
    settings.daemon.wait_for_line("read completed .*local=127.0.0.2")
    settings.write(network="addresses: [127.0.0.1, 192.0.2.1]")
    settings.reload("not reloaded")
    assert fetch("127.0.0.3", int(new), b"file") == CONTENT


@WORKERS
def test_one_port_for_all(settings: Settings) -> None:
    """Transfers stay on the port that was asked, and don't, as the settings say by then; those that have begun
    there are finished there, even when it takes no more requests.
    """
    port = settings.daemon.port

    def asked() -> tuple[socket.socket, tuple[str, int]]:
        sock = stack.enter_context(udp())
        sock.sendto(request(1, b"file"), ("127.0.0.2", port))
        packet, peer = sock.recvfrom(1024)
        assert packet == data(1, CONTENT[:512])
        return sock, peer

    with ExitStack() as stack:
        assert asked()[1][1] != port
        settings.write(network="single_port: true")
        settings.reload()
        first, second = asked(), asked()
        assert {first[1][1], second[1][1]} == {port}
        settings.write()
        settings.reload()
        assert asked()[1][1] != port
        follow(*first)
        settings.write(network="addresses: [127.0.0.1, 127.0.0.3]")
        settings.reload()
        follow(*second)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_address_that_comes_back(settings: Settings) -> None:
    """Transfers stay on a port that is closed, whichever worker has them and whichever ends first; where it is
    wanted again meanwhile it takes requests at once, and the transfers are finished.
    """
    with udp("127.0.0.2") as sock:
        port = sock.getsockname()[1]
    there = f"single_port: true, listeners: [{{address: 127.0.0.2, port: {port}}}]"
    elsewhere = "single_port: true, addresses: [127.0.0.1]"
    with ExitStack() as stack:

        def asked() -> tuple[socket.socket, tuple[str, int]]:
            sock = stack.enter_context(udp())
            sock.sendto(request(1, b"file"), ("127.0.0.2", port))
            packet, peer = sock.recvfrom(1024)
            assert (packet, peer) == (data(1, CONTENT[:512]), ("127.0.0.2", port))
            return sock, peer

        settings.write(network=there)
        settings.reload()
        clients = [asked() for _ in range(12)]
        settings.write(network=elsewhere)
        settings.reload()
        for client in clients[:6]:
            follow(*client)
        settings.write(network=there)
        settings.reload()
        clients.append(asked())
        for client in clients[6:]:
            follow(*client)
        assert fetch("127.0.0.2", port, b"file") == CONTENT
        settings.write(network=elsewhere)
        settings.reload()
        settings.daemon.wait_until(lambda: settings.daemon.metric("tftp_connections_active") == 0)
        with udp() as late:
            late.connect(("127.0.0.2", port))
            late.send(request(1, b"file"))
            with pytest.raises(ConnectionRefusedError):
                late.recv(1024)
    assert settings.count("read failed") == 0


@WORKERS
def test_what_takes_a_restart(settings: Settings) -> None:
    """A line names it."""
    settings.write(", cpu_affinity: true, block_size: 1000")
    settings.reload("changed by a restart only: performance.cpu_affinity")
    assert settings.granted() == 1000


def reload_command(pid: int, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """``tftpd-tw reload``, for the daemon of this test."""
    command = [str(Path(sys.executable).with_name("tftpd-tw")), "reload", "--pid", str(pid)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


@WORKERS
def test_the_command(settings: Settings) -> None:
    """It tells what the log tells, and its status says it too."""
    pid, folder = settings.daemon.process.pid, settings.root.parent
    settings.write(", block_size: 1000")
    result = reload_command(pid, folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"reloaded (pid {pid})\n", "")
    assert settings.granted() == 1000
    settings.write(", block_size: 1")
    result = reload_command(pid, folder)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"tftpd-tw reload: {settings.file}:3: performance.block_size: expected")
    settings.file.unlink()
    result = reload_command(pid, folder)
    assert result.stderr == f"tftpd-tw reload: {settings.file}: No such file or directory\n"
    assert settings.granted() == 1000


@pytest.mark.parametrize("workers", [1])
def test_the_command_line_goes_first(settings: Settings) -> None:
    """It did at the start, and does again: the daemon that was started on any port stays where it is."""
    port = settings.daemon.port
    settings.write(network="port: 69, addresses: ['::']")
    settings.reload()
    assert fetch("127.0.0.1", port, b"file") == CONTENT


@pytest.mark.parametrize("workers", [1])
def test_the_tac(engine: str, workers: int, tmp_path: Path) -> None:
    """It reloads the file that it was started with."""
    settings = Settings(tmp_path, engine, workers)
    head = settings.file.read_text().replace("network: {}", "network: {port: 0}")
    settings.file.write_text(head + "monitoring: {http: '127.0.0.1:0'}\n")
    with running([*IN_FOREGROUND, "-y", str(TAC)], tmp_path, {"TFTPD_CONFIG": "tftpd.yaml"}) as daemon:
        settings.daemon = daemon
        settings.file.write_text(settings.file.read_text().replace("workers: 1", "block_size: 1000"))
        settings.reload()
        assert settings.granted() == 1000


@pytest.mark.parametrize("workers", [1])
def test_hangups_in_a_row(settings: Settings) -> None:
    """What comes while one is under way is answered by one more, which finds the last of what was written."""
    with ExitStack() as stack:
        crowd = stack.enter_context(Crowd(settings.daemon.port, b"file", CONTENT, 5))
        for number in range(30):
            settings.write(f", block_size: {1000 + number}")
            settings.daemon.process.send_signal(signal.SIGHUP)
        assert soon(lambda: settings.granted() == 1029)
    assert crowd.failures == []
