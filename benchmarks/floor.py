"""``python -m benchmarks.floor``: what of a lockstep block is the kernel's and Python's, and what is ours.

100 clients have acknowledged a block each. Bare Python reads each ACK and sends each block, with one
``recvfrom`` and one ``sendmsg`` and nothing else: no server in Python can do with less. The daemon's own loop,
sessions and machines do the same for real. Both in CPU time of this process alone, the best of many rounds.
"""

import socket
import struct
import sys
import time
from typing import Any

from twisted.internet import epollreactor
from zope.interface import implementer

from tftpd_tw.interfaces import IReader

BLKSIZE = 1428
CLIENTS = 100
ROUNDS = 600


@implementer(IReader)
class Zeros:
    """A reader of a file that does not end."""

    size = BLKSIZE * (ROUNDS + 100)
    _zeros = bytes(1 << 16)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes that cost nothing."""
        return self._zeros[: min(length, self.size - offset)]

    def close(self) -> None:
        """Nothing is open."""


def sockets(count: int) -> list[socket.socket]:
    """Non-blocking UDP sockets with ports of their own."""
    made = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(count)]
    for sock in made:
        sock.bind(("127.0.0.1", 0))
    return made


def best(clients: list[socket.socket], servers: list[Any], serve: Any) -> float:
    """Microseconds of one ACK and its block in ``serve``, where all clients have sent their ACK."""
    found = float("inf")
    for number in range(ROUNDS):
        for client, server in zip(clients, servers, strict=True):
            client.sendto(struct.pack(">HH", 4, number), server)
        begun = time.thread_time()
        serve()
        if number:  # the first ACK is of the OACK
            found = min(found, time.thread_time() - begun)
        for client in clients:
            client.recv(2 * BLKSIZE)
    return found / CLIENTS * 1e6


def bare() -> float:
    """Without a server."""
    clients, servers = sockets(CLIENTS), sockets(CLIENTS)
    pairs = list(zip(servers, [client.getsockname() for client in clients], strict=True))
    payload, header = memoryview(bytes(BLKSIZE)), b"\0\3\0\1"

    def serve() -> None:
        for sock, peer in pairs:
            sock.recvfrom(256)
            sock.sendmsg((header, payload), (), 0, peer)

    return best(clients, [sock.getsockname() for sock in servers], serve)


def ours() -> float:
    """With the poll loop, a session and a sender for each."""
    epollreactor.install()
    from twisted.internet import reactor

    from tftpd_tw.interfaces import Address
    from tftpd_tw.net import poll_loop
    from tftpd_tw.net.engines import ENGINES
    from tftpd_tw.net.session import Session
    from tftpd_tw.protocol.options import Agreed
    from tftpd_tw.protocol.sending import Sender
    from tftpd_tw.protocol.timing import Patience, RetransmitTimer

    # Nobody answers while the loop serves: it need not wait for that.
    poll_loop.SPIN = poll_loop.LINGER = 0
    engine: Any = ENGINES["poll"](reactor)
    clients, servers = sockets(CLIENTS), []
    for client in clients:
        peer = Address(*client.getsockname())
        machine = Sender(Agreed(BLKSIZE), RetransmitTimer(Patience()), size=Zeros.size, opening=b"\0\6")
        session = Session(engine, machine, peer, Zeros(), on_ended=lambda ended: None)
        session.open(Address("127.0.0.1", 0))
        session.start()
        client.setblocking(True)
        client.recv(100)
        client.setblocking(False)
        servers.append(session.transport.address[:2])
    return best(clients, servers, engine._watcher.doRead)


def main() -> int:
    """Both, and their ratio."""
    floor, whole = bare(), ours()
    sys.stdout.write(f"bare recvfrom and sendmsg: {floor:.2f} us a block\n")
    sys.stdout.write(f"loop, session and machine: {whole:.2f} us a block, {whole / floor:.2f} times that\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
