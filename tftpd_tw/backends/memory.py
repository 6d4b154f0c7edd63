"""Content in memory: for content that a program makes up, for examples and for tests.

A backend that answers from a function needs no more than :class:`BytesReader`::

    @implementer(IBackend)
    class Configurations:
        def open_read(self, request):
            return BytesReader(configuration_for(request.client.host))

        def open_write(self, request):
            raise AccessViolation("made up, not stored")

and one that takes uploads no more than :class:`BytesWriter`, with a ``limit`` where anybody may upload.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define, field
from zope.interface import implementer

from tftpd_tw.backends.finding import IFinder
from tftpd_tw.backends.names import normalise
from tftpd_tw.interfaces import Buffer, IReader, IWriter, Request, Source
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, FileNotFound
from tftpd_tw.protocol.text import escaped


@implementer(IReader)
@define(eq=False)
class BytesReader:
    """``data``, to be read."""

    _data: Buffer
    size: int | None = field(init=False)
    """In bytes."""
    source: Source | None = None
    """What it is, if whoever makes it says so."""

    def __attrs_post_init__(self) -> None:
        self.size = len(self._data)

    def read(self, offset: int, length: int) -> Buffer:
        """Up to ``length`` bytes from ``offset``; empty at the end."""
        return self._data[offset : offset + length]

    def close(self) -> None:
        """Nothing to release."""


@implementer(IWriter)
@define(eq=False)
class BytesWriter:
    """Collects what comes, and calls ``on_finish`` with all of it when it is complete.

    ``on_finish`` may return a Deferred or be an ``async def``: the client is told that it succeeded when that has.
    What it raises fails the upload: of :mod:`tftpd_tw.protocol.errors`, to tell the client what is wrong.
    """

    _on_finish: Callable[[bytes], object] = lambda data: None
    source: Source | None = None
    """What it is to be, if whoever makes it says so."""
    limit: int | None = None
    """The most bytes that are taken; None for no limit, which is for clients and servers that one trusts."""
    _pieces: list[Buffer] = field(init=False, factory=list)
    _size: int = field(init=False, default=0)

    @property
    def data(self) -> bytes:
        """All that has come."""
        return b"".join(self._pieces)

    def write(self, data: Buffer) -> None:
        """Keep ``data``.

        :raises DiskFull: that is more than ``limit``
        """
        self._size += len(data)
        if self.limit is not None and self._size > self.limit:
            raise DiskFull(f"more than {self.limit} bytes")
        self._pieces.append(data)

    def finish(self) -> Any:
        """Hand it all over; what ``on_finish`` returns."""
        return self._on_finish(self.data)

    def cancel(self) -> None:
        """Forget it."""
        self._pieces.clear()


@implementer(IFinder)
@define(eq=False)
class MemoryBackend:
    """The values of ``files`` by name; uploads go into it too, if ``writable``, and replace what is there.

    Its keys are names as ``boot/menu.ipxe``: without a leading slash, the components joined by one slash
    each. The dictionary is the caller's, and may change at any time; a transfer keeps what it began with.
    """

    name = "memory"

    files: dict[bytes, bytes]
    writable: bool = False

    def open_read(self, request: Request) -> BytesReader:
        """The content of that name.

        :raises FileNotFound: if there is none.
        :raises AccessViolation: for a name that no file can have, see
            :func:`~tftpd_tw.backends.names.normalise`.
        """
        name = b"/".join(normalise(request.name))
        data = self.files.get(name)
        if data is None:
            raise FileNotFound(escaped(request.name))
        return BytesReader(data, Source(self.name, name))

    def find(self, request: Request) -> None:
        """Look for it; raises as :meth:`open_read`."""
        self.open_read(request)

    def open_write(self, request: Request) -> BytesWriter:
        """A place for it.

        :raises AccessViolation: if not writable, or as in :meth:`open_read`.
        """
        if not self.writable:
            raise AccessViolation("uploads are not allowed")
        name = b"/".join(normalise(request.name))
        return BytesWriter(partial(self.files.__setitem__, name), Source(self.name, name))
