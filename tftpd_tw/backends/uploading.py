"""Storing an upload: what is allowed, and how blocks become a file without blocking the reactor.

Blocks come 512 bytes at a time, and a thread is dear for so little: they are held until there are 64 KiB,
then one thread writes them all, while the next ones come in. A client that is faster than the disk is made to
wait when 256 KiB are held, so an upload never needs more than about twice that. One thread at a time works
for one upload. Larger batches were tried: they cost memory and gain nothing.

A file system in memory (tmpfs) never waits: there blocks are written as they come, which saves 0.6 s of CPU for
each GB, and only the preparation and the end are left to a thread.

What it writes to is a :class:`~tftpd_tw.backends.staging.Staged` file, that nobody sees before it is
complete, or another :class:`Destination`.
"""

import enum
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar, cast

from attrs import define, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from zope.interface import implementer

from tftpd_tw.backends.staging import clean_debris
from tftpd_tw.backends.threads import shielded
from tftpd_tw.interfaces import Buffer, IWriter, RunBlocking, Source
from tftpd_tw.protocol.errors import DiskFull, TFTPError

T = TypeVar("T")

__all__ = ["UploadPolicy", "Destination", "FileWriter", "clean_debris", "BATCH", "MOST_HELD"]

BATCH = 64 * 1024
"""Bytes that are worth a thread."""
MOST_HELD = 256 * 1024
"""Bytes held back while a thread writes, if nobody says otherwise."""


class UploadPolicy(enum.Enum):
    """What a client may do to the files beneath the root."""

    DENY = "deny"
    """Nothing."""
    CREATE = "create"
    """Make new files; a name that is taken stays as it is (C110)."""
    OVERWRITE = "overwrite"
    """Make new files and replace old ones."""
    EXISTING = "existing"
    """Replace old files, as tftp-hpa does without ``--create``."""
    VERSIONS = "versions"
    """As overwrite, but keep the last old ones, see :mod:`~tftpd_tw.backends.versions`."""


class Destination(Protocol):
    """Where the bytes go. Its methods may block; one is called at a time."""

    @property
    def in_memory(self) -> bool:
        """Whether :meth:`write` never waits, and may be called in the reactor thread."""

    @property
    def freed(self) -> int:
        """Bytes of the files that went when it was published."""

    def write(self, batch: Sequence[Buffer]) -> None:
        """Append all of ``batch``. Raises :class:`~tftpd_tw.protocol.errors.TFTPError`."""

    def publish(self, batch: Sequence[Buffer]) -> None:
        """Append the last ``batch``, and have all of it appear. Raises the same."""

    def discard(self) -> None:
        """Leave nothing that was not published."""


@implementer(IWriter)
@define(eq=False)
class FileWriter:
    """An upload under way. Takes over the staged file."""

    _staged: Destination
    _run_blocking: RunBlocking
    _limit: int | None = None
    """The most bytes there may be."""
    source: Source | None = None
    """Which file it is to be, if whoever opens it says so."""
    _most_held: int = MOST_HELD
    """Bytes held back while a thread writes, from which on the client has to wait."""
    _bytes: int = field(init=False, default=0)
    _held: list[Buffer] = field(init=False, factory=list)
    _held_bytes: int = field(init=False, default=0)
    _busy: bool = field(init=False, default=False)
    """Whether a thread works for this upload."""
    _waiting: "list[Deferred[None]]" = field(init=False, factory=list)
    """To be fired when that thread has ended."""
    _failure: BaseException | None = field(init=False, default=None)
    """What the upload has failed with; nothing more is written then."""

    def write(self, data: Buffer) -> "Deferred[None] | None":
        """Keep ``data`` to be written; a Deferred while too much is held.

        :raises DiskFull: if there are more bytes than the limit, whatever was announced (C071).
        :raises TFTPError: if it could not be written; maybe ``data`` of an earlier call (C113).
        """
        self._check()
        size = len(data)
        self._bytes += size
        if self._limit is not None and self._bytes > self._limit:
            self._failure = DiskFull(f"more than {self._limit} bytes")
            raise self._failure
        if self._staged.in_memory:
            self._write_in_place(data)
            return None
        self._held.append(data)
        self._held_bytes += size
        if not self._busy:
            if self._held_bytes >= BATCH:
                self._write_held()
            return None
        if self._held_bytes < self._most_held:
            return None
        return self._thread_end().addCallback(lambda _: self._check())

    def finish(self) -> "Deferred[None]":
        """Write the rest, make it durable and visible: the Deferred fires after that, and not before (C113).

        :raises FileExists: through the Deferred, if the name was taken meanwhile.
        :raises TFTPError: through the Deferred, if anything could not be written or published.
        """
        return Deferred.fromCoroutine(self._finish())

    def cancel(self) -> "Deferred[None]":
        """Leave nothing behind (C114); fires when it is so, after the thread that still writes has ended."""
        self._held = []
        self._held_bytes = 0
        self._failure = self._failure or TFTPError("upload was cancelled")
        return shielded(Deferred.fromCoroutine(self._discard()))

    @property
    def freed(self) -> int:
        """Bytes of the files that went when it was finished."""
        return self._staged.freed

    async def _finish(self) -> None:
        rest, self._held, self._held_bytes = self._held, [], 0
        while self._busy:
            await self._thread_end()
        self._check()
        await self._in_thread(self._staged.publish, rest)

    async def _discard(self) -> None:
        while self._busy:
            await self._thread_end()
        await self._in_thread(self._staged.discard)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write_in_place(self, data: Buffer) -> None:
        """In the reactor thread."""
        try:
            self._staged.write((data,))
        except TFTPError as error:
            self._failure = error
            raise

    def _write_held(self) -> None:
        batch, self._held, self._held_bytes = self._held, [], 0
        self._in_thread(self._staged.write, batch).addCallbacks(self._written, self._write_failed)

    def _written(self, _: None) -> None:
        if self._held_bytes >= BATCH:
            self._write_held()

    def _write_failed(self, failure: Failure) -> None:
        self._held = []
        self._held_bytes = 0
        self._failure = self._failure or failure.value

    def _thread_end(self) -> "Deferred[None]":
        """Fires when the thread that is at work has ended; another one may have begun."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _in_thread(self, function: Callable[..., None], *arguments: object) -> "Deferred[None]":
        """Call it in a thread; not while another is at work. A cancel() does not reach the thread."""
        self._busy = True
        work = cast("Deferred[None]", maybeDeferred(self._run_blocking, function, *arguments))
        work.addBoth(self._not_busy)
        result = shielded(work)
        work.addBoth(self._wake)
        return result

    def _not_busy(self, result: T) -> T:
        self._busy = False
        return result

    def _wake(self, _: object) -> None:
        # After whoever waits for the result, who may begin the next piece of work.
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.callback(None)
