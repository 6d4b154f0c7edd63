"""The kind of each type of value: :data:`KINDS` is the table, with units and ranges."""

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.policy import profiles
from tftpd_tw.policy.access import Action
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.client_names import Tree
from tftpd_tw.policy.globs import Globs
from tftpd_tw.policy.rewrite_rules import Occurrences, Then
from tftpd_tw.protocol.options import MAX_BLKSIZE, MAX_WINDOW_BLOCKS, MIN_BLKSIZE
from tftpd_tw.service import value_types as types
from tftpd_tw.service.kind import Kind, ReasonError, number, one_of, one_of_enum, or_word, real, size, text, time
from tftpd_tw.service.setting import is_list, is_map, item_kind, without_none


def expected(kind: Any) -> str:
    """What a value of the type ``kind`` may be, for the user."""
    inner = without_none(kind)
    item = item_kind(inner)
    if inner is not kind:
        return f"{expected(inner)}, or null"
    if is_list(inner):
        return f"a list, each: {expected(item)}"
    if is_map(inner):
        return f"names, each with: {expected(item)}"
    if attrs.has(inner) and inner not in KINDS:
        return "keys with values"
    return KINDS[inner].expected


def write(value: Any, kind: Any) -> Any:
    """``value``, of the type ``kind``, as a file has it."""
    inner = without_none(kind)
    item = item_kind(inner)
    if value is None:
        return None
    if is_list(inner):
        return [write(each, item) for each in value]
    if is_map(inner):
        return {name: write(each, item) for name, each in value.items()}
    if inner in KINDS:
        return KINDS[inner].write(value)
    return {part.name: write(getattr(value, part.name), part.type) for part in attrs.fields(inner)}


def _check_word(value: str) -> None:
    if not re.fullmatch(r"[\w.-]+", value, re.ASCII):
        raise ValueError


def _check_tree(value: str) -> None:
    _folder(value)
    Tree.parse(value)


def _check_network(value: str) -> None:
    # Of the two, the one that it looks like can say what is wrong with it.
    (ipaddress.IPv6Network if ":" in value else ipaddress.IPv4Network)(value, strict=False)
    Networks([value])


def _check_argument(value: str) -> None:
    os.fsencode(value)
    if "\0" in value:
        raise ValueError("no argument can have a NUL in it")


def _check_web_address(value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or not re.fullmatch(r"[!-~]+", value):
        raise ValueError
    if parts.port == 0:  # urlsplit() itself says what is wrong with others
        raise ValueError("there is no port 0")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("nothing is done with a user or a fragment")


def _mode(value: Any) -> int:
    # Text only: 640 is a number that means something else, and 0640 no number at all.
    if not isinstance(value, str):
        raise TypeError
    mode = int(value, 8)
    if mode & ~0o666:
        raise ValueError
    return mode


def _owner(value: Any) -> str:
    if type(value) is int:
        value = str(value)
    _check_word(value)
    if value.isdigit() and int(value) > _HIGHEST_ID:
        raise ValueError
    return str(value)


def _switch(value: Any) -> bool:
    if value in ("true", "false"):
        raise ReasonError("it has no quotes")
    if not isinstance(value, bool):
        raise TypeError
    return value


def _host(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    address = ipaddress.ip_address(value)
    return str(getattr(address, "ipv4_mapped", None) or address)


def _interface(value: Any) -> str:
    # What Linux takes for one.
    if not isinstance(value, str) or not 0 < len(os.fsencode(value)) < 16 or value in (".", ".."):
        raise ValueError
    if any(letter in "/:\0" or letter.isspace() for letter in value):
        raise ValueError
    return value


_LOWEST, _HIGHEST = 1024, 65535  # root has been given up when transfers get theirs


def _port_range(value: Any) -> types.PortRange:
    first, dash, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not (dash and first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise ValueError
    if not _LOWEST <= int(first) <= int(last) <= _HIGHEST:
        raise ValueError
    return types.PortRange(int(first), int(last))


def _folder(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    os.fsencode(value)  # raises where no name of a file has such characters
    return value


def _http(value: Any) -> types.HttpAddress:
    if value is False:  # YAML's reading of a bare `off`
        return types.HTTP_OFF
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError
    return types.HttpAddress(_host(host.removeprefix("[").removesuffix("]")), int(port))


def _write_http(address: types.HttpAddress) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


_PLACE = "a folder, in which {ip}, {ip_hex}, {mac} and {interface} may stand"

_HIGHEST_ID = (1 << 32) - 2

KINDS: Mapping[Any, Kind] = {
    bool: Kind("true or false", _switch),
    types.Port: number("a port", 0, 65535),
    types.BlockSize: or_word("mtu", types.FIT_MTU, size(MIN_BLKSIZE, MAX_BLKSIZE)),
    types.Slack: size(0, MAX_BLKSIZE),
    types.Size: size(0, 1 << 30),
    types.WindowSize: number("blocks", 1, MAX_WINDOW_BLOCKS),
    types.BufferSize: size(512, 1 << 30),
    types.CacheSize: size(0, 1 << 40),
    types.Seconds: time(0.1, 255),
    types.Lifetime: time(1, 30 * 86400),
    types.DrainTime: time(0, 86400),
    types.Count: number("a number", 0, 1000),
    types.Threads: number("a number", 1, 1024),
    types.Workers: or_word("auto", types.AUTO, number("a number", 1, types.MAX_WORKERS)),
    types.PortRange: or_word(
        "any",
        types.ANY_PORTS,
        Kind(f"FIRST-LAST, {_LOWEST} to {_HIGHEST}", _port_range, lambda ports: f"{ports.first}-{ports.last}"),
    ),
    types.Host: Kind("an IPv4 or IPv6 address of this host", _host),
    types.Interface: Kind("an interface, such as eth0", _interface, text=True),
    types.File: text("a file", _folder),
    types.Folder: text(_PLACE, _check_tree),
    UploadPolicy: one_of({policy.value: policy for policy in UploadPolicy}),
    types.Engine: one_of({name: types.Engine(name) for name in ENGINES}),
    types.HttpAddress: or_word("off", types.HTTP_OFF, Kind("ADDRESS:PORT", _http, _write_http)),
    types.LogFormat: one_of_enum(types.LogFormat),
    types.LeastLevel: one_of_enum(types.LeastLevel),
    types.FileSize: size(0, 1 << 60),
    types.FileMode: Kind("permissions in quotes, such as '0640', of no more than '0666'", _mode, "{:04o}".format),
    types.Owner: Kind("a name or number", _owner, text=True),
    types.Versions: number("a number", 1, 1000),
    types.Connections: number("a number", 1, 1_000_000),
    types.Recent: number("records", 1, 100_000),
    types.Share: real("a part", 0.01, 1),
    types.Answers: number("packets", 3, 100_000),
    types.AnswerRate: real("packets per second", 0.1, 100_000),
    types.Prefix: number("bits", 32, 128),
    types.Rate: size(1, 1 << 40),
    types.Duration: time(1, 30 * 86400),
    Action: one_of_enum(Action),
    Direction: one_of_enum(Direction),
    Occurrences: one_of_enum(Occurrences),
    Then: one_of_enum(Then),
    types.Word: text("a word of letters, digits, dots, dashes and underscores", _check_word),
    types.Text: text("a text", str.encode),
    types.ClientNetwork: text("an address or a network such as 192.0.2.0/24", _check_network),
    types.NameGlob: text(
        "a glob such as *.key or secret/", lambda value: Globs.compile([value.encode()], ignore_case=True)
    ),
    types.Extension: text("the end of a name, such as .cfg", lambda value: Globs.extensions([value.encode()])),
    types.OptionName: one_of(
        {name: name for name in (types.ALL_OPTIONS, *sorted(map(bytes.decode, profiles.ALL_OPTIONS)))}
    ),
    types.TreePath: text(_PLACE, _check_tree),
    types.Argument: text("a text (a number in quotes)", _check_argument),
    types.WebAddress: text("an address such as http://192.0.2.1:8080/tftp", _check_web_address),
    types.Runs: number("a number", 1, 100),
    Outcome: one_of_enum(Outcome),
    types.ErrorNumber: number("the code of an error", 0, 7),
}
"""By type."""
