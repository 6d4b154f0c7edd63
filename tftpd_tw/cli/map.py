"""``tftpd-tw map``: which file a name leads to, for some client, and why; or why to none."""

import argparse
import ipaddress
import os
import re
import socket
from typing import Any

from attrs import evolve
from twisted.internet.task import Clock

from tftpd_tw.backends.chaining import Identify
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.net.neighbours import Neighbours, interface_towards
from tftpd_tw.net.sockets import interface_name
from tftpd_tw.policy.client_names import ClientNames, Tree
from tftpd_tw.policy.profiles import InterfaceName
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.config_reader import DEFAULT_FILE, Sources
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.explaining import at_once, explain
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.treatment import make_authorizer

TFTP_PORT = 69


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "map",
        help="explain which file a name leads to",
        description="Say step by step which rule does what with a name that a client asks for, and which file it"
        " leads to, or why to none. The status is 1 if no file results.",
    )
    parser.add_argument("name", metavar="NAME", help="the name that a client asks for")
    parser.add_argument("--client", metavar="IP", type=_host, required=True, help="the client's address")
    parser.add_argument("--write", action="store_true", help="it uploads a file; without this it reads one")
    parser.add_argument("--mac", type=_mac, help="its hardware address, instead of what the kernel knows")
    parser.add_argument(
        "--interface", type=os.fsencode, help="the network interface that its request comes in by, likewise"
    )
    parser.add_argument("-c", "--config", metavar="FILE", help=f"the settings [default: {DEFAULT_FILE}, if there]")
    parser.add_argument(
        "--root", metavar="FOLDER", type=_tree, action="append", help="look here instead; may be repeated"
    )
    parser.add_argument("--upload-root", metavar="FOLDER", type=_tree, help="where uploads go, likewise")
    parser.add_argument("--ignore-case", action="store_true", help="find a file in any spelling")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Explain; the exit status is 1 if no file results."""
    configuration = _configuration(options)
    direction = Direction.WRITE if options.write else Direction.READ
    client = Address(options.client, 0)
    request = Request(
        direction,
        os.fsencode(options.name),
        Mode.OCTET,
        (),
        client,
        local_address(client),
        interface=_interface_towards(client),
    )
    folders = Folders(configuration, at_once, Clock(), {}, _identify(options), _interface_name(options))
    try:
        explanation = explain(folders.backend, request, make_authorizer(configuration))
    finally:
        folders.close()
    print("\n".join(explanation.lines))  # noqa: T201
    return 0 if explanation.served else 1


def _configuration(options: argparse.Namespace) -> Configuration:
    """What the file says, with what the command line says instead."""
    sources = Sources()
    file = options.config or (DEFAULT_FILE if os.path.exists(DEFAULT_FILE) else None)
    try:
        if file is not None:
            sources.add_file(file)
        configuration: Configuration = sources.configuration()
    except ConfigurationError as error:
        raise SystemExit(f"tftpd-tw map: {error}") from None
    filesystem = configuration.filesystem
    if options.root:
        root, *others = options.root
        filesystem = evolve(filesystem, root=root, fallback_roots=tuple(others))
    if options.upload_root:
        filesystem = evolve(filesystem, upload_root=options.upload_root, uploads=UploadPolicy.OVERWRITE)
    if not filesystem.root:
        raise SystemExit("tftpd-tw map: name a folder with --root, or a settings file with --config")
    return evolve(
        configuration,
        filesystem=evolve(filesystem, ignore_case=filesystem.ignore_case or options.ignore_case),
        cache=evolve(configuration.cache, enabled=False),
    )


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


def _interface_name(options: argparse.Namespace) -> InterfaceName:
    given = options.interface
    return interface_name if given is None else lambda _: os.fsdecode(given)


def _identify(options: argparse.Namespace) -> Identify:
    kernel = Neighbours(at_once)
    told = {key: value for key in ("mac", "interface") if (value := getattr(options, key)) is not None}

    def identify(request: Request) -> Any:
        def corrected(names: ClientNames) -> ClientNames:
            return evolve(names, **told)

        return kernel.identify(request).addCallback(corrected)

    return identify


def _host(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
        # As the server sees it: IPv4 in IPv6's clothes is IPv4 (C155).
        return str(getattr(address, "ipv4_mapped", None) or address)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an IPv4 or IPv6 address, got {text!r}") from None


def _mac(text: str) -> bytes:
    if not re.fullmatch("[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2})+", text):
        raise argparse.ArgumentTypeError(f"expected an address as 52:54:00:12:34:56, got {text!r}")
    return text.replace(":", "-").lower().encode()


def _tree(text: str) -> str:
    try:
        Tree.parse(text)
        return text
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
