"""Opening files beneath one directory, and only there.

The root is held as a descriptor, and the kernel is asked to resolve each name beneath it: ``openat2(2)`` with
``RESOLVE_BENEATH`` (S023). Then nothing leads out, neither ``..`` nor an absolute symlink nor a link that
somebody swaps while we look (S021): the check and the opening are one step. Symlinks that stay inside are
followed; "magic" links, those of /proc, never are. ``RESOLVE_CACHED`` lets the reactor thread try first: a
name that the kernel knows is opened in some microseconds, for any other it says EAGAIN at once and a thread
does it.

Where the kernel (before 5.6) or a seccomp filter refuses ``openat2``, each component is opened from the
descriptor of the one before with ``O_NOFOLLOW``. That way no symlink is followed at all, not even one that
stays inside.

A file is looked at before it is opened (``O_PATH``, ``fstat``, then again through /proc/self/fd), because
opening alone has effects: it wakes up whoever waits to write into a FIFO, and kills him with SIGPIPE a moment
later; it rewinds a tape; it starts a watchdog (S022). That costs 5 microseconds a transfer, about one
datagram. In a chroot without /proc it is opened at once, without blocking, and looked at then.
"""

import ctypes
import errno
import os
import stat
import sys
from collections.abc import Sequence
from struct import Struct

from attrs import define, field

from tftpd_tw.backends.filesystems import answers_at_once
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, FileExists, FileNotFound, TFTPError
from tftpd_tw.protocol.text import escaped

LOOK = getattr(os, "O_PATH", 0)
"""The flag for a descriptor that only points at a file; 0, and so ``O_RDONLY``, where there is none."""

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_STEP = LOOK | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# openat2(2): the same number on every architecture that Python runs on.
_SYS_OPENAT2 = 437
_NO_XDEV, _NO_MAGICLINKS, _BENEATH, _CACHED = 0x01, 0x02, 0x08, 0x20
_OPEN_HOW = Struct("=QQQ")
_ATTEMPTS = 64

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
_syscall.restype = ctypes.c_long

_MEANING: dict[int, type[TFTPError]] = {
    **dict.fromkeys((errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG), FileNotFound),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), AccessViolation),
    **dict.fromkeys((errno.EXDEV, errno.ELOOP, errno.EISDIR), AccessViolation),
    **dict.fromkeys((errno.ENXIO, errno.ENODEV, errno.ETXTBSY), AccessViolation),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), DiskFull),
    errno.EEXIST: FileExists,
}


def as_tftp_error(error: OSError, what: str) -> TFTPError:
    """What ``error``, which happened to ``what``, means to a client; the system's own words are for the log.

    What has no meaning to a client (EIO, EMFILE, ESTALE, ...) becomes a plain :class:`TFTPError`, code 0.
    """
    meaning = _MEANING.get(error.errno or 0, TFTPError)
    return meaning(f"{what}: {error.strerror or error}")


def _openat2(root: int, path: bytes, flags: int, resolve: int) -> int:
    fd: int = _syscall(_SYS_OPENAT2, root, path, _OPEN_HOW.pack(flags, 0, resolve), _OPEN_HOW.size)
    if fd >= 0:
        return fd
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def _has_openat2(root: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        os.close(_openat2(root, b".", LOOK | os.O_CLOEXEC, _BENEATH | _NO_MAGICLINKS))
    except OSError as error:
        # An old kernel, or a seccomp filter that does not know the call.
        if error.errno in (errno.ENOSYS, errno.EPERM):
            return False
        raise
    return True


@define(eq=False)
class Root:
    """A directory that is held open, and the only way to the files beneath it."""

    fd: int
    """For ``dir_fd=``; -1 once closed, so that nothing can be opened by mistake."""
    walking: bool
    """Whether names are resolved component by component, and no symlink is followed."""
    prompt: bool = field(init=False)
    """Whether its file system is local, so that the reactor thread may ask it for what is cached."""
    device: int = field(init=False)
    """The file system's number; a file of another one is of a mount beneath the root."""
    inode: int = field(init=False)
    """With :attr:`device`, what tells this directory from any other while it is open, however it is spelled."""

    def __attrs_post_init__(self) -> None:
        self.prompt = answers_at_once(self.fd)
        status = os.fstat(self.fd)
        self.device, self.inode = status.st_dev, status.st_ino

    @classmethod
    def open(cls, path: bytes | str, *, walking: bool = False) -> "Root":
        """Hold the directory ``path``; ``walking`` does without openat2 even where the kernel has it.

        :raises OSError: with the path, if it is not a directory that can be read and searched.
        """
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return cls(fd, walking or not _has_openat2(fd))
        except OSError as error:
            os.close(fd)
            raise OSError(error.errno, error.strerror, path) from None

    def close(self) -> None:
        """Let go of the directory; may be called again. No thread may be opening beneath it any more."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def open_file(self, components: Sequence[bytes], flags: int, *, cached_only: bool = False) -> int:
        """A new descriptor, close-on-exec, for what is at ``components`` (none: the root itself).

        ``components`` are as :func:`~tftpd_tw.backends.names.normalise` gives them. ``flags`` are those of
        ``os.open``; nothing can be created here. Without ``cached_only`` this may block.

        :raises BlockingIOError: with ``cached_only`` only: a disk or a network may have to be asked.
        :raises TFTPError: of the class that fits, see :func:`as_tftp_error`; for a way that leads out of the
            root that is :class:`AccessViolation`.
        """
        path = b"/".join(components) or b"."
        if b"\0" in path:
            raise AccessViolation("name holds NUL")
        flags |= os.O_CLOEXEC
        try:
            if self.walking:
                if cached_only:
                    raise BlockingIOError(errno.EAGAIN, "no openat2")
                return self._walk(components, flags)
            if cached_only:
                if not self.prompt:
                    raise BlockingIOError(errno.EAGAIN, "not a local file system")
                return _openat2(self.fd, path, flags, _BENEATH | _NO_MAGICLINKS | _CACHED | _NO_XDEV)
            return self._resolve(path, flags)
        except OSError as error:
            # EINVAL: Linux 5.6 to 5.11 has no RESOLVE_CACHED. EXDEV: another file system, which may not
            # be local, or a way out of the root; a thread finds out.
            if cached_only and error.errno in (errno.EAGAIN, errno.EINVAL, errno.EXDEV):
                raise BlockingIOError(errno.EAGAIN, "not in the cache") from None
            raise as_tftp_error(error, escaped(path)) from error

    def open_regular(self, components: Sequence[bytes], *, cached_only: bool = False) -> int:
        """A new descriptor to read the regular file at ``components``; as :meth:`open_file`.

        :raises AccessViolation: also for a directory, FIFO, socket or device, which is not even opened
            (S022).
        """
        look, _ = self.look_at_regular(components, cached_only=cached_only)
        try:
            return self.open_looked_at(look, components, cached_only=cached_only)
        finally:
            os.close(look)

    def look_at_regular(
        self, components: Sequence[bytes], *, cached_only: bool = False
    ) -> tuple[int, os.stat_result]:
        """A new descriptor that points at the regular file at ``components``, and what the file is now.

        The directories on the way may be searched; whether the file may be read is not known yet. Raises as
        :meth:`open_regular`.
        """
        look = self.open_file(components, LOOK or _READ, cached_only=cached_only)
        try:
            return look, _must_be_regular(look)
        except BaseException:
            os.close(look)
            raise

    def open_looked_at(self, look: int, components: Sequence[bytes], *, cached_only: bool = False) -> int:
        """A new descriptor to read the file of :meth:`look_at_regular`, whose ``look`` stays open.

        Without /proc it is opened by its name again, and may have become another one.
        """
        try:
            # Where there is no O_PATH, to look is to open.
            return os.open(b"/proc/self/fd/%d" % look, _READ) if LOOK else os.dup(look)
        except FileNotFoundError:
            pass  # no /proc here
        except OSError as error:
            raise as_tftp_error(error, escaped(b"/".join(components))) from error
        fd = self.open_file(components, _READ, cached_only=cached_only)
        try:
            _must_be_regular(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _resolve(self, path: bytes, flags: int) -> int:
        # A rename anywhere in the system at the wrong moment makes a name with ".." in a symlink fail with
        # EAGAIN.
        for _ in range(_ATTEMPTS - 1):
            try:
                return _openat2(self.fd, path, flags, _BENEATH | _NO_MAGICLINKS)
            except BlockingIOError:
                continue
        return _openat2(self.fd, path, flags, _BENEATH | _NO_MAGICLINKS)

    def _walk(self, components: Sequence[bytes], flags: int) -> int:
        # O_NOFOLLOW looks at one component only, so each must really be one.
        if any(part in (b"", b".", b"..") or b"/" in part for part in components):
            raise AccessViolation("not the name of a file")
        if not components:
            return os.open(b".", flags, dir_fd=self.fd)
        here = self.fd
        try:
            for part in components[:-1]:
                below = os.open(part, _STEP, dir_fd=here)
                if here != self.fd:
                    os.close(here)
                here = below
            return os.open(components[-1], flags | os.O_NOFOLLOW, dir_fd=here)
        finally:
            if here != self.fd:
                os.close(here)


def status_of(fd: int) -> os.stat_result:
    """What ``fd`` is open for. Raises as :func:`as_tftp_error` says."""
    try:
        return os.fstat(fd)
    except OSError as error:
        raise as_tftp_error(error, "fstat") from error


def _must_be_regular(fd: int) -> os.stat_result:
    status = status_of(fd)
    if not stat.S_ISREG(status.st_mode):
        raise AccessViolation("not a regular file")
    return status
