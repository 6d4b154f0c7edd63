"""Small requests to a server, one after the other: whether it answers, what, and after which time.

Any answer will do: of a file that is there the size is asked, and an ERROR tells the server that this was all; for
another one the server sends an ERROR. Each request has a port of its own, so that none is a repeat.
"""

import select
import socket
import time
from statistics import median

from attrs import frozen

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import to_socket_address
from tftpd_tw.net.sockets import bind_session_socket, unreachable_peers
from tftpd_tw.protocol.errors import IllegalOperation, TFTPError
from tftpd_tw.protocol.packets import Data, Error, Mode, Opcode, OptionAck, decode, encode_failure, encode_request
from tftpd_tw.protocol.text import escaped

PATIENCE = 1.0
"""Seconds for an answer."""

INTERVAL = 0.1
"""Seconds between two requests, so that no server takes them for a flood."""

HOPELESS = 3
"""Requests after which it is over if there was no answer at all."""

_LARGEST = 65535


@frozen
class RoundTrips:
    """What became of the requests."""

    sent: int
    seconds: tuple[float, ...] = ()
    """Of each that was answered, sorted."""
    answer: str = ""
    """What the server said, in words."""
    there: bool = False
    """The file can be read."""
    refused: bool = False
    """The host said that nobody listens there."""

    @property
    def median(self) -> float:
        """In seconds; there must be an answer."""
        return median(self.seconds)


def ask_again(server: Address, name: bytes, count: int, interval: float = INTERVAL) -> RoundTrips:
    """Send ``count`` requests for ``name``.

    :raises OSError: there is no way to the server
    :raises ValueError: the name does not fit into a request
    """
    request = encode_request(Opcode.RRQ, name, Mode.OCTET, ((b"tsize", b"0"),))
    seconds: list[float] = []
    answer, there = "", False
    for sent in range(1, count + 1):
        with bind_session_socket(Address("", 0), server) as sock:
            began = time.monotonic()
            sock.sendto(request, to_socket_address(server))
            try:
                found = _answer(sock, server)
            except ConnectionRefusedError:
                return RoundTrips(sent, refused=True)
        if found is not None:
            seconds.append(time.monotonic() - began)
            answer, there = found
        elif sent == HOPELESS and not seconds:
            return RoundTrips(sent)
        time.sleep(interval if sent < count else 0)
    return RoundTrips(count, tuple(sorted(seconds)), answer, there)


def _answer(sock: socket.socket, server: Address) -> tuple[str, bool] | None:
    """What came, and whether it is the file; None if nothing did.

    :raises ConnectionRefusedError: nobody listens there
    """
    until = time.monotonic() + PATIENCE
    while (left := until - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return None
        try:
            datagram, peer = sock.recvfrom(_LARGEST)
            packet = decode(datagram)
        except OSError:
            if unreachable_peers(sock):
                raise ConnectionRefusedError from None
            continue
        except IllegalOperation:
            continue
        match packet:
            case Error() if peer[0] == server.host:
                return f"ERROR {packet.code}, {escaped(packet.text)}", False
            case OptionAck() | Data() if peer[0] == server.host:
                sock.sendto(encode_failure(TFTPError()), peer)
                return "the file is there", True
    return None
