"""What the kernel knows of clients: asked for real, in a network of the test's own."""

import socket
import subprocess
import sys

import pytest
from attrs import evolve
from lacking import lacking
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.net.neighbours import NOBODY, Neighbour, Neighbours, find_neighbours
from tftpd_tw.policy.client_names import ClientNames
from tftpd_tw.protocol.packets import Mode

REQUEST = Request(
    Direction.READ, b"f", Mode.OCTET, (), Address("192.0.2.9", 2000), Address("192.0.2.1", 69), interface=1
)

NETWORK = """
ip link add left type veth peer name right
ip link set left up
ip link set right up
ip address add 192.0.2.1/24 dev left
ip address add 198.51.100.1 peer 198.51.100.2 dev right
ip address add 2001:db8::1/64 dev left nodad
ip -6 route add fe80::/64 dev right metric 1
ip neighbour add 192.0.2.9 lladdr 52:54:00:00:00:01 dev left
ip neighbour add 2001:db8::9 lladdr 52:54:00:00:00:02 dev left
ip neighbour add fe80::9 lladdr 52:54:00:00:00:03 dev left
ip neighbour add fe80::9 lladdr 52:54:00:00:00:04 dev right
ip neighbour add 192.0.2.8 nud failed dev left
ip neighbour add 192.0.2.6 lladdr 52:54:00:00:00:05 nud noarp dev left
exec "$@"
"""

SCRIPT = """
import socket, sys
from tftpd_tw.net.neighbours import find_neighbours, interface_towards
from tftpd_tw.net.sockets import interface_name
asked = [(client, socket.if_nametoindex(interface)) for client, interface in map(str.split, sys.stdin)]
found = find_neighbours(asked)
for client in asked:
    mac, interface = found[client]
    print(mac.hex() if mac else None, interface, interface_name(interface_towards(client[0])))
"""

CLIENTS = {
    "192.0.2.9 left": "525400000001 left left",
    "2001:db8::9 left": "525400000002 left left",
    "fe80::9 left": "525400000003 left right",
    "fe80::9 right": "525400000004 right right",
    "192.0.2.8 left": "None left left",
    "192.0.2.7 left": "None left left",
    "192.0.2.6 left": "None left left",
    "203.0.113.7 left": "None left None",
    "192.0.2.9 right": "None right left",
    "198.51.100.2 right": "None right right",
    "2001:db8:1::9 left": "None left None",
}
"""Client, and the interface that it comes in by: hardware address, interface, and where packets to it go."""


def test_the_kernel_is_asked():
    """Hardware address and interface, of both families, on the right wire; none where it is not known; and the
    route.
    """
    try:
        done = subprocess.run(
            ["unshare", "--net", "sh", "-ec", NETWORK, "sh", sys.executable, "-c", SCRIPT],
            input="\n".join(CLIENTS),
            capture_output=True,
            text=True,
            timeout=60,
        )
    except OSError:
        lacking("there is no unshare here")
    if done.returncode and "Traceback" not in done.stderr:
        lacking(f"a network cannot be made here: {done.stderr}")
    assert done.stderr == ""
    assert dict(zip(CLIENTS, done.stdout.splitlines(), strict=True)) == CLIENTS


def test_an_interface_that_has_gone():
    """Nothing is known of it, and that is no failure."""
    gone = [("192.0.2.9", 0x7FFFFFF0), ("192.0.2.9", 0)]
    assert find_neighbours(gone) == dict.fromkeys(gone, NOBODY)


def test_without_netlink(monkeypatch):
    """Where there is none, that is said."""
    monkeypatch.delattr(socket, "AF_NETLINK")
    with pytest.raises(OSError, match="no netlink"):
        find_neighbours([("127.0.0.1", 1)])


def identified(neighbours):
    """What the client is called."""
    results = []
    neighbours.identify(REQUEST).addBoth(results.append)
    return results[0]


def test_what_a_client_is_called():
    """The hardware address is written as PXELINUX does; the kernel is asked for the client of the request."""
    asked = []

    def find(clients):
        asked.append(clients)
        return dict.fromkeys(clients, Neighbour(bytes.fromhex("5254000000AB"), "eth0"))

    names = identified(Neighbours(maybeDeferred, find))
    assert names == ClientNames(b"192.0.2.9", b"C0000209", b"52-54-00-00-00-ab", b"eth0")
    assert asked == [{("192.0.2.9", 1)}]


def test_what_is_not_known():
    """Who is not known has an address all the same."""
    names = identified(Neighbours(maybeDeferred, lambda clients: {}))
    assert names == ClientNames(b"192.0.2.9", b"C0000209")


def test_a_kernel_that_refuses():
    """Clients are served as far as their addresses go; the operator is told once what to do."""

    def find(clients):
        raise PermissionError(1, "Operation not permitted")

    neighbours = Neighbours(maybeDeferred, find)
    with capturedLogs() as logged:
        for _ in range(3):
            assert identified(neighbours) == ClientNames(b"192.0.2.9", b"C0000209")
    (event,) = logged
    text = event["log_format"].format(**event)
    assert "Operation not permitted. Allow AF_NETLINK, or do without {mac} and {interface}" in text


def test_a_client_that_gave_up():
    """Nobody waits for the kernel any more, and nothing is logged."""
    with capturedLogs() as logged:
        waiting = Neighbours(lambda *_: Deferred()).identify(REQUEST)
        waiting.cancel()
        results = []
        waiting.addBoth(results.append)
    assert isinstance(results[0], Failure)
    assert results[0].check(CancelledError)
    assert logged == []


def test_many_clients_at_once():
    """Each gets its own; the kernel is asked once for those of the same address and interface."""
    asked = []

    def find(clients):
        asked.append(clients)
        return {client: Neighbour(client[0].encode()[-1:], f"eth{client[1]}") for client in clients if client[1]}

    requests = [evolve(REQUEST, client=Address(host, port), interface=interface) for host, port, interface in MANY]
    results = []
    Neighbours(maybeDeferred, find).find(requests).addCallback(results.extend)
    assert asked == [{("192.0.2.1", 1), ("192.0.2.2", 2), ("192.0.2.2", 0)}]
    assert results == [Neighbour(b"1", "eth1"), Neighbour(b"2", "eth2"), Neighbour(b"1", "eth1"), NOBODY]


MANY = [("192.0.2.1", 1000, 1), ("192.0.2.2", 1000, 2), ("192.0.2.1", 1001, 1), ("192.0.2.2", 1001, 0)]
