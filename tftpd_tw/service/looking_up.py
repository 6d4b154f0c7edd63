"""What a daemon with some settings would do with a request of some client, asked here and now: the folders are
opened as the daemon opens them, by whoever asks.
"""

import os
import socket
from collections.abc import Mapping
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock

from tftpd_tw.backends.chaining import Identify
from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.net.neighbours import Neighbours, interface_towards
from tftpd_tw.net.sockets import interface_name
from tftpd_tw.policy.client_names import ClientNames
from tftpd_tw.policy.profiles import InterfaceName
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.explaining import Explanation, at_once, explain
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.treatment import make_authorizer

TFTP_PORT = 69


def look_up(
    configuration: Configuration, direction: Direction, name: bytes, host: str, told: Mapping[str, bytes]
) -> Explanation:
    """What becomes of a request of ``host``.

    :param told: what the client is called, ``mac`` and ``interface``, instead of what the kernel knows
    :raises OpenError: a folder cannot be opened
    """
    client = Address(host, 0)
    request = Request(
        direction, name, Mode.OCTET, (), client, local_address(client), interface=_interface_towards(client)
    )
    configuration = evolve(configuration, cache=evolve(configuration.cache, enabled=False))
    folders = Folders(configuration, at_once, Clock(), {}, _identify(told), _interface_name(told))
    try:
        return explain(folders.backend, request, make_authorizer(configuration))
    finally:
        folders.close()


def local_address(client: Address) -> Address:
    """The address of this host that ``client`` would ask, as the routes have it; loopback if there is no route."""
    family = socket.AF_INET6 if ":" in client.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((client.host, TFTP_PORT))
        except OSError:
            return Address("::1" if family is socket.AF_INET6 else "127.0.0.1", TFTP_PORT)
        return Address(sock.getsockname()[0], TFTP_PORT)


def _interface_towards(client: Address) -> int:
    """The number of the interface that the request of ``client`` comes in by, as the routes have it; 0 if nobody
    can tell.
    """
    try:
        return interface_towards(client.host)
    except OSError:
        return 0


def _interface_name(told: Mapping[str, bytes]) -> InterfaceName:
    given = told.get("interface")
    return interface_name if given is None else lambda _: os.fsdecode(given)


def _identify(told: Mapping[str, bytes]) -> Identify:
    kernel = Neighbours(at_once)

    def identify(request: Request) -> Any:
        def corrected(names: ClientNames) -> ClientNames:
            return evolve(names, **told)

        return kernel.identify(request).addCallback(corrected)

    return identify
