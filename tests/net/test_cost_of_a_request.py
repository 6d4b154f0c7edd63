"""What a request costs, from its datagram to its log line, counted rather than timed: on real sockets, for a file
of one block that was served before, as when a rack boots.

The server runs in this thread under a profile function that counts; the client is a thread of plain sockets. A
count that grows is a regression, whatever the machine.
"""

import gc
import sys
import threading
from collections import Counter
from contextlib import closing

import pytest
from net_kit import content, rrq
from poll_reactor import PATIENCE, PollReactor, plain_socket
from twisted.internet.defer import maybeDeferred

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.shared_files import SharedFiles
from tftpd_tw.net import poll_loop
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.reports import Reports
from tftpd_tw.telemetry.transfer_log import TransferLog

TRANSFERS = 20

SOCKET = {"socket.__init__": 1, "setsockopt": 2, "bind": 1, "getsockname": 0, "connect": 0, "getsockopt": 0}
FILE = {"_openat2": 1, "fstat": 1, "stat": 0, "open": 0, "preadv": 1}
PACKETS = {"recvmsg": 2, "sendmsg": 2, "recvfrom": 2, "sendto": 0}
LOOP = {"register": 1, "modify": 0, "unregister": 1, "poll": 6}
EACH = {**SOCKET, **FILE, **PACKETS, **LOOP, "close": 2}
"""The most that one request may call of the functions that make a system call: an OACK, one block and two ACKs.
The request port is read once more, to see that it is empty; so is the loop. What is closed is the socket, and the
descriptor that pointed at the file.
"""

PYTHON_CALLS = 235
"""The most functions of Python; some twenty of them are the profile's and the test reactor's own."""

SHARED_PYTHON_CALLS = 260
"""On a single port, where each packet finds its session by its client."""


def client(port: int) -> None:
    """Read the file ``f`` again and again, each time from another port."""
    for _ in range(TRANSFERS):
        with plain_socket() as sock:
            sock.sendto(rrq("f", blksize=1428), ("127.0.0.1", port))
            _, server = sock.recvfrom(2000)
            sock.sendto(b"\0\4\0\0", server)
            assert len(sock.recv(2000)) == 1004
            sock.sendto(b"\0\4\0\1", server)


def backend(root, reactor) -> DirectoryBackend:
    """As the daemon has it, but without threads."""
    return DirectoryBackend(root, run_blocking=maybeDeferred, files=SharedFiles(maybeDeferred, reactor))


def left_by_each_transfer() -> list[str]:
    """The types of what only the garbage collector can free, one for each transfer at least: other threads may
    leave some, too.
    """
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    gc.set_debug(0)
    found = Counter(type(one).__qualname__ for one in gc.garbage)
    gc.garbage.clear()
    return [name for name, count in found.items() if count >= TRANSFERS]


class Costs:
    """Calls of :data:`TRANSFERS` transfers, after as many that filled the caches."""

    def __init__(self, tmp_path, engine: str, single_port: bool) -> None:
        (tmp_path / "f").write_bytes(content(1000))
        self.system: Counter[str] = Counter()
        self.python = 0
        with (
            closing(PollReactor(engine)) as reactor,
            closing(backend(tmp_path, reactor)) as files,
        ):
            accounting = Accounting(reactor)
            observers = (accounting, Reports(reactor, [TransferLog()]))
            listener = Listener(Server(reactor.engine, files, observers=observers))
            port = listener.listen("127.0.0.1", 0, single_port=single_port).port
            self._serve(reactor, listener, port)
            gc.collect()
            gc.freeze()  # what earlier tests leave meanwhile is not looked at
            gc.disable()
            try:
                sys.setprofile(self._count)
                self._serve(reactor, listener, port)
            finally:
                sys.setprofile(None)
                self.garbage = left_by_each_transfer()
                gc.enable()
                gc.unfreeze()
            listener.close()
        assert accounting.totals().values[families.TRANSFERS] == {("read", "completed"): 2 * TRANSFERS}

    def _serve(self, reactor, listener, port: int) -> None:
        thread = threading.Thread(target=client, args=(port,))
        thread.start()
        reactor.run_until(lambda: not thread.is_alive() and not listener.active)
        thread.join(PATIENCE)

    def _count(self, frame, event, argument) -> None:
        if event == "call":
            self.python += 1
            # Of these the call in C shows in no profile.
            if frame.f_code.co_qualname in EACH:
                self.system[frame.f_code.co_qualname] += 1
        elif event == "c_call" and argument.__name__ in EACH:
            self.system[argument.__name__] += 1


@pytest.fixture(params=["reactor", "poll"])
def counted(tmp_path, request, monkeypatch):
    """Counts, for each engine; how often the loop looks before it sleeps is the client's doing."""
    monkeypatch.setattr(poll_loop, "SPIN", 0)
    return lambda **how: Costs(tmp_path, request.param, **how)


def test_cost_of_a_request(counted):
    """No more system calls than a request needs, no more Python than it did, and nothing left for the garbage
    collector to find.
    """
    costs = counted(single_port=False)
    too_many = {name: count for name, count in costs.system.items() if count > EACH[name] * TRANSFERS}
    assert not too_many
    assert costs.system["socket.__init__"] == costs.system["_openat2"] == TRANSFERS
    assert costs.python <= PYTHON_CALLS * TRANSFERS
    assert costs.garbage == []


SHARED = {**dict.fromkeys(SOCKET, 0), **FILE, "recvmsg": 6, "sendmsg": 2, "poll": 6, "close": 1}
"""The same on a single port: nothing is opened but the file. After each packet another read finds nothing."""


def test_cost_of_a_request_on_a_single_port(counted):
    """It needs no socket."""
    costs = counted(single_port=True)
    too_many = {name: count for name, count in costs.system.items() if count > SHARED.get(name, 0) * TRANSFERS}
    assert not too_many
    assert costs.python <= SHARED_PYTHON_CALLS * TRANSFERS
    assert costs.garbage == []
