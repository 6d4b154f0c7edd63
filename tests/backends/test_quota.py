"""Quotas: what counts, for whom, and what makes room again."""

import errno
import os

import pytest
from attrs import evolve
from backend_kit import Threads, at_once, failure_of, result_of, store, tree, write_request
from zope.interface.verify import verifyObject

from tftpd_tw.backends import directory, quota
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.quota import MEASURED_EVERY, MEASURING_SHARE, Quota, Usage
from tftpd_tw.backends.storing import Storing
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Address, IWriter
from tftpd_tw.protocol.errors import DiskFull, TFTPError


class World:
    """A directory with a quota, and a clock."""

    def __init__(self, top, run_blocking=at_once, uploads=UploadPolicy.OVERWRITE, usage=None, **quota):
        self.top, self.now = top, 1000.0
        self.quota = Quota(**quota, usage=usage or Usage(lambda: self.now))
        self.backend = DirectoryBackend(
            top, run_blocking=run_blocking, uploads=uploads, quota=self.quota, storing=Storing(versions=2)
        )

    def begin(self, name, host="192.0.2.1", size=None):
        """Open an upload of that client."""
        return self.backend.open_write(evolve(write_request(name, size), client=Address(host, 2000)))

    def store(self, name, size, host="192.0.2.1"):
        """Upload so many bytes; whether there was room."""
        try:
            writer = result_of(self.begin(name, host))
        except DiskFull:
            return False
        try:
            for at in range(0, size, 100):
                writer.write(bytes(min(100, size - at)))
            result_of(writer.finish())
        except DiskFull:
            result_of(writer.cancel())
            return False
        return True


@pytest.fixture
def open_world(tmp_path):
    """Makes such worlds."""
    opened = []

    def open_world(**arguments):
        opened.append(World(tmp_path, **arguments))
        return opened[-1]

    yield open_world
    for world in opened:
        world.backend.close()


def test_is_a_writer(open_world):
    """What counts provides what the interface asks for."""
    writer = result_of(open_world(total=1000).begin(b"a"))
    assert verifyObject(IWriter, writer)
    result_of(writer.cancel())


def test_all_together(open_world):
    """S028: what is there already counts, wherever it came from, in every folder."""
    world = open_world(total=1000)
    (world.top / "sub").mkdir()
    (world.top / "sub" / "there").write_bytes(bytes(400))
    assert world.store(b"a", 500)
    assert not world.store(b"b", 101)
    assert world.store(b"b", 100)
    assert not world.store(b"c", 1)
    assert set(tree(world.top)) == {"sub", "sub/there", "a", "b"}


def test_an_announced_size_is_refused_at_once(open_world):
    """C070, S028: before any data."""
    world = open_world(total=1000, client=500)
    with pytest.raises(DiskFull):
        result_of(world.begin(b"a", size=1001))
    with pytest.raises(DiskFull, match=r"192\.0\.2\.1"):
        result_of(world.begin(b"a", size=501))
    assert tree(world.top) == {}


def test_what_is_replaced_makes_room(open_world):
    """A backup that comes every day does not add up."""
    world = open_world(total=1000, client=1000)
    for _ in range(10):
        assert world.store(b"a", 480)
    assert world.store(b"b", 480)


def test_what_is_removed_by_hand_makes_room(open_world):
    """Once it is measured again."""
    world = open_world(total=1000)
    assert world.store(b"a", 1000)
    (world.top / "a").unlink()
    assert not world.store(b"b", 1)
    world.now += MEASURED_EVERY
    assert world.store(b"b", 1000)


def test_a_restart(open_world):
    """The tree is measured again; what a client had is forgotten."""
    before = open_world(total=1000, client=600)
    assert before.store(b"a", 600)
    assert not before.store(b"b", 100)
    after = open_world(total=1000, client=600)
    assert after.store(b"b", 400)
    assert not after.store(b"c", 1, "192.0.2.2")


def test_each_client(open_world):
    """S028: what one has does not count for another, and what another replaces is no longer its."""
    world = open_world(client=1000)
    (world.top / "there").write_bytes(bytes(5000))
    assert world.store(b"a", 900)
    assert not world.store(b"b", 101)
    assert world.store(b"b", 1000, "192.0.2.2")
    assert not world.store(b"c", 1, "192.0.2.2")
    assert world.store(b"a", 500, "192.0.2.3")
    assert world.store(b"d", 1000)


def test_old_versions_of_a_client(open_world):
    """What is kept is still its, until it goes; here two of each name are kept."""
    world = open_world(client=1000, versions=2, uploads=UploadPolicy.VERSIONS)
    usage = world.quota.usage
    assert [world.store(b"a", 300), world.store(b"a", 300), world.store(b"a", 300, "192.0.2.2")] == [True] * 3
    assert [usage.of_client("192.0.2.1"), usage.of_client("192.0.2.2")] == [600, 300]
    assert not world.store(b"b", 401)
    assert world.store(b"a", 200, "192.0.2.2")
    assert [usage.of_client("192.0.2.1"), usage.of_client("192.0.2.2")] == [300, 500]


@pytest.mark.parametrize("limits", [{"total": 1000}, {"client": 1000}])
def test_uploads_at_the_same_time(open_world, limits):
    """They cannot take the same room, and one that fails gives it back."""
    world = open_world(**limits)
    first, second = result_of(world.begin(b"a")), result_of(world.begin(b"b"))
    first.write(bytes(600))
    with pytest.raises(DiskFull):
        second.write(bytes(401))
    second.write(bytes(400))
    result_of(second.cancel())
    first.write(bytes(400))
    result_of(first.finish())
    assert not world.store(b"c", 1)
    assert set(tree(world.top)) == {"a"}


def test_a_client_that_is_gone_before_it_began(open_world):
    """Nothing stays behind of it."""
    threads = Threads()
    world = open_world(run_blocking=threads, total=1000)
    opening = world.begin(b"a")
    opening.addErrback(lambda _: None)
    opening.cancel()
    threads.run()
    assert tree(world.top) == {}
    assert world.quota.usage.growing == 0


def test_old_versions_that_go_make_room(open_world):
    """They go with the upload that is one too many."""
    world = open_world(total=1000, uploads=UploadPolicy.VERSIONS)
    for size in (200, 300, 100, 400):
        assert world.store(b"a", size)
    assert not world.store(b"b", 201)
    assert world.store(b"b", 200)
    assert world.quota.usage.tree == sum(map(len, tree(world.top).values())) == 1000


def test_what_is_replaced_is_what_is_there_then(open_world):
    """Of two uploads of one name the second replaces the first, and not what was there when it began."""
    world = open_world(total=10_000)
    assert world.store(b"a", 100)
    first, second = result_of(world.begin(b"a")), result_of(world.begin(b"a"))
    first.write(bytes(3000))
    second.write(bytes(500))
    result_of(first.finish())
    result_of(second.finish())
    assert world.quota.usage.tree == 500


class TestMeasuring:
    """The tree is walked through by a thread while uploads come and go."""

    def test_all_wait_for_the_same(self, open_world, threads):
        """An upload that comes while the first one measures knows as much as that."""
        world = open_world(run_blocking=threads, total=1000)
        (world.top / "there").write_bytes(bytes(1000))
        openings = [world.begin(b"a"), world.begin(b"b")]
        assert len(threads.jobs) == 1
        threads.run()
        for opening in openings:
            assert failure_of(opening).check(DiskFull)
        assert world.quota.usage.measures == 1

    @pytest.mark.parametrize("seen", [False, True])
    def test_stored_meanwhile(self, open_world, threads, seen):
        """What is stored while it is measured counts, once the walk is over, never too little."""
        world = open_world(run_blocking=threads, total=10_000)
        (world.top / "a").write_bytes(bytes(1000))
        writers = [self.opened(world, threads, name, 700) for name in (b"a", b"b")]
        stored = [writer.finish() for writer in writers]
        world.now += MEASURED_EVERY
        opening = world.begin(b"c")
        measuring = threads.jobs.pop()
        if not seen:
            walked = self.walked(measuring)
        threads.run()
        for each in stored:
            result_of(each)
        if seen:
            walked = self.walked(measuring)
        walked()
        threads.run()
        uploads = [result_of(opening)]
        there = sum(map(len, tree(world.top).values()))
        assert there == 1400
        assert there <= world.quota.usage.tree <= there + 2 * 700 + 1000
        world.now += MEASURED_EVERY
        again = world.begin(b"d")
        threads.run()
        assert world.quota.usage.tree == there
        for upload in (*uploads, result_of(again)):
            upload.cancel()
        threads.run()

    def test_measured_while_one_is_being_stored(self, open_world, threads):
        """What it replaces is not taken off twice."""
        world = open_world(run_blocking=threads, total=10_000)
        (world.top / "a").write_bytes(bytes(1000))
        writer = self.opened(world, threads, b"a", 10)
        storing = writer.finish()
        [(done, publish, arguments)] = threads.jobs
        threads.jobs.clear()
        publish(*arguments)
        world.now += MEASURED_EVERY
        opening = world.begin(b"b")
        threads.run()
        done.callback(None)
        result_of(storing)
        assert world.quota.usage.tree >= 10
        result_of(opening).cancel()
        threads.run()

    def test_what_others_have_stored(self, open_world):
        """Another worker's uploads count when an upload ends, at the latest."""
        world, other = open_world(total=1000), open_world(total=1000)
        writer = result_of(world.begin(b"a"))
        writer.write(bytes(600))
        assert other.store(b"b", 500)
        world.now += MEASURED_EVERY
        assert type(failure_of(writer.finish()).value) is DiskFull
        result_of(writer.cancel())
        assert set(tree(world.top)) == {"b"}
        assert world.quota.usage.growing == 0

    def test_a_huge_tree(self, open_world, threads):
        """It is measured as seldom as it takes long."""
        world = open_world(run_blocking=threads, total=1000)
        opening = world.begin(b"a")
        world.now += 5
        threads.run()
        world.now += 5 / MEASURING_SHARE - 1
        assert world.quota.known(None) is None
        world.now += 1
        with pytest.raises(TypeError):
            world.quota.known(None)
        result_of(opening).cancel()
        threads.run()

    def test_it_fails(self, open_world, monkeypatch):
        """Without knowing what there is, nothing is stored; the next one tries again."""
        world = open_world(total=1000)

        def fail(root):
            raise TFTPError("no descriptors")

        monkeypatch.setattr(directory, "size_of_tree", fail)
        with pytest.raises(TFTPError, match="no descriptors"):
            result_of(world.begin(b"a"))
        monkeypatch.undo()
        assert world.store(b"a", 10)

    def test_no_descriptors(self, root, monkeypatch):
        """A folder that cannot be opened for want of them is not passed over; one that is not ours to read is."""
        real = os.open

        def refuse(number):
            def refused(path, flags, *arguments, **options):
                if path == b"sub":
                    raise OSError(number, os.strerror(number))
                return real(path, flags, *arguments, **options)

            monkeypatch.setattr(os, "open", refused)

        assert quota.size_of_tree(root) == len("file") + len("deeper")
        refuse(errno.EACCES)
        assert quota.size_of_tree(root) == len("file")
        refuse(errno.EMFILE)
        with pytest.raises(TFTPError):
            quota.size_of_tree(root)

    def opened(self, world, threads, name, size):
        """An upload that has got so many bytes."""
        opening = world.begin(name)
        threads.run()
        writer = result_of(opening)
        writer.write(bytes(size))
        return writer

    def walked(self, measuring):
        """Let the walk be done, whose result arrives when what comes back is called."""
        deferred, function, arguments = measuring
        found = function(*arguments)
        return lambda: deferred.callback(found)


def test_shared(open_world):
    """Other settings for the same tree go on with what was counted."""
    before = open_world(total=1000, client=600)
    assert before.store(b"a", 600)
    after = open_world(usage=before.quota.usage, client=700)
    assert not after.store(b"b", 101)
    assert after.store(b"b", 100)


def test_uploads_under_way_are_not_measured(open_world):
    """They are counted as they come, also where a file system wants a name for them."""
    world = open_world(total=1000)
    (world.top / ".tftpd-tw-0123456789abcdef.part").write_bytes(bytes(1000))
    assert world.store(b"a", 1000)


def test_measuring_is_not_for_each_upload(open_world, monkeypatch):
    """Nor for a quota that does not need it."""
    measured = []
    monkeypatch.setattr(directory, "size_of_tree", lambda root: measured.append(root) or 0)
    world = open_world(total=10_000)
    for number in range(5):
        world.store(b"%d" % number, 10)
    assert len(measured) == 1
    open_world(client=100).store(b"x", 10)
    assert len(measured) == 1


def test_memory_is_bounded(open_world, monkeypatch):
    """The files of which it is known who has uploaded them are the newest."""
    monkeypatch.setattr(quota, "MOST_FILES", 3)
    world = open_world(client=1000)
    for number in range(10):
        assert world.store(b"%d" % number, 10, f"192.0.2.{number}")
    assert len(world.quota.usage._files) == 3
    assert len(world.quota.usage._clients) == 3


def test_memory_for_old_versions_is_bounded(open_world, monkeypatch):
    """They count as files; the oldest are forgotten."""
    monkeypatch.setattr(quota, "MOST_FILES", 3)
    world = open_world(client=1000, versions=2, uploads=UploadPolicy.VERSIONS)
    for name in (b"a", b"a", b"b", b"b", b"b"):
        assert world.store(name, 10)
    usage = world.quota.usage
    assert {path: len(stored) for path, stored in usage._files.items()} == {(b"b",): 3}
    assert usage.of_client("192.0.2.1") == 30


def test_without_a_quota_nothing_is_counted(tmp_path):
    """The writer is the file's own."""
    backend = DirectoryBackend(tmp_path, run_blocking=at_once, uploads=UploadPolicy.CREATE)
    writer = result_of(backend.open_write(write_request(b"f")))
    assert type(writer).__name__ == "FileWriter"
    result_of(writer.cancel())
    store(backend, b"g", b"x")
    backend.close()
