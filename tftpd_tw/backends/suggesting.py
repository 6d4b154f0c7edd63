"""Which files a client may have meant that asked for one that is not there: for people who look why a boot failed.

Mostly the name is right and its folder, or upper and lower case, is not; else a letter or a version number is. All
of this may block: it is for a thread, and for a question now and then.
"""

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import takewhile

from tftpd_tw.backends.confined import Root
from tftpd_tw.protocol.text import escaped

MOST_FILES = 20_000
"""Files of a tree that are looked at."""

MOST_COMPARED = 2000
"""Different names that a name is compared with, letter by letter."""

SUGGESTIONS = 3

LIKENESS = 0.75
"""From 0 to 1, as ``difflib`` has it; below it two names are different."""


def files_beneath(root: Root) -> list[str]:
    """The paths of up to :data:`MOST_FILES` files beneath ``root``, escaped; what cannot be read is left out."""
    found: list[str] = []
    for folder, folders, names, _ in os.fwalk(b".", dir_fd=root.fd, onerror=lambda _: None):
        folders.sort()
        prefix = folder[2:] + b"/" if folder != b"." else b""
        found += (escaped(prefix + name, 1024) for name in sorted(names))
        if len(found) >= MOST_FILES:
            break
    return found[:MOST_FILES]


class Suggestions:
    """Finds files by names that are not quite theirs.

    What was found for a name is kept.

    :param files: their paths
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._known: dict[str, list[str]] = {}
        self._by_name: dict[str, list[str]] = {}
        for path in files:
            self._by_name.setdefault(path.rpartition("/")[2].lower(), []).append(path)

    def for_name(self, asked: str) -> list[str]:
        """Up to :data:`SUGGESTIONS` paths, the likeliest first."""
        if asked not in self._known:
            self._known[asked] = self._find(asked)
        return self._known[asked]

    def _find(self, asked: str) -> list[str]:
        path = asked.replace("\\\\", "/").strip("/").lower()
        name = path.rpartition("/")[2]
        return _likest(path, self._by_name.get(name, ())) or self._spelled_alike(path, name)

    def _spelled_alike(self, path: str, name: str) -> list[str]:
        # Those of about its length: the others cannot be alike, and to compare takes long.
        alike = [other for other in self._by_name if abs(len(other) - len(name)) <= len(name) // 3 + 1]
        close = get_close_matches(name, alike[:MOST_COMPARED], SUGGESTIONS, LIKENESS)
        folder = path.removesuffix(name)
        return [found for other in close for found in _likest(folder + other, self._by_name[other])][:SUGGESTIONS]


def _likest(path: str, found: Sequence[str]) -> list[str]:
    """Those of ``found`` that have the longest end in common with ``path``."""

    def common(other: str) -> int:
        pairs = zip(reversed(path), reversed(other.lower()), strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    return sorted(found, key=common, reverse=True)[:SUGGESTIONS]
