"""How much uploads may take of the disk: all together, and those of each client.

All together is the size of the tree that takes them, whoever put the files there. A thread measures it before the
first upload, which waits for that, and again before one that comes :data:`MEASURED_EVERY` seconds later or more;
in between, what is stored and replaced is counted. So it holds over restarts, and what is removed by hand is
noticed. Workers measure the same tree, but each counts only its own uploads in between.

What a client has is not written down anywhere: it is counted from the start of the process on, and a file that is
replaced, by whomever, is no longer its. A restart forgets it, each worker counts for itself, and beyond
:data:`MOST_FILES` files the oldest are forgotten. It keeps a client that runs wild from filling the disk for
others; it is no accounting.

Bytes count when they come, so uploads at the same time cannot take the same room.
"""

import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tftpd_tw.backends.confined import Root
from tftpd_tw.interfaces import Buffer, IWriter
from tftpd_tw.protocol.errors import DiskFull

T = TypeVar("T")

MEASURED_EVERY = 300.0
"""Seconds."""

MOST_ENTRIES = 1_000_000
"""Files and folders that are looked at; what is beyond is not counted."""

MOST_FILES = 100_000
"""Files of which it is remembered who has uploaded them."""

Path = tuple[bytes, ...]


@frozen
class _Stored:
    host: str
    size: int


@define(eq=False)
class Quota:
    """Keeps count. All but :meth:`measure` belongs to the reactor thread.

    :param total: bytes of all files; None for no limit
    :param client: bytes that one address has uploaded and that are still there; None for no limit
    """

    total: int | None = None
    client: int | None = None
    _seconds: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _measured_at: float | None = field(init=False, default=None)
    _tree: int = field(init=False, default=0)
    """Bytes of the files that are there."""
    _growing: int = field(init=False, default=0)
    """Bytes of uploads under way."""
    _files: OrderedDict[Path, _Stored] = field(init=False, factory=OrderedDict)
    _clients: dict[str, int] = field(init=False, factory=dict)
    """Bytes of each client, those under way included."""

    def measure(self, root: Root) -> None:
        """Find out how much there is beneath ``root``, unless that is known well enough. May block: call it in a
        thread.
        """
        now = self._seconds()
        with self._lock:
            if self.total is None or (self._measured_at is not None and now < self._measured_at + MEASURED_EVERY):
                return
            self._measured_at = now
        size = _size_of_tree(root)
        with self._lock:
            self._tree = size

    def begin(self, host: str, path: Path, announced: int | None) -> "Allowance":
        """What the client ``host`` may upload to ``path``.

        :raises DiskFull: ``announced`` bytes, or any at all, are too many
        """
        allowance = Allowance(self, host, path)
        self.check(host, max(1, announced or 0))
        return allowance

    def check(self, host: str, size: int) -> None:
        """Raise :class:`DiskFull` if there is no room for ``size`` more bytes of ``host``."""
        if self.total is not None and self._tree + self._growing + size > self.total:
            raise DiskFull(f"all uploads: more than the quota of {self.total} bytes")
        if self.client is not None and self._clients.get(host, 0) + size > self.client:
            raise DiskFull(f"uploads of {host}: more than the quota of {self.client} bytes")

    def grow(self, host: str, size: int) -> None:
        """Count ``size`` bytes of an upload under way; a negative number takes them back."""
        self._growing += size
        self._add(host, size)

    def keep(self, host: str, path: Path, size: int, replaced: int) -> None:
        """An upload of ``size`` bytes is stored, instead of ``replaced`` bytes."""
        self._growing -= size
        with self._lock:
            self._tree = max(0, self._tree + size - replaced)
        old = self._files.pop(path, None)
        self._files[path] = _Stored(host, size)
        if old is None and len(self._files) > MOST_FILES:
            _, old = self._files.popitem(last=False)
        if old is not None:
            self._add(old.host, -old.size)

    def _add(self, host: str, size: int) -> None:
        count = self._clients.pop(host, 0) + size
        if count > 0:
            self._clients[host] = count


@define(eq=False)
class Allowance:
    """The part of one upload."""

    _quota: Quota
    _host: str
    _path: Path
    _size: int = field(init=False, default=0)

    def take(self, size: int) -> None:
        """Count ``size`` more bytes.

        :raises DiskFull: that is too much
        """
        self._quota.check(self._host, size)
        self._quota.grow(self._host, size)
        self._size += size

    def keep(self, replaced: int) -> None:
        """The upload is stored, instead of a file of ``replaced`` bytes."""
        self._quota.keep(self._host, self._path, self._size, replaced)
        self._size = 0

    def give_back(self) -> None:
        """It is not."""
        self._quota.grow(self._host, -self._size)
        self._size = 0


@implementer(IWriter)
@frozen(eq=False)
class MeteredWriter:
    """Counts what goes through it to ``inner``."""

    inner: IWriter
    allowance: Allowance
    replaced: int
    """Bytes of the file that it replaces."""

    def write(self, data: Buffer) -> "None | Deferred[None]":
        """Count and pass on; raises :class:`DiskFull` where it is too much."""
        self.allowance.take(len(data))
        return self.inner.write(data)

    def finish(self) -> "None | Deferred[None]":
        """Pass on, and count as stored once it is."""
        done = self.inner.finish()
        if isinstance(done, Deferred):
            return done.addCallback(self._finished)
        self.allowance.keep(self.replaced)
        return None

    def cancel(self) -> "None | Deferred[None]":
        """Pass on; the bytes are free again."""
        self.allowance.give_back()
        return self.inner.cancel()

    def _finished(self, result: T) -> T:
        self.allowance.keep(self.replaced)
        return result


def _size_of_tree(root: Root) -> int:
    size = seen = 0
    for _, folders, files, fd in os.fwalk(b".", dir_fd=root.fd):
        seen += len(folders) + len(files)
        for name in files:
            with suppress(OSError):
                found = os.stat(name, dir_fd=fd, follow_symlinks=False)
                size += found.st_size if stat.S_ISREG(found.st_mode) else 0
        if seen >= MOST_ENTRIES:
            break
    return size
