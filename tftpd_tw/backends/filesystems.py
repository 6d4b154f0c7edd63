"""What is known of a file system by its kind: whether it may keep us waiting.

Kernels answer for a local disk's file from their caches, or say that they would have to ask the disk
(``RESOLVE_CACHED``, ``RWF_NOWAIT``). A network or user-space file system (NFS, FUSE) may ask somebody else even
to open, stat or close a file whose name is cached, and that somebody may be dead.
"""

import ctypes

_MEMORY = frozenset({0x01021994, 0x858458F6})  # tmpfs, ramfs

_LOCAL = _MEMORY | {
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # XFS
    0x9123683E,  # Btrfs
    0xCA451A4E,  # bcachefs
    0xF2F52010,  # F2FS
    0x2FC12FC1,  # ZFS
    0x794C7630,  # overlayfs: containers
    0x73717368,  # SquashFS
    0xE0F5E1E2,  # EROFS
    0x9660,  # ISO 9660
    0x4D44,  # FAT
}


class _StatFS(ctypes.Structure):
    # The kind of file system comes first on all of Linux; the rest is room for whatever else is written.
    _fields_ = [("kind", ctypes.c_ulong), ("rest", ctypes.c_char * 512)]


_fstatfs = getattr(ctypes.CDLL(None), "fstatfs", None)


def _kind(fd: int) -> int:
    answer = _StatFS()
    if _fstatfs is None or _fstatfs(fd, ctypes.byref(answer)) != 0:
        return 0
    return int(answer.kind)


def lives_in_memory(fd: int) -> bool:
    """Whether the file system of ``fd`` is tmpfs or ramfs, and nothing there ever waits."""
    return _kind(fd) in _MEMORY


def answers_at_once(fd: int) -> bool:
    """Whether the file system of ``fd`` is local: it may be asked in the reactor thread for what is cached."""
    return _kind(fd) in _LOCAL
