"""The daemon in networks that are not one wire: behind NAT, on some interfaces only, on link-local addresses."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from lacking import need
from namespaces import Namespaces, namespaces
from running import IN_FOREGROUND, PATIENCE, Daemon, ack, data, fetch_with, request, running

CONTENT = b"0123456789abcdef" * 1000
ENOUGH = b"\0\5\0\0\0"
"""Ends a transfer, so that the daemon need not wait for its client when it is stopped."""

SILENCE = 0.3
"""Seconds in which an answer would have come many times."""


@contextmanager
def daemon_in(
    hosts: Namespaces, host: str, root: Path, engine: str, *options: str, settings: str = ""
) -> Iterator[Daemon]:
    """A daemon on that host."""
    root.mkdir(parents=True)
    (root / "file").write_bytes(CONTENT)
    file = root.parent / "tftpd.yaml"
    file.write_text(f"filesystem: {{root: {root}, uploads: create}}\nmonitoring: {{http: off}}\n{settings}")
    command = [*IN_FOREGROUND, "tftpd", "--config", str(file), "--engine", engine, *options]
    with running(hosts.command(host, *command), root.parent, http=False) as daemon:
        yield daemon


# Behind NAT

MASQUERADE = """
table ip nat {
    chain out { type nat hook postrouting priority srcnat; oifname "outside" masquerade; }
}
table ip filter {
    chain in { type filter hook input priority filter; policy drop; ct state established,related accept; }
}
"""
"""The clients are behind it: what comes to it and is no answer is dropped."""

PUBLISHED = """
table ip nat {
    chain in { type nat hook prerouting priority dstnat; iifname "inside" udp dport 69 dnat to 10.2.0.2:69; }
}
table ip filter {
    chain pass {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept;
        iifname "inside" ct status dnat accept;
    }
}
"""
"""The server is behind it, on a published port, as a container is that may begin nothing by itself."""

NATS = {"masquerade": (MASQUERADE, "10.2.0.2"), "published port": (PUBLISHED, "10.1.0.1")}
"""Rules of the router, and the address of the server that clients know."""


@pytest.fixture(params=NATS.values(), ids=NATS)
def behind_nat(request: pytest.FixtureRequest) -> Iterator[tuple[Namespaces, str]]:
    """A client and a server with a router between them that translates addresses."""
    need("nft", "nftables")
    rules, known_as = request.param
    with namespaces("client", "router", "server") as hosts:
        hosts.wire("client", "eth0", "router", "inside")
        hosts.wire("server", "eth0", "router", "outside")
        hosts.address("client", "eth0", "10.1.0.2/24")
        hosts.address("router", "inside", "10.1.0.1/24")
        hosts.address("router", "outside", "10.2.0.1/24")
        hosts.address("server", "eth0", "10.2.0.2/24")
        hosts.run("client", "ip", "route", "add", "default", "via", "10.1.0.1")
        hosts.run("server", "ip", "route", "add", "default", "via", "10.2.0.1")
        hosts.run("router", "tee", "/proc/sys/net/ipv4/ip_forward", said="1")
        hosts.run("router", "nft", "-f", "-", said=rules)
        yield hosts, known_as


def test_a_port_of_its_own_is_not_reached(behind_nat: tuple[Namespaces, str], engine: str, tmp_path: Path) -> None:
    """What the next test is about: an answer from another port does not come through."""
    hosts, server = behind_nat
    impatient = ("--timeout", "0.1", "--max-retries", "0")
    with daemon_in(hosts, "server", tmp_path / "root", engine, *impatient), hosts.udp("client") as sock:
        sock.settimeout(SILENCE)
        sock.sendto(request(1, b"file"), (server, 69))
        with pytest.raises(TimeoutError):
            sock.recv(1000)


def test_single_port_behind_nat(behind_nat: tuple[Namespaces, str], engine: str, tmp_path: Path) -> None:
    """On one port all of it does: files in lockstep and in windows, uploads and errors (C001, C031)."""
    hosts, server = behind_nat
    root = tmp_path / "root"
    with daemon_in(hosts, "server", root, engine, "--single-port") as daemon, hosts.udp("client") as sock:
        assert "on UDP [::]:69 (all on this port)" in daemon.output
        assert fetch_with(sock, (server, 69), b"file") == CONTENT
        assert fetch_with(sock, (server, 69), b"file", blksize=1024) == CONTENT
        assert windows(sock, (server, 69)) == CONTENT
        sock.sendto(request(2, b"new"), (server, 69))
        assert sock.recvfrom(1000) == (ack(0), (server, 69))
        sock.sendto(data(1, b"uploaded"), (server, 69))
        assert sock.recvfrom(1000) == (ack(1), (server, 69))
        assert (root / "new").read_bytes() == b"uploaded"
        sock.sendto(request(1, b"none"), (server, 69))
        answer, sender = sock.recvfrom(1000)
        assert (answer[:4], sender) == (b"\0\5\0\1", (server, 69))


def test_a_real_client_behind_nat(behind_nat: tuple[Namespaces, str], engine: str, tmp_path: Path) -> None:
    """curl gets the file."""
    need("curl", "curl")
    hosts, server = behind_nat
    with daemon_in(hosts, "server", tmp_path / "root", engine, "--single-port"):
        hosts.run("client", "curl", "--silent", "--output", str(tmp_path / "got"), f"tftp://{server}/file")
    assert (tmp_path / "got").read_bytes() == CONTENT


def windows(sock: socket.socket, server: tuple[str | int, ...], blksize: int = 1024, window: int = 8) -> bytes:
    """The file, read in windows."""
    sock.sendto(request(1, b"file", blksize=blksize, windowsize=window), server)
    answer, peer = sock.recvfrom(1000)
    assert answer[:2] == b"\0\6"
    content, number = b"", 0
    sock.sendto(ack(0), peer)
    while True:
        block, sender = sock.recvfrom(2000)
        number += 1
        assert (block[:4], sender) == (data(number, b""), peer)
        content += block[4:]
        if len(block) < blksize + 4:
            sock.sendto(ack(number), peer)
            return content
        if number % window == 0:
            sock.sendto(ack(number), peer)


# Interfaces


@pytest.fixture
def two_wires() -> Iterator[Namespaces]:
    """A server with a wire to each of two clients, which have the same link-local address, as has the server."""
    with namespaces("server", "left", "right") as hosts:
        for number, side in enumerate(("left", "right"), 1):
            hosts.wire("server", side, side, "eth0")
            hosts.address("server", side, f"10.{number}.0.1/24")
            hosts.address("server", side, "fe80::1/64")
            hosts.address(side, "eth0", f"10.{number}.0.2/24")
            hosts.address(side, "eth0", "fe80::2/64")
        yield hosts


def answered(hosts: Namespaces, side: str, server: str, port: int = 69) -> int:
    """The port that answers a client on that side; 0 for none."""
    with hosts.udp(side, socket.AF_INET6 if ":" in server else socket.AF_INET) as sock:
        sock.settimeout(SILENCE)
        # The client's own interface has the number that it says itself.
        scope = int(hosts.run(side, "cat", "/sys/class/net/eth0/ifindex")) if ":" in server else 0
        sock.sendto(request(1, b"file"), (server, port, 0, scope) if scope else (server, port))
        try:
            packet, sender = sock.recvfrom(1000)
        except (TimeoutError, ConnectionRefusedError):
            return 0
        assert packet == data(1, CONTENT[:512])
        assert sender[0] == server
        sock.sendto(ENOUGH, sender)
        return int(sender[1])


def test_one_interface(two_wires: Namespaces, engine: str, tmp_path: Path) -> None:
    """Only those who come in there are answered, whichever address they ask; another server may have the same port
    elsewhere.
    """
    hosts = two_wires
    with daemon_in(hosts, "server", tmp_path / "a" / "root", engine, "--interface", "left") as daemon:
        assert "on UDP [::]:69 (by left only)" in daemon.output
        assert answered(hosts, "left", "10.1.0.1") > 69
        assert answered(hosts, "left", "fe80::1") > 69
        assert answered(hosts, "right", "10.2.0.1") == 0
        hosts.run("right", "ip", "route", "add", "10.1.0.0/24", "via", "10.2.0.1")
        assert answered(hosts, "right", "10.1.0.1") == 0
        with daemon_in(hosts, "server", tmp_path / "b" / "root", engine, "--interface", "right"):
            assert answered(hosts, "right", "10.2.0.1") > 69


LISTENERS = """
network:
  port_range: 50000-50009
  listeners:
    - interface: left
    - {interface: right, single_port: true}
    - {address: 10.2.0.1, port: 6969}
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_listeners(two_wires: Namespaces, engine: str, workers: str, tmp_path: Path) -> None:
    """Each has its own address, port, interface and way to answer, also with workers."""
    hosts = two_wires
    with daemon_in(hosts, "server", tmp_path / "root", engine, "--workers", workers, settings=LISTENERS) as daemon:
        if workers == "2":
            daemon.wait_for_line(r"worker 1 \(pid \d+\) serves")
            daemon.wait_for_line(r"worker 2 \(pid \d+\) serves")
        assert answered(hosts, "left", "10.1.0.1") in range(50000, 50010)
        assert answered(hosts, "right", "10.2.0.1") == 69
        assert answered(hosts, "right", "fe80::1") == 69
        assert answered(hosts, "right", "10.2.0.1", 6969) in range(50000, 50010)
        assert answered(hosts, "left", "10.1.0.1", 6969) == 0


PROFILES = """
clients:
  profiles:
    - {name: left, interfaces: [left], refused_options: [blksize]}
    - {name: right, interfaces: [right], block_size: 1000}
"""


@pytest.mark.parametrize("options", [(), ("--single-port",), ("--workers", "2")], ids=" ".join)
def test_profiles_by_interface(two_wires: Namespaces, engine: str, options: Sequence[str], tmp_path: Path) -> None:
    """Who comes in there is treated so, whichever address he asks."""
    hosts = two_wires
    hosts.run("right", "ip", "route", "add", "10.1.0.0/24", "via", "10.2.0.1")
    with daemon_in(hosts, "server", tmp_path / "root", engine, *options, settings=PROFILES) as daemon:
        if "--workers" in options:
            daemon.wait_for_line(r"worker 1 \(pid \d+\) serves")
            daemon.wait_for_line(r"worker 2 \(pid \d+\) serves")
        assert granted(hosts, "left", "10.1.0.1") == b"\0\6tsize\x0016000\0"
        assert granted(hosts, "right", "10.2.0.1") == b"\0\6blksize\x001000\0tsize\x0016000\0"
        assert granted(hosts, "right", "10.1.0.1") == b"\0\6blksize\x001000\0tsize\x0016000\0"


def granted(hosts: Namespaces, side: str, server: str) -> bytes:
    """The OACK that a client on that side gets."""
    with hosts.udp(side) as sock:
        sock.settimeout(PATIENCE)
        sock.sendto(request(1, b"file", blksize=1400, tsize=0), (server, 69))
        packet, sender = sock.recvfrom(1000)
        sock.sendto(ENOUGH, sender)
        return packet


# Link-local addresses


@pytest.mark.parametrize("options", [(), ("--single-port",)], ids=["own port", "single port"])
def test_link_local_clients_of_two_wires(
    two_wires: Namespaces, engine: str, options: Sequence[str], tmp_path: Path
) -> None:
    """Two clients with the same address and port, on two wires, ask the same address of the server at the same
    time: each gets what it asks for (C154, K4).
    """
    hosts = two_wires
    server = ("fe80::1", 69)
    with (
        daemon_in(hosts, "server", tmp_path / "root", engine, *options),
        hosts.udp("left", socket.AF_INET6) as left,
        hosts.udp("right", socket.AF_INET6) as right,
    ):
        peers = []
        for side, sock in (("left", left), ("right", right)):
            scope = int(hosts.run(side, "cat", "/sys/class/net/eth0/ifindex"))
            sock.bind(("fe80::2", 2000, 0, scope))
            sock.sendto(request(1, b"file"), (*server, 0, scope))
            packet, peer = sock.recvfrom(1000)
            assert packet == data(1, CONTENT[:512])
            peers.append(peer)
        for number in (1, 2, 3):
            for sock, peer in zip((left, right), peers, strict=True):
                sock.sendto(ack(number), peer)
                assert sock.recv(1000) == data(number + 1, CONTENT[number * 512 :][:512])
        for sock, peer in zip((left, right), peers, strict=True):
            sock.sendto(ENOUGH, peer)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_link_local_address_to_listen_on(
    two_wires: Namespaces, engine: str, workers: str, tmp_path: Path
) -> None:
    """With its interface, it is that of this wire and of no other (C154)."""
    hosts = two_wires
    options = ("--address", "fe80::1%left", "--workers", workers)
    with daemon_in(hosts, "server", tmp_path / "root", engine, *options) as daemon:
        if workers == "2":
            daemon.wait_for_line(r"worker 1 \(pid \d+\) serves")
        assert answered(hosts, "left", "fe80::1") > 69
        assert answered(hosts, "right", "fe80::1") == 0
        assert answered(hosts, "left", "10.1.0.1") == 0


NO_INTERFACE = "this host has no such interface; `ip link` lists those that it has"
MISTAKES = {
    ("--address", "fe80::1%middle"): NO_INTERFACE,
    ("--interface", "middle"): f"{NO_INTERFACE} (interface middle)",
    ("--address", "fe80::1"): "a link-local address needs its interface, as in fe80::1%eth0",
}


@pytest.mark.parametrize(("options", "told"), MISTAKES.items(), ids=[" ".join(words) for words in MISTAKES])
def test_mistakes(two_wires: Namespaces, options: Sequence[str], told: str, tmp_path: Path) -> None:
    """One line that says what is wrong and what to do."""
    root = tmp_path / "root"
    with pytest.raises(AssertionError) as caught, daemon_in(two_wires, "server", root, "poll", *options):
        pass
    [line] = [line for line in str(caught.value).splitlines() if "cannot listen" in line]
    assert line.endswith(told)
    assert "Traceback" not in str(caught.value)
