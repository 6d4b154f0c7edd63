"""The near end of a client command's transfer: files of this machine, pipes, standard input and output.

A file that is got is filled where nobody sees it and takes its name when it is complete, as an upload does on a
server (:mod:`~tftpd_tw.backends.staging`). What is no regular file, such as a pipe or ``/dev/null``, gets the
bytes as they come. Threads wait for disks and pipes; what comes meanwhile is kept, up to :data:`HELD`, since a
server that has to wait for half a minute gives up. For the same reason it is not made to wait for the end: whoever
reads the pipe may be a pager.

Content is not ended by its transfer but by the command, which may have to begin another one: see
:mod:`~tftpd_tw.cli.servers`.
"""

import errno
import os
import select
import stat
import sys
from collections.abc import Sequence
from typing import cast

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from tftpd_tw.backends.confined import LOOK, as_tftp_error
from tftpd_tw.backends.reading import FileReader
from tftpd_tw.backends.staging import Staged
from tftpd_tw.backends.storing import Storing
from tftpd_tw.backends.uploading import FileWriter
from tftpd_tw.cli.exit_statuses import LOCAL, CommandError
from tftpd_tw.interfaces import Buffer, Direction, IReader, IWriter, RunBlocking
from tftpd_tw.protocol.errors import BackendStalled, Cancelled, SourceTruncated, TFTPError

STANDARD = "-"
"""What stands for standard input or output."""

HELD = 64 << 20
"""Bytes that are kept for a disk or pipe that is slower than the network."""

_FIRST_PIECE = 64 << 10


def is_local(error: TFTPError) -> bool:
    """Whether the near end is why a transfer failed with ``error``."""
    return isinstance(error.__cause__, OSError) or isinstance(error, SourceTruncated | BackendStalled)


def local_error(error: TFTPError, direction: Direction, file: str) -> CommandError:
    """How a command ends when ``file`` failed with ``error``."""
    cause, shown = error.__cause__, _shown(file, direction)
    if isinstance(cause, BrokenPipeError):
        return CommandError(LOCAL, "")  # whoever reads has seen enough, and does not want to hear more
    if isinstance(error, SourceTruncated):
        return CommandError(LOCAL, f"{shown} became shorter while it was read")
    if isinstance(error, BackendStalled):
        return CommandError(LOCAL, f"{shown} did not get on for so long that the transfer was given up")
    return CommandError(LOCAL, _cannot(direction, file, cause or error))


def open_target(file: str, in_thread: RunBlocking) -> "Target":
    """Where a file goes that is got.

    :raises CommandError: it cannot be written
    """
    try:
        if file == STANDARD:
            return Target(Stream(_standard(1, sys.__stdout__)), in_thread)
        return _open_file(file, in_thread)
    except (OSError, TFTPError) as error:
        cause = error.__cause__ or error
        raise CommandError(LOCAL, _cannot(Direction.READ, file, cause)) from None


def _open_file(file: str, in_thread: RunBlocking) -> "Target":
    mode = _mode_of(file)
    if mode is not None and not stat.S_ISREG(mode):
        return Target(Stream(os.open(file, os.O_WRONLY | os.O_CLOEXEC)), in_thread)
    path = os.path.realpath(file)  # a symlink stays, and the file that it names is replaced
    if mode is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    folder, name = os.path.split(os.fsencode(path))
    directory = os.open(folder, LOOK | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        storing = Storing(mode=0o666 & ~_umask())
        staged = Staged.open(directory, name, replace=True, keep_mode=mode, storing=storing)
    except TFTPError:
        os.close(directory)
        raise
    return Target(staged, in_thread)


def _mode_of(file: str) -> int | None:
    """None if there is no such file; one that ends with a slash must be a folder."""
    try:
        return os.stat(file).st_mode
    except FileNotFoundError:
        if file.endswith("/"):
            raise
        return None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _standard(number: int, stream: object) -> int:
    if stream is None:  # so that this number may be that of anything by now
        raise OSError(errno.EBADF, "it is closed")
    return number


def _shown(file: str, direction: Direction) -> str:
    standard = {Direction.READ: "standard output", Direction.WRITE: "standard input"}
    return standard[direction] if file == STANDARD else repr(file)


def _cannot(direction: Direction, file: str, error: BaseException) -> str:
    verb = {Direction.READ: "write", Direction.WRITE: "read"}[direction]
    return f"cannot {verb} {_shown(file, direction)}: {getattr(error, 'strerror', None) or error}"


@define(eq=False)
class Stream:
    """A pipe or a device, which gets the bytes as they come."""

    _fd: int
    in_memory: bool = False
    freed: int = 0

    def write(self, batch: Sequence[Buffer]) -> None:
        """Append all of ``batch``."""
        rest = memoryview(b"".join(batch))
        try:
            while rest:
                try:
                    rest = rest[os.write(self._fd, rest) :]
                except BlockingIOError:  # somebody else who has it wants it so
                    select.select((), (self._fd,), ())
        except BrokenPipeError as error:
            raise Cancelled from error
        except OSError as error:
            raise as_tftp_error(error, "write") from error

    publish = write

    def discard(self) -> None:
        """What was written is gone."""


@implementer(IWriter)
class Target:
    """Where a file goes that is got. Takes over ``destination``."""

    def __init__(self, destination: Staged | Stream, in_thread: RunBlocking) -> None:
        self._destination = destination
        self._writer = FileWriter(destination, in_thread, most_held=HELD)
        self.stored: Deferred[None] = Deferred()
        """Fires once all has come and is where it belongs; fails with a TFTPError."""

    def write(self, data: Buffer) -> "Deferred[None] | None":
        """Store ``data``, or keep it for a moment."""
        return self._writer.write(data)

    def finish(self) -> None:
        """All has come, which is all that the server need know."""
        self._writer.finish().chainDeferred(self.stored)

    def cancel(self) -> None:
        """The command decides what becomes of it."""

    def discard(self) -> "Deferred[None]":
        """Leave nothing that is not :attr:`stored`; fires when it is so."""
        # Nobody can tell when a pipe goes on, and there is nothing to remove.
        return self._writer.cancel() if isinstance(self._destination, Staged) else succeed(None)


def open_source(file: str, in_thread: RunBlocking) -> "FileReader | StreamReader":
    """What is put.

    :raises CommandError: it cannot be read
    """
    try:
        fd = _standard(0, sys.__stdin__) if file == STANDARD else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        # A part of standard input may have been read by others.
        if stat.S_ISREG(mode) and (file != STANDARD or os.lseek(fd, 0, os.SEEK_CUR) == 0):
            return FileReader(fd, in_thread, release=lambda: None)
    except OSError as error:
        raise CommandError(LOCAL, _cannot(Direction.WRITE, file, error)) from None
    return StreamReader(fd, in_thread)


@implementer(IReader)
@define(eq=False)
class StreamReader:
    """A pipe or a terminal: nobody knows how much will come, nor when."""

    _fd: int
    _in_thread: RunBlocking
    size: int | None = field(init=False, default=None)
    _here: bytes = field(init=False, default=b"")
    _ended: bool = field(init=False, default=False)

    async def wait(self) -> None:
        """Until there is something, or it is clear that nothing comes: a server would not wait for that."""
        self._here = self._read(await self._piece(_FIRST_PIECE))

    def read(self, _: int, length: int) -> "Buffer | Deferred[Buffer]":
        """What comes next, ``length`` bytes at most."""
        if self._here or self._ended:
            piece, self._here = self._here[:length], self._here[length:]
            return piece
        return self._piece(length).addCallback(self._read)

    def close(self) -> None:
        """The command decides what becomes of it."""

    def _piece(self, length: int) -> "Deferred[bytes]":
        return cast("Deferred[bytes]", self._in_thread(_read_piece, self._fd, length))

    def _read(self, data: bytes) -> bytes:
        self._ended = not data
        return data


def _read_piece(fd: int, length: int) -> bytes:
    """For the thread: what is there, as soon as there is some; nothing at the end."""
    while True:
        try:
            return os.read(fd, length)
        except BlockingIOError:
            select.select((fd,), (), ())
        except OSError as error:
            raise as_tftp_error(error, "read") from error
