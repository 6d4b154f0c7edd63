"""Opening beneath a root: the kernel's way and the walk that stands in for it, by the same tests."""

import errno
import os
import socket
import threading

import pytest
from backend_kit import open_descriptors
from lacking import lacking

from tftpd_tw.backends import confined
from tftpd_tw.backends.confined import Root, as_tftp_error
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, FileExists, FileNotFound, TFTPError

REFUSED = (AccessViolation, FileNotFound)


def content_of(fd):
    """Reads and closes."""
    with open(fd, "rb") as file:
        return file.read()


def test_opens_what_is_inside(root):
    """S023: a file is found at its place, however deep, and the descriptor is not inherited or blocking."""
    fd = root.open_regular([b"sub", b"g"])
    assert not os.get_inheritable(fd)
    assert not os.get_blocking(fd)
    assert content_of(fd) == b"deeper"


def test_deep_paths(root, top):
    """S023: no directory on the way stays open, whether the file is there or not."""
    (top / "sub" / "a" / "b").mkdir(parents=True)
    (top / "sub" / "a" / "b" / "f").write_bytes(b"deepest")
    before = open_descriptors()
    assert content_of(root.open_regular([b"sub", b"a", b"b", b"f"])) == b"deepest"
    with pytest.raises(FileNotFound):
        root.open_regular([b"sub", b"a", b"nope", b"f"])
    assert open_descriptors() == before


def test_no_components_are_the_root_itself(root, top):
    """S023: the root can be had as a directory, which is where uploads to it go."""
    fd = root.open_file((), os.O_RDONLY | os.O_DIRECTORY)
    assert os.fstat(fd).st_ino == top.stat().st_ino
    os.close(fd)


@pytest.mark.parametrize("components", [[b"..", b"x"], [b"sub", b"..", b"..", b"x"], [b"../x"], [b"sub/../../x"]])
def test_second_fence_keeps_upwards_inside(root, components):
    """S020: even components that were never checked do not lead out of the root."""
    with pytest.raises(AccessViolation):
        root.open_file(components, os.O_RDONLY)


def test_absolute_component_stays_inside(root):
    """S020: a path from the system's root is not followed, although the file exists."""
    with pytest.raises(AccessViolation):
        root.open_file([b"/etc/passwd"], os.O_RDONLY)


def test_nul_does_not_cut_the_name(root):
    """S020: a NUL in a component is refused rather than read as its end."""
    with pytest.raises(AccessViolation):
        root.open_file([b"f\0.txt"], os.O_RDONLY)


@pytest.mark.parametrize("components", [[b"nope"], [b"nope", b"f"], [b"f", b"below"], [b"a" * 256]])
def test_missing_is_not_found(root, components):
    """C029, C031: what does not exist, also below a file, is not found."""
    with pytest.raises(FileNotFound):
        root.open_regular(components)


@pytest.mark.parametrize(
    ("link", "target", "asked"),
    [
        ("up", "../x", [b"up"]),
        ("abs", "/etc/passwd", [b"abs"]),
        ("dir", "../outside", [b"dir", b"f"]),
        ("slash", "/", [b"slash", b"etc", b"passwd"]),
        ("loop", "loop", [b"loop"]),
        ("magic", "/proc/self/root", [b"magic", b"etc", b"passwd"]),
        ("far", "sub/../../x", [b"far"]),
    ],
)
def test_symlinks_do_not_lead_out(root, top, link, target, asked):
    """S021, S022: a symlink that leaves the root, or never ends, is refused at the end of a path and inside it."""
    (top / link).symlink_to(target)
    with pytest.raises(REFUSED):
        root.open_regular(asked)


def test_symlink_inside(root, top):
    """S021: a symlink that stays inside is followed, except where names are walked."""
    (top / "sub" / "link").symlink_to("../f")
    if root.walking:
        with pytest.raises(AccessViolation):
            root.open_regular([b"sub", b"link"])
    else:
        assert content_of(root.open_regular([b"sub", b"link"])) == b"file"


def test_magic_links_are_not_followed():
    """S022: the links of /proc, which lead anywhere, are refused even when /proc itself is the root."""
    root = Root.open("/proc/self")
    try:
        with pytest.raises(REFUSED):
            root.open_file([b"root", b"etc", b"passwd"], os.O_RDONLY)
        with pytest.raises(REFUSED):
            root.open_file([b"cwd"], os.O_RDONLY)
    finally:
        root.close()


def swap(top, name, targets, times):
    """Lets ``name`` be one and the other, without ever being missing."""
    for number in range(times):
        os.symlink(targets[number % len(targets)], top / "next")
        os.rename(top / "next", top / name)


def swap_directory(top, name, times):
    """Lets the directory ``name`` be itself, and a link out of the root, in turns."""
    for _ in range(times):
        os.rename(top / name, top / "real")
        os.symlink("../outside", top / name)
        os.unlink(top / name)
        os.rename(top / "real", top / name)


@pytest.mark.parametrize("racer", ["link", "link-up", "directory"])
def test_swapped_links_never_lead_out(root, top, racer):
    """S021: somebody who swaps a link or a directory while names are resolved never gets foreign bytes."""
    asked = {"link": [b"swap"], "link-up": [b"swap", b"f"], "directory": [b"swap", b"f"]}[racer]
    if racer == "link":
        os.symlink("f", top / "swap")
        work = threading.Thread(target=swap, args=(top, "swap", ["f", "../x"], 2000))
    elif racer == "link-up":
        os.symlink("sub/..", top / "swap")
        work = threading.Thread(target=swap, args=(top, "swap", ["sub/..", "../outside"], 2000))
    else:
        (top / "swap").mkdir()
        (top / "swap" / "f").write_bytes(b"file")
        work = threading.Thread(target=swap_directory, args=(top, "swap", 2000))
    seen = set()
    work.start()
    while work.is_alive():
        try:
            seen.add(content_of(root.open_regular(asked)))
        except TFTPError as error:
            seen.add(type(error))
    work.join()
    assert seen
    assert seen <= {b"file", AccessViolation, FileNotFound}


@pytest.fixture(params=["fifo", "socket", "directory", "device"])
def special(request, top):
    """A thing in the root that is no regular file."""
    where = top / "special"
    if request.param == "fifo":
        os.mkfifo(where)
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(where))
    elif request.param == "directory":
        where.mkdir()
    else:
        try:
            os.mknod(where, 0o020666, os.makedev(1, 5))
        except PermissionError:
            lacking("device nodes cannot be made here")
    return b"special"


@pytest.mark.parametrize("cached_only", [False, True])
def test_special_files_are_not_even_opened(root, special, cached_only, monkeypatch):
    """C030, S022: a FIFO, socket, device or directory is refused, and opening it has no effect since it is not."""
    real_open = os.open

    def look_only(path, flags, *args, **kwargs):
        assert flags & os.O_PATH
        return real_open(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", look_only)
    with pytest.raises(BlockingIOError if cached_only and root.walking else AccessViolation):
        root.open_regular([special], cached_only=cached_only)


def test_special_files_without_proc(root, special, monkeypatch):
    """S022: where nothing can be looked at first, opening does not block and the thing is refused all the same."""
    monkeypatch.setattr(confined, "LOOK", 0)
    with pytest.raises(AccessViolation):
        root.open_regular([special])


def test_regular_files_without_proc(root, monkeypatch):
    """S023: in a chroot without /proc files are served."""
    real_open = os.open

    def no_proc(path, *args, **kwargs):
        if isinstance(path, bytes) and path.startswith(b"/proc"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", no_proc)
    assert content_of(root.open_regular([b"sub", b"g"])) == b"deeper"


def test_cached_only_opens_what_the_kernel_knows(top):
    """S023: a name that was just looked up needs no thread; walking always does."""
    root, walking = Root.open(str(top)), Root.open(str(top), walking=True)
    try:
        if not root.walking:
            os.stat(top / "sub" / "g")
            assert content_of(root.open_regular([b"sub", b"g"], cached_only=True)) == b"deeper"
        with pytest.raises(BlockingIOError):
            walking.open_regular([b"sub", b"g"], cached_only=True)
    finally:
        root.close()
        walking.close()


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINVAL])
def test_cached_only_says_when_it_would_block(top, monkeypatch, number):
    """S023: a name that is not in the cache, and a kernel that cannot tell, both mean: ask a thread."""
    root = Root.open(str(top))
    root.walking = False

    def refuse(*_args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(confined, "_openat2", refuse)
    with pytest.raises(BlockingIOError):
        root.open_regular([b"f"], cached_only=True)
    root.close()


@pytest.mark.parametrize(("races", "served"), [(9, True), (10**6, False)])
def test_rename_race_is_tried_again(top, monkeypatch, races, served):
    """S023: EAGAIN from a rename elsewhere is tried again, but not for ever: then it is an error of ours."""
    root = Root.open(str(top))
    root.walking = False
    calls = []

    def racing(*_args):
        calls.append(1)
        if len(calls) <= races:
            raise BlockingIOError(errno.EAGAIN, "race")
        return os.open(top / "f", os.O_RDONLY)

    monkeypatch.setattr(confined, "_openat2", racing)
    try:
        if served:
            assert content_of(root.open_file([b"f"], os.O_RDONLY)) == b"file"
        else:
            with pytest.raises(TFTPError):
                root.open_file([b"f"], os.O_RDONLY)
    finally:
        root.close()
    assert len(calls) < 100


def _raise(error):
    raise error


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_without_openat2_names_are_walked(top, monkeypatch, number):
    """S023: an old kernel, or a seccomp filter of old, is noticed once, when the root is opened."""
    monkeypatch.setattr(confined, "_openat2", lambda *_: _raise(OSError(number, os.strerror(number))))
    root = Root.open(str(top))
    try:
        assert root.walking
        assert content_of(root.open_regular([b"sub", b"g"])) == b"deeper"
    finally:
        root.close()


def test_unreadable_is_denied(root, top):
    """C032: a file that exists but may not be read is an access violation."""
    (top / "f").chmod(0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(AccessViolation):
            root.open_regular([b"f"])
    finally:
        os.seteuid(was)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOENT, FileNotFound),
        (errno.ENOTDIR, FileNotFound),
        (errno.ENAMETOOLONG, FileNotFound),
        (errno.EACCES, AccessViolation),
        (errno.EPERM, AccessViolation),
        (errno.EROFS, AccessViolation),
        (errno.EXDEV, AccessViolation),
        (errno.ELOOP, AccessViolation),
        (errno.EISDIR, AccessViolation),
        (errno.ENXIO, AccessViolation),
        (errno.ENOSPC, DiskFull),
        (errno.EDQUOT, DiskFull),
        (errno.EEXIST, FileExists),
        (errno.EMFILE, TFTPError),
        (errno.ENFILE, TFTPError),
        (errno.EIO, TFTPError),
    ],
)
def test_what_errors_mean(number, expected):
    """F15, F16, F17: each error of the system has one meaning to a client; its own words are for the log."""
    error = as_tftp_error(OSError(number, os.strerror(number)), "name")
    assert type(error) is expected
    assert str(error) == f"name: {os.strerror(number)}"


@pytest.mark.parametrize("what", ["missing", "x"])
def test_root_must_be_a_directory(top, what):
    """S023: a root that is missing or a file is refused with its path in the message."""
    path = str(top.parent / what)
    with pytest.raises(OSError, match="directory") as caught:
        Root.open(path)
    assert caught.value.filename == path


def test_closed_root_opens_nothing(root):
    """S023: a root that was closed cannot open beneath whatever directory gets its number, and closes once."""
    root.close()
    root.close()
    with pytest.raises(TFTPError):
        root.open_file([b"f"], os.O_RDONLY)
