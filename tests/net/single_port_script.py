"""Run by test_request_socket.py in a process of its own: a transfer on a shared port, where other clients vanish,
under the reactor and with the engine that are named on the command line.
"""

import importlib
import sys

importlib.import_module(f"twisted.internet.{sys.argv[1]}reactor").install()

from poll_reactor import plain_socket  # noqa: E402
from twisted.internet import reactor  # noqa: E402
from twisted.internet.defer import inlineCallbacks  # noqa: E402
from twisted.internet.task import deferLater, react  # noqa: E402
from twisted.logger import globalLogBeginner, textFileLogObserver  # noqa: E402

from tftpd_tw.backends.memory import BytesWriter, MemoryBackend  # noqa: E402
from tftpd_tw.interfaces import Address  # noqa: E402
from tftpd_tw.net.client import Client, Wishes  # noqa: E402
from tftpd_tw.net.engines import ENGINES  # noqa: E402
from tftpd_tw.net.listener import Listener  # noqa: E402
from tftpd_tw.net.serving import Server, Terms  # noqa: E402
from tftpd_tw.testing import RecordingObserver  # noqa: E402

HOST = "127.0.0.1"
GONE = 20


@inlineCallbacks
def main(reactor):
    """Clients ask and close their ports, while one gets his file."""
    engine = ENGINES[sys.argv[2]](reactor)
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
    engine.close()


def shown(event):
    """Whatever is worth a line, but the log's own start."""
    if event.get("log_namespace") != "log_legacy" and "log_failure" in event:
        textFileLogObserver(sys.stderr)(event)


globalLogBeginner.beginLoggingTo([shown], redirectStandardIO=False, discardBuffer=True)
react(main, (), reactor)
