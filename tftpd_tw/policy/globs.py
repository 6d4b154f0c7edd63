r"""Globs for names of files, as ``.gitignore`` has them, and matched in a time that a hostile name cannot stretch.

===========  ==================================================================================
``*``        any bytes but a slash; ``?`` is one of them
``[a-z]``    one of these bytes, ``[!a-z]`` one of the others; ``[*]`` is a star, ``[[]`` a bracket
``**``       as a whole component: any number of folders, also none
``a``        without a slash inside: a file or folder of this name, at any depth
``a/b``      with one, or with a slash in front: from the root on
``a/``       only what is in a folder of this name
===========  ==================================================================================

A glob that means a folder means everything in it. Names are bytes, in the form that
:func:`~tftpd_tw.backends.names.normalise` gives them, joined by slashes.

All globs of a set become one regular expression. What would make such an expression try again and again, stars
among stars, stands in atomic groups: the first place where the bytes after a star fit is kept. That loses nothing
where the stars are of one kind, and a ``**`` never begins or ends inside a component, so the two kinds do not
mix. The time is at most the length of the name times that of the globs.
"""

import re
from collections.abc import Iterable

from attrs import frozen

LONGEST_GLOB = 1024
"""Bytes; no name in a request is longer than half of that."""

_NO_COMPONENTS = frozenset({b"", b".", b".."})

_ANY, _MANY = b"[^/]", b"[^/]*"
_FOLDERS = b"(?:[^/]+/)*?"
_MAYBE_BENEATH, _BENEATH = b"(?:/.*)?", b"/.*"
_NOTHING = b"(?!)"


@frozen
class Globs:
    """A set of globs, or of extensions."""

    _pattern: re.Pattern[bytes]

    @classmethod
    def compile(cls, globs: Iterable[bytes], *, ignore_case: bool = False) -> "Globs":
        """The set of ``globs``.

        :param ignore_case: whether ``A`` is also ``a``, of the letters of ASCII
        :raises ValueError: for the first that is none, saying what is wrong with it
        """
        return cls(_one_pattern(map(_path, globs), ignore_case))

    @classmethod
    def extensions(cls, extensions: Iterable[bytes]) -> "Globs":
        """All files whose names end in a dot and one of ``extensions``, which may have the dot too, in any case;
        the empty one stands for names without a dot.

        :raises ValueError: one has a slash, a NUL or a wildcard in it
        """
        return cls(_one_pattern(map(_file, extensions), ignore_case=True))

    def match(self, path: bytes) -> bool:
        """Whether one of them means ``path``."""
        return self._pattern.match(path) is not None


def _one_pattern(alternatives: Iterable[bytes], ignore_case: bool) -> re.Pattern[bytes]:
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return re.compile(rb"(?:%s)\Z" % (b"|".join(alternatives) or _NOTHING), flags)


_NOT_IN_EXTENSIONS = set(b"/\0*?[")
"""Whoever writes a wildcard means a glob, which would be an extension that no file has."""


def _file(extension: bytes) -> bytes:
    bare = extension.removeprefix(b".")
    if set(bare) & _NOT_IN_EXTENSIONS:
        raise ValueError(f"expected an extension as '.cfg', got {extension.decode(errors='backslashreplace')!r}")
    return rb"(?:.*/)?[^/]+\." + re.escape(bare) if bare else rb"(?:.*/)?[^/.]+"


def _path(glob: bytes) -> bytes:
    """The expression for a whole glob."""
    shown = glob.decode(errors="backslashreplace")
    parts = glob.strip(b"/").split(b"/")
    if not 0 < len(glob) <= LONGEST_GLOB or not set(parts).isdisjoint(_NO_COMPONENTS):
        raise ValueError(f"expected a glob of 1 to {LONGEST_GLOB} bytes, without '//', '.' or '..', got {shown!r}")
    beneath = _BENEATH if glob.endswith(b"/") else _MAYBE_BENEATH
    if len(parts) == 1 and not glob.startswith(b"/"):
        parts.insert(0, b"**")
    while parts and parts[-1] == b"**":
        # All that is beneath what comes before; at the root, everything.
        parts.pop()
        beneath = _BENEATH if parts else b".*"
    return _chunks(parts, shown) + beneath


def _chunks(parts: list[bytes], shown: str) -> bytes:
    """Components with ``**`` here and there. The components after one are tried further and further down."""
    chunks: list[list[bytes]] = [[]]
    for part in parts:
        if part == b"**":
            chunks.append([])
        else:
            chunks[-1].append(_component(part, shown))
    first, *others = (b"/".join(chunk) for chunk in chunks)
    if not others:
        return first
    *middle, last = (chunk for chunk in others if chunk)
    result = first + b"/" if first else b""
    return result + b"".join(b"(?>%s%s/)" % (_FOLDERS, chunk) for chunk in middle) + _FOLDERS + last


def _component(part: bytes, shown: str) -> bytes:
    """The expression for one component."""
    pieces: list[bytes] = [b""]
    at = 0
    while at < len(part):
        byte = part[at : at + 1]
        at += 1
        if byte == b"*":
            if pieces[-1] or len(pieces) == 1:
                pieces.append(b"")
        elif byte == b"?":
            pieces[-1] += _ANY
        elif byte == b"[":
            end = part.find(b"]", at + (2 if part[at : at + 1] == b"!" else 1))
            if end < 0:
                raise ValueError(f"expected a ']' after the '[' of {shown!r}; a bracket itself is '[[]'")
            pieces[-1] += _one_of(part[at:end])
            at = end + 1
        else:
            pieces[-1] += re.escape(byte)
    first, *others = pieces
    if not others:
        return first
    *middle, tail = others
    return first + b"".join(b"(?>%s?%s)" % (_MANY, piece) for piece in middle) + _MANY + tail


def _one_of(inside: bytes) -> bytes:
    """The expression for what stands in brackets."""
    others = inside.startswith(b"!")
    chosen: set[int] = set()
    rest = inside[others:]
    while rest:
        if len(rest) > 2 and rest[1:2] == b"-":
            chosen.update(range(rest[0], rest[2] + 1))
            rest = rest[3:]
        else:
            chosen.add(rest[0])
            rest = rest[1:]
    wanted = (set(range(256)) - chosen if others else chosen) - {ord("/"), 0}
    return b"[%s]" % b"".join(b"\\x%02x" % byte for byte in sorted(wanted)) if wanted else _NOTHING
