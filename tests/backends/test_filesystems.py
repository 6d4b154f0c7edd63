"""File systems that may keep one waiting are left to threads, even to open and to close (S036)."""

import os
import threading

import pytest
from backend_kit import read_request
from twisted.internet.defer import Deferred, succeed

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.filesystems import answers_at_once, lives_in_memory

CALLS = ("open", "fstat", "preadv", "pread", "close")


def in_thread(function, *arguments):
    """The Deferred of what a thread that has ended by now has found."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    thread.join(10)
    return succeed(results[0])


@pytest.fixture
def backend(tmp_path):
    """A folder with one file."""
    (tmp_path / "f").write_bytes(b"content")
    backend = DirectoryBackend(tmp_path, run_blocking=in_thread)
    yield backend
    backend.close()


@pytest.fixture
def called_here(monkeypatch):
    """The names of the system calls that this thread makes, as it makes them."""
    here, names = threading.get_ident(), []

    def noted(name):
        real = getattr(os, name)

        def call(*arguments, **keywords):
            if threading.get_ident() == here:
                names.append(name)
            return real(*arguments, **keywords)

        return call

    for name in CALLS:
        monkeypatch.setattr(os, name, noted(name))
    return names


def test_nothing_is_asked_in_the_reactor_thread(backend, called_here):
    """Where the root is on NFS or FUSE, a thread opens, reads and closes (S036)."""
    backend.held.root.prompt = False
    called_here.clear()
    opened = backend.open_read(read_request(b"f"))
    assert isinstance(opened, Deferred)
    assert opened.result.read(0, 100).result == b"content"
    opened.result.close()
    assert called_here == []


def test_a_mount_beneath_the_root_is_read_by_threads(backend, called_here):
    """A file of another file system than the root's is read and closed by threads, whatever that is (S036)."""
    backend.held.root.device = -1
    reader = backend.open_read(read_request(b"f"))
    called_here.clear()
    assert reader.read(0, 100).result == b"content"
    reader.close()
    assert called_here == []


def test_a_local_file_is_read_at_once(backend, called_here):
    """And where nothing can wait, no thread is asked."""
    reader = backend.open_read(read_request(b"f"))
    assert bytes(reader.read(0, 100)) == b"content"
    reader.close()
    assert called_here.count("preadv") == 1


def test_kinds_of_file_systems(tmp_path):
    """What the tests run on is local, /dev/shm is memory, and /proc is neither for sure."""
    kinds = {}
    for path in (tmp_path, "/dev/shm", "/proc"):
        fd = os.open(path, os.O_RDONLY)
        kinds[path] = (answers_at_once(fd), lives_in_memory(fd))
        os.close(fd)
    assert kinds[tmp_path][0]
    assert kinds["/dev/shm"] == (True, True)
    assert kinds["/proc"] == (False, False)
