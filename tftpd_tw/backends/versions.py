"""Old versions of a file: ``f.~1~`` is the oldest, as GNU's ``cp --backup=numbered`` names them.

When an upload replaces ``f``, the old one gets the next number and those that are too many go, the lowest numbers
first. At any time there is a complete ``f``: the old file gets its second name before the new one takes the first.
A lock on the folder makes those who upload the same name take turns, threads and workers alike, so that what was
once acknowledged is in the row. A process that is killed in between leaves at most one version twice.
"""

import errno
import fcntl
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress

_VERSION = re.compile(rb"(.+)\.~([1-9][0-9]{0,8})~", re.DOTALL)
LONGEST_NAME = 255 - len(b".~999999999~")
"""Bytes of a name of which versions can be kept."""

LOCK_TRIES, LOCK_PAUSE = 40, 0.025
"""A second in all, in a thread."""

_NO_LINK = (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS)


def is_version(name: bytes) -> bool:
    """Whether ``name`` is what an old version is called."""
    return _VERSION.fullmatch(name) is not None


def replace_keeping(directory: int, target: bytes, rename: Callable[[], None], most: int) -> int:
    """Call ``rename``, which replaces ``target`` in ``directory`` (a descriptor), and keep what was there.

    :param most: how many old versions are kept; at least 1
    :returns: bytes of those that went for it
    :raises OSError: it cannot be done; also if the folder may not be read. Then nothing has changed.
    """
    fd = os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        _lock(fd)
        numbers = sorted(_numbers(fd, target))
        newest = _called(target, numbers[-1] + 1 if numbers else 1)
        kept = _keep(fd, target, newest)
        try:
            rename()
        except BaseException:
            if kept:
                # Without a hard link this is the only one: it gets its name back.
                os.rename(newest, target, src_dir_fd=fd, dst_dir_fd=fd)
                with suppress(FileNotFoundError):
                    os.unlink(newest, dir_fd=fd)
            raise
        return sum(
            _remove(fd, _called(target, number)) for number in numbers[: max(0, len(numbers) + kept - most)]
        )
    finally:
        os.close(fd)


def size_at(directory: int, name: bytes) -> int:
    """Bytes of the file ``name`` in ``directory``; 0 if there is none."""
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _remove(fd: int, version: bytes) -> int:
    """Remove one; how many bytes it had, 0 if it stays."""
    try:
        size = size_at(fd, version)
        os.unlink(version, dir_fd=fd)
    except OSError:
        return 0
    return size


def _lock(fd: int) -> None:
    """Wait for others who store a version there, but not for ever: whoever may read a folder can lock it.

    :raises BlockingIOError: it stays locked
    """
    for _ in range(LOCK_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(LOCK_PAUSE)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _keep(fd: int, target: bytes, version: bytes) -> bool:
    """Give what is at ``target`` a second name; False if there is nothing."""
    try:
        os.link(target, version, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        # A file system without hard links: for a moment there is no file of that name.
        os.rename(target, version, src_dir_fd=fd, dst_dir_fd=fd)
    return True


def _numbers(fd: int, target: bytes) -> list[int]:
    matches = (_VERSION.fullmatch(os.fsencode(name)) for name in os.listdir(fd))
    return [int(match[2]) for match in matches if match and match[1] == target]


def _called(target: bytes, number: int) -> bytes:
    return b"%b.~%d~" % (target, number)
