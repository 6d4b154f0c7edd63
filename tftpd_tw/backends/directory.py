"""The files beneath one directory: what ``--root`` serves, and where uploads go if they are allowed.

A read is tried in the reactor thread with what the kernel has in its caches, which takes some microseconds;
if a disk or a network file system may have to be asked, a thread opens the file. What an earlier request has
opened can be shared, see :mod:`~tftpd_tw.backends.shared_files`. An upload is always prepared in a thread.
Name, permission and room are settled there, before the client gets its first answer (C031, C070).

A transfer may give up while a thread opens a file for it: it cancels the Deferred, and what the thread brings
back is closed.
"""

import os
import stat
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, cast

from twisted.internet.defer import Deferred
from zope.interface import implementer

from tftpd_tw.backends.chaining import then
from tftpd_tw.backends.confined import LOOK, Root, as_tftp_error, status_of
from tftpd_tw.backends.finding import IFinder
from tftpd_tw.backends.held import HeldRoot
from tftpd_tw.backends.memory import BytesReader
from tftpd_tw.backends.names import normalise
from tftpd_tw.backends.quota import FolderKey, MeteredWriter, Quota, size_of_tree
from tftpd_tw.backends.reading import READ_AHEAD, FileReader
from tftpd_tw.backends.shared_files import SharedFiles
from tftpd_tw.backends.staging import Staged, clean_debris
from tftpd_tw.backends.storing import AS_USUAL, Storing
from tftpd_tw.backends.threads import shielded
from tftpd_tw.backends.uploading import FileWriter, UploadPolicy
from tftpd_tw.backends.versions import LONGEST_NAME, is_version
from tftpd_tw.interfaces import IReader, IWriter, Request, RunBlocking, Source
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, FileExists, FileNotFound
from tftpd_tw.protocol.text import escaped

_DIRECTORY = LOOK | os.O_DIRECTORY


class _Opened(NamedTuple):
    fd: int
    looked: os.stat_result
    """Before it was opened."""
    opened: os.stat_result
    """And after."""


@implementer(IFinder)
class DirectoryBackend:
    """Serves the directory ``root``.

    :param root: its path.
    :param shown: the path that its users know it by, if that is another one.
    :param uploads: what clients may change.
    :param run_blocking: calls a function in a thread and gives a Deferred of its result.
    :param max_upload: the most bytes of one upload; None for no limit but the disk's.
    :param storing: how uploads are stored.
    :param quota: how much they may take; maybe the same for other backends of the same tree. None for no limit.
    :param world_readable_only: serve only files that everybody on this host may read.
    :param files: where open files are shared; maybe with other backends. None: each reader opens its own.
    :param read_ahead: bytes that a thread reads when it has to, of a file that is not shared.
    :raises OSError: with the path, if that is not a directory that can be read.
    """

    name = "directory"

    def __init__(
        self,
        root: str | bytes | os.PathLike[str],
        *,
        shown: str | bytes | None = None,
        run_blocking: RunBlocking,
        uploads: UploadPolicy = UploadPolicy.DENY,
        max_upload: int | None = None,
        storing: Storing = AS_USUAL,
        quota: Quota | None = None,
        world_readable_only: bool = False,
        files: SharedFiles | None = None,
        read_ahead: int = READ_AHEAD,
    ) -> None:
        self.shown = os.fsencode(root if shown is None else shown).rstrip(b"/")
        """The path of the directory, as its users know it; empty for ``/``."""
        self.uploads = uploads
        self.max_upload = max_upload
        self.storing = storing
        self.quota = quota
        self.world_readable_only = world_readable_only
        self.held = HeldRoot(Root.open(os.fspath(root)), run_blocking)
        """The directory."""
        self._files = files
        self._read_ahead = read_ahead

    def close(self) -> None:
        """Let go of the directory, as soon as nothing is being opened. Open transfers go on."""
        if self._files is not None:
            self._files.clear()
        self.held.close()

    @property
    def key(self) -> FolderKey:
        """Which directory that is, however its path is spelled."""
        return self.held.root.device, self.held.root.inode

    @property
    def prompt(self) -> bool:
        """Whether the directory is on a local file system, which never waits for another machine."""
        return self.held.root.prompt

    def clean(self) -> "Deferred[int]":
        """Remove what uploads of a killed process have left (F13); fires with the number of files.

        To be called once, before the first upload.
        """
        return cast("Deferred[int]", self.held.in_thread(clean_debris, self.held.root))

    def open_read(self, request: Request) -> "IReader | Deferred[IReader]":
        """The regular file that ``request`` names; a Deferred if it has to be looked for on a disk.

        :raises AccessViolation: for a name that leads out of the root, a file that we may not read or may not
            serve, and all that is no regular file (S020 to S022, S025, C030, C032).
        :raises FileNotFound: if there is none (C029, C031).
        :raises TFTPError: if the system fails.
        """
        components = normalise(request.name)
        try:
            look, looked = self._look(components, cached_only=True)
        except BlockingIOError:
            work = cast("Deferred[_Opened]", self.held.in_thread(self._look_and_open, components))
            return shielded(work.addCallback(self._reader, components), _close)
        try:
            reader = self._files.find(looked) if self._files is not None else None
            if reader is None:
                return self._reader(self._open(look, looked, components, cached_only=True), components)
            reader.source = self._source(components)
            return reader
        finally:
            os.close(look)

    def open_write(self, request: Request) -> "IWriter | Deferred[IWriter]":
        """A place for the file that ``request`` names, in its directory, which must exist.

        :raises AccessViolation: if uploads are denied, or the name leads out of the root, or is that of an old
            version where such are kept (C112, S020).
        :raises DiskFull: if more is announced than one upload may have, or a quota leaves no room (C070, S028);
            the Deferred may fail with that, too

        The Deferred fails with:

        * :class:`AccessViolation` if the target is no regular file, or one that we may not write (C116)
        * :class:`FileExists` if it exists and may not be replaced (C110)
        * :class:`FileNotFound` if its directory does not exist, or it does not and only existing ones may be
          replaced
        * :class:`DiskFull` if more is announced than there is room for, or the reserve leaves none (C070)
        """
        if self.uploads is UploadPolicy.DENY:
            raise AccessViolation("uploads are not allowed")
        components = normalise(request.name)
        if self.uploads is UploadPolicy.VERSIONS:
            _must_have_versions(components[-1])
        if request.size is not None and self.max_upload is not None and request.size > self.max_upload:
            raise DiskFull(f"{request.size} bytes announced, {self.max_upload} allowed")
        return then(self._quota_known(), lambda _: self._begin_upload(request, components))

    def find(self, request: Request) -> "Deferred[None] | None":
        """Look for the file, whoever may have it; see :meth:`~tftpd_tw.backends.finding.IFinder.find`."""
        components = normalise(request.name)
        try:
            self._find(components, cached_only=True)
        except BlockingIOError:
            return shielded(cast("Deferred[None]", self.held.in_thread(self._find, components)))
        return None

    def _find(self, components: tuple[bytes, ...], *, cached_only: bool = False) -> None:
        look, _ = self.held.root.look_at_regular(components, cached_only=cached_only)
        os.close(look)

    def _look(self, components: tuple[bytes, ...], *, cached_only: bool = False) -> tuple[int, os.stat_result]:
        look, looked = self.held.root.look_at_regular(components, cached_only=cached_only)
        if self.world_readable_only and not looked.st_mode & stat.S_IROTH:
            os.close(look)
            raise AccessViolation(f"{escaped(components[-1])}: not world-readable")
        return look, looked

    def _look_and_open(self, components: tuple[bytes, ...]) -> _Opened:
        look, looked = self._look(components)
        try:
            return self._open(look, looked, components)
        finally:
            os.close(look)

    def _open(
        self, look: int, looked: os.stat_result, components: tuple[bytes, ...], *, cached_only: bool = False
    ) -> _Opened:
        fd = self.held.root.open_looked_at(look, components, cached_only=cached_only)
        try:
            return _Opened(fd, looked, status_of(fd))
        except BaseException:
            os.close(fd)
            raise

    def _reader(self, file: _Opened, components: tuple[bytes, ...]) -> IReader:
        size = file.opened.st_size
        reader: FileReader | BytesReader
        if not self.held.root.prompt or file.opened.st_dev != self.held.root.device:
            # Even to close it may take long there.
            release = partial(self.held.run_blocking, _close_file, file.fd)
            reader = FileReader(file.fd, self.held.run_blocking, release, size, flags=None)
        elif self._files is None or self.held.closed:
            reader = FileReader(file.fd, self.held.run_blocking, size=size, read_ahead=self._read_ahead)
        else:
            reader = self._files.add(*file)
        reader.source = self._source(components)
        return reader

    def _source(self, components: tuple[bytes, ...]) -> Source:
        return Source(self.name, b"/".join((self.shown, *components)))

    def _quota_known(self) -> "Deferred[None] | None":
        """Make sure that what the quota counts is fresh."""
        if self.quota is None or self.held.closed:
            return None
        return self.quota.known(lambda: cast("Deferred[int]", self.held.in_thread(size_of_tree, self.held.root)))

    def _begin_upload(self, request: Request, components: tuple[bytes, ...]) -> "Deferred[IWriter]":
        quota = self.quota
        allowance = None if quota is None else quota.begin(request.client.host, components, request.size)
        work = cast("Deferred[Any]", self.held.in_thread(self._open_writer, components, request.size))
        if allowance is not None:
            work.addCallback(MeteredWriter, allowance, self._quota_known)
        return shielded(work, _cancel)

    def _open_writer(self, components: tuple[bytes, ...], size: int | None) -> FileWriter:
        directory = self.held.root.open_file(components[:-1], _DIRECTORY)
        try:
            old = self._to_replace(directory, components[-1])
            limit = self._limit(directory, size)
            keeping = self.uploads is UploadPolicy.VERSIONS
            staged = Staged.open(
                directory,
                components[-1],
                replace=self.uploads is not UploadPolicy.CREATE,
                keep_mode=None if old is None else old.st_mode,
                storing=self.storing,
                versions=self.storing.versions if keeping else 0,
            )
        except BaseException:
            os.close(directory)
            raise
        return FileWriter(staged, self.held.run_blocking, limit, self._source(components))

    def _limit(self, directory: int, size: int | None) -> int | None:
        """The most bytes that this upload may have; refuse it if there is no room."""
        reserve = self.storing.reserve
        if size is None and not reserve:
            return self.max_upload
        try:
            disk = os.fstatvfs(directory)
        except OSError as error:
            raise as_tftp_error(error, "fstatvfs") from error
        room = disk.f_bavail * disk.f_frsize - reserve
        if room < (size or 0) or (reserve and room <= 0):
            raise DiskFull(f"{size or 0} bytes announced, room for {max(0, room)}")
        if not reserve:
            return self.max_upload
        return room if self.max_upload is None else min(room, self.max_upload)

    def _to_replace(self, directory: int, target: bytes) -> os.stat_result | None:
        """Refuse what the policy forbids; what is known of the file to be replaced, None if there is none."""
        shown = escaped(target)
        try:
            old = os.stat(target, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            if self.uploads is UploadPolicy.EXISTING:
                raise FileNotFound(f"{shown}: only existing files may be uploaded") from None
            return None
        except OSError as error:
            raise as_tftp_error(error, shown) from error
        if not stat.S_ISREG(old.st_mode):
            raise AccessViolation(f"{shown}: not a regular file")
        if self.uploads is UploadPolicy.CREATE:
            raise FileExists(f"{shown}: exists")
        # A rename would not ask: taking the write permission from a file is to go on protecting it.
        if not os.access(target, os.W_OK, dir_fd=directory, effective_ids=True):
            raise AccessViolation(f"{shown}: write-protected")
        return old


def _must_have_versions(name: bytes) -> None:
    """Refuse a name of which no versions can be kept."""
    if is_version(name):
        raise AccessViolation(f"{escaped(name)}: is the name of an old version")
    if len(name) > LONGEST_NAME:
        raise FileNotFound("name is too long to keep versions of")


def _close_file(fd: int) -> None:
    with suppress(OSError):
        os.close(fd)


def _close(reader: IReader) -> None:
    reader.close()


def _cancel(writer: IWriter) -> None:
    writer.cancel()
