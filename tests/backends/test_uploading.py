"""Uploads: held, written in batches, published whole or not at all."""

import contextlib
import errno
import os
import secrets
import stat
import threading

import pytest
from backend_kit import at_once, failure_of, not_yet, result_of, tree
from lacking import lacking
from zope.interface.verify import verifyObject

from tftpd_tw.backends import staging
from tftpd_tw.backends.confined import LOOK, Root
from tftpd_tw.backends.staging import Staged
from tftpd_tw.backends.uploading import BATCH, MOST_HELD, FileWriter, UploadPolicy, clean_debris
from tftpd_tw.interfaces import IWriter
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, FileExists, TFTPError

BLOCK = bytes(range(256)) * 32


@pytest.fixture
def here(tmp_path):
    """An empty directory."""
    here = tmp_path / "here"
    here.mkdir()
    return here


@pytest.fixture(params=[True, False], ids=["unnamed", "named"])
def stage(request, here, monkeypatch):
    """Makes staged files in it: without a name, and with a temporary one; on what counts as a disk."""
    monkeypatch.setattr(staging, "lives_in_memory", lambda fd: False)

    def stage(target=b"f", **arguments):
        directory = os.open(here, LOOK | os.O_DIRECTORY)
        return Staged.open(directory, target, unnamed=request.param, **arguments)

    return stage


def visible(here):
    """What a client could ask for."""
    return {name: content for name, content in tree(here).items() if not name.startswith(".tftpd-tw-")}


def raising(number):
    """Fails like the system call."""

    def fail(*_args, **_keywords):
        raise OSError(number, os.strerror(number))

    return fail


def test_is_a_writer(stage, threads):
    """It provides what the interface asks for."""
    staged = stage()
    assert verifyObject(IWriter, FileWriter(staged, threads))
    staged.discard()


def test_policies_have_the_names_of_the_configuration():
    """The values are what an operator writes."""
    assert [policy.value for policy in UploadPolicy] == ["deny", "create", "overwrite", "existing", "versions"]


@pytest.mark.parametrize("size", [0, 1, 8192, BATCH, 300_000, 2_000_000])
def test_all_bytes_arrive_in_order(stage, here, size):
    """C110, C113: nothing is seen before the end, and then the whole."""
    content = secrets.token_bytes(size)
    writer = FileWriter(stage(), at_once)
    for at in range(0, size, 1000):
        result_of(writer.write(memoryview(content)[at : at + 1000]))
        assert visible(here) == {}
    result_of(writer.finish())
    assert tree(here) == {"f": content}


def test_little_needs_no_thread_before_the_end(stage, here, threads):
    """Less than a batch is held, and written in the one thread that publishes it."""
    writer = FileWriter(stage(), threads)
    for _ in range(7):
        assert writer.write(BLOCK) is None
    assert threads.jobs == []
    finished = writer.finish()
    assert len(threads.jobs) == 1
    not_yet(finished)
    threads.run()
    result_of(finished)
    assert tree(here) == {"f": BLOCK * 7}


def test_one_thread_at_a_time_writes_batches(stage, here, threads):
    """While a thread writes, what comes is held; when it ends, the next one writes that."""
    writer = FileWriter(stage(), threads)
    for _ in range(BATCH // len(BLOCK) * 3):
        assert writer.write(BLOCK) is None
    assert len(threads.jobs) == 1
    threads.run_one()
    assert len(threads.jobs) == 1
    threads.run_one()
    assert len(threads.jobs) == 0
    finished = writer.finish()
    threads.run()
    result_of(finished)
    assert tree(here) == {"f": BLOCK * (BATCH // len(BLOCK) * 3)}


def test_the_client_waits_for_a_slow_disk(stage, threads):
    """Memory is bounded: from 256 KiB held on, a Deferred waits until the thread has ended."""
    writer = FileWriter(stage(), threads)
    written = 0
    while (waiting := writer.write(BLOCK)) is None:
        written += len(BLOCK)
        assert written < 2 * MOST_HELD
    not_yet(waiting)
    threads.run_one()
    assert result_of(waiting) is None
    assert writer.write(BLOCK) is None
    cancelled = writer.cancel()
    threads.run()
    result_of(cancelled)


def test_how_much_is_held_can_be_chosen(stage, here, threads):
    """Whoever has the memory lets a client go on for longer."""
    writer = FileWriter(stage(), threads, most_held=4 * MOST_HELD)
    writer.write(bytes(BATCH))
    for _ in range(4 * MOST_HELD // BATCH - 1):
        assert writer.write(bytes(BATCH)) is None
    not_yet(writer.write(bytes(BATCH)))
    finished = writer.finish()
    threads.run()
    result_of(finished)
    assert tree(here) == {"f": bytes(BATCH + 4 * MOST_HELD)}


@pytest.fixture
def stage_in_memory(stage, monkeypatch):
    """Makes staged files as on a tmpfs."""
    monkeypatch.setattr(staging, "lives_in_memory", lambda fd: True)
    return stage


def test_in_memory_nothing_is_held(stage_in_memory, here, threads):
    """On a file system in memory each piece is written at once, and a thread only makes the file durable and
    visible (C113).
    """
    staged = stage_in_memory()
    writer = FileWriter(staged, threads)
    for count in range(1, 2 * MOST_HELD // len(BLOCK)):
        assert writer.write(BLOCK) is None
        assert os.fstat(staged._fd).st_size == count * len(BLOCK)
    assert threads.jobs == []
    assert visible(here) == {}
    finished = writer.finish()
    not_yet(finished)
    threads.run()
    result_of(finished)
    assert tree(here) == {"f": BLOCK * count}


def test_in_memory_a_failure_is_told_at_once(stage_in_memory, here, threads, monkeypatch):
    """F15: a full memory fails the write that it happens in, and what follows; nothing is left (C113, C114)."""
    writer = FileWriter(stage_in_memory(), threads)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", raising(errno.ENOSPC))
        with pytest.raises(DiskFull):
            writer.write(BLOCK)
    with pytest.raises(DiskFull):
        writer.write(BLOCK)
    assert type(failure_of(writer.finish()).value) is DiskFull
    writer.cancel()
    threads.run()
    assert tree(here) == {}


def test_in_memory_the_limit_holds(stage_in_memory, threads):
    """C071: what is beyond the limit is not written."""
    staged = stage_in_memory()
    writer = FileWriter(staged, threads, 1000)
    writer.write(bytes(1000))
    with pytest.raises(DiskFull):
        writer.write(b"x")
    assert os.fstat(staged._fd).st_size == 1000
    writer.cancel()
    threads.run()


@pytest.mark.parametrize("answer", [True, False])
def test_the_file_itself_is_asked_whether_it_is_in_memory(here, monkeypatch, answer):
    """A disk may be mounted beneath a root that is in memory: the staged file's own file system decides."""
    asked = []
    monkeypatch.setattr(staging, "lives_in_memory", lambda fd: asked.append(fd) or answer)
    staged = Staged.open(os.open(here, LOOK | os.O_DIRECTORY), b"f")
    assert (asked, staged.in_memory) == ([staged._fd], answer)
    staged.discard()


def test_failed_write_is_told_by_the_next_call(stage, here, threads, monkeypatch):
    """C113, F15, F16: what a thread could not write fails the next write, and the finish, and leaves nothing."""
    writer = FileWriter(stage(), threads)
    writer.write(bytes(BATCH))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", raising(errno.ENOSPC))
        threads.run_one()
    with pytest.raises(DiskFull):
        writer.write(BLOCK)
    assert type(failure_of(writer.finish()).value) is DiskFull
    cancelled = writer.cancel()
    threads.run()
    result_of(cancelled)
    assert tree(here) == {}


def test_failed_write_is_told_to_who_waits(stage, threads, monkeypatch):
    """F15: a client that is made to wait learns of the full disk there and then."""
    writer = FileWriter(stage(), threads)
    writer.write(bytes(BATCH))
    waiting = writer.write(bytes(MOST_HELD))
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", raising(errno.ENOSPC))
        threads.run_one()
    assert type(failure_of(waiting).value) is DiskFull
    assert threads.jobs == []
    writer.cancel()
    threads.run()


def test_failed_write_is_told_to_a_finish_that_waits(stage, here, threads, monkeypatch):
    """C113: a finish that comes while a thread writes waits for it, and does not publish what is incomplete."""
    writer = FileWriter(stage(), threads)
    writer.write(bytes(BATCH))
    finished = writer.finish()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", raising(errno.EIO))
        threads.run()
    assert type(failure_of(finished).value) is TFTPError
    writer.cancel()
    threads.run()
    assert tree(here) == {}


def test_real_bytes_are_counted(stage, here, threads):
    """C071: the limit holds for what comes, whatever was announced, and holds on."""
    writer = FileWriter(stage(), threads, 1000)
    assert writer.write(bytes(1000)) is None
    for _ in range(2):
        with pytest.raises(DiskFull):
            writer.write(b"x")
    assert type(failure_of(writer.finish()).value) is DiskFull
    writer.cancel()
    threads.run()
    assert tree(here) == {}


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_no_success_without_fsync(stage, here, monkeypatch, number):
    """C113, F16: if the content did not reach the disk, the upload fails and the name does not appear."""
    writer = FileWriter(stage(), at_once)
    writer.write(BLOCK)
    monkeypatch.setattr(os, "fsync", raising(number))
    assert type(failure_of(writer.finish()).value) is (DiskFull if number == errno.ENOSPC else TFTPError)
    result_of(writer.cancel())
    assert tree(here) == {}


@pytest.mark.parametrize("replace", [False, True])
def test_order_of_publishing(stage, here, monkeypatch, replace):
    """F14: content, its fsync, the name, and the directory's fsync, in this order."""
    staged = stage(replace=replace)
    steps = []

    def spy(module, name, describe=None):
        real = getattr(module, name)

        def spied(*args, **keywords):
            steps.append(describe(*args) if describe else name)
            return real(*args, **keywords)

        monkeypatch.setattr(module, name, spied)

    def kind(fd):
        return "fsync dir" if stat.S_ISDIR(os.fstat(fd).st_mode) else "fsync file"

    spy(os, "write")
    spy(os, "fsync", kind)
    spy(os, "rename", lambda *_: "name")
    spy(os, "link", lambda _source, target, **_: "name" if target == b"f" else "part")
    spy(staging, "_rename_noreplace", lambda *_: "name")
    staged.publish([BLOCK])
    steps = [step for step in steps if step != "part"]
    assert steps == ["write", "fsync file", "name", "fsync dir"]
    assert tree(here) == {"f": BLOCK}


def test_drop_box_that_cannot_be_listed(stage, here, monkeypatch):
    """C113: a directory that may be written but not read takes uploads; the file itself is synced again."""
    staged = stage()
    real_open, real_fsync, synced = os.open, os.fsync, []

    def not_to_be_read(path, flags, *args, **keywords):
        if flags & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real_open(path, flags, *args, **keywords)

    monkeypatch.setattr(os, "open", not_to_be_read)
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(fd) or real_fsync(fd))
    staged.publish([b"x"])
    assert len(synced) == 2
    monkeypatch.undo()
    assert tree(here) == {"f": b"x"}


def test_create_never_replaces(stage, here):
    """C110, S026: a file that appeared meanwhile stays as it is, and the upload fails with FileExists."""
    writer = FileWriter(stage(), at_once)
    writer.write(b"mine")
    (here / "f").write_bytes(b"theirs")
    assert type(failure_of(writer.finish()).value) is FileExists
    result_of(writer.cancel())
    assert tree(here) == {"f": b"theirs"}


def test_create_without_renameat2(here, monkeypatch):
    """S026: where RENAME_NOREPLACE is not known, a link does the same."""
    monkeypatch.setattr(staging, "_rename_noreplace", lambda *_: False)
    for content in (b"first", b"second"):
        staged = Staged.open(os.open(here, os.O_DIRECTORY), b"f", unnamed=False)
        with contextlib.nullcontext() if content == b"first" else pytest.raises(FileExists):
            staged.publish([content])
        staged.discard()
    assert tree(here) == {"f": b"first"}


def test_create_does_not_follow_a_symlink(stage, here, tmp_path):
    """C116, S026: a symlink that appears under the name, also a dangling one, is not written through."""
    staged = stage()
    (here / "f").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExists):
        staged.publish([b"x"])
    staged.discard()
    assert not (tmp_path / "elsewhere").exists()


def test_replacing_is_atomic_and_keeps_the_permissions(stage, here):
    """C111, S025: a reader of the old file reads it to its end; the new one has its mode, but no special bits."""
    (here / "f").write_bytes(b"old")
    (here / "f").chmod(0o4775)
    with open(here / "f", "rb") as reader:
        writer = FileWriter(stage(replace=True, keep_mode=0o104775), at_once)
        writer.write(b"new")
        assert (here / "f").read_bytes() == b"old"
        result_of(writer.finish())
        assert reader.read() == b"old"
    assert tree(here) == {"f": b"new"}
    assert stat.S_IMODE((here / "f").stat().st_mode) == 0o664


def test_replacing_a_symlink_replaces_the_link(stage, here, tmp_path):
    """C116: what a symlink that appeared under the name points at is not touched."""
    (tmp_path / "victim").write_bytes(b"old")
    staged = stage(replace=True)
    (here / "f").symlink_to(tmp_path / "victim")
    staged.publish([b"new"])
    assert (tmp_path / "victim").read_bytes() == b"old"
    assert (here / "f").read_bytes() == b"new"


def test_replacing_a_directory_fails(stage, here):
    """C116: a directory that appeared under the name stays, and nothing is left."""
    staged = stage(replace=True)
    (here / "f").mkdir()
    with pytest.raises(AccessViolation):
        staged.publish([b"new"])
    staged.discard()
    assert tree(here) == {"f": None}


def test_new_files_are_private_and_not_executable(stage, here):
    """S025: a new file has mode 0640 at most."""
    was = os.umask(0)
    try:
        stage().publish([b"x"])
    finally:
        os.umask(was)
    assert stat.S_IMODE((here / "f").stat().st_mode) == 0o640


@pytest.mark.parametrize("replace", [False, True])
def test_same_name_race(stage, here, replace):
    """C115, S027: of 50 at once, one makes the file and 49 are told; or the last who replaces it wins, whole."""
    contents = [bytes([number]) * 100_000 for number in range(50)]
    writers = [FileWriter(stage(replace=replace), at_once) for _ in contents]
    outcomes = []
    barrier = threading.Barrier(len(writers))

    def upload(writer, content):
        for at in range(0, len(content), 5000):
            writer.write(content[at : at + 5000])
        barrier.wait()
        try:
            result_of(writer.finish())
            outcomes.append(content)
        except FileExists:
            outcomes.append(FileExists)
            result_of(writer.cancel())

    work = [threading.Thread(target=upload, args=pair) for pair in zip(writers, contents, strict=True)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    (name, final), *others = tree(here).items()
    assert (name, others) == ("f", [])
    assert len(outcomes) == 50
    if replace:
        assert sorted(outcomes) == contents
        assert final in contents
    else:
        assert outcomes.count(FileExists) == 49
        assert final in outcomes


def test_cancel_leaves_nothing(stage, here, threads):
    """C114: a cancelled upload leaves no file, and its temporary one is gone too."""
    writer = FileWriter(stage(), threads)
    writer.write(BLOCK)
    cancelled = writer.cancel()
    threads.run()
    result_of(cancelled)
    assert tree(here) == {}


def test_cancel_waits_for_the_thread(stage, here, threads):
    """C114: while a thread writes, its file stays open, and goes when it has ended."""
    staged = stage()
    writer = FileWriter(staged, threads)
    writer.write(bytes(BATCH))
    waiting = writer.write(bytes(MOST_HELD))
    waiting.addErrback(lambda _: None)
    cancelled = writer.cancel()
    assert len(threads.jobs) == 1
    assert os.fstat(staged._fd).st_size == 0
    threads.run_one()
    assert os.fstat(staged._fd).st_size == BATCH
    not_yet(cancelled)
    threads.run()
    result_of(cancelled)
    assert tree(here) == {}


def test_cancel_happens_also_for_who_does_not_wait(stage, here, threads):
    """C114: a session that gives up the Deferreds of write, finish and cancel leaves nothing all the same."""
    writer = FileWriter(stage(), threads)
    writer.write(bytes(BATCH))
    finished = writer.finish()
    finished.cancel()
    failure_of(finished)
    cancelled = writer.cancel()
    cancelled.cancel()
    failure_of(cancelled)
    threads.run()
    assert tree(here) == {}


def test_cancel_overtakes_a_finish_that_waits(stage, here, threads):
    """C114: what was cancelled is not published, although its finish was called before."""
    writer = FileWriter(stage(), threads)
    writer.write(bytes(BATCH))
    finished = writer.finish()
    writer.cancel()
    threads.run()
    assert type(failure_of(finished).value) is TFTPError
    assert tree(here) == {}


def test_cancel_after_giving_up_a_publish(stage, here, threads):
    """C113, C114: a publish that is under way ends first; then its descriptors are let go, and once only."""
    writer = FileWriter(stage(), threads)
    writer.write(BLOCK)
    finished = writer.finish()
    finished.cancel()
    failure_of(finished)
    cancelled = writer.cancel()
    threads.run()
    result_of(cancelled)
    assert tree(here) == {"f": BLOCK}


def test_named_debris_is_invisible_and_removed(here):
    """F13, S026: what a killed process leaves has a dot-name nobody can guess, and the next start removes it."""
    (here / "sub").mkdir()
    left = Staged.open(os.open(here / "sub", os.O_DIRECTORY), b"f", unnamed=False)
    left.write([b"half"])
    (name,) = os.listdir(here / "sub")
    assert name.startswith(".tftpd-tw-")
    assert len(name) > 25
    (here / "sub" / "kept").write_bytes(b"x")
    root = Root.open(str(here))
    try:
        assert clean_debris(root, before=0) == 0
        assert clean_debris(root, before=2**40) == 1
    finally:
        root.close()
        left.discard()
    assert tree(here) == {"sub": None, "sub/kept": b"x"}


def test_only_our_own_debris_is_removed(here, tmp_path):
    """F13: directories, links, others' files and other names stay, and links are not followed."""
    name = ".tftpd-tw-0123456789abcdef.part"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / name).write_bytes(b"x")
    (here / "link").symlink_to(tmp_path / "elsewhere")
    (here / "a").mkdir()
    (here / "a" / name).mkdir()
    (here / "b").mkdir()
    (here / "b" / name).symlink_to(tmp_path / "elsewhere" / name)
    (here / ".tftpd-tw-x").write_bytes(b"x")
    (here / "x.part").write_bytes(b"x")
    if os.geteuid() == 0:
        (here / "c").mkdir()
        (here / "c" / name).write_bytes(b"x")
        os.chown(here / "c" / name, 65534, 65534)
    before = tree(here)
    root = Root.open(str(here))
    try:
        assert clean_debris(root, before=2**40) == 0
    finally:
        root.close()
    assert tree(here) == before
    assert (tmp_path / "elsewhere" / name).exists()


def test_unnamed_leaves_nothing_at_all(here):
    """F13: where the file system can, an unfinished upload has no name that could stay."""
    directory = os.open(here, os.O_DIRECTORY)
    staged = Staged.open(directory, b"f")
    staged.write([b"half"])
    if staged._part is not None:
        staged.discard()
        lacking("the file system has no O_TMPFILE")
    assert os.listdir(here) == []
    staged.discard()


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EISDIR])
def test_file_systems_without_unnamed_files(here, monkeypatch, number):
    """S026: where there is no O_TMPFILE a named one is taken instead."""
    real_open = os.open

    def no_tmpfile(path, flags, *args, **keywords):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(number, os.strerror(number))
        return real_open(path, flags, *args, **keywords)

    monkeypatch.setattr(os, "open", no_tmpfile)
    staged = Staged.open(real_open(here, os.O_DIRECTORY), b"f")
    assert len(os.listdir(here)) == 1
    staged.publish([b"x"])
    assert tree(here) == {"f": b"x"}
