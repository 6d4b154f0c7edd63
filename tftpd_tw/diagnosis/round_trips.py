"""Small requests to a server, one after the other: whether it answers, what, and after which time.

Any answer will do: of a file that is there the size is asked, and an ERROR tells the server that this was all; for
another one the server sends an ERROR. Each request has a port of its own, so that none is a repeat.
"""

import select
import socket
import time
from statistics import median

from attrs import evolve, frozen

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import to_socket_address
from tftpd_tw.net.sockets import bind_session_socket, unreachable_peers
from tftpd_tw.protocol.errors import Cancelled, IllegalOperation
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
    elsewhere: str = ""
    """An address that an answer came from which was not asked."""

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
    found = RoundTrips(0)
    seconds: list[float] = []
    for sent in range(1, count + 1):
        with bind_session_socket(Address("", 0), server) as sock:
            began = time.monotonic()
            sock.sendto(request, to_socket_address(server))
            answer = _answer(sock)
            took = time.monotonic() - began
        if answer is None:
            found = evolve(found, sent=sent)
        elif answer.host != server.host:
            found = evolve(found, sent=sent, elsewhere=answer.host)
        elif answer.refused:
            return evolve(found, sent=sent, refused=True)
        else:
            seconds.append(took)
            found = evolve(
                found, sent=sent, seconds=tuple(sorted(seconds)), answer=answer.text, there=answer.there
            )
        if sent >= HOPELESS and not seconds:
            return found
        time.sleep(interval if sent < count else 0)
    return found


@frozen
class _Answer:
    """What came first."""

    host: str
    text: str = ""
    there: bool = False
    refused: bool = False


def _answer(sock: socket.socket) -> _Answer | None:
    """None if nothing came."""
    until = time.monotonic() + PATIENCE
    while (left := until - time.monotonic()) > 0:
        if not select.select([sock], [], [], left)[0]:
            return None
        try:
            datagram, peer = sock.recvfrom(_LARGEST)
            packet = decode(datagram)
        except OSError:
            for host, *_ in unreachable_peers(sock):
                return _Answer(host, refused=True)
        except IllegalOperation:
            continue
        else:
            match packet:
                case Error():
                    return _Answer(peer[0], f"ERROR {packet.code}, {escaped(packet.text)}")
                case OptionAck() | Data():
                    sock.sendto(encode_failure(Cancelled()), peer)
                    return _Answer(peer[0], "the file is there", there=True)
    return None
