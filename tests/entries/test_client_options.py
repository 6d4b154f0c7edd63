"""What the options of the client commands come to."""

import argparse

import pytest

from tftpd_tw.cli.client_options import Terms, add_host, add_options
from tftpd_tw.cli.servers import Host
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.testing import CLIENT, REQUEST_PORT, MemoryNetwork


def terms(*arguments: str) -> Terms:
    """Of a command line."""
    parser = argparse.ArgumentParser(prog="command")
    add_host(parser)
    add_options(parser)
    parser.set_defaults(parser=parser)
    return Terms.of(parser.parse_args(["server", *arguments]))


def client(*arguments: str, mtu: int | None = 1500) -> Client:
    """The client that they make."""
    return terms(*arguments).client(MemoryNetwork(mtu=mtu).host(CLIENT), REQUEST_PORT)


def test_the_defaults() -> None:
    """What fits an Ethernet, and the patience of the daemon."""
    assert terms().host == Host("server", 69)
    assert client().wishes == Wishes(block_size=1428, window_size=32)
    assert client().patience == Patience()
    assert not client().dally


def test_other_values() -> None:
    """Each option says one thing."""
    made = client("--block-size", "8KiB", "--window-size", "5", "--timeout", "500ms", "--retries", "0")
    assert made.wishes == Wishes(block_size=8192, window_size=5)
    assert made.patience == Patience(0.5, 0)
    assert terms("--port", "6969").host == Host("server", 6969)


@pytest.mark.parametrize(("mtu", "size"), [(1500, 1468), (1400, 1368), (65536, 65464), (None, 1428)])
def test_blocks_that_fit_the_route(mtu: int | None, size: int) -> None:
    """As large as it takes in one piece; if the system does not say, what fits an Ethernet (C050)."""
    assert client("--block-size", "mtu", mtu=mtu).wishes.block_size == size


@pytest.mark.parametrize(("block", "window"), [("512", 32), ("4096", 32), ("8192", 16), ("65464", 2)])
def test_large_blocks_make_small_windows(block: str, window: int) -> None:
    """A window fits the buffer of a socket, unless its size is asked for."""
    assert client("--block-size", block).wishes.window_size == window
    assert client("--block-size", block, "--window-size", "64").wishes.window_size == 64


def test_no_options() -> None:
    """With the blocks and windows of RFC 1350 nothing is asked for, not even the size (C047)."""
    assert client("--block-size", "512", "--window-size", "1").wishes.options(0) == ()
    assert client("--block-size", "512", "--window-size", "2").wishes.options(0) != ()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["--block-size", "7"],
            "--block-size: expected 'mtu' or bytes (or such as 64KiB, 1Gi, 512MB), 8 to 65464",
        ),
        (["--block-size", "large"], "got 'large'"),
        (["--window-size", "0"], "--window-size: expected blocks, 1 to 32767, got 0"),
        (["--timeout", "0"], "--timeout: expected seconds (or such as 500ms, 5m, 1h), 100ms to 255s, got 0"),
        (["--retries", "-1"], "--retries: expected"),
        (["--retries", "9" * 5000], "--retries: expected"),
        (["--port", "0"], "--port: expected a port, 1 to 65535, got 0"),
    ],
)
def test_wrong_values(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and a line that says what was expected."""
    with pytest.raises(SystemExit) as caught:
        terms(*arguments)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err.splitlines()[-1]


def test_two_ports(capsys: pytest.CaptureFixture[str]) -> None:
    """They contradict each other."""
    parser = argparse.ArgumentParser(prog="command")
    add_host(parser)
    add_options(parser)
    parser.set_defaults(parser=parser)
    with pytest.raises(SystemExit) as caught:
        Terms.of(parser.parse_args(["server:70", "--port", "71"]))
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith("error: --port 71: HOST has port 70 already\n")
