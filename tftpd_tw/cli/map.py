"""``tftpd-tw map``: which file a name leads to, for some client, and why; or why to none."""

import argparse
import os
import re
from typing import Any

from attrs import evolve

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.cli.client_addresses import client_address
from tftpd_tw.interfaces import Direction
from tftpd_tw.policy.client_names import Tree
from tftpd_tw.service.config_file import DEFAULT_FILE, ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.looking_up import look_up


def add_parser(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser(
        "map",
        description="Say step by step which rule does what with a name that a client asks for, and which file it"
        " leads to, or why to none. The status is 1 if no file results.",
    )
    parser.add_argument("name", metavar="NAME", help="the name that a client asks for")
    parser.add_argument("--client", metavar="IP", type=client_address, required=True, help="the client's address")
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
    told = {name: value for name in ("mac", "interface") if (value := getattr(options, name)) is not None}
    direction = Direction.WRITE if options.write else Direction.READ
    explanation = look_up(_configuration(options), direction, os.fsencode(options.name), options.client, told)
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
        configuration, filesystem=evolve(filesystem, ignore_case=filesystem.ignore_case or options.ignore_case)
    )


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
