r"""What a rewrite rule puts in the place of what it has found.

==================  ================================================================
``\0``              all that the regular expression has matched
``\1`` to ``\9``    what its groups have; empty for one that took no part
``\U`` and ``\L``   from here on letters become upper-case, lower-case
``\E``              from here on letters stay as they are
``\\``              a backslash
``{ip}`` and so on  what the client is called, see :mod:`~tftpd_tw.policy.client_names`
==================  ================================================================

Letters are those of ASCII: a name is bytes, and nobody knows in which encoding.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from attrs import frozen

from tftpd_tw.policy.client_names import ClientNames, Placeholder, split_at_placeholders


class Match(Protocol):
    """Where a regular expression was found in a name."""

    def group(self, number: int, /) -> bytes | None: ...

    def start(self) -> int: ...

    def end(self) -> int: ...


@frozen
class _Group:
    number: int


@frozen
class _Case:
    change: Callable[[bytes], bytes]


_CASES: Mapping[str, _Case] = {"U": _Case(bytes.upper), "L": _Case(bytes.lower), "E": _Case(bytes)}

_OF_TFTP_HPA = {"i": "{ip}", "x": "{ip_hex}"}
"""Escapes of tftp-hpa's map file that are spelled otherwise here."""

_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)

_Piece = bytes | Placeholder | _Group | _Case


def _pieces(text: str, groups: int) -> Iterator[_Piece]:
    for index, piece in enumerate(_ESCAPE.split(text)):
        if index % 2 == 0:
            yield from split_at_placeholders(piece)
        elif piece == "\\":
            yield b"\\"
        elif piece in _CASES:
            yield _CASES[piece]
        elif piece in _OF_TFTP_HPA:
            raise ValueError(f"unknown escape \\{piece}; write {_OF_TFTP_HPA[piece]}")
        elif not (piece.isascii() and piece.isdigit()):
            known = r"\0 to \9, \U, \L, \E, and \\ for a backslash"
            raise ValueError(f"unknown escape \\{piece}; known are {known}")
        elif int(piece) > groups:
            has = f"{groups} group{'s' * (groups != 1)}" if groups else "no groups"
            raise ValueError(f"there is no \\{piece}: the regular expression has {has}")
        else:
            yield _Group(int(piece))


@frozen
class Replacement:
    """A text with groups and placeholders in it."""

    pieces: tuple[_Piece, ...]

    @classmethod
    def parse(cls, text: str, groups: int) -> "Replacement":
        """Read ``text``.

        :param groups: how many the regular expression has
        :raises ValueError: for an unknown escape or placeholder, a group that does not exist, and NUL
        """
        if "\0" in text:
            raise ValueError("expected a text without NUL bytes")
        return cls(tuple(_pieces(text, groups)))

    @property
    def constant(self) -> bytes | None:
        """What it always is; None if that depends on the name or the client."""
        if any(isinstance(piece, Placeholder | _Group) for piece in self.pieces):
            return None
        return self.expand(None, None)

    @property
    def placeholders(self) -> frozenset[str]:
        """Those that occur in it."""
        return frozenset(piece.name for piece in self.pieces if isinstance(piece, Placeholder))

    def expand(self, match: Match | None, names: ClientNames | None) -> bytes:
        """The text for one place and client. Without a match groups are empty, without names placeholders are."""
        change: Callable[[bytes], bytes] = bytes
        result = []
        for piece in self.pieces:
            if isinstance(piece, bytes):
                text: bytes | None = piece
            elif isinstance(piece, _Case):
                change = piece.change
                continue
            elif isinstance(piece, _Group):
                text = match.group(piece.number) if match is not None else None
            else:
                text = piece.value(names) if names is not None else None
            result.append(change(text or b""))
        return b"".join(result)
