"""How each type of value is read from a file, written into one, and named when something else was found there.

:data:`KINDS` is the table. What :attr:`Kind.read` gets is what YAML made of the text.
"""

import enum
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from attrs import evolve, frozen

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Direction
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.policy import profiles
from tftpd_tw.policy.access import Action
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.client_names import Tree
from tftpd_tw.policy.globs import Globs
from tftpd_tw.policy.rewrite_rules import Occurrences, Then
from tftpd_tw.protocol.options import MAX_BLKSIZE, MAX_WINDOW_BLOCKS, MIN_BLKSIZE
from tftpd_tw.service.setting import is_list, is_map, item_kind, without_none
from tftpd_tw.service.units import read_size, read_time, write_size, write_time
from tftpd_tw.service.value_types import (
    ALL_OPTIONS,
    ANY_PORTS,
    AUTO,
    FIT_MTU,
    HTTP_OFF,
    MAX_WORKERS,
    AnswerRate,
    Answers,
    BlockSize,
    BufferSize,
    CacheSize,
    ClientNetwork,
    Connections,
    Count,
    DrainTime,
    Duration,
    Engine,
    ErrorNumber,
    Extension,
    FileMode,
    FileSize,
    Folder,
    Host,
    HttpAddress,
    Interface,
    Lifetime,
    NameGlob,
    OptionName,
    Owner,
    Port,
    PortRange,
    Prefix,
    Rate,
    Seconds,
    Share,
    Size,
    Slack,
    Text,
    Threads,
    TreePath,
    Versions,
    WindowSize,
    Word,
    Workers,
)


def _same(value: Any) -> Any:
    return value


@frozen
class Kind:
    """One kind of value."""

    expected: str
    """What it may be, for the user."""
    read: Callable[[Any], Any]
    """Raises ValueError or TypeError for what it may not be."""
    write: Callable[[Any], Any] = _same
    """The other way round."""
    text: bool = False
    """Whatever the command line has is text: ``--root 2024`` is a folder, not a number."""

    def structure(self, value: object, _: object = None) -> Any:
        """What ``value`` stands for.

        :raises ValueError: with a line for the user, if it may not be that
        """
        try:
            return self.read(value)
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise mistake(self.expected, value, f"{half!a} is half of a character") from None
        except ReasonError as error:
            raise mistake(self.expected, value, str(error)) from None
        except (TypeError, ValueError):
            raise mistake(self.expected, value) from None


class ReasonError(ValueError):
    """Why a value may not be what it is, for the user. If it says itself what was expected, it says all."""


def mistake(expected: str, value: object, reason: str = "") -> ValueError:
    """``expected ..., got ...``, and why that will not do if there is more to say."""
    reason = reason.replace(repr(value), shown(value))
    if reason.startswith("expected "):
        return ValueError(reason)
    return ValueError(f"expected {expected}, got {shown(value)}{f': {reason}' if reason else ''}")


def shown(value: object) -> str:
    """``value`` as its writer knows it, and not much of it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "keys with values"
        case list() if value:
            return "a list"
        case str() if len(value) > 60:
            return f"{value[:60]!r}..."
        case str() | int() | float() | list():
            return repr(value)
    return str(value)


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


def _number(what: str, least: int, most: int) -> Kind:
    def read(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise ValueError
        return value

    return Kind(f"{what}, {least} to {most}", read)


def _size(least: int, most: int) -> Kind:
    def read(value: Any) -> int:
        size = read_size(value)
        if not least <= size <= most:
            raise ValueError
        return size

    allowed = f"{write_size(least)} to {write_size(most)}"
    return Kind(f"bytes (or such as 64KiB, 1Gi, 512MB), {allowed}", read, write_size)


def _time(least: float, most: float) -> Kind:
    def read(value: Any) -> float:
        seconds = read_time(value)
        if not least <= seconds <= most:
            raise ValueError
        return seconds

    allowed = f"{write_time(least)} to {write_time(most)}"
    return Kind(f"seconds (or such as 500ms, 5m, 1h), {allowed}", read, write_time)


def _or(word: str, meaning: Any, kind: Kind) -> Kind:
    return evolve(
        kind,
        expected=f"'{word}' or {kind.expected}",
        read=lambda value: meaning if value == word else kind.read(value),
        write=lambda value: word if value == meaning else kind.write(value),
    )


def _one_of(words: Mapping[str, Any]) -> Kind:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return words[value]

    names = {meaning: word for word, meaning in words.items()}
    return Kind(f"one of {', '.join(words)}", read, names.__getitem__)


def _one_of_enum(words: type[enum.Enum]) -> Kind:
    return _one_of({word.value: word for word in words})


def _real(what: str, least: float, most: float) -> Kind:
    def read(value: Any) -> float:
        if type(value) not in (int, float) or not least <= value <= most:
            raise ValueError
        return float(value)

    return Kind(f"{what}, {least:g} to {most:g}", read, lambda value: int(value) if value == int(value) else value)


def _text(what: str, check: Callable[[str], object]) -> Kind:
    """Text that ``check`` raises nothing for; what it says is told the user."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        try:
            check(value)
        except UnicodeEncodeError:
            raise
        except ValueError as error:
            raise ReasonError(*error.args) from None
        return value

    return Kind(what, read, text=True)


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


def _mode(value: Any) -> int:
    # Text only: YAML reads 0640 as octal, but 640 as a number that means something else.
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
    if not isinstance(value, bool):
        raise TypeError
    return value


def _host(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return str(ipaddress.ip_address(value))


def _interface(value: Any) -> str:
    # What Linux takes for one.
    if not isinstance(value, str) or not 0 < len(os.fsencode(value)) < 16 or value in (".", ".."):
        raise ValueError
    if any(letter in "/:\0" or letter.isspace() for letter in value):
        raise ValueError
    return value


_LOWEST, _HIGHEST = 1024, 65535  # root has been given up when transfers get theirs


def _port_range(value: Any) -> PortRange:
    first, dash, last = value.partition("-") if isinstance(value, str) else ("", "", "")
    if not (dash and first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise ValueError
    if not _LOWEST <= int(first) <= int(last) <= _HIGHEST:
        raise ValueError
    return PortRange(int(first), int(last))


def _folder(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    os.fsencode(value)  # raises where no name of a file has such characters
    return value


def _http(value: Any) -> HttpAddress:
    if value is False:  # YAML's reading of a bare `off`
        return HTTP_OFF
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError
    return HttpAddress(_host(host.removeprefix("[").removesuffix("]")), int(port))


def _write_http(address: HttpAddress) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


_PLACE = "a folder, in which {ip}, {ip_hex}, {mac} and {interface} may stand"

_HIGHEST_ID = (1 << 32) - 2

KINDS: Mapping[Any, Kind] = {
    bool: Kind("true or false", _switch),
    Port: _number("a port", 0, 65535),
    BlockSize: _or("mtu", FIT_MTU, _size(MIN_BLKSIZE, MAX_BLKSIZE)),
    Slack: _size(0, MAX_BLKSIZE),
    Size: _size(0, 1 << 30),
    WindowSize: _number("blocks", 1, MAX_WINDOW_BLOCKS),
    BufferSize: _size(512, 1 << 30),
    CacheSize: _size(0, 1 << 40),
    Seconds: _time(0.1, 255),
    Lifetime: _time(1, 30 * 86400),
    DrainTime: _time(0, 86400),
    Count: _number("a number", 0, 1000),
    Threads: _number("a number", 1, 1024),
    Workers: _or("auto", AUTO, _number("a number", 1, MAX_WORKERS)),
    PortRange: _or(
        "any",
        ANY_PORTS,
        Kind(f"FIRST-LAST, {_LOWEST} to {_HIGHEST}", _port_range, lambda ports: f"{ports.first}-{ports.last}"),
    ),
    Host: Kind("an IPv4 or IPv6 address of this host", _host),
    Interface: Kind("an interface, such as eth0", _interface, text=True),
    Folder: _text(_PLACE, _check_tree),
    UploadPolicy: _one_of({policy.value: policy for policy in UploadPolicy}),
    Engine: _one_of({name: Engine(name) for name in ENGINES}),
    HttpAddress: _or("off", HTTP_OFF, Kind("ADDRESS:PORT", _http, _write_http)),
    FileSize: _size(0, 1 << 60),
    FileMode: Kind("permissions in quotes, such as '0640', of no more than '0666'", _mode, "{:04o}".format),
    Owner: Kind("a name or number", _owner, text=True),
    Versions: _number("a number", 1, 1000),
    Connections: _number("a number", 1, 1_000_000),
    Share: _real("a part", 0.01, 1),
    Answers: _number("packets", 3, 100_000),
    AnswerRate: _real("packets per second", 0.1, 100_000),
    Prefix: _number("bits", 32, 128),
    Rate: _size(1, 1 << 40),
    Duration: _time(1, 30 * 86400),
    Action: _one_of_enum(Action),
    Direction: _one_of_enum(Direction),
    Occurrences: _one_of_enum(Occurrences),
    Then: _one_of_enum(Then),
    Word: _text("a word of letters, digits, dots, dashes and underscores", _check_word),
    Text: _text("a text", str.encode),
    ClientNetwork: _text("an address or a network such as 192.0.2.0/24", _check_network),
    NameGlob: _text(
        "a glob such as *.key or secret/", lambda value: Globs.compile([value.encode()], ignore_case=True)
    ),
    Extension: _text("the end of a name, without a slash", lambda value: Globs.extensions([value.encode()])),
    OptionName: _one_of({name: name for name in (ALL_OPTIONS, *sorted(map(bytes.decode, profiles.ALL_OPTIONS)))}),
    TreePath: _text(_PLACE, _check_tree),
    ErrorNumber: _number("the code of an error", 0, 7),
}
"""By type."""
