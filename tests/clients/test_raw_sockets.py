"""A real daemon, and clients made of literal packets: addresses, ports, sizes, ICMP."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from running import Daemon, ack, data, fetch, request, serving, udp

BLOCK = bytes(range(256)) * 2


@pytest.fixture(scope="module")
def daemon(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on every address."""
    root = tmp_path_factory.mktemp("raw") / "root"
    with serving(root, engine, "--uploads", "create", "--block-size", "65464") as daemon:
        (root / "three").write_bytes(BLOCK * 3)
        (root / "large").write_bytes(BLOCK * 1000)
        (root / "small").write_bytes(b"small")
        yield daemon


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.9", "127.255.1.1"])
def test_the_answer_comes_from_the_address_that_was_asked(asked: str, daemon: Daemon) -> None:
    """Every packet of it, on a socket that listens on all addresses of both families (C153)."""
    with udp() as sock:
        sock.sendto(request(1, b"three"), (asked, daemon.port))
        peers = []
        for number in range(1, 5):
            packet, peer = sock.recvfrom(1024)
            assert packet.startswith(data(number, b""))
            peers.append(peer)
            sock.sendto(ack(number), peer)
    assert {host for host, _ in peers} == {asked}
    assert len(set(peers)) == 1


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.9"])
def test_an_error_comes_from_the_address_that_was_asked(asked: str, daemon: Daemon) -> None:
    """Refusals too, from a port of their own (C153, RFC 1350 section 4)."""
    with udp() as sock:
        sock.sendto(request(1, b"missing"), (asked, daemon.port))
        packet, (host, port) = sock.recvfrom(1024)
    assert packet == b"\0\5\0\1File not found\0"
    assert host == asked
    assert port != daemon.port


def test_an_ipv4_client_is_logged_as_one(daemon: Daemon) -> None:
    """Not as ``::ffff:127.0.0.1``, though the socket is one of IPv6 (C155)."""
    assert fetch("127.0.0.1", daemon.port, b"small") == b"small"
    daemon.wait_for_line(r'client=127\.0\.0\.1:\d+ local=127\.0\.0\.1 name="small"')
    assert "::ffff:" not in daemon.output


def test_an_ipv6_client_is_logged_as_one(daemon: Daemon) -> None:
    """With the brackets that tell the address from the port."""
    assert fetch("::1", daemon.port, b"small") == b"small"
    daemon.wait_for_line(r'client=\[::1\]:\d+ local=::1 name="small"')


def test_ports_cannot_be_guessed(daemon: Daemon) -> None:
    """A hundred refusals, of clients that are let have one each, come from ports with no order in them (C156)."""
    ports = []
    for number in range(100):
        with udp(f"127.1.0.{number}") as sock:
            sock.sendto(request(1, b"missing-%d" % number), ("127.0.0.1", daemon.port))
            _, (_, port) = sock.recvfrom(1024)
            ports.append(port)
    steps = [after - before for before, after in pairwise(ports)]
    assert len(set(ports)) > 80
    assert len(set(steps)) > 80
    assert 20 < sum(step > 0 for step in steps) < 80


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("size", [8, 8192, 65464])
def test_blocks_of_every_size(size: int, host: str, daemon: Daemon) -> None:
    """The largest fits into UDP over both families (C050, C057)."""
    (daemon.root / f"blocks-{size}").write_bytes((BLOCK * 400)[: size * 3 + 5])
    got = fetch(host, daemon.port, b"blocks-%d" % size, blksize=size)
    assert got == (BLOCK * 400)[: size * 3 + 5]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_window_of_the_largest_blocks(host: str, daemon: Daemon) -> None:
    """Four blocks of 65464 bytes in a row arrive whole (C057, C120)."""
    with udp(host, wide=True) as sock:
        sock.sendto(request(1, b"large", blksize=65464, windowsize=4), (host, daemon.port))
        oack, peer = sock.recvfrom(65536)
        assert oack == b"\0\6blksize\x0065464\0windowsize\x004\0"
        sock.sendto(ack(0), peer)
        got = b""
        for number in range(1, 9):
            packet = sock.recv(65536)
            assert packet.startswith(data(number, b""))
            got += packet[4:]
            if number in (4, 8):
                sock.sendto(ack(number), peer)
    assert got == BLOCK * 1000


def test_an_upload_of_the_largest_blocks(daemon: Daemon) -> None:
    """No byte is cut off from a datagram of 65468 (K3, C054)."""
    with udp(wide=True) as sock:
        sock.sendto(request(2, b"uploaded", blksize=65464), ("127.0.0.1", daemon.port))
        oack, peer = sock.recvfrom(1024)
        assert oack == b"\0\6blksize\x0065464\0"
        content = (BLOCK * 300)[: 65464 * 2 + 7]
        for number in range(1, 4):
            sock.sendto(data(number, content[(number - 1) * 65464 : number * 65464]), peer)
            assert sock.recv(1024) == ack(number)
    assert (daemon.root / "uploaded").read_bytes() == content


@pytest.mark.parametrize("uploading", [False, True], ids=["read", "write"])
def test_a_client_that_has_gone_is_let_go(
    uploading: bool, tmp_path_factory: pytest.TempPathFactory, daemon: Daemon
) -> None:
    """Its host says that the port is closed, and within a second the transfer is no more (F12, C152)."""
    before = daemon.metric("tftp_connections_active")
    with udp() as sock:
        sock.sendto(request(2 if uploading else 1, b"left" if uploading else b"large"), ("127.0.0.1", daemon.port))
        for number in range(1, 4):
            _, peer = sock.recvfrom(1024)
            assert daemon.metric("tftp_connections_active") == before + 1
            sock.sendto(data(number, BLOCK) if uploading else ack(number), peer)
    seconds = daemon.wait_until(lambda: daemon.metric("tftp_connections_active") <= before)
    assert seconds < 1
    direction = "write" if uploading else "read"
    daemon.wait_for_line(f"{direction} failed reason=client-vanished")
    assert not (daemon.root / "left").exists()


@pytest.mark.parametrize(
    "datagram", [b"", b"\0", b"\0\5\0\1x\0", b"\0\4\0\1", b"\0\3\0\1x", b"\0\6blksize\x00512\0"]
)
def test_what_is_no_request_gets_no_answer(datagram: bytes, daemon: Daemon) -> None:
    """Above all no ERROR for an ERROR; the next request is served as if nothing had been (C007, C010, C011)."""
    with udp() as sock:
        sock.sendto(datagram, ("127.0.0.1", daemon.port))
        sock.sendto(request(1, b"small"), ("127.0.0.1", daemon.port))
        packet, peer = sock.recvfrom(1024)
        assert packet == data(1, b"small")
        sock.sendto(ack(1), peer)


def test_a_broken_request(daemon: Daemon) -> None:
    """ERROR 4, once (C004, C014)."""
    with udp() as sock:
        for datagram in (b"\0\1name\0octet", b"\0\1" + b"x" * 65000):
            sock.sendto(datagram, ("127.0.0.1", daemon.port))
            assert sock.recv(1024) == b"\0\5\0\4Illegal TFTP operation\0"


def test_broadcasts_are_not_answered(daemon: Daemon) -> None:
    """A request to everybody on the network is not for us (C037)."""
    import socket

    with udp("0.0.0.0") as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sample = 'tftp_datagrams_dropped_total{reason="broadcast"}'
        before = daemon.metric(sample)
        sock.sendto(request(1, b"small"), ("127.255.255.255", daemon.port))
        daemon.wait_until(lambda: daemon.metric(sample) == before + 1)
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.recv(1024)
