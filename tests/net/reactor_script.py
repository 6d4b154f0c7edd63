"""Run by test_sockets.py in a process of its own: a transfer and an ICMP error under the reactor and with the
engine that are named on the command line.
"""

import importlib
import sys

importlib.import_module(f"twisted.internet.{sys.argv[1]}reactor").install()

from poll_reactor import closed_port  # noqa: E402
from twisted.internet import reactor  # noqa: E402
from twisted.internet.defer import Deferred, inlineCallbacks  # noqa: E402
from twisted.internet.task import react  # noqa: E402
from twisted.logger import globalLogBeginner, textFileLogObserver  # noqa: E402

from tftpd_tw.backends.memory import BytesWriter, MemoryBackend  # noqa: E402
from tftpd_tw.interfaces import Address  # noqa: E402
from tftpd_tw.net.client import Client  # noqa: E402
from tftpd_tw.net.engines import ENGINES  # noqa: E402
from tftpd_tw.net.listener import Listener  # noqa: E402
from tftpd_tw.net.serving import Server, Terms  # noqa: E402

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
def main(reactor):
    """Both."""
    engine = ENGINES[sys.argv[2]](reactor)
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
    engine.close()


def shown(event):
    """Whatever is worth a line, but the log's own start."""
    if event.get("log_namespace") != "log_legacy" and "log_failure" in event:
        textFileLogObserver(sys.stderr)(event)


globalLogBeginner.beginLoggingTo([shown], redirectStandardIO=False, discardBuffer=True)
react(main, (), reactor)
