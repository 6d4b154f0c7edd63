"""Reading ahead: one wait for the disk serves many windows, and costs neither memory nor the file's end."""

import errno
import os

import pytest
from backend_kit import Threads, read_request, result_of
from lacking import lacking
from twisted.internet.task import Clock

from tftpd_tw.backends import reading
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.reading import PIECE, READ_AHEAD, FileReader
from tftpd_tw.backends.shared_files import SharedFiles
from tftpd_tw.protocol.errors import TFTPError

PAGE = 4096
SIZE = 3 * (1 << 20) + 1000
WINDOW = 23 * 1428
CONTENT = os.urandom(SIZE)


class PageCache:
    """Stands in for the kernel's, of one file. It knows what has been read, and reads nothing ahead by itself."""

    def __init__(self, monkeypatch):
        self.pages = set()
        self.largest = 0
        self.failing_from = SIZE
        self._real = os.preadv
        monkeypatch.setattr(os, "preadv", self.preadv)
        monkeypatch.setattr(os, "pread", self.pread)

    def preadv(self, fd, buffers, offset, flags=0):
        """What is there, with NOWAIT; else from the disk."""
        [buffer] = buffers
        length = min(len(buffer), SIZE - offset)
        if flags:
            length = self._cached(offset, length)
            if not length:
                raise BlockingIOError(errno.EAGAIN, "not there")
            return self._real(fd, (memoryview(buffer)[:length],), offset)
        self.largest = max(self.largest, len(buffer))
        return self._real(fd, buffers, offset) if self._fetch(offset, length) else 0

    def pread(self, fd, length, offset):
        """From the disk."""
        buffer = bytearray(min(length, SIZE - offset))
        self._fetch(offset, len(buffer))
        self._real(fd, (buffer,), offset)
        return bytes(buffer)

    def _cached(self, offset, length):
        end = offset
        while end < offset + length and end // PAGE in self.pages:
            end = (end // PAGE + 1) * PAGE
        return min(end - offset, length)

    def _fetch(self, offset, length):
        if offset + length > self.failing_from:
            raise OSError(errno.EIO, "broken")
        self.pages.update(range(offset // PAGE, (offset + length + PAGE - 1) // PAGE))
        return length


@pytest.fixture
def cache(monkeypatch):
    """A cold one."""
    return PageCache(monkeypatch)


@pytest.fixture
def path(tmp_path):
    """A file with CONTENT."""
    (tmp_path / "file").write_bytes(CONTENT)
    return tmp_path / "file"


def transfer(reader, threads, length=WINDOW):
    """Read it window by window, each as soon as the one before has come; how many a thread had to read."""
    content, jobs = b"", 0
    while True:
        waiting = reader.read(len(content), length)
        jobs += len(threads.jobs)
        threads.run()
        window = bytes(result_of(waiting))
        assert len(window) <= length
        if not window:
            break
        content += window
    assert content == CONTENT
    return jobs


def alone(path, threads, read_ahead):
    """A reader by itself."""
    return FileReader(os.open(path, os.O_RDONLY), threads, read_ahead=read_ahead)


def opened_by(backend, threads):
    """What the backend gives for the file; it is found without a thread, or by one."""
    waiting = backend.open_read(read_request(b"file"))
    threads.run()
    return result_of(waiting)


def not_shared(path, threads, read_ahead):
    """One of a directory."""
    backend = DirectoryBackend(path.parent, run_blocking=threads, read_ahead=read_ahead)
    reader = opened_by(backend, threads)
    backend.close()
    return reader


def shared(path, threads, read_ahead):
    """One that shares its descriptor."""
    files = SharedFiles(threads, Clock(), read_ahead=read_ahead)
    backend = DirectoryBackend(path.parent, run_blocking=threads, files=files)
    reader = opened_by(backend, threads)
    backend.close()
    return reader


@pytest.mark.parametrize("make", [alone, not_shared, shared])
@pytest.mark.parametrize("read_ahead", [0, 64 << 10, READ_AHEAD, 1 << 20, 1 << 30])
def test_a_thread_reads_for_many_windows(path, threads, cache, make, read_ahead):
    """A cold file takes a thread once for each ``read_ahead`` bytes, not for each window (S023)."""
    reader = make(path, threads, read_ahead)
    jobs = transfer(reader, threads)
    reader.close()
    # Each read by a thread begins where the cached pages end.
    least = -(-SIZE // max(read_ahead, WINDOW + PAGE))
    assert least <= jobs <= -(-SIZE // max(read_ahead, WINDOW))
    assert len(cache.pages) == -(-SIZE // PAGE)


def test_what_is_read_ahead_is_not_kept(path, threads, cache):
    """However much it is, the thread needs little memory for it, and the transfer gets what it asked for."""
    reader = alone(path, threads, 1 << 30)
    waiting = reader.read(0, WINDOW)
    threads.run()
    assert result_of(waiting) == CONTENT[:WINDOW]
    assert len(cache.pages) == -(-SIZE // PAGE)
    assert cache.largest == PIECE
    reader.close()


def test_nothing_is_read_beyond_the_end(path, threads, cache, monkeypatch):
    """A file that grows is still read as it was, and one that shrinks does not keep a thread busy (F18, F20)."""
    asked = []
    real = reading._pread
    monkeypatch.setattr(reading, "_pread", lambda *arguments: (asked.append(arguments), real(*arguments))[1])
    reader = alone(path, threads, 1 << 30)
    reader.read(SIZE - 2000, WINDOW)
    threads.run()
    assert asked[0][1:] == (2000, SIZE - 2000, SIZE)
    os.truncate(path, PAGE)
    cache.pages.clear()
    reader.read(0, 1000)
    threads.run()
    reader.close()


def test_a_broken_sector_ahead_fails_when_it_is_reached(path, threads, cache):
    """F16: what could not be read ahead is an error for the read that wants it, and for none before."""
    cache.failing_from = 1 << 20
    reader = alone(path, threads, 1 << 30)
    with pytest.raises(TFTPError, match="broken"):
        transfer(reader, threads)
    # All that comes before it has been read.
    assert len(cache.pages) >= ((1 << 20) - WINDOW) // PAGE
    reader.close()


def test_no_reading_ahead_where_a_thread_reads_anyway(path, threads, cache):
    """A file system that does not say what is cached gains nothing by it."""
    reader = FileReader(os.open(path, os.O_RDONLY), threads, flags=None, read_ahead=1 << 30)
    waiting = reader.read(0, WINDOW)
    threads.run()
    assert result_of(waiting) == CONTENT[:WINDOW]
    assert len(cache.pages) == -(-WINDOW // PAGE)
    reader.close()


def thread_reads_of_a_cold_file(path, read_ahead):
    """On the file system that is here, whose own reading ahead is switched off for the descriptor."""
    threads = Threads()
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    reader = FileReader(fd, threads, read_ahead=read_ahead)
    # Windows of whole pages: the kernel fetches what it has only a part of, before anybody waits for it.
    jobs = transfer(reader, threads, 8 * PAGE)
    reader.close()
    return jobs


def test_a_real_disk(path):
    """The same with the kernel's own page cache."""
    if not hasattr(os, "posix_fadvise"):
        lacking("no way to make a file cold")
    windows = -(-SIZE // (8 * PAGE))
    if thread_reads_of_a_cold_file(path, 0) < windows // 2:
        pytest.skip("what is in the temporary directory stays in memory")
    for read_ahead in (READ_AHEAD, 1 << 20):
        assert 1 <= thread_reads_of_a_cold_file(path, read_ahead) <= -(-SIZE // read_ahead)
