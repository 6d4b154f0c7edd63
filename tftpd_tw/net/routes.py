"""The MTU of the route to each client, remembered for a moment.

To ask the kernel takes a socket and five system calls, for every request that has options; machines that boot
send dozens within seconds. Nothing tells us when a route changes, so that an answer is used for some seconds only.
Until then a block may be too large for the new route: it is fragmented, as session sockets allow.
"""

from twisted.internet.interfaces import IReactorTime

from tftpd_tw.interfaces import Address
from tftpd_tw.net.sockets import path_mtu
from tftpd_tw.protocol.options import MAX_BLKSIZE, MIN_BLKSIZE
from tftpd_tw.protocol.packets import HEADER_SIZE

KEPT = 10.0
"""Seconds after which all is forgotten."""

MOST = 4096
"""Routes that are remembered, so that forged addresses do not fill the memory."""

_IP_AND_UDP = {False: 28, True: 48}
"""Bytes of headers before the TFTP packet, for IPv4 and for IPv6."""


def block_within(mtu: int, host: str) -> int:
    """Payload bytes of the largest block that fits into an IP packet of ``mtu`` bytes to or from ``host``."""
    room = mtu - _IP_AND_UDP[":" in host] - HEADER_SIZE
    return min(max(MIN_BLKSIZE, room), MAX_BLKSIZE)


class PathMTUs:
    """What the kernel has said within the last :data:`KEPT` seconds of ``clock``."""

    def __init__(self, clock: IReactorTime) -> None:
        self._seconds = clock.seconds
        self._until = 0.0
        self._known: dict[tuple[str, str, int], int | None] = {}

    def of(self, local: Address, peer: Address) -> int | None:
        """The MTU on the way from ``local`` to ``peer``; None if there is no way."""
        now = self._seconds()
        if now >= self._until or len(self._known) >= MOST:
            self._known.clear()
            self._until = now + KEPT
        route = (local.host, peer.host, peer.scope)
        if route in self._known:
            return self._known[route]
        mtu = self._known[route] = path_mtu(local, peer)
        return mtu
