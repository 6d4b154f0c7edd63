"""Files whose names differ from those asked for in upper and lower case."""

import errno
import os
import stat

import pytest
from backend_kit import at_once, failure_of, fetch, not_yet, read_request, result_of, store
from twisted.internet.defer import CancelledError, maybeDeferred

from tftpd_tw.backends import caseless
from tftpd_tw.backends.caseless import FOLDER, CaselessBackend
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.held import HeldRoot
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound, TFTPError


@pytest.fixture
def settled(monkeypatch):
    """Names are kept however young they are; nothing could make a folder's times older than the test."""
    monkeypatch.setattr(caseless, "SETTLED", -1.0)


@pytest.fixture
def make(top):
    """Makes backends for ``top``; everything is closed afterwards."""
    opened = []

    def make(run_blocking=at_once, **options):
        inner = DirectoryBackend(top, run_blocking=at_once, uploads=UploadPolicy.OVERWRITE)
        opened.append(inner)
        # Only the threads for names have to be told to work.
        return CaselessBackend(inner, HeldRoot(inner.held.root, run_blocking), **options)

    yield make
    for backend in opened:
        backend.close()


@pytest.fixture
def windows(top):
    """What a WDS client asks for, spelled otherwise."""
    (top / "boot" / "Fonts").mkdir(parents=True)
    (top / "boot" / "bcd").write_bytes(b"bcd")
    (top / "boot" / "Fonts" / "wgl4_Boot.ttf").write_bytes(b"font")
    for folder in (top, top / "boot"):
        os.utime(folder, (1e9, 1e9))  # whatever changes them from now on changes this
    return top


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (b"\\Boot\\BCD", b"bcd"),
        (b"boot/bcd", b"bcd"),
        (b"C:\\BOOT\\fonts\\WGL4_BOOT.TTF", b"font"),
        (b"F", b"file"),
        (b"f", b"file"),
        (b"SUB/./G", b"deeper"),
    ],
)
def test_any_spelling(make, windows, name, content):
    """C033: a file is found in any spelling."""
    assert fetch(make(), name) == content


@pytest.mark.parametrize("name", [b"\\Boot\\nope", b"nope\\BCD", b"F/x", b"\\boot\\bcd\\x"])
def test_not_there(make, windows, name):
    """C031: what is there in no spelling is not found."""
    with pytest.raises(FileNotFound):
        fetch(make(), name)


@pytest.mark.parametrize("name", [b"..\\X", b"SUB/../../X", b"boot\\"])
def test_names_are_checked(make, windows, name):
    """C030, S020: names that are refused are refused in any spelling."""
    with pytest.raises(AccessViolation):
        fetch(make(), name)


def test_the_exact_spelling_counts(make, top):
    """Of several files the one that is spelled as it was asked for; or else the first in the order of bytes."""
    for name in ("Cfg", "cfg", "cFG"):
        (top / name).write_text(name)
    backend = make()
    assert fetch(backend, b"cfg") == b"cfg"
    assert fetch(backend, b"cFG") == b"cFG"
    assert fetch(backend, b"CFG") == b"Cfg"
    assert fetch(backend, b"cfG") == b"Cfg"


def test_each_component_by_itself(make, top):
    """The spelling of a folder is chosen before anybody looks into it."""
    for name in ("Dir/a", "dir/b"):
        (top / name).parent.mkdir()
        (top / name).write_text(name)
    backend = make()
    assert fetch(backend, b"dir/B") == b"dir/b"
    assert fetch(backend, b"DIR/A") == b"Dir/a"
    with pytest.raises(FileNotFound):
        fetch(backend, b"DIR/B")


def test_only_ascii_has_case(make, top):
    """Bytes above 127 are what they are."""
    (top / "é").write_bytes(b"e")
    assert fetch(make(), "é".encode()) == b"e"
    with pytest.raises(FileNotFound):
        fetch(make(), "É".encode())


def test_bytes_that_are_no_text(make, top):
    """C027: names are bytes."""
    with open(os.fsencode(top) + b"/A\xff\n", "wb") as file:
        file.write(b"x")
    assert fetch(make(), b"a\xff\n") == b"x"


def test_a_component_like_a_drive(make, top):
    """C034: only the beginning of a name can be a drive, not what stands behind a slash."""
    (top / "c:").mkdir()
    (top / "c:" / "x").write_bytes(b"x")
    assert fetch(make(), b"/C:/X") == b"x"


def test_symlinks_do_not_lead_out(make, top):
    """S021, S023: a link that leaves the root is not followed to find a spelling."""
    (top / "Out").symlink_to("../outside")
    (top / "In").symlink_to("sub")
    backend = make()
    with pytest.raises(AccessViolation):
        fetch(backend, b"out/F")
    assert fetch(backend, b"IN/G") == b"deeper"


def test_a_folder_that_cannot_be_read(make, top, monkeypatch):
    """Where names cannot be read, they are what they are asked for as; and it is no other error than that."""
    (top / "sub" / "Deep").mkdir()
    (top / "sub" / "Deep" / "x").write_bytes(b"x")
    real = caseless.Root.open_file

    def open_file(self, components, flags, **options):
        if components == (b"sub",) and not flags & caseless.LOOK:
            raise AccessViolation("not for us")
        return real(self, components, flags, **options)

    monkeypatch.setattr(caseless.Root, "open_file", open_file)
    backend = make()
    assert fetch(backend, b"SUB/Deep/X") == b"x"
    with pytest.raises(FileNotFound):
        fetch(backend, b"SUB/deep/X")


def test_a_large_folder(make, top, monkeypatch):
    """In a folder with too many names case counts."""
    monkeypatch.setattr(caseless, "LARGEST", 2)
    assert fetch(make(), b"F") == b"file"
    (top / "third").write_bytes(b"")
    with pytest.raises(FileNotFound):
        fetch(make(), b"F")
    assert fetch(make(), b"f") == b"file"


class TestIndex:
    """Names are read once."""

    @pytest.fixture
    def read(self, monkeypatch):
        """The folders whose names have been read."""
        found = []
        real = caseless._read

        def read(root, components):
            found.append(b"/".join(components))
            return real(root, components)

        monkeypatch.setattr(caseless, "_read", read)
        return found

    def test_kept(self, make, windows, read, settled):
        """While nothing changes, no folder is read again, also for what is not there."""
        backend = make()
        assert fetch(backend, b"\\Boot\\BCD") == b"bcd"
        assert read == [b"", b"boot"]
        assert fetch(backend, b"\\BOOT\\Bcd") == b"bcd"
        with pytest.raises(FileNotFound):
            fetch(backend, b"\\BOOT\\nope")
        assert read == [b"", b"boot"]

    def test_exact_names_need_no_index(self, make, windows, read):
        """Whoever spells a name as it is costs nothing."""
        assert fetch(make(), b"boot/bcd") == b"bcd"
        assert read == []

    @pytest.mark.parametrize("change", ["new", "gone", "renamed", "other folder"])
    def test_changes_are_seen(self, make, windows, settled, change):
        """The next request sees what has changed in a folder."""
        backend = make()
        boot = windows / "boot"
        assert fetch(backend, b"BOOT/BCD") == b"bcd"
        if change == "new":
            (boot / "BcD").write_bytes(b"other")
        elif change == "gone":
            (boot / "bcd").unlink()
        elif change == "renamed":
            (boot / "bcd").rename(boot / "Bcd")
        else:
            boot.rename(windows / "old")
            (windows / "Boot").mkdir()
            (windows / "Boot" / "BCd").write_bytes(b"another")
        if change == "gone":
            with pytest.raises(FileNotFound):
                fetch(backend, b"BOOT/BCD")
        else:
            expected = {"new": b"other", "renamed": b"bcd", "other folder": b"another"}[change]
            assert fetch(backend, b"BOOT/BCD") == expected

    def test_not_kept_while_it_changes(self, make, windows, read):
        """A folder that has just changed may change again without another time: it is read for each request."""
        backend = make()
        for _ in range(2):
            assert fetch(backend, b"\\Boot\\BCD") == b"bcd"
        assert read == [b"", b"boot"] * 2
        assert backend.names_held == 0

    def test_bounded(self, make, top, settled, read):
        """The names that are kept are counted, and those not used for longest go first."""
        for number in range(4):
            (top / f"d{number}").mkdir()
            (top / f"d{number}" / "f").write_bytes(b"%d" % number)
        names_in_top = 6
        backend = make(most_names=names_in_top + 2 + 3 * FOLDER)
        for number in (0, 1):
            fetch(backend, b"D%d/F" % number)
        assert backend.names_held == names_in_top + 2 + 3 * FOLDER
        fetch(backend, b"D0/F")
        fetch(backend, b"D2/F")
        read.clear()
        fetch(backend, b"D0/F")
        assert read == []
        fetch(backend, b"D1/F")
        assert read == [b"d1"]
        assert backend.names_held == names_in_top + 2 + 3 * FOLDER


class TestThreads:
    """Folders are read in threads, and nothing waits for them in the reactor."""

    def test_read_in_a_thread(self, make, windows, threads, settled):
        """The first request waits for a thread; a later one is answered at once."""
        backend = make(threads)
        opening = backend.open_read(read_request(b"BOOT/BCD"))
        not_yet(opening)
        threads.run()
        result_of(opening).close()
        backend.open_read(read_request(b"BOOT/BCD")).close()

    def test_slow_file_systems(self, make, windows, threads, settled):
        """What may have to ask another machine is asked in a thread each time."""
        backend = make(threads)
        backend._held.root.prompt = False
        for _ in range(2):
            opening = backend.open_read(read_request(b"BOOT/BCD"))
            not_yet(opening)
            threads.run()
            result_of(opening).close()

    def test_cancelled(self, make, windows, threads, settled):
        """A client that gave up gets nothing; what was read for it is kept for others."""
        backend = make(threads)
        opening = backend.open_read(read_request(b"BOOT/BCD"))
        opening.cancel()
        assert failure_of(opening).check(CancelledError)
        threads.run()
        backend.open_read(read_request(b"BOOT/BCD")).close()

    def test_closed_while_a_thread_reads(self, make, windows, threads):
        """The root stays open for a thread that is at work; what was asked for is not opened any more."""
        backend = make(threads)
        opening = backend.open_read(read_request(b"BOOT/BCD"))
        backend._held.close()
        assert backend._held.root.fd >= 0
        threads.run()
        assert backend._held.root.fd == -1
        assert type(failure_of(opening).value) is TFTPError

    @pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EIO])
    @pytest.mark.parametrize("prompt", [True, False])
    def test_the_system_fails(self, make, windows, threads, monkeypatch, number, prompt):
        """A folder that cannot be looked at is an error like any other, at once or in a thread."""
        backend = make(threads)
        backend._held.root.prompt = prompt
        real = os.fstat

        def fstat(fd):
            status = real(fd)
            if stat.S_ISDIR(status.st_mode):
                raise OSError(number, os.strerror(number))
            return status

        monkeypatch.setattr(os, "fstat", fstat)
        opening = maybeDeferred(backend.open_read, read_request(b"BOOT/BCD"))
        threads.run()
        error = failure_of(opening).value
        assert (type(error), str(error)) == (TFTPError, f"fstat: {os.strerror(number)}")

    def test_failure_in_a_thread(self, make, windows, threads):
        """What is not there is not found, also in a thread."""
        opening = make(threads).open_read(read_request(b"BOOT/nope"))
        threads.run()
        assert failure_of(opening).check(FileNotFound)


class TestUploads:
    """An upload replaces the file that a case-insensitive disk would replace."""

    def test_another_spelling(self, make, windows):
        """The file keeps its name."""
        store(make(), b"BOOT/BCD", b"new")
        assert (windows / "boot" / "bcd").read_bytes() == b"new"
        assert sorted(os.listdir(windows / "boot")) == ["Fonts", "bcd"]

    def test_new_files(self, make, windows):
        """A new one is spelled as the client does, in the folder that is there."""
        store(make(), b"BOOT/New", b"new")
        assert (windows / "boot" / "New").read_bytes() == b"new"

    def test_no_folder(self, make, windows):
        """Folders are not made."""
        with pytest.raises(FileNotFound):
            store(make(), b"NOPE/New", b"new")
