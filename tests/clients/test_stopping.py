"""SIGTERM while transfers run (F22)."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest
from running import ANY_PORT, IN_FOREGROUND, Daemon, ack, data, request, running, serving, soon, udp

BLOCK = b"0123456789abcdef" * 32


@pytest.fixture
def daemon(engine: str, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that takes uploads."""
    with serving(tmp_path / "root", engine, "--uploads", "overwrite") as daemon:
        (daemon.root / "file").write_bytes(BLOCK * 3)
        yield daemon


def test_a_transfer_that_gets_on_is_finished(daemon: Daemon) -> None:
    """It has its time; who asks now is not answered any more."""
    with udp() as reader, udp() as writer, udp() as late:
        reader.sendto(request(1, b"file"), ("127.0.0.1", daemon.port))
        assert reader.recv(1024) == data(1, BLOCK)
        writer.sendto(request(2, b"new"), ("127.0.0.1", daemon.port))
        assert writer.recvfrom(1024)[0] == ack(0)
        daemon.stop()
        daemon.wait_for_line("stopping: 2 transfers")
        # The first datagram is repeated until it is answered, so the peer is there again.
        packet, reading = reader.recvfrom(1024)
        assert packet == data(1, BLOCK)
        late.connect(("127.0.0.1", daemon.port))
        late.send(request(1, b"file"))
        with pytest.raises(ConnectionRefusedError):
            late.recv(1024)
        for number, payload in ((1, BLOCK), (2, BLOCK), (3, b"")):
            reader.sendto(ack(number), reading)
            assert reader.recv(1024) == data(number + 1, payload)
        reader.sendto(ack(4), reading)
        packet, writing = writer.recvfrom(1024)
        assert packet == ack(0)
        writer.sendto(data(1, b"all"), writing)
        assert writer.recv(1024) == ack(1)
    assert daemon.wait() == -15
    assert "read completed" in daemon.output
    assert "write completed" in daemon.output
    assert (daemon.root / "new").read_bytes() == b"all"


def test_a_transfer_that_hangs_is_ended(engine: str, tmp_path: Path) -> None:
    """After ``drain_timeout`` it gets an ERROR, and nothing half written is left (C114)."""
    file = tmp_path / "tftpd.yaml"
    file.write_text("performance: {drain_timeout: 500ms}\n")
    with ExitStack() as stack:
        options = ("--config", str(file), "--uploads", "overwrite")
        daemon = stack.enter_context(serving(tmp_path / "root", engine, *options))
        (daemon.root / "file").write_bytes(BLOCK * 3)
        reader, writer = (stack.enter_context(udp()) for _ in range(2))
        reader.sendto(request(1, b"file"), ("127.0.0.1", daemon.port))
        assert reader.recv(1024) == data(1, BLOCK)
        writer.sendto(request(2, b"half"), ("127.0.0.1", daemon.port))
        _, peer = writer.recvfrom(1024)
        for number in range(1, 201):
            writer.sendto(data(number, BLOCK), peer)
            assert writer.recv(1024) == ack(number)
        daemon.stop()
        for sock, repeated in ((reader, data(1, BLOCK)), (writer, ack(200))):
            packet = sock.recv(1024)
            while packet == repeated:
                packet = sock.recv(1024)
            assert packet == b"\0\5\0\0Server is stopping\0"
        assert daemon.wait() == -15
    assert "stopping: 2 transfers have 0.5 seconds" in daemon.output
    assert daemon.output.count("reason=server-stopping") == 2
    assert [path.name for path in daemon.root.iterdir()] == ["file"]


def test_an_upload_that_is_finished_meanwhile(daemon: Daemon) -> None:
    """It is the last thing that is waited for: not its client, who may have missed the last ACK."""
    with udp() as writer:
        writer.sendto(request(2, b"new"), ("127.0.0.1", daemon.port))
        _, peer = writer.recvfrom(1024)
        daemon.stop()
        daemon.wait_for_line("stopping: 1 transfer has 10 seconds")
        began = monotonic()
        writer.sendto(data(1, b"all"), peer)
        assert writer.recv(1024) == ack(1)
        assert daemon.wait() == -15
    assert monotonic() - began < 1.5
    assert (daemon.root / "new").read_bytes() == b"all"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal(second: int, daemon: Daemon) -> None:
    """It ends all at once: the client is told, and there is no traceback."""
    with udp() as reader:
        reader.sendto(request(1, b"file"), ("127.0.0.1", daemon.port))
        assert reader.recv(1024) == data(1, BLOCK)
        daemon.stop()
        daemon.wait_for_line("stopping: 1 transfer has 10 seconds")
        began = monotonic()
        daemon.process.send_signal(second)
        while (packet := reader.recv(1024)) == data(1, BLOCK):
            pass
        assert packet == b"\0\5\0\0Server is stopping\0"
        assert daemon.wait() == -15
    assert monotonic() - began < 3
    assert "] stopping at once" in daemon.output
    assert "Traceback" not in daemon.output


HANGING_DISK = """
import os, sys
from tftpd_tw.service import replacing, storage

def hang(function):
    sys.stderr.write("a thread hangs\\n")
    sys.stderr.flush()
    open(os.environ["HANGING_DISK"]).close()

defer = storage.deferToThreadPool
storage.deferToThreadPool = lambda reactor, pool, function, *_: defer(reactor, pool, hang, function)
storage.STORAGE_SECONDS = replacing.STOP_WITHIN = 3600.0
"""
"""Has every thread wait for a FIFO that nobody writes to, and the daemon for its threads longer than a test may
take."""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_second_signal_while_a_disk_hangs(engine: str, workers: int, tmp_path: Path) -> None:
    """Nobody waits for the threads, which are still there, neither the daemon nor a worker; what was logged is
    written, and nobody had to be killed.
    """
    (tmp_path / "root").mkdir()
    (tmp_path / "sitecustomize.py").write_text(HANGING_DISK)
    disk = tmp_path / "disk"
    os.mkfifo(disk)
    environment = {
        "HANGING_DISK": str(disk),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH")))),
    }
    options = ("--engine", engine, "--workers", str(workers), "--uploads", "overwrite")
    command = [*IN_FOREGROUND, "tftpd", "--root", "root", *ANY_PORT, *options]
    with running(command, tmp_path, environment) as daemon, udp() as writer:
        daemon.wait_for_line("a thread hangs")  # it looks for what earlier uploads have left
        writer.sendto(request(2, b"new"), ("127.0.0.1", daemon.port))
        assert soon(lambda: daemon.output.count("a thread hangs") == 2), daemon.output
        daemon.stop()
        daemon.wait_for_line("stopping: 1 transfer has")
        daemon.stop()
        assert daemon.wait() == -15
        assert writer.recv(1024) == b"\0\5\0\0Server is stopping\0"
    # One thread is the daemon's; the other is too, or a worker's.
    waiting = [line for line in daemon.lines if "still wait for the disk" in line]
    assert len(waiting) == workers
    assert "killed" not in daemon.output


def test_two_signals_at_the_same_time(daemon: Daemon) -> None:
    """Both may be there before the reactor has begun to stop."""
    with udp() as reader:
        reader.sendto(request(1, b"file"), ("127.0.0.1", daemon.port))
        assert reader.recv(1024) == data(1, BLOCK)
        os.kill(daemon.process.pid, signal.SIGSTOP)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            os.kill(daemon.process.pid, number)
        assert daemon.wait(5) in (-signal.SIGINT, -signal.SIGTERM)
    assert "Traceback" not in daemon.output


def test_an_idle_daemon_ends_at_once(daemon: Daemon) -> None:
    """Nothing to wait for."""
    daemon.stop()
    assert daemon.wait(seconds=5) == -15
    assert "stopping:" not in daemon.output
