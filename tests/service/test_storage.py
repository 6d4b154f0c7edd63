"""Stopping while threads are at work: they may finish, and a disk that hangs holds nobody up."""

import gc
import queue
import threading

import pytest
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.protocol.errors import DiskFull
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service.configuration import Configuration, Filesystem, Performance
from tftpd_tw.service.storage import OPENING_SECONDS, STORAGE_SECONDS, Storage
from tftpd_tw.service.value_types import FileSize, Folder, Size
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.totals import Totals


class ThreadReactor(Clock):
    """A clock that takes what threads have to say when it is asked to."""

    def __init__(self):
        super().__init__()
        self.said = queue.Queue()

    def callFromThread(self, function, *arguments):  # noqa: N802
        """A thread speaks."""
        self.said.put((function, arguments))

    def listen(self):
        """Hear one thread out."""
        function, arguments = self.said.get(timeout=10)
        function(*arguments)


class StorageTests(SynchronousTestCase):
    """A folder whose threads are at work when it is closed."""

    def setUp(self):
        """One piece of work, which ends when it is told to."""
        self.reactor = ThreadReactor()
        self.storage = Storage(self.reactor, Configuration(filesystem=Filesystem(root=Folder("."))))
        self.storage.start()
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        self.work = self.storage._in_thread(self.go_on.wait, 30)

    def test_work_is_waited_for(self):
        """What a thread is at, and what follows from it, is finished first."""
        more = []
        self.work.addCallback(lambda _: more.append(self.storage._in_thread(lambda: "more")))
        closed = self.storage.close()
        self.reactor.advance(STORAGE_SECONDS / 2)
        self.assertNoResult(closed)
        self.go_on.set()
        self.reactor.listen()
        self.reactor.advance(0)
        self.assertNoResult(closed)
        self.reactor.listen()
        self.reactor.advance(0)
        assert self.successResultOf(more[0]) == "more"
        self.successResultOf(closed)
        assert self.reactor.getDelayedCalls() == []

    def test_a_disk_that_hangs_is_not(self):
        """After a while the stop goes on without it, and the thread does not keep the process (F22, S036)."""
        closed = self.storage.close()
        self.assertNoResult(closed)
        self.reactor.advance(STORAGE_SECONDS)
        self.successResultOf(closed)
        [thread] = [thread for thread in threading.enumerate() if "tftpd-storage" in thread.name]
        assert thread.daemon
        self.go_on.set()
        self.reactor.listen()
        self.reactor.advance(1)

    def test_nobody_waits_in_a_hurry(self):
        """Neither when it is closed already nor when that is still to come (F22)."""
        closed = self.storage.close()
        self.assertNoResult(closed)
        self.storage.hurry()
        self.successResultOf(closed)
        assert self.reactor.getDelayedCalls() == []
        self.go_on.set()
        self.reactor.listen()
        self.reactor.advance(0)

    def test_nobody_waits_later_either(self):
        """Transfers that end in a hurry are what closes it."""
        self.storage.hurry()
        self.successResultOf(self.storage.close())
        assert self.reactor.getDelayedCalls() == []
        self.go_on.set()
        self.reactor.listen()
        self.reactor.advance(0)


@pytest.mark.parametrize("read_ahead", [0, 4096])
def test_reading_ahead(read_ahead):
    """The setting reaches the readers, of shared files and of others."""
    configuration = Configuration(
        filesystem=Filesystem(root=Folder(".")), performance=Performance(read_ahead=Size(read_ahead))
    )
    storage = Storage(ThreadReactor(), configuration)
    assert storage.folders.backend._read_ahead == storage.folders.backend._files._read_ahead == read_ahead
    storage.folders.backend.close()


class TestReload:
    """Quotas go on with what was counted before, whatever the settings call the folder."""

    @pytest.fixture
    def reactor(self):
        """One for all folders."""
        return ThreadReactor()

    @pytest.fixture
    def quota(self, reactor, tmp_path):
        """The quota after the folder of that name is served."""
        (tmp_path / "folder").mkdir()
        (tmp_path / "other-way").symlink_to("folder")
        (tmp_path / "another").mkdir()

        def configured(name):
            root = Folder(f"{tmp_path}/{name}")
            return Configuration(filesystem=Filesystem(root=root, quota_per_client=FileSize(100)))

        storage = Storage(reactor, configured("folder"))

        def quota(name=None):
            if name is not None:
                storage.use(storage.open(configured(name)), 1)
            return storage.folders.backend.quota

        yield quota
        storage.close()

    @pytest.mark.parametrize("name", ["folder", "other-way"])
    def test_the_same_folder(self, reactor, quota, name):
        """What clients have stored still counts, and so does what they store now into the old one."""
        growing = quota().begin("192.0.2.1", (b"a",), None)
        growing.take(60)
        reloaded = quota(name)
        reactor.advance(OPENING_SECONDS)
        growing.keep(0)
        with pytest.raises(DiskFull):
            reloaded.check("192.0.2.1", 50)
        reloaded.check("192.0.2.1", 40)

    def test_another_folder(self, reactor, quota):
        """It has a count of its own; and what is served no more is forgotten."""
        old = quota().begin("192.0.2.1", (b"a",), None)
        old.take(60)
        quota("another").check("192.0.2.1", 100)
        reactor.advance(OPENING_SECONDS)
        del old
        gc.collect()
        quota("folder").check("192.0.2.1", 100)


def test_figures_of_the_cache(tmp_path):
    """They go on over reloads, and what is kept is what is kept now."""
    (tmp_path / "f").write_bytes(b"content")
    configuration = Configuration(filesystem=Filesystem(root=Folder(str(tmp_path))))
    reactor = ThreadReactor()
    storage = Storage(reactor, configuration)

    def figures():
        totals = Totals()
        storage.add_figures(totals)
        names = (families.CACHE_HITS, families.CACHE_MISSES, families.CACHE_DESCRIPTORS)
        return tuple(totals.get(family) for family in names)

    def read():
        client = Address("192.0.2.1", 2000)
        request = Request(Direction.READ, b"f", Mode.OCTET, (), client, Address("192.0.2.2", 69))
        storage.folders.backend.open_read(request).close()

    read()
    read()
    assert figures() == (1, 1, 1)
    storage.use(storage.open(configuration), 1)
    read()
    assert figures() == (1, 2, 2)
    reactor.advance(OPENING_SECONDS)
    assert figures() == (1, 2, 0)
    storage.close()
