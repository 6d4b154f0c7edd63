"""Files through real clients, byte for byte, both ways, over IPv4 and IPv6."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Atftp, Busybox, Client, Curl, Hpa, Server
from running import Daemon, serving

SIZES = (0, 1, 511, 512, 513, 1 << 20)

CLIENTS = (
    Curl(),
    Curl(("--tftp-blksize", "1428")),
    Curl(("--tftp-no-options",)),
    Hpa(),
    Busybox(),
    Busybox(("-b", "1428")),
    Atftp(),
    *(Atftp.asking(blksize=size, windowsize=window) for size in (512, 1428) for window in (1, 4, 16, 64)),
    Atftp.asking(tsize=0, timeout=3, blksize=8192, windowsize=8),
)

HOSTS = ("127.0.0.1", "::1")

TEXT = b"one\ntwo\rthree\r\nfour\n" * 300


def encoded(text: bytes) -> bytes:
    """Netascii."""
    return text.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")


def content(size: int) -> bytes:
    """The same bytes for the same size; no block is like another."""
    return random.Random(size).randbytes(size)


@pytest.fixture(scope="module")
def daemon(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that takes uploads."""
    root = tmp_path_factory.mktemp("transfers") / "root"
    with serving(root, engine, "--uploads", "overwrite") as daemon:
        for size in SIZES:
            (root / f"size-{size}").write_bytes(content(size))
        (root / "text").write_bytes(TEXT)
        yield daemon


@pytest.fixture
def root(daemon: Daemon) -> Path:
    """Its folder."""
    return daemon.root


@pytest.fixture(params=HOSTS, ids=["ipv4", "ipv6"])
def server(request: pytest.FixtureRequest, daemon: Daemon) -> Server:
    """Where it is."""
    return Server(request.param, daemon.port)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_a_file_is_read(client: Client, size: int, server: Server, tmp_path: Path) -> None:
    """What the client stores is the file (C080, C050, C120); curl 7.88 takes a tsize of 0 for a mistake."""
    if size == 0 and client.program == "curl":
        client = Curl(("--tftp-no-options",))
    client.get(server, f"size-{size}", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == content(size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("client", CLIENTS, ids=str)
def test_a_file_is_written(client: Client, size: int, server: Server, root: Path, tmp_path: Path) -> None:
    """What the server stores is what the client has (C081, C128), and it is there when the client is told so."""
    (tmp_path / "local").write_bytes(content(size))
    name = f"put-{CLIENTS.index(client)}-{size}-{HOSTS.index(server.host)}"
    client.put(server, tmp_path / "local", name)
    assert (root / name).read_bytes() == content(size)


@pytest.mark.parametrize("client", [Curl(), Hpa(), Atftp(), Atftp.asking(windowsize=8)], ids=str)
def test_text_is_read(client: Client, server: Server, tmp_path: Path) -> None:
    """Line ends are translated on the way to a client that asks for netascii (C140, C141, C136)."""
    client.get(server, "text", tmp_path / "got", netascii=True)
    assert (tmp_path / "got").read_bytes() == (TEXT if client.converts_netascii else encoded(TEXT))


@pytest.mark.parametrize("client", [Curl(), Hpa(), Atftp(), Atftp.asking(windowsize=8)], ids=str)
def test_text_is_written(client: Client, server: Server, root: Path, tmp_path: Path) -> None:
    """Line ends come back as they were from a client that sends netascii (C143)."""
    (tmp_path / "local").write_bytes(TEXT if client.converts_netascii else encoded(TEXT))
    name = f"text-{client.program}-{len(client.options)}-{HOSTS.index(server.host)}"
    client.put(server, tmp_path / "local", name, netascii=True)
    assert (root / name).read_bytes() == TEXT


PAST_THE_WRAP = [
    ("poll", Hpa(), 65540 * 512),
    ("poll", Curl(), 65540 * 512),
    ("poll", Busybox(("-b", "512")), 65540 * 512),
    ("poll", Atftp.asking(blksize=8, windowsize=64), 600_000),
    ("poll", Atftp.asking(blksize=8), 600_000),
    ("reactor", Atftp.asking(blksize=8, windowsize=64), 600_000),
]
"""The machines count blocks, and no engine does: each client once, and each engine once."""


@pytest.mark.parametrize(("engine", "client", "size"), PAST_THE_WRAP, ids=str, indirect=["engine"])
def test_more_blocks_than_numbers_are_read(
    client: Client, size: int, daemon: Daemon, root: Path, tmp_path: Path
) -> None:
    """After block 65535 comes block 0 (C082, C133)."""
    (root / f"long-{size}").write_bytes(content(size))
    client.get(Server("127.0.0.1", daemon.port), f"long-{size}", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == content(size)


@pytest.mark.parametrize(("engine", "client", "size"), PAST_THE_WRAP, ids=str, indirect=["engine"])
def test_more_blocks_than_numbers_are_written(
    client: Client, size: int, daemon: Daemon, root: Path, tmp_path: Path
) -> None:
    """After block 65535 comes block 0, and ACK 0 is no OACK (C082, C084, C133)."""
    (tmp_path / "local").write_bytes(content(size))
    client.put(Server("127.0.0.1", daemon.port), tmp_path / "local", f"long-put-{client.program}")
    assert (root / f"long-put-{client.program}").read_bytes() == content(size)
