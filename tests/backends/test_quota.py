"""Quotas: what counts, for whom, and what makes room again."""

import pytest
from attrs import evolve
from backend_kit import Threads, at_once, failure_of, result_of, store, tree, write_request
from zope.interface.verify import verifyObject

from tftpd_tw.backends import quota
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.quota import MEASURED_EVERY, Quota
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Address, IWriter
from tftpd_tw.protocol.errors import DiskFull


class World:
    """A directory with a quota, and a clock."""

    def __init__(self, top, run_blocking=at_once, **quota):
        self.top, self.now = top, 1000.0
        self.quota = Quota(**quota, seconds=lambda: self.now)
        self.backend = DirectoryBackend(
            top, run_blocking=run_blocking, uploads=UploadPolicy.OVERWRITE, quota=self.quota
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
    assert type(failure_of(world.begin(b"a", size=1001)).value) is DiskFull
    assert "192.0.2.1" in str(failure_of(world.begin(b"a", size=501)).value)
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
    assert world.quota._growing == 0


def test_refused_after_it_was_prepared(open_world):
    """What a thread has prepared is cleaned away again."""
    world = open_world(total=10)
    assert world.store(b"a", 10)
    failure_of(world.begin(b"b"))
    assert set(tree(world.top)) == {"a"}


def test_measuring_is_not_for_each_upload(open_world, monkeypatch):
    """Nor for a quota that does not need it."""
    measured = []
    monkeypatch.setattr(quota, "_size_of_tree", lambda root: measured.append(root) or 0)
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
    assert len(world.quota._files) == 3
    assert len(world.quota._clients) == 3


def test_without_a_quota_nothing_is_counted(tmp_path):
    """The writer is the file's own."""
    backend = DirectoryBackend(tmp_path, run_blocking=at_once, uploads=UploadPolicy.CREATE)
    writer = result_of(backend.open_write(write_request(b"f")))
    assert type(writer).__name__ == "FileWriter"
    result_of(writer.cancel())
    store(backend, b"g", b"x")
    backend.close()
