"""How much uploads may take of the disk: all together, and those of each client.

All together is the size of the tree that takes them, whoever put the files there. It is measured in a thread, and
what is stored and replaced in between is counted. It is measured again before an upload begins, and once more
before one is stored, unless that was done within :data:`MEASURED_EVERY` seconds. So it holds over restarts, what
is removed by hand is noticed, and so is what other processes store: each worker has its own count, and knows of
the others what they had stored when it last measured. All who need the measure wait for the same one.

The count is never below what is there but for what others have done since. An upload may be stored while a thread
walks through the tree, which then has seen it or not, and what it has replaced likewise: what was stored meanwhile
is added to what was found, what was replaced meanwhile is not taken off. The next measure puts it right.

What a client has is not written down anywhere: it is counted from the start of the process on, and a file that is
replaced, by whomever, is no longer its, unless it is kept as an old version: then it is until that goes too. A
restart forgets it, each worker counts for itself, and beyond :data:`MOST_FILES` files the oldest are forgotten. It
keeps a client that runs wild from filling the disk for others; it is no accounting.

Bytes count when they come, so uploads at the same time cannot take the same room.
"""

import errno
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from weakref import WeakValueDictionary

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from tftpd_tw.backends.chaining import then
from tftpd_tw.backends.confined import Root, as_tftp_error
from tftpd_tw.backends.staging import is_staged
from tftpd_tw.backends.uploading import FileWriter
from tftpd_tw.interfaces import Buffer, IWriter, Source
from tftpd_tw.protocol.errors import DiskFull

T = TypeVar("T")

MEASURED_EVERY = 10.0
"""Seconds."""

MEASURING_SHARE = 0.05
"""Most of the time that may be spent with measuring; a huge tree is measured less often."""

MOST_ENTRIES = 1_000_000
"""Files and folders that are looked at; what is beyond is not counted."""

MOST_FILES = 100_000
"""Files of which it is remembered who has uploaded them."""

Path = tuple[bytes, ...]

Measure = Callable[[], "Deferred[int]"]
"""Finds the size of the tree, in bytes."""


@frozen
class _Stored:
    host: str
    size: int


@define(eq=False)
class Usage:
    """What is in one tree, and who has uploaded it. All belongs to the reactor thread."""

    _seconds: Callable[[], float] = time.monotonic
    tree: int = field(init=False, default=0)
    """Bytes of the files that are there."""
    growing: int = field(init=False, default=0)
    """Bytes of uploads under way."""
    measures: int = field(init=False, default=0)
    """How often the tree was measured."""
    _measured_until: float | None = field(init=False, default=None)
    """When it has to be measured again; None if it never was."""
    _added_meanwhile: int = field(init=False, default=0)
    """Bytes stored since the last measure began."""
    _waiting: "list[Deferred[None]]" = field(init=False, factory=list)
    """For the measure that is under way."""
    _files: OrderedDict[Path, list[_Stored]] = field(init=False, factory=OrderedDict)
    """What was stored at each path and is still there: the file, and before it its old versions."""
    _remembered: int = field(init=False, default=0)
    """How many those are."""
    _clients: dict[str, int] = field(init=False, factory=dict)
    """Bytes of each client, those under way included."""

    def known(self, measure: Measure) -> "Deferred[None] | None":
        """Have the tree measured, unless it is known well enough; None if so. Fails as ``measure`` does."""
        if self._measured_until is not None and self._seconds() < self._measured_until:
            return None
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        if len(self._waiting) == 1:
            self._added_meanwhile = 0
            measure().addCallback(self._measured, self._seconds()).addBoth(self._wake)
        return waiting

    def of_client(self, host: str) -> int:
        """Bytes that the client ``host`` has uploaded and that are still there, those under way included."""
        return self._clients.get(host, 0)

    def grow(self, host: str, size: int) -> None:
        """Count ``size`` bytes of an upload under way; a negative number takes them back."""
        self.growing += size
        self._add(host, size)

    def keep(self, host: str, path: Path, size: int, freed: int, versions: int = 0) -> None:
        """An upload of ``size`` bytes is stored; ``freed`` bytes are gone, for certain since the last measure.

        :param versions: how many old files of that name are kept
        """
        self.growing -= size
        self.tree = max(0, self.tree + size - freed)
        self._added_meanwhile += size
        stored = self._files[path] = [*self._files.pop(path, ()), _Stored(host, size)]
        self._remembered += 1
        self._forget(stored, len(stored) - 1 - versions)
        while self._remembered > MOST_FILES:
            oldest = next(iter(self._files.values()))
            self._forget(oldest, 1)
            if not oldest:
                self._files.popitem(last=False)

    def _forget(self, stored: list[_Stored], count: int) -> None:
        """The first ``count`` of them are nobody's any more."""
        for old in stored[: max(0, count)]:
            self._add(old.host, -old.size)
            self._remembered -= 1
        del stored[: max(0, count)]

    def _add(self, host: str, size: int) -> None:
        count = self._clients.pop(host, 0) + size
        if count > 0:
            self._clients[host] = count

    def _measured(self, found: int, began: float) -> None:
        now = self._seconds()
        self.tree = found + self._added_meanwhile
        self.measures += 1
        self._measured_until = now + max(MEASURED_EVERY, (now - began) / MEASURING_SHARE)

    def _wake(self, result: Failure | None) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(result)  # with a Failure it fails


FolderKey = tuple[int, int]
"""Device and inode."""

Usages = WeakValueDictionary[FolderKey, Usage]
"""What is in each folder, for as long as somebody stores files there."""


@frozen(eq=False)
class Quota:
    """The limits of a tree.

    :param total: bytes of all files; None for no limit
    :param client: bytes that one address has uploaded and that are still there; None for no limit
    :param versions: how many old files of each name are kept
    :param usage: what there is, shared by all who store files there
    """

    total: int | None = None
    client: int | None = None
    versions: int = field(default=0, kw_only=True)
    usage: Usage = field(factory=Usage)

    def known(self, measure: Measure) -> "Deferred[None] | None":
        """As :meth:`Usage.known`; None where nobody has to know."""
        return None if self.total is None else self.usage.known(measure)

    def begin(self, host: str, path: Path, announced: int | None) -> "Allowance":
        """What the client ``host`` may upload to ``path``.

        :raises DiskFull: ``announced`` bytes, or any at all, are too many
        """
        self.check(host, max(1, announced or 0))
        return Allowance(self, host, path)

    def check(self, host: str, size: int) -> None:
        """Raise :class:`DiskFull` if there is no room for ``size`` more bytes of ``host``."""
        self.check_total(self.usage.growing + size)
        if self.client is not None and self.usage.of_client(host) + size > self.client:
            raise DiskFull(f"uploads of {host}: more than the quota of {self.client} bytes")

    def check_total(self, size: int) -> None:
        """Raise :class:`DiskFull` if the tree has no room for ``size`` bytes."""
        if self.total is not None and self.usage.tree + size > self.total:
            raise DiskFull(f"all uploads: more than the quota of {self.total} bytes")


@define(eq=False)
class Allowance:
    """The part of one upload."""

    _quota: Quota
    _host: str
    _path: Path
    _size: int = field(init=False, default=0)
    _measures: int = field(init=False, default=0)

    def take(self, size: int) -> None:
        """Count ``size`` more bytes.

        :raises DiskFull: that is too much
        """
        self._quota.check(self._host, size)
        self._quota.usage.grow(self._host, size)
        self._size += size

    def finish(self) -> None:
        """The upload is about to be stored.

        :raises DiskFull: others have taken its room
        """
        self._quota.check_total(self._size)
        self._measures = self._quota.usage.measures

    def keep(self, freed: int) -> None:
        """It is stored, and ``freed`` bytes are gone for it."""
        usage = self._quota.usage
        # What was measured since it was begun to be stored may know that already.
        gone = freed if usage.measures == self._measures else 0
        usage.keep(self._host, self._path, self._size, gone, self._quota.versions)
        self._size = 0

    def give_back(self) -> None:
        """It is not."""
        self._quota.usage.grow(self._host, -self._size)
        self._size = 0


@implementer(IWriter)
@frozen(eq=False)
class MeteredWriter:
    """Counts what goes through it to ``inner``."""

    inner: FileWriter
    allowance: Allowance
    known: "Callable[[], Deferred[None] | None]"
    """Makes sure that the quota's count is fresh."""

    @property
    def source(self) -> Source | None:
        """That of ``inner``."""
        return self.inner.source

    def write(self, data: Buffer) -> "None | Deferred[None]":
        """Count and pass on; raises :class:`DiskFull` where it is too much."""
        self.allowance.take(len(data))
        return self.inner.write(data)

    def finish(self) -> "None | Deferred[None]":
        """Pass on if there still is room, and count as stored once it is.

        :raises DiskFull: others have taken it; also through the Deferred
        """
        return then(self.known(), self._finish)

    def cancel(self) -> "Deferred[None]":
        """Pass on; the bytes are free again."""
        self.allowance.give_back()
        return self.inner.cancel()

    def _finish(self, _: None) -> "Deferred[None]":
        self.allowance.finish()
        return self.inner.finish().addCallback(self._finished)

    def _finished(self, _: None) -> None:
        self.allowance.keep(self.inner.freed)


def size_of_tree(root: Root) -> int:
    """Bytes of the files beneath ``root``, without those of uploads under way. May block: call it in a thread.

    :raises TFTPError: the system fails
    """
    size = seen = 0
    try:
        for _, folders, files, fd in os.fwalk(b".", dir_fd=root.fd, onerror=_pass_over):
            seen += len(folders) + len(files)
            for name in files:
                with suppress(FileNotFoundError):
                    found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                    size += found.st_size if stat.S_ISREG(found.st_mode) and not is_staged(name) else 0
            if seen >= MOST_ENTRIES:
                break
    except OSError as error:
        raise as_tftp_error(error, "quota") from error
    return size


def _pass_over(error: OSError) -> None:
    """Folders that are gone or not ours to read do not count."""
    if error.errno not in (errno.EACCES, errno.ENOENT, errno.ENOTDIR):
        raise error
