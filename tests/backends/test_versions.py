"""Old versions: which are kept, under which names, and what happens in between."""

import errno
import os
import threading

import pytest
from backend_kit import at_once, result_of, store, tree, write_request

from tftpd_tw.backends import versions
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.storing import Storing
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.backends.versions import LONGEST_NAME, is_version
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound, TFTPError


@pytest.fixture
def here(tmp_path):
    """An empty directory."""
    here = tmp_path / "here"
    here.mkdir()
    return here


@pytest.fixture
def backend(here):
    """It keeps three old versions."""
    backend = DirectoryBackend(
        here, run_blocking=at_once, uploads=UploadPolicy.VERSIONS, storing=Storing(versions=3)
    )
    yield backend
    backend.close()


def raising(number):
    """Fails like the system call."""

    def fail(*_args, **_keywords):
        raise OSError(number, os.strerror(number))

    return fail


def test_the_last_ones_are_kept(backend, here):
    """The newest has the highest number; those that are too many are gone, and other files are not touched."""
    store(backend, b"other", b"x")
    for number in range(6):
        store(backend, b"f", b"%d" % number)
    assert tree(here) == {"f": b"5", "f.~3~": b"2", "f.~4~": b"3", "f.~5~": b"4", "other": b"x"}


def test_a_number_is_not_used_again(backend, here):
    """A version keeps its name, whatever is removed by hand."""
    for number in range(3):
        store(backend, b"f", b"%d" % number)
    (here / "f.~1~").unlink()
    store(backend, b"f", b"3")
    assert tree(here) == {"f": b"3", "f.~2~": b"1", "f.~3~": b"2"}


def test_names_that_only_look_alike(backend, here):
    """Versions are of exactly this name."""
    for name in ("f.~0~", "f.~01~", "f.~1~x", "xf.~7~", "f.~x~", "f.~1~.~2~"):
        (here / name).write_bytes(b"")
    store(backend, b"f", b"0")
    store(backend, b"f", b"1")
    assert (here / "f.~1~").read_bytes() == b"0"
    assert len(tree(here)) == 8


def test_a_lower_number_to_keep(backend, here):
    """What an earlier setting kept goes with the next upload."""
    for number in range(9):
        (here / f"f.~{number + 1}~").write_bytes(b"old")
    store(backend, b"f", b"first")
    store(backend, b"f", b"second")
    assert set(tree(here)) == {"f", "f.~8~", "f.~9~", "f.~10~"}


@pytest.mark.parametrize("name", [b"f.~1~", b"a/b.~12345~"])
def test_history_is_not_rewritten(backend, name):
    """The name of an old version cannot be uploaded."""
    with pytest.raises(AccessViolation, match="old version"):
        backend.open_write(write_request(name))
    assert is_version(name)


def test_a_name_that_leaves_no_room_for_a_number(backend):
    """It is refused before any data."""
    store(backend, b"n" * LONGEST_NAME, b"0")
    store(backend, b"n" * LONGEST_NAME, b"1")
    with pytest.raises(FileNotFound, match="too long to keep versions"):
        backend.open_write(write_request(b"n" * (LONGEST_NAME + 1)))


def test_there_is_a_file_at_any_time(backend, here, monkeypatch):
    """C111: before and after each step somebody who reads gets the old or the new one, complete."""
    seen = []

    def watching(function):
        def watched(*arguments, **keywords):
            seen.append((here / "f").read_bytes())
            result = function(*arguments, **keywords)
            seen.append((here / "f").read_bytes())
            return result

        return watched

    store(backend, b"f", b"old")
    for name in ("link", "rename", "unlink"):
        monkeypatch.setattr(os, name, watching(getattr(os, name)))
    store(backend, b"f", b"new")
    assert seen[0] == b"old"
    assert seen[-1] == b"new"
    assert set(seen) == {b"old", b"new"}


def test_without_hard_links(backend, here, monkeypatch):
    """FAT has none: the old one is renamed."""
    store(backend, b"f", b"old")
    real = os.link
    monkeypatch.setattr(
        versions.os, "link", lambda *a, **k: raising(errno.EPERM)() if a[0] == b"f" else real(*a, **k)
    )
    store(backend, b"f", b"new")
    assert tree(here) == {"f": b"new", "f.~1~": b"old"}


@pytest.mark.parametrize("links", [True, False])
def test_a_replacement_that_fails(backend, here, monkeypatch, links):
    """F16: the old file is there as before, and no version of it."""
    store(backend, b"f", b"old")
    rename, link = os.rename, os.link

    def failing(source, target, **keywords):
        if source.startswith(b".tftpd-tw"):
            raise OSError(errno.EIO, "no")
        rename(source, target, **keywords)

    monkeypatch.setattr(os, "rename", failing)
    if not links:
        monkeypatch.setattr(os, "link", lambda *a, **k: raising(errno.EPERM)() if a[0] == b"f" else link(*a, **k))
    with pytest.raises(TFTPError):
        store(backend, b"f", b"new")
    assert tree(here) == {"f": b"old"}


def test_who_uploads_the_same_name_takes_turns(here):
    """S027: of many at once each is there in the end, as the file or as one of its versions."""
    backend = DirectoryBackend(
        here, run_blocking=at_once, uploads=UploadPolicy.VERSIONS, storing=Storing(versions=100, durable=False)
    )
    writers = [result_of(backend.open_write(write_request(b"f"))) for _ in range(20)]
    for number, writer in enumerate(writers):
        result_of(writer.write(b"%d" % number))
    threads = [threading.Thread(target=writer._staged.publish, args=(writer._held,)) for writer in writers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    backend.close()
    assert sorted(tree(here).values()) == sorted(b"%d" % number for number in range(20))
