"""Permissions, owner, durability and the reserve of uploads."""

import errno
import os
import stat

import pytest
from backend_kit import at_once, failure_of, store, tree, write_request
from lacking import lacking

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.storing import Storing
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.protocol.errors import DiskFull, TFTPError


@pytest.fixture
def open_backend(tmp_path):
    """Makes backends of an empty directory."""
    opened = []

    def open_backend(where=tmp_path, max_upload=None, **storing):
        backend = DirectoryBackend(
            where,
            run_blocking=at_once,
            uploads=UploadPolicy.OVERWRITE,
            max_upload=max_upload,
            storing=Storing(**storing),
        )
        opened.append(backend)
        return backend

    yield open_backend
    for backend in opened:
        backend.close()


@pytest.fixture
def _strict_umask():
    """One that leaves nothing to others."""
    old = os.umask(0o077)
    yield
    os.umask(old)


@pytest.mark.usefixtures("_strict_umask")
def test_mode(open_backend, tmp_path):
    """S025: as it is set, whatever the umask, and never with more than reading and writing."""
    store(open_backend(mode=0o4775), b"f", b"x")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o664
    store(open_backend(), b"g", b"x")
    assert stat.S_IMODE((tmp_path / "g").stat().st_mode) == 0o600


def test_mode_of_a_file_that_is_replaced(open_backend, tmp_path):
    """S025: it keeps its own."""
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o606)
    store(open_backend(mode=0o664), b"f", b"new")
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o606


def test_owner(open_backend, tmp_path):
    """The user, the group, or both."""
    if os.geteuid() != 0:
        lacking("only root may give files away")
    store(open_backend(owner=12345), b"f", b"x")
    store(open_backend(group=23456), b"g", b"x")
    found = [((tmp_path / name).stat().st_uid, (tmp_path / name).stat().st_gid) for name in "fg"]
    assert found == [(12345, os.getegid()), (os.geteuid(), 23456)]


@pytest.mark.parametrize("durable", [True, False])
def test_durable(open_backend, tmp_path, monkeypatch, durable):
    """C113, F14: content and directory are synced, or nothing is."""
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    store(open_backend(durable=durable), b"f", b"x")
    assert len(synced) == (2 if durable else 0)
    assert tree(tmp_path) == {"f": b"x"}


def test_reserve(tiny_disk, open_backend):
    """S028: uploads leave so much of the disk free, announced or not; and a limit of their own still counts."""
    backend = open_backend(tiny_disk, reserve=48 * 1024)
    store(backend, b"f", bytes(8192), size=8192)
    with pytest.raises(DiskFull, match=r"20000 bytes announced, room for 8192"):
        store(backend, b"g", b"", size=20_000)
    with pytest.raises(DiskFull):
        store(backend, b"g", bytes(20_000))
    store(backend, b"h", bytes(8192))
    assert type(failure_of(backend.open_write(write_request(b"i"))).value) is DiskFull
    assert set(tree(tiny_disk)) == {"f", "h"}
    with pytest.raises(DiskFull, match="more than 100 bytes"):
        store(open_backend(tiny_disk, max_upload=100, reserve=1), b"j", bytes(101))


def test_a_disk_that_does_not_say(open_backend, monkeypatch, tmp_path):
    """A disk that fails is an error like any other, and nothing is left."""

    def fstatvfs(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fstatvfs", fstatvfs)
    error = failure_of(open_backend(reserve=1).open_write(write_request(b"f"))).value
    assert (type(error), str(error)) == (TFTPError, f"fstatvfs: {os.strerror(errno.EIO)}")
    assert tree(tmp_path) == {}
