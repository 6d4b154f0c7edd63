r"""Finding a file whose name differs from the one asked for only in upper and lower case.

Windows boot managers ask for ``\Boot\BCD``, whatever the folder with their files is called here. What is asked for
exactly as it is spelled is found as ever, and costs nothing. Only when there is no such file are the names of the
folders on the way looked through. Of several that differ only in case the exact one counts, or else the first in
the order of their bytes (``BOOT`` before ``Boot`` before ``boot``); each component is decided by itself. Case is
that of ASCII letters, the only ones of which everybody thinks the same.

The names in a folder are read by a thread and kept. They are used again while the folder is the same and its
times have not changed, which the kernel tells the reactor thread from its cache; and they are kept only of
folders that had been left alone for some seconds, since times are coarse
(:data:`~tftpd_tw.backends.shared_files.SETTLED`). Names are read and files opened beneath the root and nowhere
else (S021, S023): what is found here is just another name to ask for.
"""

import os
import time
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple, cast

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tftpd_tw.backends.chaining import if_not_found, then
from tftpd_tw.backends.confined import LOOK, Root, as_tftp_error, status_of
from tftpd_tw.backends.finding import IFinder
from tftpd_tw.backends.held import HeldRoot
from tftpd_tw.backends.names import name_of, normalise
from tftpd_tw.backends.shared_files import SETTLED
from tftpd_tw.backends.threads import shielded
from tftpd_tw.interfaces import Direction, IReader, IWriter, Request
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound
from tftpd_tw.protocol.text import escaped

LARGEST = 50_000
"""Names in one folder; in a larger one case counts."""
FOLDER = 16
"""What a folder that is kept counts besides its names, so that a million empty ones are not free."""

_Key = tuple[int, int]
"""Device and inode."""


class _State(NamedTuple):
    key: _Key
    modified: int
    changed: int

    @classmethod
    def of(cls, fd: int) -> "_State":
        status = status_of(fd)
        return cls((status.st_dev, status.st_ino), status.st_mtime_ns, status.st_ctime_ns)


@frozen
class _Folder:
    """The names in a folder."""

    state: _State
    """Before they were read."""
    spellings: dict[bytes, tuple[bytes, ...]] | None
    """Of each name in lower case, in the order of their bytes; None if they cannot be read or are too many."""
    keep: bool
    """Whether the same state will mean the same names."""

    def spelling(self, name: bytes) -> bytes | None:
        if self.spellings is None:
            return name
        known = self.spellings.get(name.lower(), (None,))
        return name if name in known else known[0]

    @property
    def weight(self) -> int:
        return FOLDER + len(self.spellings or ())


class _Found(NamedTuple):
    components: tuple[bytes, ...]
    folders: list[_Folder]
    """On the way."""


@implementer(IFinder)
class CaselessBackend:
    """Gives ``inner`` the spelling of names that exists beneath its directory.

    :param inner: the backend for the files.
    :param held: its directory, which is not closed here.
    :param most_names: names of folders that are kept; those not used for longest go first.
    """

    name = "caseless"

    def __init__(
        self,
        inner: IFinder,
        held: HeldRoot,
        *,
        most_names: int = 2 * LARGEST,
    ) -> None:
        self.inner = inner
        self.names_held = 0
        """In memory, with :data:`FOLDER` for each folder."""
        self._held = held
        self._most_names = most_names
        # In the order of last use. Changed in the reactor thread only; threads just look in it.
        self._folders: dict[_Key, _Folder] = {}

    def open_read(self, request: Request) -> "IReader | Deferred[IReader]":
        """The file of that name, or else of another spelling of it; raises as ``inner`` does."""
        return if_not_found(
            lambda: self.inner.open_read(request), lambda: then(self.spelled(request), self.inner.open_read)
        )

    def open_write(self, request: Request) -> "IWriter | Deferred[IWriter]":
        """A place for the upload: where a file of another spelling is, that one's; raises as ``inner`` does."""
        return then(self.spelled(request), self.inner.open_write)

    def find(self, request: Request) -> "Deferred[None] | None":
        """Look for the file in any spelling; raises as ``inner`` does."""
        return if_not_found(lambda: self.inner.find(request), lambda: then(self.spelled(request), self.inner.find))

    def spelled(self, request: Request) -> "Request | Deferred[Request]":
        """``request`` with its name as it is spelled on the disk.

        :raises FileNotFound: there is none in any spelling; for an upload, not even the folder
        :raises TFTPError: the name is none, or the system fails
        """
        components = normalise(request.name)
        new = request.direction is Direction.WRITE
        try:
            found = self._find(components, new, cached_only=True)
        except BlockingIOError:
            work = cast("Deferred[_Found]", self._held.in_thread(self._find, components, new))
            return shielded(work.addCallback(self._keep)).addCallback(_renamed, request)
        return _renamed(self._keep(found), request)

    def _find(self, components: tuple[bytes, ...], new: bool, *, cached_only: bool = False) -> _Found:
        return _find(self._held.root, components, self._folders, new=new, cached_only=cached_only)

    def _keep(self, found: _Found) -> _Found:
        """Keep the folders on the way, as those that were used last."""
        for folder in found.folders:
            self._forget(folder.state.key)
            if folder.keep:
                self._folders[folder.state.key] = folder
                self.names_held += folder.weight
        while self.names_held > self._most_names:
            self._forget(next(iter(self._folders)))
        return found

    def _forget(self, key: _Key) -> None:
        folder = self._folders.pop(key, None)
        if folder is not None:
            self.names_held -= folder.weight


def _renamed(found: _Found, request: Request) -> Request:
    return evolve(request, name=name_of(found.components))


def _find(
    root: Root, asked: tuple[bytes, ...], folders: Mapping[_Key, _Folder], *, new: bool, cached_only: bool
) -> _Found:
    """How ``asked`` is spelled beneath ``root``. What is not there is ``new``, or nothing.

    :raises BlockingIOError: with ``cached_only`` only: a disk may have to be asked, or a folder to be read
    :raises FileNotFound: in no way
    """
    found = _Found((), [])
    for component in asked:
        folder = _folder(root, found.components, folders, cached_only=cached_only)
        found.folders.append(folder)
        spelling = folder.spelling(component)
        if spelling is None:
            if not new:
                raise FileNotFound(f"{escaped(b'/'.join(asked))}: not there in any spelling")
            spelling = component
        found = found._replace(components=(*found.components, spelling))
    return found


def _folder(
    root: Root, components: tuple[bytes, ...], folders: Mapping[_Key, _Folder], *, cached_only: bool
) -> _Folder:
    look = root.open_file(components, LOOK | os.O_DIRECTORY, cached_only=cached_only)
    try:
        state = _State.of(look)
    finally:
        os.close(look)
    known = folders.get(state.key)
    if known is not None and known.state == state:
        return known
    if cached_only:
        raise BlockingIOError
    return _read(root, components)


def _read(root: Root, components: tuple[bytes, ...]) -> _Folder:
    try:
        fd = root.open_file(components, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK)
    except AccessViolation:
        # It may be searched but not read.
        look = root.open_file(components, LOOK | os.O_DIRECTORY)
        try:
            return _Folder(_State.of(look), None, keep=False)
        finally:
            os.close(look)
    try:
        state = _State.of(fd)
        keep = time.time() - max(state.modified, state.changed) / 1e9 >= SETTLED
        with os.scandir(fd) as entries:
            names = [os.fsencode(entry.name) for entry in islice(entries, LARGEST + 1)]
    except OSError as error:
        raise as_tftp_error(error, escaped(b"/".join(components))) from error
    finally:
        os.close(fd)
    if len(names) > LARGEST:
        return _Folder(state, None, keep)
    spellings: dict[bytes, tuple[bytes, ...]] = {}
    for name in sorted(names):
        lower = name.lower()
        spellings[lower] = (*spellings.get(lower, ()), name)
    return _Folder(state, spellings, keep)
