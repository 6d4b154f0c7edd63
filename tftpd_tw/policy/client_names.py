"""What a client is called in the names of files: the placeholders of rewrite rules and of folders.

===============  =================================================================================
``{ip}``         its address: ``192.0.2.9``, ``2001:db8::9``
``{ip_hex}``     the same in hexadecimal digits: ``C0000209`` as PXELINUX has it, 32 for IPv6
``{mac}``        its hardware address: ``52-54-00-12-34-56``; unknown behind a router
``{interface}``  the network interface that its request came in by: ``eth0``
===============  =================================================================================

Nothing else between braces is a placeholder: ``{1234}`` is six characters of a name. What is not known of a
client is None, and then a rule or a folder that needs it is passed over.
"""

import ipaddress
import re
from collections.abc import Container

import attrs
from attrs import field, frozen

from tftpd_tw.interfaces import Request


@frozen
class ClientNames:
    """The value of each placeholder, for one client."""

    ip: bytes
    ip_hex: bytes
    mac: bytes | None = None
    interface: bytes | None = None

    def missing(self, placeholders: Container[str]) -> list[str]:
        """Those of the ``placeholders`` whose values are not known."""
        return [name for name in PLACEHOLDERS if name in placeholders and getattr(self, name) is None]


PLACEHOLDERS = tuple(field.name for field in attrs.fields(ClientNames))
"""The words that may stand in braces."""

FROM_THE_KERNEL = frozenset({"mac", "interface"})
"""Those that a request does not tell."""

_IN_BRACES = re.compile(r"\{([a-z_]+)\}")


def names_by_address(request: Request) -> ClientNames:
    """What the request itself tells of its client."""
    address = ipaddress.ip_address(request.client.host)
    return ClientNames(address.compressed.encode(), address.packed.hex().upper().encode())


@frozen
class Placeholder:
    """One of :data:`PLACEHOLDERS`, in a text."""

    name: str

    def value(self, names: ClientNames) -> bytes | None:
        """What stands for it; None if that is not known."""
        value: bytes | None = getattr(names, self.name)
        return value


def split_at_placeholders(text: str) -> list[bytes | Placeholder]:
    """``text`` in pieces, none of them empty.

    :raises ValueError: for a word in braces that is no placeholder
    """
    pieces: list[bytes | Placeholder] = []
    for index, piece in enumerate(_IN_BRACES.split(text)):
        if index % 2 == 0:
            if piece:
                pieces.append(piece.encode(errors="surrogateescape"))
        elif piece in PLACEHOLDERS:
            pieces.append(Placeholder(piece))
        else:
            known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
            raise ValueError(f"unknown placeholder {{{piece}}}; known are {known}")
    return pieces


@frozen
class Tree:
    """A folder with files, which may be another one for each client: ``/srv/tftp/hosts/{mac}``."""

    base: str
    """The part of its path that is the same for all clients. It is held open, and nothing leads out of it."""
    below: tuple[tuple[bytes | Placeholder, ...], ...] = ()
    """Each further component, in pieces."""
    placeholders: frozenset[str] = field(init=False)
    """Those that occur in it. If the value of one is not known, there is no such folder."""

    @placeholders.default
    def _placeholders(self) -> frozenset[str]:
        return frozenset(piece.name for part in self.below for piece in part if isinstance(piece, Placeholder))

    @classmethod
    def parse(cls, path: str) -> "Tree":
        """Read ``path``.

        :raises ValueError: it holds an unknown placeholder, or a ``..`` or backslash after one
        """
        pieces = split_at_placeholders(path)
        if not any(isinstance(piece, Placeholder) for piece in pieces):
            return cls(path)
        base, slash, _ = path[: _IN_BRACES.search(path).start()].rpartition("/")  # type: ignore[union-attr]
        parts = [part for part in path[len(base + slash) :].split("/") if part not in ("", ".")]
        if ".." in parts or any("\\" in part for part in parts):
            raise ValueError(f"expected a folder without '..' and backslashes after a placeholder, got {path!r}")
        return cls(base or slash or ".", tuple(tuple(split_at_placeholders(part)) for part in parts))

    def components(self, names: ClientNames) -> tuple[bytes, ...]:
        """The client's folder beneath :attr:`base`, as
        :func:`~tftpd_tw.backends.names.normalise` would give it. Nothing must be missing.
        """
        return tuple(
            b"".join(piece.value(names) or b"" if isinstance(piece, Placeholder) else piece for piece in part)
            for part in self.below
        )

    def __str__(self) -> str:
        shown = (
            "".join(f"{{{p.name}}}" if isinstance(p, Placeholder) else p.decode(errors="replace") for p in part)
            for part in self.below
        )
        return "/".join((self.base.rstrip("/") if self.below else self.base, *shown))
