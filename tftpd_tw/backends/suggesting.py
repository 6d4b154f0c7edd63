"""Which files a client may have meant that asked for one that is not there: for people who look why a boot failed.

Mostly the name is right and its folder, or upper and lower case, is not; else a letter or a version number is. All
of this may block: it is for a thread, and for a question now and then.
"""

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from heapq import nlargest
from itertools import takewhile
from time import monotonic

from tftpd_tw.backends.confined import Root
from tftpd_tw.backends.staging import is_staged
from tftpd_tw.protocol.text import escaped

MOST_ENTRIES = 20_000
"""Files and folders of a tree that are looked at."""

MOST_COMPARED = 300
"""Different names that a name is compared with, letter by letter: those that begin most alike."""

SUGGESTIONS = 3

LIKENESS = 0.75
"""From 0 to 1, as ``difflib`` has it; below it two names are different."""


def files_beneath(root: Root) -> list[str]:
    """The paths of the files beneath ``root``, escaped, of a large tree some of them. What cannot be read is left
    out, and so are uploads under way.
    """
    found: list[str] = []
    seen = 0
    for folder, folders, names, _ in os.fwalk(b".", dir_fd=root.fd, onerror=lambda _: None):
        folders.sort()
        prefix = folder[2:] + b"/" if folder != b"." else b""
        names = sorted(name for name in names if not is_staged(name))[: MOST_ENTRIES - seen]
        found += (escaped(prefix + name, 1024) for name in names)
        seen += len(names) + len(folders)
        if seen >= MOST_ENTRIES:
            break
    return found


class Suggestions:
    """Finds files by names that are not quite theirs.

    :param files: their paths
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._found: dict[str, list[str]] = {}
        self._by_name: dict[str, list[str]] = {}
        for path in files:
            self._by_name.setdefault(path.rpartition("/")[2].lower(), []).append(path)

    def know(self, names: Iterable[str]) -> bool:
        """Whether it has been looked for all of them."""
        return all(name in self._found for name in names)

    def look_for(self, names: Iterable[str], seconds: float) -> None:
        """Look for ``names`` that are not known, for no longer than that; but for one of them in any case."""
        end = monotonic() + seconds
        for name in names:
            if name not in self._found:
                self._found[name] = self._find(name)
                if monotonic() >= end:
                    return

    def for_name(self, asked: str) -> list[str]:
        """Up to :data:`SUGGESTIONS` paths, the likeliest first; none if it has not been looked for."""
        return self._found.get(asked, [])

    def _find(self, asked: str) -> list[str]:
        path = asked.replace("\\\\", "/").strip("/").lower()
        name = path.rpartition("/")[2]
        return _likest(path, self._by_name.get(name, ())) or self._spelled_alike(path, name)

    def _spelled_alike(self, path: str, name: str) -> list[str]:
        # Those of about its length: the others cannot be alike, and to compare takes long.
        alike = (other for other in self._by_name if abs(len(other) - len(name)) <= len(name) // 3 + 1)
        likest = nlargest(MOST_COMPARED, alike, lambda other: _in_common(other, name))
        close = get_close_matches(name, likest, SUGGESTIONS, LIKENESS)
        folder = path.removesuffix(name)
        return [found for other in close for found in _likest(folder + other, self._by_name[other])][:SUGGESTIONS]


def _likest(path: str, found: Sequence[str]) -> list[str]:
    """Those of ``found`` that have the longest end in common with ``path``."""
    return nlargest(SUGGESTIONS, found, lambda other: _in_common(reversed(path), reversed(other.lower())))


def _in_common(one: Iterable[str], other: Iterable[str]) -> int:
    """How many letters are the same from the start on."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
