"""Each setting of the performance and cache sections, from the file to its effect."""

import os
import queue
import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tftpd_tw.backends import confined, shared_files
from tftpd_tw.backends.memory import BytesReader, BytesWriter, MemoryBackend
from tftpd_tw.backends.shared_files import ENTRY
from tftpd_tw.interfaces import Address, Direction, IBackend, Request
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.opening import OpenError
from tftpd_tw.service.storage import Storage
from tftpd_tw.service.treatment import make_terms
from tftpd_tw.testing import CLIENT, MemoryNetwork, RawPeer


def configured(folder: Path, text: str) -> Configuration:
    """What ``text`` comes to, as a file that serves ``folder``."""
    file = folder.parent / "tftpd.yaml"
    file.write_text(f"filesystem: {{root: {folder}}}\n{text}\n")
    sources = Sources()
    sources.add_file(str(file))
    configuration: Configuration = sources.configuration()
    return configuration


# On the wire


def served(
    tmp_path: Path, performance: str, backend: IBackend | None = None, *, mtu: int = 65536
) -> tuple[MemoryNetwork, RawPeer]:
    """A server with these settings, and a client of literal packets."""
    configuration = configured(tmp_path / "root", f"performance: {{{performance}}}")
    network = MemoryNetwork(mtu=mtu)
    network.clock.advance(1000.0)
    network.serve(backend or MemoryBackend({b"f": bytes(1 << 20)}), make_terms(configuration.performance))
    return network, network.host(CLIENT).raw()


def asking(**options: int) -> bytes:
    """A read request with these options."""
    return b"\0\1f\0octet\0" + b"".join(b"%s\0%d\0" % (name.encode(), value) for name, value in options.items())


def granted(answer: bytes) -> dict[str, int]:
    """What an OACK grants."""
    assert answer[:2] == b"\0\6"
    words = answer[2:-1].split(b"\0")
    return {name.decode(): int(value) for name, value in zip(words[::2], words[1::2], strict=True)}


ALL = {"blksize": 65464, "windowsize": 65535}


@pytest.mark.parametrize(
    ("settings", "mtu", "expected"),
    [
        ("block_size: 8192", 1500, {"blksize": 8192, "windowsize": 64}),
        ("block_size: 8KiB, window_size: 16", 1500, {"blksize": 8192, "windowsize": 16}),
        ("block_size: mtu", 1500, {"blksize": 1468, "windowsize": 64}),
        ("window_size: 1000", 1500, {"blksize": 1468, "windowsize": 1000}),
        ("mtu_slack: 50", 1500, {"blksize": 1418, "windowsize": 64}),
        ("mtu_slack: 50, block_size: 1468", 1500, {"blksize": 1468, "windowsize": 64}),
        ("mtu_slack: 1499", 1500, {"blksize": 8, "windowsize": 64}),
        ("buffer_size: 65536", 1500, {"blksize": 1468, "windowsize": 44}),
        ("buffer_size: 64KiB, block_size: 65464", 1500, {"blksize": 65464, "windowsize": 1}),
        ("buffer_size: 1024", 1500, {"blksize": 1024, "windowsize": 1}),
        ("buffer_size: 1Gi, block_size: 65464, window_size: 32767", 1500, {"blksize": 65464, "windowsize": 64}),
    ],
)
def test_what_is_granted(settings: str, mtu: int, expected: dict[str, int], tmp_path: Path) -> None:
    """``block_size``, ``mtu_slack``, ``window_size`` and ``buffer_size`` bound what who asks for all gets."""
    _, peer = served(tmp_path, settings, mtu=mtu)
    [answer] = peer.ask(asking(**ALL))
    assert granted(answer) == expected


@implementer(IBackend)
class Noted:
    """A file that notes what is read of it; what is written to it is never stored."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def open_read(self, request: Request) -> Any:
        """A reader of zeros."""
        lengths = self.lengths

        class Reader(BytesReader):
            def read(self, offset: int, length: int) -> Any:
                lengths.append(length)
                return super().read(offset, length)

        return Reader(bytes(1 << 20))

    def open_write(self, request: Request) -> Any:
        """A writer that never comes to an end."""

        class Writer(BytesWriter):
            def write(self, data: Any) -> Any:
                return Deferred()

        return Writer(lambda content: None)


@pytest.mark.parametrize(("buffer", "expected"), [("2000", 2000), ("3999", 2000), ("4000", 4000)])
def test_the_buffer_bounds_what_is_read_ahead(buffer: str, expected: int, tmp_path: Path) -> None:
    """With room for one window the next one is read when this one is acknowledged; with room for two, before."""
    backend = Noted()
    _, peer = served(tmp_path, f"block_size: 1000, window_size: 2, buffer_size: {buffer}", backend)
    peer.ask(asking(**ALL))
    assert len(peer.ask(b"\0\4\0\0", peer.tid)) == 2
    assert sum(backend.lengths) == expected


@pytest.mark.parametrize(("buffer", "taken"), [("512", 1), ("2000", 3), ("8KiB", 16)])
def test_the_buffer_bounds_what_waits_for_the_disk(buffer: str, taken: int, tmp_path: Path) -> None:
    """So many blocks of an upload are taken before its client has to wait, where nothing gets stored."""
    _, peer = served(tmp_path, f"buffer_size: {buffer}", Noted())
    assert peer.ask(b"\0\2f\0octet\0") == [b"\0\4\0\0"]
    for block in range(1, taken):
        assert peer.ask(b"\0\3\0%c" % block + bytes(512), peer.tid) == [b"\0\4\0%c" % block]
    assert peer.ask(b"\0\3\0%c" % taken + bytes(512), peer.tid) == []


def silence(network: MemoryNetwork, peer: RawPeer) -> list[float]:
    """When block 2 is sent, in seconds after the first time, to a client that has acknowledged block 1."""
    peer.ask(b"\0\1f\0octet\0")
    peer.ask(b"\0\4\0\1", peer.tid)
    began, times = network.clock.seconds(), []

    def note(datagram: bytes) -> bool:
        times.append(network.clock.seconds() - began)
        return False

    network.drop = note
    network.run_until_idle()
    return times


@pytest.mark.parametrize(
    ("settings", "longest", "end"),
    [("timeout: 500ms, max_retries: 3", 0.5, 2), ("timeout: 2, max_retries: 9", 2, 20)],
)
def test_the_longest_wait_and_the_patience(settings: str, longest: float, end: float, tmp_path: Path) -> None:
    """``timeout`` is the longest pause between repeats; ``timeout`` x (``max_retries`` + 1) the end of them."""
    times = silence(*served(tmp_path, settings))
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert max(pauses) == pytest.approx(longest, abs=0.06)
    assert end - longest - 0.1 <= times[-1] <= end


# Files


class ThreadClock(Clock):
    """A clock that takes what threads have to say when it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.said: queue.Queue[Callable[[], object]] = queue.Queue()

    def callFromThread(self, function: Callable[..., Any], *arguments: Any) -> None:  # noqa: N802 - Twisted's
        """A thread speaks."""
        self.said.put(lambda: function(*arguments))

    def listen(self) -> None:
        """Hear one thread out."""
        self.said.get(timeout=10)()


class StorageCase(SynchronousTestCase):
    """A folder with files, and the storage of it by settings."""

    def setUp(self) -> None:
        above = TemporaryDirectory()
        self.addCleanup(above.cleanup)
        self.root = Path(above.name) / "root"
        self.root.mkdir()
        self.reactor = ThreadClock()

    def storage(self, text: str = "") -> Storage:
        """Started; closed at the end of the test."""
        storage = Storage(self.reactor, configured(self.root, text))
        storage.start()
        self.addCleanup(storage.close)
        return storage

    def file(self, name: str, size: int) -> None:
        """One whose bytes may be kept as soon as it is there."""
        self.patch(shared_files, "SETTLED", -60.0)
        (self.root / name).write_bytes(os.urandom(size))

    def open(self, storage: Storage, name: str) -> Any:
        """A reader, closed at the end of the test."""
        peer = Address("192.0.2.100", 1024)
        request = Request(Direction.READ, name.encode(), Mode.OCTET, (), peer, Address("192.0.2.1", 69))
        reader = storage.folders.backend.open_read(request)
        if isinstance(reader, Deferred):
            reader = self.successResultOf(reader)
        self.addCleanup(reader.close)
        return reader


class ThreadTests(StorageCase):
    """``thread_pool_size`` and ``async_io``."""

    def test_the_size_of_the_pool(self) -> None:
        """So many pieces of work at once, and no more."""
        for size in (1, 3):
            storage = self.storage(f"performance: {{thread_pool_size: {size}}}")
            begun, go_on = threading.Semaphore(0), threading.Event()

            def work(begun: threading.Semaphore = begun, go_on: threading.Event = go_on) -> None:
                begun.release()
                go_on.wait(10)

            done = [storage._in_thread(work) for _ in range(size + 1)]
            for _ in range(size):
                assert begun.acquire(timeout=10)
            assert len(storage._threads.working) == size
            assert storage._threads.max == size
            go_on.set()
            assert begun.acquire(timeout=10)
            for _ in done:
                self.reactor.listen()
            for result in done:
                self.successResultOf(result)

    def test_no_threads(self) -> None:
        """With ``async_io: false`` what would wait for a disk is done at once, in this thread."""
        storage = self.storage("performance: {async_io: false}")
        found = storage.folders.backend.held.in_thread(threading.get_ident)
        assert self.successResultOf(found) == threading.get_ident()
        failed = storage.folders.backend.held.in_thread(lambda: 1 / 0)
        self.failureResultOf(failed, ZeroDivisionError)

    def test_threads(self) -> None:
        """Without it, in another."""
        found = self.storage().folders.backend.held.in_thread(threading.get_ident)
        self.assertNoResult(found)
        self.reactor.listen()
        assert self.successResultOf(found) != threading.get_ident()

    def test_a_file_that_is_not_in_the_cache(self) -> None:
        """Neither to open nor to read it is left to anybody: the answers are there at once."""
        self.file("f", 1000)
        storage = self.storage("performance: {async_io: false}\ncache: {enabled: false}")
        self.patch(storage.folders.backend.held.root, "prompt", False)  # so that the caches are not even asked
        reader = self.open(storage, "f")
        found = reader.read(0, 1000)
        content = self.successResultOf(found) if isinstance(found, Deferred) else found
        assert bytes(content) == (self.root / "f").read_bytes()

    def test_not_on_another_machines_files(self) -> None:
        """A file server that is dead would keep all transfers waiting: one line says so, and nothing starts."""
        self.patch(confined, "answers_at_once", lambda fd: False)
        with pytest.raises(
            OpenError, match=r"tftpd: performance\.async_io: false is for local file systems"
        ) as caught:
            Storage(self.reactor, configured(self.root, "performance: {async_io: false}"))
        assert str(self.root) in str(caught.value.code)
        self.storage("performance: {async_io: true}")


class CacheTests(StorageCase):
    """``cache.enabled``, ``size`` and ``ttl``."""

    def reads(self, storage: Storage, *names: str) -> None:
        """Each file twice: the second time its bytes are kept, if they are."""
        for name in names:
            for _ in range(2):
                self.open(storage, name).close()

    def in_place(self, text: str) -> Storage:
        """Without threads, so that all has happened when a call comes back."""
        return self.storage(f"performance: {{async_io: false}}\ncache: {{{text}}}")

    def test_not_enabled(self) -> None:
        """Each transfer opens its own, and nothing is kept."""
        self.file("f", 100)
        on, off = self.in_place("enabled: true"), self.in_place("enabled: false")
        assert off.folders.backend._files is None
        first, second = self.open(off, "f"), self.open(off, "f")
        assert first._fd != second._fd
        first, second = self.open(on, "f"), self.open(on, "f")
        assert first._fd == second._fd

    def test_the_size(self) -> None:
        """So many bytes of small files, with what each costs besides; those not used for longest go."""
        for name in ("a", "b", "c"):
            self.file(name, 3 * ENTRY)
        storage = self.in_place(f"size: {8 * ENTRY}")
        files = storage.folders.backend._files
        assert files is not None
        self.reads(storage, "a", "b", "c")
        assert files.bytes_held == 8 * ENTRY
        assert files.evictions == 1
        nothing = self.in_place("size: 0")
        self.reads(nothing, "a", "b", "c")
        files = nothing.folders.backend._files
        assert files is not None
        assert (files.bytes_held, files.hits) == (0, 3)

    def test_the_time(self) -> None:
        """After ``ttl`` seconds nobody new gets what was opened before."""
        self.file("f", 100_000)
        storage = self.in_place("ttl: 5m")
        files = storage.folders.backend._files
        assert files is not None
        self.open(storage, "f").close()
        self.reactor.advance(299)
        self.open(storage, "f").close()
        assert (files.hits, files.misses, files.open_descriptors) == (1, 1, 1)
        self.reactor.advance(1)
        assert files.open_descriptors == 0
        self.open(storage, "f").close()
        assert (files.hits, files.misses) == (1, 2)
