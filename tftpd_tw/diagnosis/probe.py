"""The way to a TFTP server, measured by TFTP itself: bounded in time and in packets.

First small requests, one after the other (:mod:`~tftpd_tw.diagnosis.round_trips`). Then, if there is a file to
read, downloads of it with several block and window sizes (:mod:`~tftpd_tw.diagnosis.download`). The first one does
not count, since it may fetch the file from the disk.
"""

from collections.abc import Iterator

from attrs import frozen

from tftpd_tw.diagnosis.download import Downloaded, Limit, download
from tftpd_tw.diagnosis.round_trips import RoundTrips, ask_again
from tftpd_tw.interfaces import Address
from tftpd_tw.net.routes import block_within
from tftpd_tw.net.sockets import path_mtu
from tftpd_tw.protocol.options import DEFAULT_BLKSIZE

REQUESTS = 20

EACH = Limit(seconds=2.0, blocks=60_000)
"""Of the downloads that count."""

FIRST = Limit(seconds=1.0, blocks=60_000)
"""Of the one that does not."""

NO_FILE = b"tftpd-tw-doctor"
"""Asked for where no file is named: no server has it."""

ETHERNET_BLOCK = 1468
"""Payload bytes of a block that every Ethernet carries."""

WINDOWS = (1, 4, 16, 64)

NEARLY = 0.95
"""A part of the best rate that is as good, if it takes less memory in a window."""


@frozen
class Probed:
    """What was measured."""

    server: Address
    name: bytes
    """The file that was asked for."""
    mtu: int | None
    """Of the route; None: there is none."""
    round_trips: RoundTrips
    downloads: tuple[Downloaded, ...] = ()

    @property
    def largest_block(self) -> int:
        """Payload bytes of a block that reaches the server in one piece."""
        return largest_block(self.server, self.mtu or ETHERNET_BLOCK)

    @property
    def best(self) -> Downloaded | None:
        """The smallest window of those that are as fast as any; None if there were no downloads."""
        fastest = max((one.rate for one in self.downloads), default=0.0)
        good = [one for one in self.downloads if one.rate >= NEARLY * fastest]
        return min(good, key=lambda one: (one.windowsize * one.blksize, one.blksize), default=None)


def largest_block(server: Address, mtu: int) -> int:
    """Payload bytes that fit into a packet of ``mtu`` bytes; no less than every client can have."""
    return max(DEFAULT_BLKSIZE, block_within(mtu, server.host))


def probe(server: Address, name: bytes | None, each: Limit = EACH) -> Probed:
    """Measure the way to ``server``, by downloads of the file ``name`` too if it is there.

    :raises OSError: there is no way to the server
    :raises TransferFailed: a download did not work
    :raises ValueError: the name does not fit into a request
    """
    mtu = path_mtu(Address("", 0), server)
    round_trips = ask_again(server, name or NO_FILE, REQUESTS)
    downloads: tuple[Downloaded, ...] = ()
    if name is not None and round_trips.there:
        largest = largest_block(server, mtu or ETHERNET_BLOCK)
        download(server, name, largest, WINDOWS[-1], FIRST)
        downloads = tuple(_downloads(server, name, largest, each))
    return Probed(server, name or NO_FILE, mtu, round_trips, downloads)


def _downloads(server: Address, name: bytes, largest: int, each: Limit) -> Iterator[Downloaded]:
    """With what every server grants, and with larger blocks and windows until it does not grant them any more."""
    yield download(server, name, DEFAULT_BLKSIZE, 1, each)
    for blksize in sorted({min(ETHERNET_BLOCK, largest), largest} - {DEFAULT_BLKSIZE}):
        for windowsize in WINDOWS:
            done = download(server, name, blksize, windowsize, each)
            yield done
            if done.windowsize < windowsize or done.blksize < blksize:
                break
