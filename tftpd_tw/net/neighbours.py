"""What the kernel knows of a client: its hardware address, and the name of the interface that it came in by.

The kernel is asked by netlink (rtnetlink(7)), for IPv4 and IPv6 alike: /proc/net/arp has only the one, there is no
such file for the other, and both would be read as a whole. That takes some 20 microseconds, unless somebody is
setting up a network and holds a lock meanwhile; so a thread asks: before the answer where a rule or a folder needs
it, and otherwise when all is over, for the record. Nothing is kept: an address may be another machine's a minute
later, when a rack is being installed.

A client on the same wire is in the table when its request arrives, since it has asked for our hardware address
before, and told its own. One behind a router is not, and none of its addresses would be of use.
"""

import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import NamedTuple, cast

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from tftpd_tw.interfaces import Request, RunBlocking
from tftpd_tw.net.sockets import interface_name
from tftpd_tw.policy.client_names import ClientNames, names_by_address

log = Logger()

_HEADER = Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = Struct("=HH")  # length, type
_NEIGHBOUR = Struct("=BxxxiHBB")  # family, interface, state, flags, type
_ROUTE = Struct("=BB10x")  # family, length of prefix
_NUMBER = Struct("=i")

_MESSAGE_ERROR, _GET_ROUTE, _GET_NEIGHBOUR = 2, 26, 30
_REQUEST = 0x001
_ROUTE_TO, _ROUTE_INTERFACE = 1, 4
_NEIGHBOUR_IP, _NEIGHBOUR_MAC = 1, 2
_NO_ARP = 0x40  # nobody has told it, as on the loopback interface


Client = tuple[str, int]
"""Its address, and the number of the interface that its request came in by."""


class Neighbour(NamedTuple):
    """A client on the wire."""

    mac: bytes | None
    interface: str | None


NOBODY = Neighbour(None, None)


def find_neighbours(clients: Iterable[Client]) -> dict[Client, Neighbour]:
    """What the kernel knows of ``clients``. May block.

    :raises OSError: the kernel cannot be asked
    """
    with _netlink() as netlink:
        return {client: _neighbour(netlink, *client) for client in clients}


def _neighbour(netlink: socket.socket, host: str, interface: int) -> Neighbour:
    name = interface_name(interface)
    if name is None:
        return NOBODY
    return Neighbour(_mac_of(netlink, ipaddress.ip_address(host).packed, interface), name)


def interface_towards(host: str) -> int:
    """The number of the interface by which packets to ``host`` leave; 0 if there is no route. May block.

    :raises OSError: the kernel cannot be asked
    """
    address = ipaddress.ip_address(host)
    question = _ROUTE.pack(_family(address.packed), address.max_prefixlen) + _attribute(_ROUTE_TO, address.packed)
    with _netlink() as netlink:
        try:
            answer = _ask(netlink, _GET_ROUTE, question)
        except OSError as error:
            if error.errno not in (errno.ENETUNREACH, errno.EHOSTUNREACH):
                raise
            return 0
    number: int = _NUMBER.unpack(_attributes(answer, _ROUTE.size).get(_ROUTE_INTERFACE, bytes(4)))[0]
    return number


def _mac_of(netlink: socket.socket, client: bytes, interface: int) -> bytes | None:
    question = _NEIGHBOUR.pack(_family(client), interface, 0, 0, 0) + _attribute(_NEIGHBOUR_IP, client)
    try:
        answer = _ask(netlink, _GET_NEIGHBOUR, question)
    except OSError as error:
        # No such neighbour; or the interface has just been taken away.
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
        return None
    _, _, state, _, _ = _NEIGHBOUR.unpack_from(answer)
    return None if state & _NO_ARP else _attributes(answer, _NEIGHBOUR.size).get(_NEIGHBOUR_MAC)


def _family(packed: bytes) -> int:
    return socket.AF_INET if len(packed) == 4 else socket.AF_INET6


def _netlink() -> socket.socket:
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no netlink")
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)


def _ask(netlink: socket.socket, what: int, question: bytes) -> bytes:
    """The body of the message that answers."""
    netlink.send(_HEADER.pack(_HEADER.size + len(question), what, _REQUEST, 0, 0) + question)
    answer = netlink.recv(1 << 16)
    length, kind, _, _, _ = _HEADER.unpack_from(answer)
    body = answer[_HEADER.size : length]
    if kind == _MESSAGE_ERROR:
        number = -_NUMBER.unpack_from(body)[0]
        raise OSError(number, os.strerror(number))
    return body


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value


def _attributes(body: bytes, at: int) -> dict[int, bytes]:
    found = {}
    while at + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = body[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
    return found


class Neighbours:
    """Tells all that clients are called.

    :param run_blocking: calls a function in a thread and gives a Deferred of its result.
    :param find: asks the kernel.
    """

    def __init__(
        self,
        run_blocking: RunBlocking,
        find: Callable[[Iterable[Client]], Mapping[Client, Neighbour]] = find_neighbours,
    ) -> None:
        self._run_blocking = run_blocking
        self._find = find
        self._complained = False

    def identify(self, request: Request) -> "Deferred[ClientNames]":
        """What ``request``'s client is called. What cannot be found out is None; it never fails."""
        found = self.find([request])
        return found.addCallback(lambda neighbours: _named(neighbours[0], names_by_address(request)))

    def find(self, requests: Sequence[Request]) -> "Deferred[list[Neighbour]]":
        """What the kernel knows of the client of each; never fails."""
        clients = [(request.client.host, request.interface) for request in requests]
        work = cast("Deferred[Mapping[Client, Neighbour]]", self._run_blocking(self._find, set(clients)))
        return work.addErrback(self._cannot).addCallback(
            lambda known: [known.get(client, NOBODY) for client in clients]
        )

    def _cannot(self, failure: Failure) -> Mapping[Client, Neighbour]:
        if failure.check(CancelledError) is not None:
            failure.raiseException()
        if not self._complained:
            self._complained = True
            log.warn(
                "Hardware addresses and interfaces of clients are not known, since the kernel cannot be asked:"
                " {error}. Allow AF_NETLINK, or do without {{mac}} and {{interface}}",
                error=failure.getErrorMessage(),
            )
        return {}


def _named(neighbour: Neighbour, names: ClientNames) -> ClientNames:
    mac, interface = neighbour
    return evolve(
        names,
        mac=mac.hex("-").encode() if mac else None,
        interface=interface.encode() if interface else None,
    )
