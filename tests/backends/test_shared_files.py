"""Sharing open files and the bytes of small ones: opened once, and never shown to whom it would be refused."""

import contextlib
import errno
import os
import random
import threading

import pytest
from backend_kit import (
    at_once,
    failure_of,
    fetch,
    not_cached,
    not_yet,
    open_descriptors,
    read_all,
    read_request,
    result_of,
    store,
)
from lacking import lacking
from twisted.internet.defer import fail, maybeDeferred
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tftpd_tw.backends import confined, shared_files
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.shared_files import ENTRY, SMALL, SharedFiles
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import IReader
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound, TFTPError

IMAGE = random.Random(1).randbytes(300_000)


class World:
    """A backend that shares, its table, and its clock."""

    def __init__(self, top, run_blocking, **limits):
        self.clock = Clock()
        self.files = SharedFiles(run_blocking, self.clock, **limits)
        self.backend = DirectoryBackend(
            top, run_blocking=run_blocking, uploads=UploadPolicy.OVERWRITE, files=self.files
        )
        self.fewest = open_descriptors()

    def open(self, name=b"image"):
        return result_of(self.backend.open_read(read_request(name)))

    def more_descriptors(self):
        """How many there are besides the root's; the table knows it too."""
        more = open_descriptors() - self.fewest
        assert self.files.open_descriptors == more
        return more


@pytest.fixture
def make_world(top):
    """Makes worlds, where names are found without a thread, and closes them at the end."""
    (top / "image").write_bytes(IMAGE)
    worlds = []

    def make_world(run_blocking=at_once, **limits):
        world = World(top, run_blocking, **limits)
        worlds.append(world)
        if world.backend.held.root.walking:
            lacking("this kernel has no openat2: see test_threads_that_opened_it_for_several")
        return world

    yield make_world
    for world in worlds:
        world.backend.close()
        assert world.files.open_descriptors == 0
        assert world.files.bytes_held == 0
        assert world.clock.getDelayedCalls() == []


@pytest.fixture
def world(make_world):
    """One with the limits as they are by default."""
    return make_world()


@pytest.fixture
def settled(monkeypatch):
    """Files are taken to be left alone since long."""
    monkeypatch.setattr(shared_files, "SETTLED", -60.0)


@pytest.fixture
def opens(monkeypatch):
    """The descriptors that were opened for reading."""
    opens = []
    real = confined.Root.open_looked_at

    def open_looked_at(self, *args, **kwargs):
        opens.append(real(self, *args, **kwargs))
        return opens[-1]

    monkeypatch.setattr(confined.Root, "open_looked_at", open_looked_at)
    return opens


@contextlib.contextmanager
def as_nobody():
    """Root may read everything."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def make_hot(world, name):
    """Open it often enough for its bytes to be kept."""
    for _ in range(2):
        world.open(name).close()


def replace(path, content):
    """By rename, as a careful administrator does."""
    path.with_name("new").write_bytes(content)
    os.rename(path.with_name("new"), path)


# Opened once


def test_500_clients_open_an_image_once(world, opens):
    """F19, F20: 500 readers at once use one descriptor, opened once, each from its own place."""
    readers = [world.open() for _ in range(500)]
    assert len(opens) == 1
    assert world.more_descriptors() == 1
    assert (world.files.hits, world.files.misses) == (499, 1)
    for number, reader in enumerate(readers):
        assert verifyObject(IReader, reader)
        assert reader.size == len(IMAGE)
        offset = number * 512
        assert result_of(reader.read(offset, 512)) == IMAGE[offset : offset + 512]
    assert read_all(readers[0], 65536) == read_all(readers[-1], 65536) == IMAGE
    for reader in readers:
        reader.close()
        reader.close()
    assert world.more_descriptors() == 1
    world.backend.close()
    assert world.files.open_descriptors == 0


def test_readers_are_independent(world):
    """A reader that is closed takes nothing from the others, and a second close of it neither."""
    first, second, third = (world.open() for _ in range(3))
    first.close()
    first.close()
    first.close()
    assert read_all(second, 65536) == IMAGE
    second.close()
    assert read_all(third, 65536) == IMAGE
    third.close()


def test_the_next_client_finds_it_open(world, opens):
    """An image stays open for the next client of a boot storm, until its time is over, and not longer."""
    for _ in range(10):
        assert fetch(world.backend, b"image") == IMAGE
        world.clock.advance(5.9)
    assert len(opens) == 1
    assert world.more_descriptors() == 1
    world.clock.advance(1.1)
    assert world.more_descriptors() == 0
    assert world.clock.getDelayedCalls() == []
    assert fetch(world.backend, b"image") == IMAGE
    assert len(opens) == 2


def test_each_file_has_its_own_time(world, top):
    """What was opened later is closed later, and what is read is closed by its reader."""
    world.open(b"f").close()
    world.clock.advance(20)
    reading = world.open(b"image")
    world.clock.advance(20)
    world.open(b"sub/g").close()
    assert world.more_descriptors() == 3
    world.clock.advance(20.1)
    assert world.more_descriptors() == 2
    world.clock.advance(20)
    assert world.more_descriptors() == 2
    newcomer = world.open(b"image")
    assert world.more_descriptors() == 3
    assert read_all(reading, 65536) == read_all(newcomer, 65536) == IMAGE
    reading.close()
    assert world.more_descriptors() == 2
    newcomer.close()


def test_idle_descriptors_are_bounded(make_world, top, opens):
    """F17: no more than so many stay open unused; the one unused for longest is closed first."""
    world = make_world(most_idle=3)
    for name in (b"1", b"2", b"3", b"4"):
        (top / os.fsdecode(name)).write_bytes(IMAGE)
    for name in (b"1", b"2", b"3", b"1", b"4"):
        world.open(name).close()
    assert world.more_descriptors() == 3
    assert world.files.evictions == 1
    opens.clear()
    for name in (b"1", b"3", b"4"):
        world.open(name).close()
    assert opens == []
    world.open(b"2").close()
    assert len(opens) == 1
    assert world.more_descriptors() == 3


def test_no_idle_descriptors(make_world):
    """With a limit of 0 the last reader closes the file; those at once share it all the same."""
    world = make_world(most_idle=0)
    first, second = world.open(), world.open()
    assert world.more_descriptors() == 1
    first.close()
    assert world.more_descriptors() == 1
    second.close()
    assert world.more_descriptors() == 0


def test_without_a_table_each_reader_opens_its_own(top):
    """Sharing can be switched off."""
    before = open_descriptors()
    backend = DirectoryBackend(top, run_blocking=at_once)
    readers = [result_of(backend.open_read(read_request(b"f"))) for _ in range(5)]
    assert open_descriptors() == before + 6
    for reader in readers:
        reader.close()
    backend.close()


def test_names_and_backends_share(world, top):
    """Hard links, symlinks and other roots that lead to one file share one descriptor."""
    os.link(top / "image", top / "hard")
    os.symlink("../image", top / "sub" / "soft")
    other = DirectoryBackend(top, run_blocking=at_once, files=world.files)
    readers = [world.open(name) for name in (b"image", b"hard", b"sub/soft")]
    readers.append(result_of(other.open_read(read_request(b"image"))))
    assert world.files.open_descriptors == 1
    other.close()
    for reader in readers:
        assert read_all(reader, 65536) == IMAGE
        reader.close()


# Threads


def test_threads_that_opened_it_for_several(make_world, threads, monkeypatch):
    """Where each name is looked for by a thread, one of what they bring is kept and the others are closed."""
    not_cached(monkeypatch)
    world = make_world(threads)
    waiting = [world.backend.open_read(read_request(b"image")) for _ in range(5)]
    threads.run()
    assert world.more_descriptors() == 1
    assert (world.files.hits, world.files.misses) == (4, 1)
    for deferred in waiting:
        reader = result_of(deferred)
        assert reader.size == len(IMAGE)
        reader.close()


def test_what_nobody_waits_for_is_idle(make_world, threads, monkeypatch):
    """A file whose client gave up while a thread opened it counts as unused."""
    not_cached(monkeypatch)
    world = make_world(threads, most_idle=0)
    waiting = world.backend.open_read(read_request(b"image"))
    waiting.cancel()
    failure_of(waiting)
    threads.run()
    assert world.more_descriptors() == 0


def test_what_comes_after_close_is_not_kept(make_world, threads, monkeypatch):
    """A file that a thread brings after the backend was closed belongs to its reader alone."""
    not_cached(monkeypatch)
    world = make_world(threads)
    waiting = world.backend.open_read(read_request(b"image"))
    world.backend.close()
    threads.run()
    assert world.files.open_descriptors == 0
    result_of(waiting).close()
    assert open_descriptors() == world.fewest - 1  # the root's is gone too


@pytest.mark.parametrize("how", ["closed", "expired", "replaced", "backend closed"])
def test_a_thread_that_reads_keeps_the_descriptor(make_world, threads, top, monkeypatch, how):
    """No descriptor is closed while a thread reads from it, whatever happens to its readers and its place."""
    world = make_world(threads, most_idle=0)
    reader = world.open()
    fd = reader._fd

    def not_at_once(*_args):
        raise BlockingIOError(errno.EAGAIN, "not in the cache")

    with monkeypatch.context() as patched:
        patched.setattr(os, "preadv", not_at_once)
        waiting = reader.read(0, 512)
    not_yet(waiting)
    if how == "expired":
        world.clock.advance(61)
    elif how == "replaced":
        replace(top / "image", b"another")
        assert fetch(world.backend, b"image") == b"another"
    elif how == "backend closed":
        world.backend.close()
    reader.close()
    assert os.fstat(fd).st_size == len(IMAGE)
    threads.run()
    assert result_of(waiting) == IMAGE[:512]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


# What was shared is refused like everything else

STATES = ["being read", "idle", "bytes kept", "bytes being read"]


@pytest.fixture(params=STATES)
def known(request, world, settled):
    """The world, after ``f`` was served: it is open, or was, or its bytes are in memory."""
    reader = world.open(b"f")
    if request.param in ("idle", "bytes kept"):
        reader.close()
    if "bytes" in request.param:
        world.open(b"f").close()
        assert world.files.bytes_held
    if request.param == "bytes being read":
        reader.close()
        reader = world.open(b"f")
    assert fetch(world.backend, b"f") == b"file"
    yield world
    if "being read" in request.param:
        assert read_all(reader) == b"file"
    reader.close()


def test_a_removed_file_is_not_found(known, top):
    """C029, F19: a file that is gone is gone for the next request, while a transfer that has begun goes on."""
    (top / "f").unlink()
    with pytest.raises(FileNotFound):
        known.open(b"f")


def test_a_file_that_may_not_be_read_any_more(known, top):
    """C032: a chmod counts from the next request on, and back again."""
    (top / "f").chmod(0)
    with as_nobody(), pytest.raises(AccessViolation):
        known.open(b"f")
    with as_nobody(), pytest.raises(AccessViolation):
        known.open(b"f")
    (top / "f").chmod(0o644)
    with as_nobody():
        assert fetch(known.backend, b"f") == b"file"


def test_an_owner_that_changed(known, top):
    """C032: another owner counts from the next request on."""
    if os.geteuid() != 0:
        lacking("only root gives files away")
    (top / "f").chmod(0o600)
    os.chown(top / "f", 65534, 65534)
    with as_nobody():
        assert fetch(known.backend, b"f") == b"file"
    os.chown(top / "f", 0, 0)
    with as_nobody(), pytest.raises(AccessViolation):
        known.open(b"f")


def test_a_directory_that_may_not_be_searched_any_more(world, top, settled):
    """C032: a chmod of a directory on the way counts from the next request on."""
    make_hot(world, b"sub/g")
    assert world.files.bytes_held
    (top / "sub").chmod(0)
    try:
        with as_nobody(), pytest.raises(AccessViolation):
            world.open(b"sub/g")
    finally:
        (top / "sub").chmod(0o755)


def test_a_replaced_file_is_the_new_one(known, top):
    """C111, F19: what was renamed over a file, also of the same size and time, is served from then on."""
    old = (top / "f").stat()
    (top / "new").write_bytes(b"FILE")
    os.utime(top / "new", ns=(old.st_atime_ns, old.st_mtime_ns))
    os.rename(top / "new", top / "f")
    assert fetch(known.backend, b"f") == b"FILE"


def test_an_upload_is_served(known):
    """C111: what a client stored is what the next one gets."""
    store(known.backend, b"f", b"stored")
    assert fetch(known.backend, b"f") == b"stored"


@pytest.mark.parametrize("target", ["../x", "/etc/passwd", "sub", "nowhere"])
def test_a_name_that_became_a_link(known, top, target):
    """S021, S022: a symlink in the place of a known file is resolved like any other."""
    os.rename(top / "f", top / "moved")
    (top / "f").symlink_to(target)
    with pytest.raises((AccessViolation, FileNotFound)):
        known.open(b"f")


def test_a_link_that_points_elsewhere(world, top, settled):
    """S021: a symlink is followed anew by each request."""
    (top / "link").symlink_to("f")
    make_hot(world, b"link")
    for target, content in (("sub/g", b"deeper"), ("f", b"file"), ("sub/g", b"deeper")):
        (top / "link").unlink()
        (top / "link").symlink_to(target)
        assert fetch(world.backend, b"link") == content
    (top / "link").unlink()
    (top / "link").symlink_to("../x")
    with pytest.raises(AccessViolation):
        world.open(b"link")


def test_swapped_links_never_lead_out(world, top):
    """S021: somebody who swaps a link all the time gets this file or that one, whole, and no foreign byte."""
    (top / "swap").symlink_to("f")
    done = threading.Event()

    def swap():
        for number in range(3000):
            os.symlink(["f", "../x", "sub/g"][number % 3], top / "next")
            os.rename(top / "next", top / "swap")
        done.set()

    racer = threading.Thread(target=swap)
    racer.start()
    seen = set()
    while not done.is_set():
        try:
            seen.add(fetch(world.backend, b"swap"))
        except TFTPError as error:
            seen.add(type(error))
    racer.join()
    assert seen <= {b"file", b"deeper", AccessViolation, FileNotFound}
    assert b"file" in seen


def test_locked_up_while_it_is_opened(world, top, monkeypatch):
    """C032: a chmod between the look and the opening, or right after it, is never remembered as allowed."""
    real = confined.Root.open_looked_at

    def open_looked_at(self, *args, **kwargs):
        fd = real(self, *args, **kwargs)
        (top / "f").chmod(0)
        return fd

    with monkeypatch.context() as patched:
        patched.setattr(confined.Root, "open_looked_at", open_looked_at)
        reader = world.open(b"f")
    assert world.files.open_descriptors == 0
    with as_nobody(), pytest.raises(AccessViolation):
        world.open(b"f")
    assert read_all(reader) == b"file"
    reader.close()


@pytest.mark.parametrize("field", [0, 4, 5, 6], ids=["mode", "owner", "group", "size"])
def test_two_changes_in_one_tick(world, top, field):
    """C032, F20: what differs in mode, owner or size is not shared, although its timestamps are the same."""
    world.open(b"f").close()
    found = (top / "f").stat()
    times = {"st_mtime_ns": found.st_mtime_ns, "st_ctime_ns": found.st_ctime_ns}
    same = list(found[:10])
    result_of(world.files.find(os.stat_result(same, times))).close()
    same[field] += 1
    assert world.files.find(os.stat_result(same, times)) is None


def test_what_a_shared_reader_costs(world, monkeypatch):
    """A file that is open already is looked at once, with one fstat, and is not opened."""
    first = world.open()
    calls = []
    real = os.fstat
    monkeypatch.setattr(os, "fstat", lambda fd: calls.append("fstat") or real(fd))
    monkeypatch.setattr(os, "open", None)
    second = world.open()
    assert calls == ["fstat"]
    second.close()
    first.close()


# Files that change


def test_a_file_that_grew(world, top):
    """F20: each transfer ends at the size its file had when it began, those that share and those that do not."""
    first, second = world.open(), world.open()
    with (top / "image").open("ab") as file:
        file.write(b"more")
    third, fourth = world.open(), world.open()
    assert world.more_descriptors() == 2
    assert [reader.size for reader in (first, second, third, fourth)] == [300_000, 300_000, 300_004, 300_004]
    assert read_all(first, 65536) == read_all(second, 65536) == IMAGE
    assert read_all(third, 65536) == read_all(fourth, 65536) == IMAGE + b"more"
    for reader in (first, second, third, fourth):
        reader.close()
    assert world.more_descriptors() == 1


def test_a_file_that_was_cut(world, top):
    """F18: every reader of a truncated file misses the same bytes and none are made up; the next sees its size."""
    readers = [world.open() for _ in range(3)]
    os.truncate(top / "image", 1000)
    for reader in readers:
        assert read_all(reader) == IMAGE[:1000]
        assert reader.size == len(IMAGE)
        reader.close()
    assert fetch(world.backend, b"image") == IMAGE[:1000]


@pytest.mark.parametrize("late", [False, True], ids=["in the same tick", "later"])
def test_bytes_changed_in_place(world, top, settled, late):
    """F18, F20: bytes in memory are those of the file at the request; whoever began with others keeps them."""
    make_hot(world, b"f")
    reader = world.open(b"f")
    stamp = (top / "f").stat()
    with (top / "f").open("r+b") as file:
        file.write(b"FI")
    os.utime(top / "f", ns=(stamp.st_atime_ns, stamp.st_mtime_ns + (5_000_000_000 if late else 0)))
    if (top / "f").stat().st_ctime_ns == stamp.st_ctime_ns:
        pytest.skip("this clock is coarse: see test_what_just_changed_is_not_kept")
    assert fetch(world.backend, b"f") == b"FIle"
    os.truncate(top / "f", 1)
    assert read_all(reader) == b"file"
    assert fetch(world.backend, b"f") == b"F"


# Bytes of small files


def test_bytes_come_without_a_system_call(world, settled, monkeypatch):
    """A small file is opened once, read by a thread at its second opening, and then served from memory."""
    first = world.open(b"f")
    assert world.files.bytes_held == 0
    second = world.open(b"f")
    assert world.files.bytes_held == 4 + ENTRY
    assert world.more_descriptors() == 1
    first.close()
    second.close()
    assert world.more_descriptors() == 0
    third = world.open(b"f")
    monkeypatch.setattr(os, "preadv", None)
    monkeypatch.setattr(os, "pread", None)
    assert isinstance(third.read(0, 3), memoryview)
    assert (third.read(0, 3), third.read(3, 512), third.read(4, 512)) == (b"fil", b"e", b"")
    assert third.size == 4
    assert (world.files.hits, world.files.misses) == (2, 1)
    third.close()


def test_a_thread_reads_the_bytes(make_world, top, settled, threads):
    """The reactor waits for no disk, and nobody waits for the thread; it is asked only once."""
    world = make_world(threads)
    for _ in range(4):
        assert fetch(world.backend, b"f") == b"file"
    assert len(threads.jobs) == 1
    assert world.files.bytes_held == 0
    threads.run()
    assert world.files.bytes_held == 4 + ENTRY


def test_bytes_expire_too(world, settled):
    """Bytes are kept no longer than a descriptor is."""
    make_hot(world, b"f")
    world.clock.advance(60)
    assert world.files.bytes_held == 0
    assert fetch(world.backend, b"f") == b"file"
    assert world.files.misses == 2


@pytest.mark.parametrize("size", [SMALL, SMALL + 1])
def test_large_files_are_not_kept(world, top, settled, size):
    """A file is small up to 64 KiB."""
    (top / "f").write_bytes(IMAGE[:size])
    make_hot(world, b"f")
    assert world.files.bytes_held == (size + ENTRY if size <= SMALL else 0)
    assert fetch(world.backend, b"f") == IMAGE[:size]


def test_what_just_changed_is_not_kept(world, top, monkeypatch):
    """F18: a file is left alone for two seconds first, since two changes may bear one timestamp."""
    changed = max((top / "f").stat().st_mtime, (top / "f").stat().st_ctime)
    for later, kept in ((-5.0, False), (0.0, False), (1.9, False), (2.1, True)):
        monkeypatch.setattr(shared_files.time, "time", lambda later=later: changed + later)
        make_hot(world, b"f")
        assert bool(world.files.bytes_held) is kept


@pytest.mark.parametrize("change", ["same size", "shorter", "longer"])
def test_what_changes_while_it_is_read_is_not_kept(make_world, top, settled, threads, change):
    """F18: bytes of a file that somebody writes to are not kept."""
    world = make_world(threads)
    make_hot(world, b"f")
    (top / "f").write_bytes({"same size": b"FILE", "shorter": b"", "longer": b"longer"}[change])
    os.utime(top / "f", ns=(0, 0))
    threads.run()
    assert world.files.bytes_held == 0
    make_hot(world, b"f")
    threads.run()
    assert world.files.bytes_held


@pytest.mark.parametrize("where", ["disk", "short", "pool"])
def test_bytes_that_cannot_be_read_are_no_failure(make_world, settled, monkeypatch, where):
    """F16: a transfer does not notice that the bytes could not be kept, and nothing is tried for ever."""
    calls = []

    def run_blocking(function, *arguments):
        if function is shared_files._content:
            calls.append(arguments)
            if where == "pool":
                return fail(RuntimeError("stopped"))
        return at_once(function, *arguments)

    def pread(*_args):
        if where == "short":
            return b"fi"
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", pread)
    world = make_world(run_blocking)
    for _ in range(5):
        assert fetch(world.backend, b"f") == b"file"
    assert len(calls) == 1
    assert world.more_descriptors() == 1


@pytest.mark.parametrize("meanwhile", ["expired", "closed"])
def test_bytes_that_come_too_late(make_world, settled, threads, meanwhile):
    """Bytes that a thread brings when the file has been forgotten are dropped, and its descriptor is closed."""
    world = make_world(threads)
    make_hot(world, b"f")
    if meanwhile == "expired":
        world.clock.advance(60)
    else:
        world.files.clear()
    assert world.more_descriptors() == 1
    threads.run()
    assert world.files.bytes_held == 0
    assert world.more_descriptors() == 0


def test_bytes_are_bounded(make_world, top, settled):
    """No more than so many bytes are kept; those not used for longest go first, and their readers keep them."""
    for number in range(5):
        (top / str(number)).write_bytes(b"%d" % number * 1000)
    world = make_world(most_bytes=3 * (1000 + ENTRY) + 500)
    for name in (b"0", b"1", b"2"):
        make_hot(world, name)
    assert world.files.bytes_held == 3 * (1000 + ENTRY)
    reader = world.open(b"1")
    world.open(b"0").close()
    make_hot(world, b"3")
    assert world.files.bytes_held == 3 * (1000 + ENTRY)
    assert world.files.evictions == 1
    assert world.files.misses == 4
    for name, misses in ((b"0", 4), (b"3", 4), (b"2", 5)):
        assert fetch(world.backend, name) == name * 1000
        assert world.files.misses == misses
    assert read_all(reader) == b"1" * 1000
    reader.close()


def test_empty_files_count_too(make_world, top, settled):
    """A thousand empty files are bounded as well."""
    world = make_world(most_bytes=10 * ENTRY)
    for number in range(30):
        (top / str(number)).touch()
        make_hot(world, b"%d" % number)
    assert world.files.bytes_held == 10 * ENTRY
    assert world.files.evictions == 20


@pytest.mark.parametrize("limits", [{"most_bytes": 0}, {"most_bytes": 3 + ENTRY}])
def test_no_room_for_bytes(make_world, settled, limits):
    """With a limit of 0, or below what one file takes, none are kept and no thread is bothered."""
    world = make_world(**limits)
    make_hot(world, b"f")
    assert world.files.bytes_held == 0
    assert world.files.evictions == 0
    assert fetch(world.backend, b"f") == b"file"


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens(make_world, top, settled, threads, seed):
    """F19, F20: in any order of requests, replacements and time, each reader gets what there was when it began."""
    dice = random.Random(seed)
    world = make_world(threads, most_idle=2, most_bytes=2500 + 3 * ENTRY, ttl=10.0)
    names = ["1", "2", "3", "4", "5"]
    truth = {}
    readers = []
    for step in range(600):
        name = dice.choice(names)
        what = dice.choice(["open"] * 6 + ["close"] * 5 + ["replace", "append", "remove", "time", "thread"])
        if what == "open":
            opening = maybeDeferred(world.backend.open_read, read_request(name.encode()))
            if not opening.called:
                threads.run()
            if name in truth:
                readers.append((result_of(opening), truth[name]))
            else:
                assert failure_of(opening).check(FileNotFound)
        elif what == "close" and readers:
            reader, content = readers.pop(dice.randrange(len(readers)))
            assert reader.size == len(content)
            assert read_all(reader) == content
            reader.close()
        elif what == "replace":
            truth[name] = b"%d %s" % (step, bytes(dice.randrange(1000)))
            replace(top / name, truth[name])
        elif what == "append" and name in truth:
            truth[name] += b"more"
            with (top / name).open("ab") as file:
                file.write(b"more")
        elif what == "remove" and name in truth:
            del truth[name]
            (top / name).unlink()
        elif what == "time":
            world.clock.advance(dice.random() * 10)
        elif what == "thread" and threads.jobs:
            threads.run_one()
        assert world.files.bytes_held <= 2500 + 3 * ENTRY
        world.more_descriptors()
    for reader, _ in readers:
        reader.close()
    threads.run()
    assert world.more_descriptors() <= 2
    assert world.files.hits > 20
