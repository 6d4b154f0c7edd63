"""``tftpd-tw get`` and ``put`` on a network of the test's own: link-local addresses, small packets, no way."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from namespaces import Namespaces, namespaces
from running import IN_FOREGROUND, PATIENCE, TWISTD, Daemon, running

TFTPD_TW = str(TWISTD.with_name("tftpd-tw"))
CONTENT = b"0123456789abcdef" * 10_000
SERVER = "fe80::1"


@pytest.fixture(scope="module")
def wire() -> Iterator[Namespaces]:
    """A client and a server on an Ethernet of small packets, without any address but link-local ones."""
    with namespaces("client", "server") as hosts:
        hosts.wire("client", "eth0", "server", "eth0")
        for host, address in (("client", "fe80::2/64"), ("server", f"{SERVER}/64")):
            hosts.run(host, "ip", "link", "set", "eth0", "mtu", "1300")
            hosts.address(host, "eth0", address)
        yield hosts


@pytest.fixture(scope="module")
def daemon(wire: Namespaces, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon on the server."""
    root = tmp_path_factory.mktemp("served") / "root"
    root.mkdir()
    (root / "file").write_bytes(CONTENT)
    command = [*IN_FOREGROUND, "tftpd", "--root", str(root), "--uploads", "create", "--http", "off"]
    with running(wire.command("server", *command), root.parent, http=False) as daemon:
        daemon.root = root
        yield daemon


def on_the_client(hosts: Namespaces, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run ``tftpd-tw`` there."""
    command = hosts.command("client", TFTPD_TW, *arguments)
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)


@pytest.mark.parametrize("server", [f"{SERVER}%eth0", f"[{SERVER}%eth0]:69", f"{SERVER}%2"])
def test_link_local_addresses(server: str, wire: Namespaces, daemon: Daemon, tmp_path: Path) -> None:
    """With the interface beside them they work both ways (C154, K4)."""
    if server.endswith("%2"):
        server = server[:-1] + wire.run("client", "cat", "/sys/class/net/eth0/ifindex").strip()
    done = on_the_client(wire, "get", server, "file", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "file").read_bytes() == CONTENT
    name = f"put-{len(list(daemon.root.iterdir()))}"
    done = on_the_client(wire, "put", "file", server, name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (daemon.root / name).read_bytes() == CONTENT


@pytest.mark.usefixtures("daemon")
def test_blocks_that_fit(wire: Namespaces, tmp_path: Path) -> None:
    """``mtu`` is what leaves in one piece: 1300 bytes less the headers of IPv6, UDP and TFTP (C050)."""
    done = on_the_client(wire, "get", f"{SERVER}%eth0", "file", "--block-size", "mtu", cwd=tmp_path)
    assert "blksize 1248, " in done.stdout
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_an_interface_that_there_is_not(wire: Namespaces, tmp_path: Path) -> None:
    """It is the option that is wrong."""
    done = on_the_client(wire, "get", f"{SERVER}%eth9", "file", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("there is no interface 'eth9'")


def test_no_route(wire: Namespaces, tmp_path: Path) -> None:
    """Nobody waits for what cannot come."""
    done = on_the_client(wire, "get", "192.0.2.1", "file", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "tftpd-tw get: there is no route to 192.0.2.1: Network is unreachable\n"
