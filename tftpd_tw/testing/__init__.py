"""A simulated network and clock, for testing backends and for testing the daemon itself. Public.

A whole server and its clients run in one thread, in simulated time, with packets lost, doubled, delayed and
reordered from a fixed seed; nothing sleeps and nothing is random from run to run::

    network = MemoryNetwork(loss=0.05, seed=7)
    network.serve(MyBackend())
    assert network.get(b"pxelinux.0") == b"..."

For more than that, :meth:`MemoryNetwork.host` gives the engine of one simulated host: a
:class:`~tftpd_tw.net.listener.Listener`, a :class:`~tftpd_tw.net.client.Client` or a bare
:class:`RawPeer` that sends literal packets can be built on it.

* :mod:`~tftpd_tw.testing.network` — a network with a server and a client, and how time passes on it
* :mod:`~tftpd_tw.testing.hosts` — a host of it: an engine, for whatever runs on real ones
* :mod:`~tftpd_tw.testing.wire` — what lies between hosts, and what it does to packets
* :mod:`~tftpd_tw.testing.sockets` — the ports at its ends
* :mod:`~tftpd_tw.testing.peer` — a client of literal packets, right or wrong
* :mod:`~tftpd_tw.testing.recording` — what a server reported

Import from here; the modules are for readers.
"""

from tftpd_tw.testing.addresses import CLIENT, REQUEST_PORT, SERVER
from tftpd_tw.testing.hosts import MemoryHost
from tftpd_tw.testing.network import MemoryNetwork
from tftpd_tw.testing.peer import RawPeer
from tftpd_tw.testing.recording import RecordingObserver
from tftpd_tw.testing.sockets import MemoryRequestSocket, MemorySessionSocket

__all__ = [
    "MemoryNetwork",
    "MemoryHost",
    "MemoryRequestSocket",
    "MemorySessionSocket",
    "RawPeer",
    "RecordingObserver",
    "SERVER",
    "REQUEST_PORT",
    "CLIENT",
]
