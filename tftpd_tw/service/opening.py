"""What is opened while twistd is still root: the request ports; and the line that says why one cannot be."""

import errno
import os
import socket
from collections.abc import Sequence

from attrs import evolve, field, frozen
from twisted.logger import Logger

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import from_socket_address
from tftpd_tw.net.sockets import bind_request_socket, carry_sessions
from tftpd_tw.service.configuration import Network, NetworkListener
from tftpd_tw.service.value_types import EVERY_ADDRESS

log = Logger()


class StartError(SystemExit):
    """The daemon cannot start. As a SystemExit it ends twistd with one line instead of a traceback."""

    def __init__(self, text: str) -> None:
        super().__init__(f"tftpd: {text}")
        self.text = text
        """The line without the name of the program."""


class OpenError(StartError, Exception):
    """A folder or a port cannot be opened. As an Exception too, it ends a twistd that went to the background:
    the process that waits in the foreground is told only of those, and would wait for ever.
    """


@frozen
class Place:
    """Where requests come in, with all that is said of it. Equal are those that no two sockets can have."""

    address: str
    port: int
    interface: str | None = None
    """Only what comes in there; None: by any."""
    single_port: bool = field(default=False, eq=False)
    """Whether transfers stay on this port."""
    index: int = 0
    """The number of the interface, which is another one when it comes again by the same name; 0 for none."""

    def numbered(self) -> "Place":
        """With the number that its interface has now."""
        name = self.interface or self.address.partition("%")[2]
        if not name or name.isdecimal():
            return self
        try:
            return evolve(self, index=socket.if_nametoindex(name))
        except OSError:
            return self  # whoever opens it says so


def places(network: Network) -> list[Place]:
    """Every place to listen on."""
    addresses = network.addresses
    if not addresses and not network.listeners:
        addresses = (EVERY_ADDRESS,)
    return [
        Place(
            listener.address,
            network.port if listener.port is None else listener.port,
            interface,
            network.single_port if listener.single_port is None else listener.single_port,
        )
        for listener in (*map(NetworkListener, addresses), *network.listeners)
        for interface in ([listener.interface] if listener.interface else network.interfaces or [None])
    ]


def open_request_sockets(
    wanted: Sequence[Place], each: int = 1, *, beside: bool = False
) -> list[list[socket.socket]]:
    """Bound sockets for all that is ``wanted``, in that order; ``each`` of them, which share what comes in.

    The kernel gives a client's packets to one of those that share an address, and always to the same one while
    all stay open. The first is bound alone and only then allows others to join, so that a second daemon cannot
    slip in, and nobody at all once root has been given up.

    :param beside: never mind sockets of ours that have ``SO_REUSEADDR`` set
    :raises OpenError: one cannot be opened
    """
    opened: list[list[socket.socket]] = []
    try:
        for place in wanted:
            group = [_open(place, beside, several=len(wanted) > 1)]
            opened.append(group)
            share(group, each, place.interface, beside=beside)
            if place.single_port:
                for sock in group:
                    carry_sessions(sock)
    except BaseException:
        for sock in (sock for group in opened for sock in group):
            sock.close()
        raise
    return opened


def share(group: list[socket.socket], each: int, interface: str | None = None, *, beside: bool = False) -> None:
    """Add to ``group``, which has at least one, what is missing to ``each`` sockets on the same address.

    :raises OpenError: one cannot be opened
    """
    if len(group) >= each:
        return
    group[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # What it has got, where it was asked for any port or for either kind of IP.
    host, port, scope = from_socket_address(group[0].getsockname())
    place = Place(f"{host}%{scope}" if scope else host, port, interface)
    try:
        group += (_bind(place, beside, shared=True) for _ in range(each - len(group)))
    except OSError as error:
        raise OpenError(f"--workers: {each} sockets for {host}: {error.strerror}") from None


def announce(root: str, address: Address, place: Place) -> None:
    """Log what is served where."""
    said = [f"by {place.interface} only"] if place.interface else []
    said += ["all on this port"] if place.single_port else []
    how = f" ({', '.join(said)})" if said else ""
    log.info("serving {root} on UDP {address}{how}", root=root, address=str(address), how=how)


def _open(place: Place, beside: bool, *, several: bool) -> socket.socket:
    try:
        return _bind(place, beside)
    except OSError as error:
        no_ipv6 = place.address == EVERY_ADDRESS and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
        if not no_ipv6:
            raise OpenError(_refused(place, several, error)) from None
    place = evolve(place, address="0.0.0.0")
    try:
        return _bind(place, beside)
    except OSError as error:
        raise OpenError(_refused(place, several, error)) from None


def _bind(place: Place, beside: bool, *, shared: bool = False) -> socket.socket:
    return bind_request_socket(place.address, place.port, shared=shared, beside=beside, interface=place.interface)


def _refused(place: Place, several: bool, error: OSError) -> str:
    line = cannot_listen("UDP", Address(place.address, place.port), error.errno, "--port")
    if place.interface:
        line += f" (interface {place.interface})"
    if error.errno == errno.EADDRINUSE and several:
        line += "; it may be another of the listeners, since `::` takes every address of its port"
    return line


def cannot_listen(kind: str, where: Address, number: int | None, option: str) -> str:
    """One line: what failed, why, and what to do about it."""
    advice = {
        errno.EADDRINUSE: f"another program has it; stop that one (`ss -lpn 'sport = :{where.port}'` names it)"
        f" or choose another with {option}",
        errno.EACCES: f"ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with {option}, or start"
        " as root and give it up with `twistd --uid`",
        errno.EADDRNOTAVAIL: "this host has no such address; `ip address` lists those that it has",
        errno.ENODEV: "this host has no such interface; `ip link` lists those that it has",
        errno.EINVAL: "a link-local address needs its interface, as in fe80::1%eth0",
        errno.EPERM: "to bind to an interface needs root or CAP_NET_RAW before Linux 5.7",
    }.get(number or 0, f"choose another with {option}")
    reason = os.strerror(number) if number else "unknown error"
    return f"cannot listen on {kind} {where}: {reason}: {advice}"
