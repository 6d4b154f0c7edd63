"""The directory backend: what clients can and cannot do to the files beneath a root."""

import os
import socket
import stat
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
    tree,
    write_request,
)
from lacking import lacking
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.shared_files import SharedFiles
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import IBackend, IReader, IWriter
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, FileExists, FileNotFound, TFTPError

TRAVERSALS = [
    *(
        b"../x",
        b"../../../../etc/passwd",
        b"/etc/passwd",
        b"//etc/passwd",
        b"a/../../x",
        b"./../x",
        b"..",
        b".",
        b"/",
    ),
    *(b"", b"..\\x", b"\\etc\\passwd", b"a\\..\\..\\x", b"....//x", b"..././x", b"%2e%2e/x", b"..%2fx"),
    *(b"..%c0%afx", b"..;/x", b"C:\\x", b"\\\\host\\share\\x", b"//host/x", b"f%00.txt", b"f\0.txt", b"~root/x"),
    *(b"x/", b"x/.", b"/proc/self/environ", b"/dev/zero", b"/dev/stdin", b"sub/../../x", b"sub/..\\../x"),
]


@pytest.fixture(params=["openat2", "walking", "openat2-shared", "walking-shared"])
def open_backend(request, top):
    """Makes backends of the root directory, and closes them at the end."""
    opened = []

    def open_backend(uploads=UploadPolicy.DENY, run_blocking=at_once, where=top, **arguments):
        if "shared" in request.param:
            arguments["files"] = SharedFiles(run_blocking, Clock())
        backend = DirectoryBackend(where, uploads=uploads, run_blocking=run_blocking, **arguments)
        backend.held.root.walking |= "walking" in request.param
        opened.append(backend)
        return backend

    yield open_backend
    for backend in opened:
        backend.close()


def test_interfaces(open_backend, threads):
    """The backend, its readers and its writers provide what the interfaces ask for."""
    backend = open_backend(UploadPolicy.CREATE)
    reader = result_of(backend.open_read(read_request(b"f")))
    writer = result_of(backend.open_write(write_request(b"new")))
    assert verifyObject(IBackend, backend)
    assert verifyObject(IReader, reader)
    assert verifyObject(IWriter, writer)
    assert backend.name == "directory"
    reader.close()
    result_of(writer.cancel())


@pytest.mark.parametrize("name", [b"sub/g", b"/sub/g", b"//sub//g", b"./sub/g", b"\\sub\\g", b"C:\\sub\\g"])
def test_serves_what_is_beneath_the_root(open_backend, name):
    """C033, C034: a file is served under every spelling of its name."""
    assert fetch(open_backend(), name) == b"deeper"


def test_names_are_bytes(open_backend, top):
    """C027, C028, C029: a name in no encoding, with a line feed, or of 255 bytes, is like any other."""
    for name in (b"\xff\xfe", "grün".encode("latin-1"), b"a\nb", b"-rf", b"n" * 255):
        with open(os.fsencode(top) + b"/" + name, "wb") as file:
            file.write(name)
        assert fetch(open_backend(), name) == name


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_reads_outside(open_backend, name):
    """S020, C029, C030, C031: no spelling gives a byte from outside the root, and none is a crash."""
    with pytest.raises((AccessViolation, FileNotFound)):
        fetch(open_backend(), name)


@pytest.mark.parametrize("policy", [UploadPolicy.CREATE, UploadPolicy.OVERWRITE, UploadPolicy.EXISTING])
@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_name_writes_outside(open_backend, top, name, policy):
    """S020: no spelling stores a byte outside the root; what is a plain name inside it may be stored there."""
    passwd = os.stat("/etc/passwd")
    outside = {path: content for path, content in tree(top.parent).items() if not path.startswith("root")}
    try:
        store(open_backend(policy), name, b"written")
    except (AccessViolation, FileNotFound):
        inside = tree(top)
        assert inside == {"f": b"file", "sub": None, "sub/g": b"deeper"}
    assert {path: text for path, text in tree(top.parent).items() if not path.startswith("root")} == outside
    assert os.stat("/etc/passwd").st_mtime_ns == passwd.st_mtime_ns


@pytest.mark.parametrize("target", ["../x", "/etc/passwd", "loop", "../outside/f"])
def test_links_out_of_the_root_are_not_read(open_backend, top, target):
    """S021: a symlink that leads out, or never ends, is refused."""
    (top / "loop").symlink_to(target)
    with pytest.raises((AccessViolation, FileNotFound)):
        fetch(open_backend(), b"loop")


@pytest.mark.parametrize("policy", [UploadPolicy.CREATE, UploadPolicy.OVERWRITE, UploadPolicy.EXISTING])
def test_links_are_not_written_through(open_backend, top, policy):
    """S021, C116: neither a symlink as the target nor one to a directory outside takes an upload."""
    (top / "link").symlink_to("f")
    (top / "out").symlink_to("../x")
    (top / "door").symlink_to("../outside")
    backend = open_backend(policy)
    before = tree(top.parent)
    for name in (b"link", b"out"):
        with pytest.raises(AccessViolation):
            store(backend, name, b"written")
    for name in (b"door/f", b"door/new"):
        with pytest.raises((AccessViolation, FileNotFound)):
            store(backend, name, b"written")
    assert tree(top.parent) == before


def test_swapped_directories_are_not_written_through(open_backend, top):
    """S021: a directory that is swapped for a link out of the root never sends an upload outside."""
    (top / "door").mkdir()
    done = threading.Event()

    def swap():
        for _ in range(2000):
            os.rename(top / "door", top / "real")
            os.symlink("../outside", top / "door")
            os.unlink(top / "door")
            os.rename(top / "real", top / "door")
        done.set()

    backend = open_backend(UploadPolicy.OVERWRITE)
    racer = threading.Thread(target=swap)
    racer.start()
    outcomes = set()
    while not done.is_set():
        try:
            store(backend, b"door/f", b"written")
            outcomes.add("stored")
        except TFTPError as error:
            outcomes.add(type(error))
    racer.join()
    assert outcomes
    assert outcomes <= {"stored", AccessViolation, FileNotFound}
    assert tree(top.parent / "outside") == {"f": b"CANARY"}
    assert fetch(backend, b"f") == b"file"


@pytest.mark.parametrize("policy", [UploadPolicy.CREATE, UploadPolicy.OVERWRITE, UploadPolicy.EXISTING])
def test_special_files_are_neither_read_nor_written(open_backend, top, policy):
    """C030, C116, S022: a directory, FIFO, socket or device is refused at once, for both directions."""
    names = [b"sub", b"fifo", b"socket"]
    os.mkfifo(top / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "socket"))
    if os.geteuid() == 0:
        os.mknod(top / "device", 0o020666, os.makedev(1, 5))
        names.append(b"device")
    backend = open_backend(policy)
    for name in names:
        with pytest.raises(AccessViolation):
            fetch(backend, name)
        with pytest.raises(AccessViolation):
            store(backend, name, b"written")
    assert stat.S_ISFIFO((top / "fifo").stat().st_mode)


def test_a_name_the_kernel_knows_needs_no_thread(top, threads):
    """A file that was just looked at is opened in the reactor thread."""
    backend = DirectoryBackend(top, run_blocking=threads)
    if backend.held.root.walking:
        backend.close()
        lacking("this kernel has no openat2")
    reader = backend.open_read(read_request(b"f"))
    assert not isinstance(reader, Deferred)
    assert threads.jobs == []
    reader.close()
    backend.close()


def test_another_name_is_left_to_a_thread(open_backend, threads, monkeypatch):
    """What may wait for a disk is a Deferred, and its result or its refusal comes from a thread."""
    not_cached(monkeypatch)
    backend = open_backend(run_blocking=threads)
    waiting = backend.open_read(read_request(b"f"))
    missing = backend.open_read(read_request(b"nope"))
    not_yet(waiting)
    threads.run()
    reader = result_of(waiting)
    assert reader.size == 4
    reader.close()
    assert type(failure_of(missing).value) is FileNotFound


def test_read_that_is_given_up_is_closed(open_backend, threads, monkeypatch):
    """No descriptor stays open when the transfer is over before the thread has opened its file."""
    not_cached(monkeypatch)
    backend = open_backend(run_blocking=threads)
    before = open_descriptors()
    for name in (b"f", b"nope"):
        waiting = backend.open_read(read_request(name))
        waiting.cancel()
        failure_of(waiting)
        threads.run()
    backend.close()
    assert open_descriptors() == before - 1  # the root's


def test_write_that_is_given_up_leaves_nothing(open_backend, threads, top):
    """C114: neither descriptor nor file stays when the transfer is over before its upload was prepared."""
    backend = open_backend(UploadPolicy.CREATE, threads)
    before = open_descriptors()
    for name in (b"new", b"f"):
        waiting = backend.open_write(write_request(name))
        waiting.cancel()
        failure_of(waiting)
        threads.run()
        assert open_descriptors() == before
    assert tree(top) == {"f": b"file", "sub": None, "sub/g": b"deeper"}


def test_close_waits_for_who_is_opening(open_backend, threads, monkeypatch):
    """S023: a thread never finds another directory under the number of the root's descriptor."""
    not_cached(monkeypatch)
    backend = open_backend(run_blocking=threads)
    waiting = backend.open_read(read_request(b"f"))
    backend.close()
    threads.run()
    reader = result_of(waiting)
    assert read_all(reader) == b"file"
    reader.close()
    assert backend.held.root.fd == -1
    refused = backend.open_read(read_request(b"f"))
    threads.run()
    assert type(failure_of(refused).value) is TFTPError


def test_pool_that_is_closed(open_backend, monkeypatch):
    """A pool that takes no more work fails the request and nothing else."""
    not_cached(monkeypatch)
    backend = open_backend(run_blocking=lambda *_: fail(RuntimeError("stopped")))
    assert failure_of(backend.open_read(read_request(b"f"))).check(RuntimeError)
    backend.close()
    assert backend.held.root.fd == -1


def test_refusals_leave_nothing_open(open_backend):
    """A thousand refused requests later there are as many descriptors as before."""
    backend = open_backend(UploadPolicy.CREATE)
    before = open_descriptors()
    for _ in range(250):
        for name in (b"nope", b"../x", b"sub"):
            with pytest.raises(TFTPError):
                fetch(backend, name)
        with pytest.raises(FileExists):
            store(backend, b"f", b"x")
    assert open_descriptors() == before


def test_uploads_are_refused_by_default(open_backend, top, threads):
    """C112: without a policy nothing can be stored, and no thread is bothered."""
    backend = open_backend(run_blocking=threads)
    for name in (b"new", b"f", b"../x"):
        with pytest.raises(AccessViolation):
            backend.open_write(write_request(name))
    assert threads.jobs == []


@pytest.mark.parametrize(
    ("policy", "new", "old"),
    [
        (UploadPolicy.CREATE, None, FileExists),
        (UploadPolicy.OVERWRITE, None, None),
        (UploadPolicy.EXISTING, FileNotFound, None),
    ],
)
def test_what_each_policy_allows(open_backend, top, policy, new, old):
    """C110, C111: new files, old files, or both; and what is refused is refused before any data."""
    backend = open_backend(policy)
    for name, refusal, before in ((b"sub/new", new, None), (b"f", old, b"file")):
        if refusal is None:
            store(backend, name, b"written")
            assert fetch(backend, name) == b"written"
        else:
            assert type(failure_of(backend.open_write(write_request(name))).value) is refusal
            assert tree(top).get(name.decode()) == before


def test_missing_directory_is_not_made(open_backend, top):
    """C116: an upload to a directory that does not exist is not found."""
    with pytest.raises(FileNotFound):
        store(open_backend(UploadPolicy.OVERWRITE), b"nope/f", b"x")
    assert not (top / "nope").exists()


def test_overwriting_keeps_the_permissions(open_backend, top):
    """S025: a replaced file keeps who may read it, a new one is private."""
    (top / "f").chmod(0o664)
    backend = open_backend(UploadPolicy.OVERWRITE)
    store(backend, b"f", b"new")
    store(backend, b"sub/new", b"new")
    assert stat.S_IMODE((top / "f").stat().st_mode) == 0o664
    assert stat.S_IMODE((top / "sub" / "new").stat().st_mode) & 0o7137 == 0


def test_write_protected_file_is_not_replaced(open_backend, top):
    """C116: a file that we could not write into is not replaced either, although its directory would allow it."""
    (top / "f").chmod(0o444)
    top.chmod(0o777)
    backend = open_backend(UploadPolicy.OVERWRITE)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(AccessViolation):
            store(backend, b"f", b"written")
    finally:
        os.seteuid(was)
    assert (top / "f").read_bytes() == b"file"


@pytest.mark.parametrize("size", [11, 1 << 62])
def test_announced_size_above_the_limit(open_backend, top, size):
    """C070: more than one upload may have is refused before data, and leaves no file."""
    backend = open_backend(UploadPolicy.CREATE, max_upload=10)
    with pytest.raises(DiskFull):
        backend.open_write(write_request(b"new", size))
    store(backend, b"new", b"0123456789", 10)
    assert fetch(backend, b"new") == b"0123456789"


def test_real_bytes_above_the_limit(open_backend, top):
    """C071: what comes is counted, whatever was announced."""
    backend = open_backend(UploadPolicy.CREATE, max_upload=1000)
    with pytest.raises(DiskFull):
        store(backend, b"new", b"x" * 5000, 10)
    assert not (top / "new").exists()


def test_announced_size_above_the_free_space(open_backend, top):
    """C070: more than the disk has room for is refused before data."""
    with pytest.raises(DiskFull):
        store(open_backend(UploadPolicy.CREATE), b"new", b"", 1 << 62)
    assert not (top / "new").exists()


def test_full_disk(open_backend, tiny_disk):
    """F15, C113: a full disk is told as such, the half file is gone, and the next upload has room."""
    backend = open_backend(UploadPolicy.OVERWRITE, where=tiny_disk)
    with pytest.raises(DiskFull):
        store(backend, b"big", b"x" * 1_000_000)
    with pytest.raises(DiskFull):
        store(backend, b"big", b"x" * 65537)
    with pytest.raises(DiskFull):
        store(backend, b"big", b"", 70_000)
    assert tree(tiny_disk) == {}
    store(backend, b"small", b"x" * 60_000)
    assert tree(tiny_disk) == {"small": b"x" * 60_000}
    backend.close()


def test_disk_without_inodes(open_backend, tiny_disk):
    """F15: a disk that can hold no more files is full too, and recovers when one is gone."""
    backend = open_backend(UploadPolicy.CREATE, where=tiny_disk)
    while os.statvfs(tiny_disk).f_ffree:
        (tiny_disk / f"f{len(os.listdir(tiny_disk))}").touch()
    before = tree(tiny_disk)
    with pytest.raises(DiskFull):
        store(backend, b"new", b"")
    assert tree(tiny_disk) == before
    (tiny_disk / "f0").unlink()
    store(backend, b"again", b"")
    backend.close()


def test_aborted_uploads_fill_nothing(open_backend, top, tiny_disk):
    """S028, C114: after 200 aborted uploads the disk has as much room as before."""
    backend = open_backend(UploadPolicy.CREATE, where=tiny_disk)
    before = os.statvfs(tiny_disk)
    for _ in range(200):
        writer = result_of(backend.open_write(write_request(b"f")))
        result_of(writer.write(b"x" * 65536))
        result_of(writer.cancel())
    after = os.statvfs(tiny_disk)
    assert (after.f_bfree, after.f_ffree) == (before.f_bfree, before.f_ffree)
    assert os.listdir(tiny_disk) == []
    backend.close()


def test_too_many_open_files(open_backend, monkeypatch):
    """F17: a process that has no descriptors left says ERROR 0, and serves again when it has."""
    import resource

    backend = open_backend(UploadPolicy.CREATE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        for attempt in (lambda: fetch(backend, b"f"), lambda: store(backend, b"new", b"x")):
            with pytest.raises(TFTPError) as caught:
                attempt()
            assert type(caught.value) is TFTPError
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert fetch(backend, b"f") == b"file"


def test_reader_goes_on_while_its_file_is_replaced(open_backend):
    """C111, F19: a transfer that has begun gets the old bytes to their end, the next one the new ones."""
    backend = open_backend(UploadPolicy.OVERWRITE)
    reader = result_of(backend.open_read(read_request(b"f")))
    store(backend, b"f", b"new content")
    assert read_all(reader, 2) == b"file"
    reader.close()
    assert fetch(backend, b"f") == b"new content"


def test_wire_text_says_nothing_of_the_system(open_backend, top):
    """C031: the path and the system's words are in the log's message only, and escaped there."""
    (top / "loop\n").symlink_to("loop\n")
    with pytest.raises(TFTPError) as caught:
        fetch(open_backend(), b"loop\n")
    assert str(top) not in caught.value.wire_text
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["missing", "x"])
def test_root_must_be_a_directory(top, what):
    """A root that is none is told with its path, when the backend is made."""
    with pytest.raises(OSError, match=what):
        DirectoryBackend(top.parent / what, run_blocking=at_once)


def test_world_readable_only(open_backend, top):
    """S01b, S025: what not everybody may read is not served, also if we may, or just have."""
    (top / "f").chmod(0o640)
    backend = open_backend(world_readable_only=True)
    with pytest.raises(AccessViolation, match="not world-readable"):
        fetch(backend, b"f")
    (top / "f").chmod(0o644)
    assert fetch(backend, b"f") == b"file"
    (top / "f").chmod(0o640)
    with pytest.raises(AccessViolation, match="not world-readable"):
        fetch(backend, b"f")
    assert fetch(open_backend(), b"f") == b"file"


def test_world_readable_only_from_a_disk(open_backend, top, monkeypatch):
    """S025: the same in a thread."""
    not_cached(monkeypatch)
    (top / "f").chmod(0o600)
    assert type(failure_of(open_backend(world_readable_only=True).open_read(read_request(b"f"))).value) is (
        AccessViolation
    )
