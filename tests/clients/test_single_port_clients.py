"""Real clients, and workers, where all stays on one port."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command_line import Atftp, Busybox, Client, Curl, Hpa, Server
from running import Daemon, ack, data, fetch, request, serving, soon, udp
from test_transfers import CLIENTS, HOSTS, content

SIZES = (0, 512, 300_000)


@pytest.fixture(scope="module")
def daemon(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that takes uploads and has no other port."""
    root = tmp_path_factory.mktemp("single") / "root"
    with serving(root, engine, "--uploads", "overwrite", "--single-port") as daemon:
        for size in SIZES:
            (root / f"size-{size}").write_bytes(content(size))
        yield daemon


@pytest.fixture(params=HOSTS, ids=["ipv4", "ipv6"])
def server(request: pytest.FixtureRequest, daemon: Daemon) -> Server:
    """Where it is."""
    return Server(request.param, daemon.port)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_a_file_is_read_and_written(
    client: Client, size: int, server: Server, daemon: Daemon, tmp_path: Path
) -> None:
    """The bytes are right both ways (C001, C080, C081, C120); curl 7.88 takes a tsize of 0 for a mistake."""
    if size == 0 and client.program == "curl":
        client = Curl(("--tftp-no-options",))
    client.get(server, f"size-{size}", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == content(size)
    name = f"put-{CLIENTS.index(client)}-{size}-{HOSTS.index(server.host)}"
    client.put(server, tmp_path / "got", name)
    assert (daemon.root / name).read_bytes() == content(size)


@pytest.mark.parametrize("client", [Curl(), Hpa(), Atftp(), Busybox()], ids=str)
def test_a_missing_file(client: Client, server: Server, daemon: Daemon, tmp_path: Path) -> None:
    """Each client is told (C031), and does not wait for what will not come."""
    before = daemon.metric('tftp_errors_total{code="1"}')
    client.get(server, "none", tmp_path / "got")
    assert not (tmp_path / "got").exists() or not (tmp_path / "got").read_bytes()
    assert daemon.metric('tftp_errors_total{code="1"}') == before + 1


@pytest.mark.parametrize("host", HOSTS)
def test_workers(engine: str, host: str, tmp_path: Path) -> None:
    """The kernel gives all packets of a client to the worker that has its transfer."""
    with serving(tmp_path / "root", engine, "--workers", "2", "--single-port") as daemon:
        (daemon.root / "file").write_bytes(content(5000))
        assert soon(lambda: daemon.output.count(" serves") == 2)
        for _ in range(40):
            assert fetch(host, daemon.port, b"file", blksize=512) == content(5000)
        # Of 40 transfers each worker had some, but for one time in 2**39.
        assert {line for line in (1, 2) if f"worker {line}] read completed" in daemon.output} == {1, 2}


def test_stopping_workers(engine: str, tmp_path: Path) -> None:
    """Those that have nothing to do end, and the clients of the others stay with these (F22)."""
    with serving(tmp_path / "root", engine, "--workers", "4", "--single-port") as daemon, ExitStack() as stack:
        (daemon.root / "file").write_bytes(content(1300))
        assert soon(lambda: daemon.output.count(" serves") == 4)
        server = ("127.0.0.1", daemon.port)
        clients = [stack.enter_context(udp()) for _ in range(3)]
        for client in clients:
            client.sendto(request(1, b"file"), server)
            assert client.recv(1000) == data(1, content(1300)[:512])
        daemon.stop()
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children")
        assert soon(lambda: len(children.read_text().split()) < 4)
        for client in clients:
            for number in (1, 2):
                client.sendto(ack(number), server)
                while (packet := client.recv(1000)) == data(number, content(1300)[512 * (number - 1) :][:512]):
                    pass  # repeated meanwhile
                assert packet == data(number + 1, content(1300)[512 * number :][:512])
            client.sendto(ack(3), server)
        assert daemon.wait() == -15
    assert daemon.output.count("read completed") == 3


def test_stopping(engine: str, tmp_path: Path) -> None:
    """The daemon takes no more requests and lets the transfers on its port finish (F22)."""
    with serving(tmp_path / "root", engine, "--single-port") as daemon, ExitStack() as stack:
        (daemon.root / "file").write_bytes(content(1300))
        client, late = stack.enter_context(udp()), stack.enter_context(udp())
        server = ("127.0.0.1", daemon.port)
        client.sendto(request(1, b"file"), server)
        assert client.recvfrom(1000) == (data(1, content(1300)[:512]), server)
        daemon.stop()
        daemon.wait_for_line("stopping: 1 transfer has")
        late.sendto(request(1, b"file"), server)
        for number in (1, 2):
            client.sendto(ack(number), server)
            assert client.recv(1000) == data(number + 1, content(1300)[number * 512 :][:512])
        client.sendto(ack(3), server)
        assert daemon.wait() in (0, -15)
        late.settimeout(0)
        with pytest.raises((BlockingIOError, socket.timeout)):
            late.recv(1000)


def test_a_range_of_ports(engine: str, tmp_path: Path) -> None:
    """Transfers and errors come from ports of the range. When all are taken a request gets no answer and is
    counted, until one is free again (C156, F17).
    """
    # Below those that the kernel gives to others meanwhile.
    options = ("--port-range", "21040-21043", "--timeout", "0.1")
    with serving(tmp_path / "root", engine, *options) as daemon, ExitStack() as stack:
        (daemon.root / "file").write_bytes(content(1300))
        clients = [stack.enter_context(udp()) for _ in range(5)]
        server, ports = ("127.0.0.1", daemon.port), {}
        clients[0].sendto(request(1, b"none"), server)
        answer, (_, port) = clients[0].recvfrom(1000)
        assert (answer[:4], port in range(21040, 21044)) == (b"\0\5\0\1", True)
        for client in clients[:4]:
            client.sendto(request(1, b"file", tsize=0), server)
            ports[client] = client.recvfrom(1000)[1]
        assert sorted(port for _, port in ports.values()) == [21040, 21041, 21042, 21043]
        clients[4].sendto(request(1, b"file"), server)
        ignored = 'tftp_datagrams_dropped_total{reason="no-socket:EADDRINUSE"}'
        daemon.wait_until(lambda: daemon.metric(ignored) == 1)
        daemon.wait_for_line(r"read ignored reason=no-socket:EADDRINUSE client=127\.0\.0\.1:\d+ ")
        clients[4].settimeout(0)
        with pytest.raises(BlockingIOError):
            clients[4].recv(1000)
        clients[0].sendto(b"\0\5\0\0\0", ports[clients[0]])
        clients[4].settimeout(5)
        daemon.wait_until(lambda: daemon.metric("tftp_connections_active") == 3)
        clients[4].sendto(request(1, b"file"), server)
        assert clients[4].recvfrom(1000)[1] == ports[clients[0]]
        for client, peer in {**ports, clients[4]: ports[clients[0]]}.items():
            client.sendto(b"\0\5\0\0\0", peer)
