"""A file that is filled where nobody sees it, and then appears complete or not at all.

The content goes into a file without a name (``O_TMPFILE``) in the target's own directory, so that a process
that is killed leaves nothing (F13). Where the file system has no such thing, it gets a random dot-name that
ends in ``.part``, which :func:`clean_debris` removes at the next start. :meth:`Staged.publish` follows the
order in which a power cut can do no harm (F14): content to disk, then the name, then the directory to disk.

* To make a new file, the name is given with ``link(2)`` or ``renameat2(RENAME_NOREPLACE)``, which fail if it
  is taken: of many who upload the same name exactly one wins (S027).
* To replace one, ``rename(2)`` swaps it for a complete one: whoever reads the old one reads it to its end
  (C111).

The target itself is never opened. Everything here may block, and belongs in a thread, one call at a time.
"""

import ctypes
import errno
import os
import secrets
import stat
import time
from collections.abc import Sequence

from attrs import define, field

from tftpd_tw.backends.confined import Root, as_tftp_error
from tftpd_tw.backends.filesystems import lives_in_memory
from tftpd_tw.backends.storing import AS_USUAL, Storing
from tftpd_tw.backends.versions import replace_keeping, size_at
from tftpd_tw.interfaces import Buffer
from tftpd_tw.protocol.text import escaped

MODE = 0o640
"""Permissions of a new file, before the umask (S025)."""

_PREFIX, _SUFFIX = b".tftpd-tw-", b".part"
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.ENOSYS)
_NO_NOREPLACE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
_RENAME_NOREPLACE = 1
_STARTED = time.time()
_DEEPEST = 64


def _part_name() -> bytes:
    return _PREFIX + secrets.token_hex(8).encode() + _SUFFIX


def is_staged(name: bytes) -> bool:
    """Whether ``name`` is a temporary one."""
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


@define(eq=False)
class Staged:
    """A file being filled. It owns both descriptors until :meth:`publish` succeeded or :meth:`discard` was
    called.
    """

    _directory: int
    """The target's directory; maybe ``O_PATH``."""
    _target: bytes
    _replace: bool
    """Whether a file of that name is replaced; else it must not exist."""
    _keep_mode: int | None
    """The mode of the file to be replaced."""
    _fd: int
    _part: bytes | None
    """The temporary name; None while it has none."""
    in_memory: bool
    """Whether :meth:`write` never waits, and may be called in the reactor thread."""
    _storing: Storing = AS_USUAL
    _versions: int = 0
    """How many old files of that name are kept."""
    freed: int = field(init=False, default=0)
    """Bytes of the files that went when it was published."""
    _closed: bool = field(init=False, default=False)

    @classmethod
    def open(
        cls,
        directory: int,
        target: bytes,
        *,
        replace: bool = False,
        keep_mode: int | None = None,
        unnamed: bool = True,
        storing: Storing = AS_USUAL,
        versions: int = 0,
    ) -> "Staged":
        """A new empty file in ``directory`` (a descriptor, which it owns once this returned).

        :param target: the name to be, one component.
        :param replace: whether :meth:`publish` replaces a file of that name.
        :param keep_mode: permissions to take over; only the bits of 0666 are.
        :param storing: permissions, owner, and whether it must reach the disk.
        :param versions: how many old files of that name are kept when one is replaced.
        :param unnamed: False does without ``O_TMPFILE`` even where there is one.
        :raises TFTPError: of the class that fits.
        """
        try:
            fd, part = (_unnamed(directory) if unnamed else None) or _named(directory)
        except OSError as error:
            raise as_tftp_error(error, escaped(target)) from error
        in_memory = lives_in_memory(fd)
        return cls(directory, target, replace, keep_mode, fd, part, in_memory, storing, versions)

    def write(self, batch: Sequence[Buffer]) -> None:
        """Append all of ``batch``. Raises :class:`~tftpd_tw.protocol.errors.TFTPError`."""
        try:
            rest = memoryview(b"".join(batch))
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            raise as_tftp_error(error, escaped(self._target)) from error

    def publish(self, batch: Sequence[Buffer] = ()) -> None:
        """Append ``batch``, make all durable, give it its name.

        :raises FileExists: if the name is taken and may not be replaced.
        :raises TFTPError: for what else can go wrong; then the caller has to :meth:`discard`.
        """
        self.write(batch)
        try:
            self._set_permissions()
            if self._storing.durable:
                os.fsync(self._fd)
            if self._versions:
                self.freed = replace_keeping(self._directory, self._target, self._rename, self._versions)
            elif self._replace:
                self.freed = size_at(self._directory, self._target)
                self._rename()
            else:
                self._link()
            if self._storing.durable:
                self._sync_directory()
        except OSError as error:
            raise as_tftp_error(error, escaped(self._target)) from error
        self.discard()

    def discard(self) -> None:
        """Let go of everything, and leave nothing that was not published. May be called again."""
        if self._closed:
            return
        self._closed = True
        try:
            os.close(self._fd)
            if self._part is not None:
                os.unlink(self._part, dir_fd=self._directory)
        except OSError:
            pass  # gone, or out of reach: then clean_debris removes it
        finally:
            os.close(self._directory)

    def _set_permissions(self) -> None:
        mode = self._storing.mode if self._keep_mode is None else self._keep_mode
        if mode is not None:
            os.fchmod(self._fd, mode & 0o666)
        if self._storing.owner >= 0 or self._storing.group >= 0:
            os.fchown(self._fd, self._storing.owner, self._storing.group)

    def _rename(self) -> None:
        if self._part is None:
            part = _part_name()
            self._link_unnamed(part)
            self._part = part
        os.rename(self._part, self._target, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        self._part = None

    def _link(self) -> None:
        if self._part is None:
            self._link_unnamed(self._target)
        elif _rename_noreplace(self._directory, self._part, self._target):
            self._part = None
        else:
            # What is left of the temporary name goes with discard().
            os.link(self._part, self._target, src_dir_fd=self._directory, dst_dir_fd=self._directory)

    def _link_unnamed(self, name: bytes) -> None:
        os.link(b"/proc/self/fd/%d" % self._fd, name, dst_dir_fd=self._directory, follow_symlinks=True)

    def _sync_directory(self) -> None:
        try:
            fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._directory)
        except PermissionError:
            # A drop box that may be written but not listed: journals store the file's new name with the file.
            os.fsync(self._fd)
            return
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _unnamed(directory: int) -> tuple[int, None] | None:
    """A file without a name; None where there is no such thing, or no /proc to give it a name by."""
    flag = getattr(os, "O_TMPFILE", None)
    if flag is None or not os.path.isdir("/proc/self/fd"):
        return None
    try:
        return os.open(b".", flag | os.O_WRONLY | os.O_CLOEXEC, MODE, dir_fd=directory), None
    except OSError as error:
        if error.errno in _NO_TMPFILE:
            return None
        raise


def _named(directory: int) -> tuple[int, bytes]:
    part = _part_name()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(part, flags, MODE, dir_fd=directory), part


def _rename_noreplace(directory: int, part: bytes, target: bytes) -> bool:
    """Give ``part`` the name ``target`` unless that is taken (FileExistsError); False if the system cannot.

    Preferred to link(2), which FAT lacks; NFS has only the other one.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(directory, part, directory, target, _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_NOREPLACE:
        return False
    raise OSError(number, os.strerror(number))


def clean_debris(root: Root, *, before: float = _STARTED, most: int = 100_000) -> int:
    """Remove the temporary files that a killed process left beneath ``root``; how many there were (F13).

    Only regular files of our own user, of our pattern, last changed before ``before`` (seconds since the
    epoch; the start of this process), and at most the first ``most`` entries and 64 levels are looked at.
    Symlinks are not followed. What cannot be read or removed is left. Call it in a thread, once, before
    workers are started.
    """
    removed = seen = 0
    for path, folders, files, fd in os.fwalk(b".", dir_fd=root.fd):
        if path.count(b"/") >= _DEEPEST:
            folders.clear()
        seen += len(folders) + len(files)
        for name in files:
            if is_staged(name):
                removed += _remove_debris(fd, name, before)
        if seen >= most:
            break
    return removed


def _remove_debris(directory: int, name: bytes, before: float) -> bool:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_mtime < before
        if ours:
            os.unlink(name, dir_fd=directory)
    except OSError:
        return False
    return ours
