"""Reading a file without ever making the reactor wait for a disk.

``preadv2(2)`` with ``RWF_NOWAIT`` copies what is in the page cache, or says EAGAIN; only then does a thread
read. A disk or an NFS server that does not answer stops the transfers that wait for it and nobody else.

The thread reads more than it was asked for, ``read_ahead`` bytes in all, and drops what is too much: the next
calls find their bytes in the page cache, without a thread. The kernel reads ahead too, but some disks are set to
little of it, and it takes the transfers that share a descriptor for one that jumps about. These are plain reads
and no ``POSIX_FADV_WILLNEED``: a disk cuts that to what it takes in one request, and it gets in the way of the
kernel's own reading ahead (for 64 MiB, 205 reads by a thread rather than 6).

A file is not mapped: when somebody truncates it, touching the lost pages would kill the process with SIGBUS.

Some file systems do not know ``RWF_NOWAIT``. Those that live in memory (tmpfs) are read in place, since they
have nothing to wait for; the others always through a thread.

The size is that of the descriptor when it was opened, and no byte beyond it is ever given out: a file that
grows is sent as it was (F20), one that is replaced goes on being the old one (F19), and one that shrinks ends
too early, which fails the transfer (F18).
"""

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar, cast

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tftpd_tw.backends.confined import as_tftp_error
from tftpd_tw.backends.filesystems import lives_in_memory
from tftpd_tw.backends.threads import shielded
from tftpd_tw.interfaces import Buffer, IReader, RunBlocking, Source

T = TypeVar("T")

NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
"""The flag for preadv2; None where there is none, and a thread reads everything."""

READ_AHEAD = 1024 * 1024
"""Bytes that a thread reads when it has to read."""

PIECE = 128 * 1024
"""Bytes that it reads ahead with one call: the memory that it needs for that."""

_UNKNOWN_FLAG = (errno.EOPNOTSUPP, errno.ENOSYS)


def _pread(fd: int, length: int, offset: int, end: int) -> bytes:
    """For the thread: ``length`` bytes; what follows up to ``end`` is only put into the page cache."""
    try:
        data = os.pread(fd, length, offset)
    except OSError as error:
        raise as_tftp_error(error, "read") from error
    offset += length
    if offset < end:
        dropped = memoryview(bytearray(min(PIECE, end - offset)))
        with suppress(OSError):  # whoever wants those bytes finds out
            while offset < end and (count := os.preadv(fd, (dropped[: end - offset],), offset)):
                offset += count
    return data


@implementer(IReader)
@define(eq=False)
class FileReader:
    """A regular file that is open for reading. It owns the descriptor from now on, also if it cannot be
    made; unless somebody else does who is to be told by ``release``.
    """

    _fd: int
    _run_blocking: RunBlocking
    _release: Callable[[], object] | None = None
    """Called once, instead of closing the descriptor."""
    size: int = -1
    """In bytes, when it was opened (C066); -1 to find out."""
    _flags: int | None = NOWAIT
    """For preadv2 in the reactor thread; None to leave it to a thread."""
    _read_ahead: int = READ_AHEAD
    """Bytes that a thread reads, where that spares the next reads a thread."""
    source: Source | None = field(init=False, default=None)
    """Which file it is, if whoever opens it says so."""
    _in_thread: bool = field(init=False, default=False)
    _closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        if self.size >= 0:
            return
        try:
            self.size = os.fstat(self._fd).st_size
        except OSError as error:
            self._let_go()
            raise as_tftp_error(error, "fstat") from error

    def read(self, offset: int, length: int) -> "Buffer | Deferred[Buffer]":
        """Up to ``length`` bytes from ``offset``: at once what the page cache has, else a Deferred.

        Empty at :attr:`size`, or earlier if the file became shorter.

        :raises TFTPError: if the system cannot read; through the Deferred, if there is one.
        """
        if offset + length > self.size:
            length = self.size - offset
            if length <= 0:
                return b""
        flags = self._flags
        if flags is None:
            return self._read_in_thread(offset, length)
        buffer = bytearray(length)
        try:
            count = os.preadv(self._fd, (buffer,), offset, flags)
        except BlockingIOError:
            return self._read_in_thread(offset, length)
        except OSError as error:
            if flags and error.errno in _UNKNOWN_FLAG:
                self._flags = 0 if lives_in_memory(self._fd) else None
                return self.read(offset, length)
            raise as_tftp_error(error, "read") from error
        if count == length:
            return buffer
        if count == 0:
            # Truncated, or Linux 5.9 and 5.10, where NOWAIT means 0 bytes for EAGAIN. A thread finds out.
            return self._read_in_thread(offset, length)
        del buffer[count:]
        return buffer

    def close(self) -> None:
        """Close the file: now, or when the thread that reads from it has ended. May be called again."""
        if not self._closed:
            self._closed = True
            if not self._in_thread:
                self._let_go()

    def _read_in_thread(self, offset: int, length: int) -> "Deferred[Buffer]":
        end = min(offset + self._read_ahead, self.size) if self._flags is not None else 0
        work = cast("Deferred[Buffer]", self._run_blocking(_pread, self._fd, length, offset, end))
        self._in_thread = True
        work.addBoth(self._thread_ended)
        # A cancel() must not reach the work: the descriptor is the thread's until that has really ended, and
        # closing it before would let the number be given to another file.
        return shielded(work)

    def _thread_ended(self, result: T) -> T:
        self._in_thread = False
        if self._closed:
            self._let_go()
        return result

    def _let_go(self) -> None:
        if self._release is None:
            os.close(self._fd)
        else:
            self._release()
