"""SIGTERM while transfers run (F22)."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from running import Daemon, ack, data, request, serving, udp

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


def test_a_transfer_that_hangs_is_ended(daemon: Daemon) -> None:
    """When its time is over it gets an ERROR, and nothing half written is left (C114)."""
    with ExitStack() as stack:
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
    assert daemon.output.count("reason=server-stopping") == 2
    assert [path.name for path in daemon.root.iterdir()] == ["file"]


def test_an_idle_daemon_ends_at_once(daemon: Daemon) -> None:
    """Nothing to wait for."""
    daemon.stop()
    assert daemon.wait(seconds=5) == -15
    assert "stopping:" not in daemon.output
