"""UDP sockets as TFTP needs them, and the kernel's side of it: which address was asked, segmented sends,
ICMP errors. Numbers that Python does not name are Linux's; where they mean nothing, the feature is off.
"""

import errno
import os
import secrets
import socket
import struct
from contextlib import suppress
from functools import lru_cache

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import SocketAddress, from_socket_address, to_socket_address

IP_PKTINFO = 8
IPV6_RECVPKTINFO = 49
IPV6_PKTINFO = 50
IP_RECVERR = 11
IPV6_RECVERR = 25
IP_MTU_DISCOVER = 10
IPV6_MTU_DISCOVER = 23
IP_PMTUDISC_DONT = 0
IP_MTU = 14
IPV6_MTU = 24
SOL_UDP = 17
UDP_SEGMENT = 103
UDP_GRO = 104
SO_BINDTODEVICE = 25
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33

Control = tuple[int, int, bytes]
"""A control message: level, kind, content."""

REQUEST_BUFFER = 4 << 20
"""Bytes of memory for what waits in a request socket: some 5000 requests, where the usual 208 KiB are full with
270, and a rack that is switched on sends more at once. The same for what many transfers on one port send. Without
CAP_NET_ADMIN it gets no more than ``net.core.rmem_max`` and ``wmem_max`` allow.
"""

COALESCED = 65535
"""The most that the kernel hands over in one piece."""

ANY_PORT = range(0)
"""The port that a transfer gets is the kernel's choice."""

MOST_TRIES = 256
"""Ports of a range that are tried for one transfer, so that nobody waits for a large one that is taken."""

SEGMENTATION_ERRORS = frozenset({errno.EMSGSIZE, errno.EINVAL, errno.EIO, errno.ENOPROTOOPT, errno.EOPNOTSUPP})
"""What a segmented send fails with where it cannot work: a segment above the MTU, an old kernel, an odd driver."""

PENDING_ERRORS = frozenset(
    {errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EPROTO}
)
"""An ICMP message about an earlier packet is reported by the next call on the socket."""

_EXTENDED_ERROR = struct.Struct("=IBBBBII")
_ORIGIN_ICMP = frozenset({2, 3})

_FOR_SESSIONS = {
    socket.AF_INET: (
        (socket.IPPROTO_IP, IP_RECVERR, 1),
        (socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT),
    ),
    socket.AF_INET6: (
        (socket.IPPROTO_IPV6, IPV6_RECVERR, 1),
        (socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IP_PMTUDISC_DONT),
    ),
}
"""What the sockets of transfers have set: ICMP errors are reported. Packets above the path's MTU are fragmented
rather than refused, since an administrator may want blocks of 64 KiB."""


def name_of(error: OSError) -> str:
    """``EMSGSIZE``."""
    return errno.errorcode.get(error.errno or 0, "unknown")


def family_of(host: str) -> socket.AddressFamily:
    """IPv6 for a host with colons, else IPv4."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def bind_request_socket(
    host: str, port: int, *, shared: bool = False, beside: bool = False, interface: str | None = None
) -> socket.socket:
    """A non-blocking socket on ``host`` and ``port`` that tells which address each request was sent to.

    ``::`` takes IPv4 as well; a link-local address has its interface with it, as in ``fe80::1%eth0``.

    :param shared: join others on that address, of which each has ``SO_REUSEPORT`` set
    :param beside: never mind others of which each has ``SO_REUSEADDR`` set, as it is on this one until it is bound
    :param interface: take only what comes in there; others may have the same address and port elsewhere
    :raises OSError: it cannot be bound
    """
    family = family_of(host)
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        _prepare(sock)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if interface is not None:
            sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, interface.encode() + b"\0")
        if beside:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(_with_scope(host, port))
        if beside:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    except BaseException:
        sock.close()
        raise
    return sock


def adopt_request_socket(descriptor: int) -> socket.socket:
    """The socket with that number, which another program has bound, made like :func:`bind_request_socket`'s.

    :raises ValueError: it is no bound UDP socket; it stays open
    """
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        raise ValueError("it is no socket") from None
    internet = sock.family in (socket.AF_INET, socket.AF_INET6)
    if not internet or sock.type != socket.SOCK_DGRAM or not sock.getsockname()[1]:
        sock.detach()
        raise ValueError("it is no UDP socket that is bound to a port")
    sock.setblocking(False)
    sock.set_inheritable(False)
    _prepare(sock)
    return sock


def _prepare(sock: socket.socket) -> None:
    """Have room for many requests, and each come with the address that it was sent to."""
    _enlarge(sock, socket.SO_RCVBUF, SO_RCVBUFFORCE)
    if sock.family is socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
        if sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            return
    sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


def _with_scope(host: str, port: int) -> SocketAddress:
    """What to bind for ``fe80::1%eth0``, and for every other address.

    :raises OSError: there is no such interface
    """
    host, _, interface = host.partition("%")
    if not interface:
        return (host, port)
    if interface.isdecimal():
        return (host, port, 0, int(interface))
    try:
        return (host, port, 0, socket.if_nametoindex(interface))
    except OSError:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV)) from None


def bind_session_socket(local: Address, peer: Address, ports: range = ANY_PORT) -> socket.socket:
    """A non-blocking socket on a free port of ``local.host``, of the peer's family, that reports ICMP errors.

    :param ports: one of these
    :raises OSError: descriptors or ports have run out
    """
    family = family_of(peer.host)
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        for option in _FOR_SESSIONS[family]:
            sock.setsockopt(*option)
        if ports:
            _bind_within(sock, local, ports)
        elif local.host:
            sock.bind(_bindable(local, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def _bindable(local: Address, port: int) -> SocketAddress:
    """What to bind for ``port`` of ``local.host``."""
    return (local.host, port, 0, local.scope) if ":" in local.host else (local.host, port)


def _bind_within(sock: socket.socket, local: Address, ports: range) -> None:
    """Bind a port that nobody can foretell (C156), or the next one if that is taken.

    :raises OSError: all are taken
    """
    first = secrets.randbelow(len(ports))
    for offset in range(min(len(ports), MOST_TRIES)):
        try:
            sock.bind(_bindable(local, ports[(first + offset) % len(ports)]))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    raise OSError(errno.EADDRINUSE, f"no port of {ports[0]}-{ports[-1]} is free")


def carry_sessions(sock: socket.socket) -> None:
    """Prepare a request socket for transfers that stay on it."""
    for family in {sock.family, socket.AF_INET}:
        for option in _FOR_SESSIONS[family]:
            sock.setsockopt(*option)
    _enlarge(sock, socket.SO_SNDBUF, SO_SNDBUFFORCE)


def _enlarge(sock: socket.socket, kind: int, forced: int) -> None:
    """Ask for :data:`REQUEST_BUFFER`, of whatever limit if we may, else as much as there may be."""
    if sock.getsockopt(socket.SOL_SOCKET, kind) >= REQUEST_BUFFER:
        return
    for option in (forced, kind):
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, option, REQUEST_BUFFER)
            return


def source_control(local: Address) -> list[Control]:
    """The control message that has a packet leave from ``local``, whatever the socket is bound to."""
    if ":" in local.host:
        packed = socket.inet_pton(socket.AF_INET6, local.host) + struct.pack("=I", local.scope)
        return [(socket.IPPROTO_IPV6, IPV6_PKTINFO, packed)]
    # in_pktinfo: any interface, the source, and nothing. An IPv6 socket takes it too.
    return [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=I4s4s", 0, socket.inet_aton(local.host), bytes(4)))]


def segment_control(size: int) -> list[Control]:
    """The control message that cuts one send into datagrams of ``size`` bytes."""
    return [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))]


def coalesce(sock: socket.socket) -> None:
    """Ask the kernel to hand over packets that came together in one piece (UDP_GRO).

    :raises OSError: it cannot
    """
    sock.setsockopt(SOL_UDP, UDP_GRO, 1)


def coalesced_size(control: list[Control]) -> int:
    """The size of the packets in a piece, of which only the last may be shorter; 0 for a packet by itself."""
    for level, kind, data in control:
        if (level, kind) == (SOL_UDP, UDP_GRO):
            size: int = struct.unpack_from("=i", data)[0]
            return size
    return 0


@lru_cache(maxsize=1024)
def arrival(control: tuple[Control, ...], bound: Address) -> tuple[Address, bool, int]:
    """The address that a request was sent to, as one to answer from; whether it was a broadcast; and the number of
    the interface that it came in by, 0 if that is not known.

    For a broadcast or multicast the address is that of the interface. A host has few of both, so the answers are
    kept.
    """
    found = None
    for level, kind, data in control:
        if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
            # in_pktinfo: interface, the local address, the packet's destination
            interface, local, destination = struct.unpack_from("=I4s4s", data)
            return Address(socket.inet_ntoa(local), bound.port), local != destination, interface
        if level == socket.IPPROTO_IPV6 and kind == IPV6_PKTINFO:
            found = data
    if found is None:
        return bound, False, 0
    raw, interface = found[:16], struct.unpack_from("=I", found, 16)[0]
    if raw[0] == 0xFF:
        return Address("", bound.port), True, interface
    host = socket.inet_ntop(socket.AF_INET6, raw)
    link_local = raw[0] == 0xFE and raw[1] & 0xC0 == 0x80
    return from_socket_address((host, bound.port, 0, interface if link_local else 0)), False, interface


def interface_name(number: int) -> str | None:
    """``eth0``; None if there is no interface with that number, or no more."""
    try:
        return socket.if_indextoname(number)
    except OSError:
        return None


def unreachable_peers(sock: socket.socket) -> list[SocketAddress]:
    """Empty the error queue; the addresses whose hosts said that their port is closed."""
    peers: list[SocketAddress] = []
    # No error stays pending, for which a poll loop would wake up for ever; but one that comes from now on does.
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    while True:
        try:
            _, control, _, peer = sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return peers
        for level, kind, data in control:
            if (level, kind) in ((socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)):
                number, origin = _EXTENDED_ERROR.unpack_from(data)[:2]
                if number == errno.ECONNREFUSED and origin in _ORIGIN_ICMP:
                    peers.append(peer)


def path_mtu(local: Address, peer: Address) -> int | None:
    """The MTU of the route to ``peer``, or what the kernel has learnt of the path; None if there is none."""
    try:
        with socket.socket(family_of(peer.host), socket.SOCK_DGRAM) as sock:
            if local.host:
                sock.bind(_bindable(local, 0))
            sock.connect(to_socket_address(peer))
            if sock.family is socket.AF_INET6:
                return sock.getsockopt(socket.IPPROTO_IPV6, IPV6_MTU)
            return sock.getsockopt(socket.IPPROTO_IP, IP_MTU)
    except OSError:
        return None
