"""The server that a client command is to ask: how its user writes it, and the addresses that this leads to.

A name may have several addresses, and not all of them a server: ``localhost`` is ``::1`` before it is
``127.0.0.1``. They are tried in their order until one answers.
"""

import argparse
import ipaddress
import re
import socket
from typing import cast

from attrs import evolve, frozen
from twisted.internet.defer import Deferred

from tftpd_tw.cli.exit_statuses import NO_ANSWER, CommandError
from tftpd_tw.cli.values import of_kind
from tftpd_tw.interfaces import Address, RunBlocking
from tftpd_tw.net.engine import from_socket_address
from tftpd_tw.service.kind import number

TFTP_PORT = 69

_BRACKETED = re.compile(r"\[([^]]*:[^]]*)\](?::(.+))?")

parse_port = of_kind(number("a port", 1, 65535))
"""A port to ask, as an argument's type."""


@frozen
class Host:
    """What stands on the command line."""

    name: str
    """A name, an IPv4 or an IPv6 address, which may have its interface with it: ``fe80::1%eth0``."""
    port: int = 0
    """0: none was given."""

    @classmethod
    def parse(cls, text: str) -> "Host":
        """``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``.

        :raises argparse.ArgumentTypeError: it is none of them
        """
        name: str = text
        port: str | None = None
        if text.startswith("["):
            found = _BRACKETED.fullmatch(text)
            if found is None:
                raise argparse.ArgumentTypeError(f"expected an address as [2001:db8::1]:69, got {text!r}")
            name, port = found[1], found[2]
        elif text.count(":") == 1:
            name, _, port = text.partition(":")
        if not name:
            raise argparse.ArgumentTypeError("expected a name or an address, got nothing")
        _check_interface(name)
        return cls(name, 0 if port is None else parse_port(port))

    def at(self, port: int | None) -> "Host":
        """With the port that another option has, or else TFTP's.

        :raises argparse.ArgumentTypeError: it has another port already
        """
        if port and self.port not in (0, port):
            raise argparse.ArgumentTypeError(f"--port {port}: HOST has port {self.port} already")
        return evolve(self, port=self.port or port or TFTP_PORT)

    def __str__(self) -> str:
        return str(Address(self.name, self.port))


def addresses_of(host: Host, in_thread: RunBlocking) -> "Deferred[list[Address]]":
    """The addresses that there is a route to, in the system's order; at least one.

    :param in_thread: runs what may wait for a name server
    :raises CommandError: through the Deferred, if there is none
    """
    return cast("Deferred[list[Address]]", in_thread(look_up, host))


def look_up(host: Host) -> list[Address]:
    """As :func:`addresses_of`, at once.

    :raises CommandError: there is none
    """
    try:
        found = socket.getaddrinfo(host.name, host.port, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:
        raise CommandError(NO_ANSWER, f"no address is known for {host.name!r}: {error.strerror}") from None
    except UnicodeError:
        raise CommandError(
            NO_ANSWER, f"no address is known for {host.name!r}: that is no name of a host"
        ) from None
    reachable: dict[Address, None] = {}
    why = ""
    for family, *_, raw in found:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.connect(raw)  # sends nothing
                reachable[from_socket_address(sock.getpeername())] = None
        except OSError as error:
            why = error.strerror or str(error)
    if not reachable:
        raise CommandError(NO_ANSWER, f"there is no route to {host.name}: {why}")
    return list(reachable)


def _check_interface(name: str) -> None:
    address, _, interface = name.partition("%")
    try:
        link_local = ipaddress.IPv6Address(address).is_link_local
    except ValueError:
        return
    if not interface:
        if link_local:
            raise argparse.ArgumentTypeError(
                f"{address} is link-local: name the interface too, as in {address}%eth0"
            )
        return
    try:
        known = (interface.isascii() and interface.isdigit()) or socket.if_nametoindex(interface)
    except OSError:
        known = False
    if not known:
        raise argparse.ArgumentTypeError(f"there is no interface {interface!r}")
