"""What a client command writes to and reads from."""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from tftpd_tw.backends.reading import FileReader
from tftpd_tw.cli import local_files
from tftpd_tw.cli.exit_statuses import LOCAL, CommandError
from tftpd_tw.cli.local_files import StreamReader, Target, local_error, open_source, open_target
from tftpd_tw.interfaces import Direction
from tftpd_tw.protocol.errors import BackendStalled, Cancelled, DiskFull, SourceTruncated, TFTPError


def result_of(deferred: "Deferred[Any]") -> Any:
    """What it has fired with; a failure is raised."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    [result] = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


def target(file: Path | str) -> Target:
    """One whose threads are none."""
    return open_target(str(file), maybeDeferred)


def source(file: Path | str) -> Any:
    """The same of a source."""
    return open_source(str(file), maybeDeferred)


def store(where: Target, *pieces: bytes) -> None:
    """As a transfer does, and its command."""
    for piece in pieces:
        assert where.write(piece) is None
    where.finish()
    result_of(where.stored)
    result_of(where.discard())


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """For a moment."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def test_a_new_file(tmp_path: Path) -> None:
    """It appears whole, with the permissions that every new file has."""
    with umask(0o027):
        new = target(tmp_path / "new")
        assert new.write(b"one") is None
        assert os.listdir(tmp_path) == []
        store(new, b"two")
        assert os.umask(0o027) == 0o027
    assert (tmp_path / "new").read_bytes() == b"onetwo"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["new"]


@pytest.mark.parametrize("unnamed", [True, False])
def test_what_failed_leaves_nothing(unnamed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where a file can be without a name, nor where it has a temporary one; and the old one stays."""
    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE")
    (tmp_path / "file").write_bytes(b"old")
    new = target(tmp_path / "file")
    assert len(os.listdir(tmp_path)) == (1 if unnamed else 2)
    new.write(b"new")
    new.cancel()
    result_of(new.discard())
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_second_try(tmp_path: Path) -> None:
    """A transfer that no address answered has not used it up."""
    new = target(tmp_path / "file")
    new.cancel()
    store(new, b"content")
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_file_that_is_replaced(tmp_path: Path) -> None:
    """It keeps its permissions; a symlink goes on to lead to it."""
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "file").chmod(0o604)
    (tmp_path / "link").symlink_to("file")
    store(target(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o604


def test_a_symlink_to_what_is_not_there(tmp_path: Path) -> None:
    """What it names is made."""
    (tmp_path / "link").symlink_to("file")
    store(target(tmp_path / "link"), b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_device() -> None:
    """It gets the bytes and stays what it is."""
    store(target("/dev/null"), b"content")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe(tmp_path: Path) -> None:
    """Whoever reads it gets the bytes as they come, and after a failure those that have come."""
    os.mkfifo(tmp_path / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    pipe = target(tmp_path / "pipe")
    big = bytes(local_files.HELD // 1024)
    assert pipe.write(big) is None
    result_of(pipe.discard())
    os.close(pipe._destination._fd)  # type: ignore[union-attr]
    reader.join()
    assert got == [big]


def test_a_pipe_that_nobody_empties_does_not_stop_a_transfer() -> None:
    """What comes is kept, up to a limit; the end is not waited for."""
    jobs: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def later(function: Callable[..., Any], *arguments: Any) -> "Deferred[Any]":
        jobs.append((function, arguments))
        return Deferred()

    piece = bytes(1 << 20)
    pipe = open_target("/dev/null", later)
    for _ in range((local_files.HELD >> 20) - 1):
        assert pipe.write(piece) is None
    assert pipe.write(piece) is None
    assert isinstance(pipe.write(piece), Deferred)
    assert len(jobs) == 1
    pipe = open_target("/dev/null", later)
    pipe.write(piece)
    assert pipe.finish() is None  # type: ignore[func-returns-value]
    assert not pipe.stored.called
    result_of(pipe.discard())


def test_a_pipe_whose_reader_has_gone(tmp_path: Path) -> None:
    """That is why the transfer ends, and nobody need be told."""
    end, pipe = os.pipe()
    os.close(end)
    closed = open_target(f"/dev/fd/{pipe}", maybeDeferred)
    closed.write(bytes(100_000))
    with pytest.raises(Cancelled) as caught:
        closed.write(b"")
    os.close(pipe)
    assert isinstance(caught.value.__cause__, BrokenPipeError)
    told = local_error(caught.value, Direction.READ, "-")
    assert (told.exit_status, str(told)) == (LOCAL, "")


def test_pipes_that_do_not_wait() -> None:
    """Whoever shares one may have set it so; then we wait for it."""
    end, pipe = os.pipe()
    for fd in (end, pipe):
        os.set_blocking(fd, False)
    content = bytes(range(256)) * 4000  # more than it holds
    got: list[bytes] = []
    reader = StreamReader(end, maybeDeferred)

    def read() -> None:
        while piece := result_of(reader.read(0, 1 << 16)):  # type: ignore[arg-type]
            got.append(piece)

    thread = threading.Thread(target=read)
    thread.start()
    written = open_target(f"/dev/fd/{pipe}", maybeDeferred)
    store(written, content)
    os.close(written._destination._fd)  # type: ignore[union-attr]
    os.close(pipe)
    thread.join()
    os.close(end)
    assert b"".join(got) == content


def test_a_full_disk() -> None:
    """The error that fails the transfer has the system's reason."""
    full = target("/dev/full")
    full.write(bytes(100_000))
    full.finish()
    with pytest.raises(DiskFull) as caught:
        result_of(full.stored)
    told = local_error(caught.value, Direction.READ, "/dev/full")
    assert str(told) == "cannot write '/dev/full': No space left on device"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none/file", "No such file or directory"),
        ("none/", "No such file or directory"),
        ("file/file", "Not a directory"),
        ("folder", "Is a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("x" * 256, "File name too long"),
    ],
)
def test_what_cannot_be_written(name: str, why: str, tmp_path: Path) -> None:
    """Status 4, and the system's words."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(os.listdir(tmp_path))
    file = f"{tmp_path}/{name}"
    with pytest.raises(CommandError) as caught:
        target(file)
    assert (caught.value.exit_status, str(caught.value)) == (LOCAL, f"cannot write {file!r}: {why}")
    assert sorted(os.listdir(tmp_path)) == before


def test_a_file_that_is_not_to_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not replaced either, though its folder would allow that."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(CommandError, match="Permission denied"):
        target(tmp_path / "file")


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The descriptor of the folder is closed again."""
    opened: list[int] = []

    def refused(directory: int, *_: Any, **__: Any) -> Any:
        opened.append(directory)
        raise TFTPError from PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(local_files.Staged, "open", refused)
    with pytest.raises(CommandError, match=r"file': Permission denied$"):
        target(tmp_path / "file")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])


def test_a_file_to_read(tmp_path: Path) -> None:
    """Its size is known; a transfer that has ended without an answer does not close it."""
    (tmp_path / "file").write_bytes(b"content")
    file = source(tmp_path / "file")
    assert isinstance(file, FileReader)
    assert file.size == 7
    file.close()
    assert bytes(file.read(0, 100)) == b"content"  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "why"), [("none", "No such file or directory"), ("", "Is a directory")])
def test_what_cannot_be_read(name: str, why: str, tmp_path: Path) -> None:
    """Status 4, and the system's words."""
    with pytest.raises(CommandError) as caught:
        source(f"{tmp_path}/{name}")
    assert caught.value.exit_status == LOCAL
    assert str(caught.value) == f"cannot read '{tmp_path}/{name}': {why}"


def piped(content: bytes) -> int:
    """A descriptor that gives it."""
    end, pipe = os.pipe()
    os.write(pipe, content)
    os.close(pipe)
    return end


@pytest.mark.parametrize("waits", [True, False])
def test_a_pipe_to_read(waits: bool) -> None:
    """In pieces as large as they are wanted, to its end, and not beyond; nobody knows its size."""
    pipe = source(f"/dev/fd/{piped(b'0123456789')}")
    assert isinstance(pipe, StreamReader)
    assert pipe.size is None
    if waits:
        result_of(Deferred.fromCoroutine(pipe.wait()))
    pieces = []
    for offset in (0, 4, 8, 10, 10):
        piece = pipe.read(offset, 4)
        pieces.append(result_of(piece) if isinstance(piece, Deferred) else piece)
    assert pieces == [b"0123", b"4567", b"89", b"", b""]


def test_an_empty_pipe() -> None:
    """It is over at once, and is not asked again: a terminal would begin anew."""
    pipe = source(f"/dev/fd/{piped(b'')}")
    result_of(Deferred.fromCoroutine(pipe.wait()))
    pipe._fd = -1
    assert pipe.read(0, 10) == b""


def test_a_pipe_that_cannot_be_read() -> None:
    """The error has the system's reason."""
    broken = StreamReader(os.open("/", os.O_RDONLY), maybeDeferred)
    with pytest.raises(TFTPError) as caught:
        result_of(broken.read(0, 10))  # type: ignore[arg-type]
    os.close(broken._fd)
    assert str(local_error(caught.value, Direction.WRITE, "-")) == "cannot read standard input: Is a directory"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (SourceTruncated("at 5"), "'f' became shorter while it was read"),
        (BackendStalled("no answer"), "'f' did not get on for so long that the transfer was given up"),
    ],
)
def test_other_failures_of_a_file(error: TFTPError, line: str) -> None:
    """They are told in the words of this end."""
    assert local_files.is_local(error)
    assert str(local_error(error, Direction.WRITE, "f")) == line


def test_failures_that_are_not_of_a_file() -> None:
    """Those of the network."""
    assert not local_files.is_local(TFTPError("[Errno 24] Too many open files"))
