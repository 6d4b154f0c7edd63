"""What the kernel knows of a client: its hardware address, and the interface whose address it asked.

The kernel is asked by netlink (rtnetlink(7)), for IPv4 and IPv6 alike: /proc/net/arp has only the one, there is no
such file for the other, and both would be read as a whole. That takes 100 microseconds, unless somebody is setting
up a network and holds a lock meanwhile; so a thread asks, and only where a rule or a folder needs it. Nothing is
kept: an address may be another machine's a minute later, when a rack is being installed.

A client on the same wire is in the table when its request arrives, since it has asked for our hardware address
before, and told its own. One behind a router is not, and none of its addresses would be of use.
"""

import errno
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple, cast

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from tftpd_tw.interfaces import Address, Request, RunBlocking
from tftpd_tw.policy.client_names import ClientNames, names_by_address

log = Logger()

_HEADER = Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = Struct("=HH")  # length, type
_NEIGHBOUR = Struct("=BxxxiHBB")  # family, interface, state, flags, type
_ADDRESS = Struct("=BBBBi")  # family, length of prefix, flags, scope, interface
_ERROR = Struct("=i")

_MESSAGE_ERROR, _MESSAGE_DONE, _GET_ADDRESS, _GET_NEIGHBOUR = 2, 3, 22, 30
_REQUEST, _DUMP = 0x001, 0x301
_ADDRESS_IP, _ADDRESS_LOCAL = 1, 2
_NEIGHBOUR_IP, _NEIGHBOUR_MAC = 1, 2
_NO_ARP = 0x40  # nobody has told it, as on the loopback interface


class Neighbour(NamedTuple):
    """A client on the wire."""

    mac: bytes | None
    interface: str | None


NOBODY = Neighbour(None, None)


def find_neighbour(client: Address, local: Address) -> Neighbour:
    """What the kernel knows of ``client``, that asked ``local``. May block.

    :raises OSError: the kernel cannot be asked
    """
    if not hasattr(socket, "AF_NETLINK"):
        raise OSError(errno.EAFNOSUPPORT, "this system has no netlink")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as netlink:
        # What was sent to a multicast address has no local one.
        interface = local.scope or client.scope or (_interface_of(netlink, local.host) if local.host else 0)
        if not interface:
            return NOBODY
        mac = _mac_of(netlink, ipaddress.ip_address(client.host).packed, interface)
    return Neighbour(mac, _name_of(interface))


def _interface_of(netlink: socket.socket, host: str) -> int:
    """The index of the interface that has the address ``host``; 0 if none has."""
    local, found = ipaddress.ip_address(host).packed, 0
    for body in _ask(netlink, _GET_ADDRESS, _DUMP, _ADDRESS.pack(_family(local), 0, 0, 0, 0)):
        attributes = _attributes(body, _ADDRESS.size)
        # On a point-to-point link the other attribute is the other end's.
        if local == (attributes.get(_ADDRESS_LOCAL) or attributes.get(_ADDRESS_IP)):
            found = _ADDRESS.unpack_from(body)[4]
    return found


def _mac_of(netlink: socket.socket, client: bytes, interface: int) -> bytes | None:
    attribute = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(client), _NEIGHBOUR_IP) + client
    question = _NEIGHBOUR.pack(_family(client), interface, 0, 0, 0) + attribute
    try:
        for body in _ask(netlink, _GET_NEIGHBOUR, _REQUEST, question):
            _, _, state, _, _ = _NEIGHBOUR.unpack_from(body)
            return None if state & _NO_ARP else _attributes(body, _NEIGHBOUR.size).get(_NEIGHBOUR_MAC)
    except OSError as error:
        # No such neighbour; or the interface has just been taken away.
        if error.errno not in (errno.ENOENT, errno.ENODEV):
            raise
    return None


def _name_of(interface: int) -> str | None:
    try:
        return socket.if_indextoname(interface)
    except OSError:
        return None


def _family(packed: bytes) -> int:
    return socket.AF_INET if len(packed) == 4 else socket.AF_INET6


def _ask(netlink: socket.socket, what: int, flags: int, body: bytes) -> Iterator[bytes]:
    """The bodies of all messages that answer."""
    netlink.send(_HEADER.pack(_HEADER.size + len(body), what, flags, 0, 0) + body)
    while True:
        answer = netlink.recv(1 << 18)
        at = 0
        while at < len(answer):
            length, kind, _, _, _ = _HEADER.unpack_from(answer, at)
            message = answer[at + _HEADER.size : at + length]
            at += length + 3 & ~3
            if kind == _MESSAGE_DONE:
                return
            if kind == _MESSAGE_ERROR:
                number = -_ERROR.unpack_from(message)[0]
                raise OSError(number, os.strerror(number))
            yield message
        if flags != _DUMP:
            return


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
        self, run_blocking: RunBlocking, find: Callable[[Address, Address], Neighbour] = find_neighbour
    ) -> None:
        self._run_blocking = run_blocking
        self._find = find
        self._complained = False

    def identify(self, request: Request) -> "Deferred[ClientNames]":
        """What ``request``'s client is called. What cannot be found out is None; it never fails."""
        work = cast("Deferred[Neighbour]", self._run_blocking(self._find, request.client, request.local))
        return work.addErrback(self._cannot).addCallback(_named, names_by_address(request))

    def _cannot(self, failure: Failure) -> Neighbour:
        if failure.check(CancelledError) is not None:
            failure.raiseException()
        if not self._complained:
            self._complained = True
            log.error(
                "Hardware addresses and interfaces of clients are not known, since the kernel cannot be asked:"
                " {error}. Allow AF_NETLINK, or do without {{mac}} and {{interface}}",
                error=failure.getErrorMessage(),
            )
        return NOBODY


def _named(neighbour: Neighbour, names: ClientNames) -> ClientNames:
    mac, interface = neighbour
    return evolve(
        names,
        mac=mac.hex("-").encode() if mac else None,
        interface=interface.encode() if interface else None,
    )
