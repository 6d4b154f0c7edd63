"""Reading a file: from the cache at once, else through a thread, and never more than there was."""

import errno
import os

import pytest
from backend_kit import Threads, failure_of, not_yet, read_all, result_of
from lacking import lacking
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from tftpd_tw.backends import reading
from tftpd_tw.backends.reading import FileReader, lives_in_memory
from tftpd_tw.interfaces import IReader
from tftpd_tw.protocol.errors import TFTPError

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def path(tmp_path):
    """A file with CONTENT."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def reader(path, threads):
    """A reader of it."""
    reader = FileReader(os.open(path, os.O_RDONLY), threads)
    yield reader
    reader.close()


def preadv_that(monkeypatch, answer):
    """Let every preadv with NOWAIT do ``answer(fd, buffers, offset, flags)``; the others are real."""
    real = os.preadv
    calls = []

    def preadv(fd, buffers, offset, flags=0):
        calls.append(flags)
        return answer(fd, buffers, offset, flags) if flags else real(fd, buffers, offset, flags)

    monkeypatch.setattr(os, "preadv", preadv)
    return calls


def raising(number):
    """Fails like the system call."""

    def fail(*_args):
        raise OSError(number, os.strerror(number))

    return fail


def test_is_a_reader(reader):
    """It provides what the interface asks for."""
    assert verifyObject(IReader, reader)


def test_size_is_the_descriptors(reader, tmp_path, threads):
    """C066: the size is that of the opened file, also beyond 32 bits."""
    assert reader.size == len(CONTENT)
    with open(tmp_path / "sparse", "wb") as sparse:
        sparse.truncate(5 << 30)
    big = FileReader(os.open(tmp_path / "sparse", os.O_RDONLY), threads)
    assert big.size == 5368709120
    big.close()


def test_cached_bytes_come_at_once(reader, threads):
    """What was just written is in the cache, and is read without a thread."""
    if lives_in_memory(reader._fd):
        pytest.skip("the temporary directory is in memory: see test_memory_is_read_in_place")
    assert reader.read(0, 512) == CONTENT[:512]
    assert reader.read(512, 1428) == CONTENT[512:1940]
    assert threads.jobs == []


def test_ends_at_the_end(reader):
    """The last bytes come short, and after them nothing."""
    assert read_all(reader, 1000) == CONTENT
    assert reader.read(len(CONTENT), 512) == b""
    assert reader.read(len(CONTENT) + 1, 512) == b""


def test_bytes_given_out_are_not_used_again(reader):
    """Each read has memory of its own, since a window may still be waiting to be sent again."""
    first = reader.read(0, 512)
    reader.read(512, 512)
    assert first == CONTENT[:512]


def test_waiting_is_left_to_a_thread(reader, threads, monkeypatch):
    """S023: what is not in the cache is read by a thread, and the reactor does not wait for it."""
    preadv_that(monkeypatch, raising(errno.EAGAIN))
    waiting = reader.read(512, 512)
    not_yet(waiting)
    threads.run()
    assert result_of(waiting) == CONTENT[512:1024]


def test_the_cache_is_tried_again_after_a_thread(reader, threads, monkeypatch):
    """One miss does not send all reads that follow through threads."""
    with monkeypatch.context() as patched:
        preadv_that(patched, raising(errno.EAGAIN))
        reader.read(0, 512)
        threads.run()
    assert reader.read(512, 512) == CONTENT[512:1024]


def test_short_read_is_returned_as_it_is(reader, threads, monkeypatch):
    """Some of the bytes in the cache are better than a thread for all of them."""

    def some(_fd, buffers, _offset, _flags):
        buffers[0][:100] = b"s" * 100
        return 100

    preadv_that(monkeypatch, some)
    assert reader.read(0, 512) == b"s" * 100
    assert threads.jobs == []


def test_nothing_before_the_end_is_not_believed(reader, threads, monkeypatch):
    """Linux 5.9 said 0 bytes for EAGAIN; a thread finds out, so a good file is never taken for truncated."""
    preadv_that(monkeypatch, lambda *_: 0)
    waiting = reader.read(0, 512)
    threads.run()
    assert result_of(waiting) == CONTENT[:512]


def test_file_systems_without_nowait_use_a_thread(reader, threads, monkeypatch):
    """A disk that cannot say EAGAIN is always read by a thread, and asked only once."""
    monkeypatch.setattr(reading, "lives_in_memory", lambda _fd: False)
    calls = preadv_that(monkeypatch, raising(errno.EOPNOTSUPP))
    for offset in (0, 512):
        waiting = reader.read(offset, 512)
        not_yet(waiting)
        threads.run()
        assert result_of(waiting) == CONTENT[offset : offset + 512]
    assert calls == [os.RWF_NOWAIT]


def test_memory_without_nowait_is_read_in_place(reader, threads, monkeypatch):
    """A file system in memory that does not know NOWAIT is read in the reactor thread, and asked only once."""
    monkeypatch.setattr(reading, "lives_in_memory", lambda _fd: True)
    calls = preadv_that(monkeypatch, raising(errno.EOPNOTSUPP))
    assert read_all(reader, 5120) == CONTENT
    assert threads.jobs == []
    assert calls == [os.RWF_NOWAIT, 0, 0]


def test_memory_is_read_in_place():
    """On a real tmpfs no thread is needed."""
    try:
        path = os.open("/dev/shm", os.O_TMPFILE | os.O_RDWR)
    except OSError:
        lacking("there is no /dev/shm")
    os.write(path, CONTENT)
    assert lives_in_memory(path)
    threads = Threads()
    reader = FileReader(path, threads)
    assert read_all(reader) == CONTENT
    assert threads.jobs == []
    reader.close()


def test_platform_without_nowait_uses_a_thread(path, threads, monkeypatch):
    """Where preadv2 has no such flag, nothing is read in the reactor thread."""
    monkeypatch.setattr(os, "preadv", raising(errno.ENOSYS))
    reader = FileReader(os.open(path, os.O_RDONLY), threads)
    reader._flags = None
    waiting = reader.read(0, 512)
    not_yet(waiting)
    threads.run()
    assert result_of(waiting) == CONTENT[:512]
    reader.close()


def test_errors_of_the_disk_are_ours(reader, threads, monkeypatch):
    """F16: EIO is an error 0, wherever it happens."""
    with monkeypatch.context() as patched:
        preadv_that(patched, raising(errno.EIO))
        with pytest.raises(TFTPError, match="error"):
            reader.read(0, 512)
    with monkeypatch.context() as patched:
        preadv_that(patched, raising(errno.EAGAIN))
        patched.setattr(os, "pread", raising(errno.EIO))
        waiting = reader.read(0, 512)
        threads.run()
        assert type(failure_of(waiting).value) is TFTPError


def test_truncated_file_ends_early(reader, path, threads):
    """F18: a file that was cut ends there, so the engine sees that bytes are missing; none are made up."""
    assert reader.read(0, 5120) == CONTENT[:5120]
    os.truncate(path, 6000)
    assert reader.read(5120, 512) == CONTENT[5120:5632]
    assert reader.read(5632, 512) == CONTENT[5632:6000]
    waiting = reader.read(6000, 512)
    assert isinstance(waiting, Deferred)
    threads.run()
    assert result_of(waiting) == b""
    assert reader.size == len(CONTENT)


def test_replaced_file_goes_on_being_the_old_one(reader, path, tmp_path):
    """F19: a file that is renamed over the open one changes nothing."""
    assert reader.read(0, 512) == CONTENT[:512]
    (tmp_path / "new").write_bytes(b"n" * len(CONTENT))
    os.rename(tmp_path / "new", path)
    assert read_all(reader) == CONTENT


def test_appended_bytes_are_not_sent(reader, path):
    """F20: a file that grows ends at the size that it had."""
    with open(path, "ab") as file:
        file.write(b"more" * 1000)
    assert read_all(reader, 4096) == CONTENT


@pytest.mark.parametrize("cancelled", [False, True], ids=["ignored", "cancelled"])
def test_close_waits_for_the_thread(path, threads, monkeypatch, cancelled):
    """While a thread reads, neither close nor cancel lets the descriptor's number go to another file."""
    preadv_that(monkeypatch, raising(errno.EAGAIN))
    fd = os.open(path, os.O_RDONLY)
    reader = FileReader(fd, threads)
    waiting = reader.read(0, 512)
    if cancelled:
        waiting.cancel()
        failure_of(waiting)
    reader.close()
    assert os.fstat(fd).st_size == len(CONTENT)
    threads.run()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_close_is_at_once_when_nothing_reads(path, threads, monkeypatch):
    """After the thread has ended, and before any, the file is closed by close; a second close does no harm."""
    preadv_that(monkeypatch, raising(errno.EAGAIN))
    fd = os.open(path, os.O_RDONLY)
    reader = FileReader(fd, threads)
    reader.read(0, 512)
    threads.run()
    reader.close()
    reader.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_bad_descriptor_is_an_error_of_ours(threads):
    """A reader of nothing cannot be made."""
    fd = os.open("/", os.O_RDONLY)
    os.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        FileReader(fd, threads)
