"""Fixtures of the backends' tests, and what must hold after each of them."""

import gc
import subprocess

import pytest
from backend_kit import Threads, open_descriptors
from lacking import lacking
from twisted.logger import globalLogPublisher

from tftpd_tw.backends.confined import Root


@pytest.fixture(autouse=True)
def _nothing_leaks():
    """No test leaves a descriptor open or a Deferred with a failure that nobody looked at."""
    before = open_descriptors()
    logged = []

    def keep_failures(event):
        if event.get("log_failure") is not None:
            logged.append(event["log_failure"])

    globalLogPublisher.addObserver(keep_failures)
    try:
        yield
        gc.collect(1)  # young objects only: a full one takes longer than most tests
    finally:
        globalLogPublisher.removeObserver(keep_failures)
    assert logged == []
    assert open_descriptors() == before


@pytest.fixture
def top(tmp_path):
    """A root directory with some files, and a canary beside it that no client may ever see."""
    top = tmp_path / "root"
    (top / "sub").mkdir(parents=True)
    (top / "f").write_bytes(b"file")
    (top / "sub" / "g").write_bytes(b"deeper")
    (tmp_path / "x").write_bytes(b"CANARY")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_bytes(b"CANARY")
    return top


@pytest.fixture(params=[False, True], ids=["openat2", "walking"])
def root(request, top):
    """The directory held open: by openat2, and by the walk that stands in for it."""
    root = Root.open(str(top), walking=request.param)
    yield root
    root.close()


@pytest.fixture
def threads():
    """Threads that work when told."""
    return Threads()


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 64 KiB and 16 inodes."""
    where = tmp_path / "tiny"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=16", "tmpfs", str(where)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        lacking("a file system cannot be mounted here")
    yield where
    subprocess.run(["umount", str(where)], check=True)
