"""Open files, shared by the transfers that read them; and the bytes of small files that are asked for often.

500 clients that boot the same image open it once: ``preadv`` takes the offset with each call, so that any
number of readers use one descriptor. When the last one is done it stays open a while, for the next client. A
small file that is opened for the second time is read as a whole by a thread, once; from then on its readers
get slices of those bytes, without a system call.

Nobody gets a file that he would not get without this. Each request resolves its name beneath the root as ever
(:meth:`~tftpd_tw.backends.confined.Root.look_at_regular`), and shares only what is the same file in the same
state: device, inode, size, permissions, owner, times of the last changes. A file that was removed, replaced,
written to or locked up, or a directory on the way to it, is noticed by the next request. What is compared was
seen *before* the kernel was asked for permission to read: a ``chmod`` in between makes it not match.

Timestamps are coarse: a file may change twice within one tick of the clock. So bytes are kept only of files
that have been left alone for some seconds. And nothing is shared for longer than ``ttl`` seconds after it was
opened, which bounds what timestamps do not tell (a program that writes through a mapping), and for how long a
removed file takes up its room on the disk.

A transfer keeps what it began with (F19, F20). A descriptor is closed when it is out of the table and its last
reader, or the thread that reads for it, is done. All methods belong to the reactor thread.
"""

import os
import time
from typing import cast

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from tftpd_tw.backends.memory import BytesReader
from tftpd_tw.backends.reading import READ_AHEAD, FileReader
from tftpd_tw.interfaces import RunBlocking

SMALL = 64 * 1024
"""Bytes of a file that is worth keeping in memory."""
SETTLED = 2.0
"""Seconds since the last change, from which on the next one has another timestamp: FAT counts in steps of 2."""
ENTRY = 1024
"""What a file that is kept costs besides its bytes, so that a million empty ones are not free."""


def _identity(status: os.stat_result) -> tuple[int, ...]:
    # Mode, inode, device, links, owner, group, size.
    return (*status[:7], status.st_mtime_ns, status.st_ctime_ns)


def _content(fd: int, size: int, identity: tuple[int, ...]) -> bytes | None:
    """For the thread: all bytes, or None if the file has changed meanwhile."""
    content = os.pread(fd, size, 0)
    return content if len(content) == size and _identity(os.fstat(fd)) == identity else None


@define(eq=False)
class _SharedFile:
    owner: "SharedFiles"
    key: tuple[int, int]
    identity: tuple[int, ...]
    size: int
    changed: float
    """When, by the file's own timestamps."""
    fd: int
    """-1 when closed: when nobody reads and the bytes are here."""
    expires: float
    readers: int = 0
    """Transfers that use the descriptor, and the thread that reads the content."""
    content: memoryview | None = None
    loading: bool = False
    """Whether a thread reads the content, or has failed to."""

    def release(self) -> None:
        self.readers -= 1
        if not self.readers:
            self.owner._unused(self)


class SharedFiles:
    """The open files, and the bytes of the small ones.

    :param run_blocking: calls a function in a thread and gives a Deferred of its result.
    :param clock: tells when to close what is not used.
    :param ttl: seconds for which an open file may be given to new readers.
    :param most_idle: descriptors that stay open while nobody uses them; the oldest is closed first.
    :param most_bytes: bytes of small files that are kept; those not used for longest go first.
    :param read_ahead: bytes that a thread reads when it has to, see :mod:`~tftpd_tw.backends.reading`.
    """

    def __init__(
        self,
        run_blocking: RunBlocking,
        clock: IReactorTime,
        *,
        ttl: float = 60.0,
        most_idle: int = 64,
        most_bytes: int = 8 << 20,
        read_ahead: int = READ_AHEAD,
    ) -> None:
        self.hits = 0
        """Requests that shared what an earlier one opened."""
        self.misses = 0
        """Those that did not."""
        self.evictions = 0
        """Files given up because there were too many, or too many bytes."""
        self.bytes_held = 0
        """In memory, with :data:`ENTRY` for each file."""
        self.open_descriptors = 0
        """Used and idle ones."""
        self._run_blocking = run_blocking
        self._clock = clock
        self._ttl = ttl
        self._most_idle = most_idle
        self._most_bytes = most_bytes
        self._read_ahead = read_ahead
        # All are in the order of insertion: of expiry, of last use, of last use.
        self._files: dict[tuple[int, int], _SharedFile] = {}
        self._idle: dict[_SharedFile, None] = {}
        self._held: dict[_SharedFile, None] = {}
        self._sweep_call: IDelayedCall | None = None

    def find(self, looked: os.stat_result) -> FileReader | BytesReader | None:
        """A reader of the file that is ``looked`` like, if that is here.

        A request takes 6.8 us from open to close so, or 6.4 with the bytes; 12.0 where nothing is shared.
        """
        file = self._files.get((looked.st_dev, looked.st_ino))
        if file is None or file.identity != _identity(looked):
            return None
        self.hits += 1
        if file.content is not None:
            del self._held[file]
            self._held[file] = None
            return BytesReader(file.content)
        reader = self._reader(file)
        if file.size <= SMALL and not file.loading and file.size + ENTRY <= self._most_bytes:
            self._load(file)
        return reader

    def add(self, fd: int, looked: os.stat_result, opened: os.stat_result) -> FileReader | BytesReader:
        """A reader of ``fd``, that others may share from now on. Takes over the descriptor.

        :param looked: what the file was before it was opened.
        :param opened: what it is since.
        """
        reader = self.find(opened)
        if reader is not None:
            os.close(fd)  # threads have opened it for several at once
            return reader
        self.misses += 1
        identity = _identity(looked)
        if _identity(opened) != identity:
            return FileReader(fd, self._run_blocking, size=opened.st_size, read_ahead=self._read_ahead)
        key = (looked.st_dev, looked.st_ino)
        if key in self._files:
            self._forget(self._files[key])
        changed, expires = max(looked.st_mtime, looked.st_ctime), self._clock.seconds() + self._ttl
        file = _SharedFile(self, key, identity, looked.st_size, changed, fd, expires)
        self.open_descriptors += 1
        self._files[key] = file
        if self._sweep_call is None:
            self._sweep_call = self._clock.callLater(self._ttl, self._sweep)
        return self._reader(file)

    def clear(self) -> None:
        """Forget all; what is still being read is closed by its last reader. May be called again."""
        for file in list(self._files.values()):
            self._forget(file)
        if self._sweep_call is not None:
            self._sweep_call.cancel()
            self._sweep_call = None

    def _reader(self, file: _SharedFile) -> FileReader:
        if not file.readers:
            self._idle.pop(file, None)
        file.readers += 1
        return FileReader(file.fd, self._run_blocking, file.release, file.size, read_ahead=self._read_ahead)

    def _unused(self, file: _SharedFile) -> None:
        """Nobody reads from its descriptor any more."""
        if self._files.get(file.key) is not file or file.content is not None:
            self._close(file)
            return
        self._idle[file] = None
        if len(self._idle) > self._most_idle:
            self.evictions += 1
            self._forget(next(iter(self._idle)))

    def _load(self, file: _SharedFile) -> None:
        if time.time() - file.changed < SETTLED:
            return
        file.loading = True
        file.readers += 1
        work = cast("Deferred[bytes | None]", self._run_blocking(_content, file.fd, file.size, file.identity))
        work.addCallbacks(self._loaded, _no_content, callbackArgs=(file,))
        work.addBoth(lambda _: file.release())

    def _loaded(self, content: bytes | None, file: _SharedFile) -> None:
        if content is None or self._files.get(file.key) is not file:
            return
        file.content = memoryview(content)
        self._held[file] = None
        self.bytes_held += file.size + ENTRY
        while self.bytes_held > self._most_bytes:
            self.evictions += 1
            self._forget(next(iter(self._held)))

    def _forget(self, file: _SharedFile) -> None:
        """Let nobody else have it."""
        del self._files[file.key]
        self._idle.pop(file, None)
        if file.content is not None:
            del self._held[file]
            self.bytes_held -= file.size + ENTRY
        if not file.readers:
            self._close(file)

    def _close(self, file: _SharedFile) -> None:
        if file.fd >= 0:
            os.close(file.fd)
            file.fd = -1
            self.open_descriptors -= 1

    def _sweep(self) -> None:
        """Forget what has expired, and come again for the next."""
        self._sweep_call = None
        now = self._clock.seconds()
        for file in list(self._files.values()):
            if file.expires > now:
                self._sweep_call = self._clock.callLater(file.expires - now, self._sweep)
                break
            self._forget(file)


def _no_content(_: Failure) -> None:
    """The readers will find out themselves."""
