"""``tftpd-tw map``: which file a name leads to, for some client, and why; or why to none."""

import argparse
import ipaddress
import os
import re
import socket
from typing import Any

from attrs import evolve

from tftpd_tw.backends.assembling import assemble
from tftpd_tw.backends.caseless import CaselessBackend
from tftpd_tw.backends.chaining import Identify
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Address, Direction, IBackend, Request
from tftpd_tw.net.neighbours import Neighbours
from tftpd_tw.policy.client_names import ClientNames, Tree
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service.explaining import at_once, explain

TFTP_PORT = 69


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("map", help="explain which file a name leads to")
    parser.add_argument("name", metavar="NAME", help="the name that a client asks for")
    parser.add_argument("--client", metavar="IP", type=_host, required=True, help="the client's address")
    parser.add_argument("--write", action="store_true", help="it uploads a file; without this it reads one")
    parser.add_argument("--mac", type=_mac, help="its hardware address, instead of what the kernel knows")
    parser.add_argument(
        "--interface", type=os.fsencode, help="the network interface whose address it asks, likewise"
    )
    parser.add_argument(
        "--root", metavar="FOLDER", type=_tree, action="append", required=True, help="look here; may be repeated"
    )
    parser.add_argument("--upload-root", metavar="FOLDER", type=_tree, help="where uploads go")
    parser.add_argument("--ignore-case", action="store_true", help="find a file in any spelling")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, _: list[str]) -> int:
    """Explain; the exit status is 1 if no file results."""
    direction = Direction.WRITE if options.write else Direction.READ
    client = Address(options.client, 0)
    request = Request(direction, os.fsencode(options.name), Mode.OCTET, (), client, local_address(client))
    opened: list[Any] = []

    def open_base(path: str, uploads: bool) -> IBackend:
        policy = UploadPolicy.OVERWRITE if uploads else UploadPolicy.DENY
        directory = DirectoryBackend(path, run_blocking=at_once, uploads=policy)
        opened.append(directory)
        if not options.ignore_case:
            return directory
        caseless = CaselessBackend(directory, path, run_blocking=at_once)
        opened.append(caseless)
        return caseless

    try:
        backend = assemble(open_base, _identify(options), options.root, options.upload_root)
        explanation = explain(backend, request)
    except OSError as error:
        raise SystemExit(f"tftpd-tw map: {error.filename}: {error.strerror}") from None
    finally:
        for backend in opened:
            backend.close()
    print("\n".join(explanation.lines))  # noqa: T201
    return 0 if explanation.served else 1


def local_address(client: Address) -> Address:
    """The address of this host that ``client`` would ask, as the routes have it; loopback if there is no route."""
    family = socket.AF_INET6 if ":" in client.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.connect((client.host, TFTP_PORT))
        except OSError:
            return Address("::1" if family is socket.AF_INET6 else "127.0.0.1", TFTP_PORT)
        return Address(sock.getsockname()[0], TFTP_PORT)


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
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an IPv4 or IPv6 address, got {text!r}") from None


def _mac(text: str) -> bytes:
    if not re.fullmatch("[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2})+", text):
        raise argparse.ArgumentTypeError(f"expected an address as 52:54:00:12:34:56, got {text!r}")
    return text.replace(":", "-").lower().encode()


def _tree(text: str) -> Tree:
    try:
        return Tree.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
