"""Run by test_sockets.py under each reactor: a transfer on a port of its own, and an ICMP error."""

import sys

from poll_reactor import closed_port
from twisted.internet.defer import Deferred, inlineCallbacks

from tftpd_tw.backends.memory import BytesWriter, MemoryBackend
from tftpd_tw.interfaces import Address
from tftpd_tw.net.client import Client
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server, Terms

HOST = "127.0.0.1"


class Handler:
    """Waits for the kernel's word that nobody is there."""

    def __init__(self) -> None:
        self.told: Deferred[object] = Deferred()

    def unreachable(self, peer: object) -> None:
        """There it is."""
        self.told.callback(peer)

    def datagramReceived(self, datagram: bytes, peer: object) -> None:
        """Nobody is there to send anything."""


@inlineCallbacks
def main(reactor, engine):
    """Both."""
    listener = Listener(Server(engine, MemoryBackend({b"f": b"x" * 100_000}), Terms(), []))
    port = listener.listen(HOST, 0).port
    got = []
    yield Client(engine, Address(HOST, port)).get(b"f", BytesWriter(got.append)).addTimeout(10, reactor)
    sys.stdout.write(f"got {len(got[0])} bytes\n")
    gone = closed_port()
    handler = Handler()
    socket = engine.open_session(Address(HOST, 0), Address(*gone), handler)
    socket.send([[b"\0\4\0\0"]], gone)
    peer = yield handler.told.addTimeout(1, reactor)
    assert peer == gone
    sys.stdout.write("unreachable\n")
    socket.close()
    listener.close()
