"""The options that the client commands share: whom they ask for what, and how patiently."""

import argparse

from attrs import frozen

from tftpd_tw.cli.servers import Host, parse_port
from tftpd_tw.cli.values import of_kind
from tftpd_tw.interfaces import Address
from tftpd_tw.net.client import BLOCK_SIZE, Client, Wishes
from tftpd_tw.net.engine import IEngine
from tftpd_tw.net.routes import block_within
from tftpd_tw.protocol.options import DEFAULT_BLKSIZE, MAX_BLKSIZE, MAX_WINDOW_BLOCKS, MIN_BLKSIZE
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.service import kind

FIT_ROUTE = 0
"""The block size ``mtu``: as large as the route takes in one piece."""

WINDOW_SIZE, _WINDOW_BYTES = 32, 128 << 10
"""The most blocks and bytes of a window, unless another is asked for. 32 blocks fill a gigabit Ethernet and do not
overflow the switches on the way; and a window has to fit the buffer of a socket, which is 208 KiB on Linux.
"""


def add_host(parser: argparse.ArgumentParser) -> None:
    """Add the server."""
    parser.add_argument(
        "host", metavar="HOST", type=Host.parse, help="the server: a name or an address, or HOST:PORT, [IPV6]:PORT"
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the others."""
    parser.add_argument("--port", type=parse_port, help="its UDP port [default: 69]")
    parser.add_argument(
        "--block-size",
        metavar="BYTES",
        type=of_kind(kind.or_word("mtu", FIT_ROUTE, kind.size(MIN_BLKSIZE, MAX_BLKSIZE))),
        default=BLOCK_SIZE,
        help="bytes of a block, or mtu: what the route takes in one piece [default: %(default)s]",
    )
    parser.add_argument(
        "--window-size",
        metavar="BLOCKS",
        type=of_kind(kind.number("blocks", 1, MAX_WINDOW_BLOCKS)),
        help=f"blocks on the way at once [default: {WINDOW_SIZE}, of large blocks fewer];"
        f" with 1, and blocks of {DEFAULT_BLKSIZE}, no options are asked for at all, for servers that take none",
    )
    patience = Patience()
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=of_kind(kind.time(0.1, 255)),
        default=patience.timeout,
        help="longest wait before a packet is sent again, in seconds or as in 500ms [default: %(default)g]",
    )
    parser.add_argument(
        "--retries",
        metavar="N",
        type=of_kind(kind.number("a number", 0, 1000)),
        default=patience.max_retries,
        help="the server is given up after TIME x (N + 1) seconds of silence [default: %(default)s]",
    )


@frozen
class Terms:
    """What the options come to."""

    host: Host
    block_size: int
    """Or :data:`FIT_ROUTE`."""
    window_size: int | None
    """None: what suits the block size."""
    patience: Patience

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Terms":
        """Those of the command line; if two of them contradict each other, its ``parser`` ends the command."""
        try:
            host = options.host.at(options.port)
        except argparse.ArgumentTypeError as error:
            options.parser.error(str(error))
        return cls(host, options.block_size, options.window_size, Patience(options.timeout, options.retries))

    def client(self, engine: IEngine, server: Address) -> Client:
        """A client of ``server`` that asks for that."""
        return Client(engine, server, self._wishes(engine, server), self.patience, dally=False)

    def _wishes(self, engine: IEngine, server: Address) -> Wishes:
        block = self.block_size
        if block == FIT_ROUTE:
            mtu = engine.path_mtu(Address("", 0), server)
            block = BLOCK_SIZE if mtu is None else block_within(mtu, server.host)
        window = self.window_size or min(WINDOW_SIZE, max(1, _WINDOW_BYTES // block))
        if (block, window) == (DEFAULT_BLKSIZE, 1):
            return Wishes(block_size=None, window_size=None, size=False)
        return Wishes(block, window)
