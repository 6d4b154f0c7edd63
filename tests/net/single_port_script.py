"""Run by test_request_socket.py under each reactor: a transfer on a shared port, where other clients vanish."""

import sys

from poll_reactor import plain_socket
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import deferLater

from tftpd_tw.backends.memory import BytesWriter, MemoryBackend
from tftpd_tw.interfaces import Address
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.testing import RecordingObserver

HOST = "127.0.0.1"
GONE = 20


@inlineCallbacks
def main(reactor, engine):
    """Clients ask and close their ports, while one gets his file."""
    records = RecordingObserver()
    files = {b"f": b"x" * 1_000_000}
    listener = Listener(Server(engine, MemoryBackend(files), Terms(), [records]))
    port = listener.listen(HOST, 0, single_port=True).port
    got = []
    reading = Client(engine, Address(HOST, port), Wishes(512, 1)).get(b"f", BytesWriter(got.append))
    for _ in range(GONE):
        with plain_socket() as client:
            client.sendto(b"\0\1f\0octet\0", (HOST, port))
        yield deferLater(reactor, 0.005)
    yield reading.addTimeout(10, reactor)
    while len(records.ended) < GONE + 1:
        yield deferLater(reactor, 0.01)
    assert sorted({record.reason for record in records.ended}) == ["completed", "no-answer"]
    sys.stdout.write(f"got {len(got[0])} bytes while {GONE} clients went\n")
    listener.close()
