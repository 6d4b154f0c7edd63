"""What the tests of the backends share: requests, threads that wait to be told, Deferreds unpacked."""

import errno
import os
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tftpd_tw.backends.confined import Root
from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.protocol.packets import Mode

_case = SynchronousTestCase()
failure_of = _case.failureResultOf
not_yet = _case.assertNoResult
at_once = maybeDeferred
"""A RunBlocking that does it here and now."""


class Threads:
    """A RunBlocking whose threads do their work when the test says so, in the test's own thread."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Deferred[Any], Any, tuple[Any, ...]]] = []

    def __call__(self, function: Any, *arguments: Any) -> "Deferred[Any]":
        deferred: Deferred[Any] = Deferred()
        self.jobs.append((deferred, function, arguments))
        return deferred

    def run_one(self) -> None:
        """Let the oldest piece of work be done, and its result arrive."""
        deferred, function, arguments = self.jobs.pop(0)
        try:
            result = function(*arguments)
        except Exception:
            deferred.errback(Failure())
        else:
            deferred.callback(result)

    def run(self) -> None:
        """Let all be done, also what comes of it."""
        while self.jobs:
            self.run_one()


def result_of(value: Any) -> Any:
    """The value, or what the Deferred has fired with; what it has failed with is raised."""
    if not isinstance(value, Deferred):
        return value
    results: list[Any] = []
    value.addBoth(results.append)
    assert results, "no result yet"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def read_request(name: bytes) -> Request:
    """An RRQ."""
    return _request(Direction.READ, name, None)


def write_request(name: bytes, size: int | None = None) -> Request:
    """A WRQ."""
    return _request(Direction.WRITE, name, size)


def _request(direction: Direction, name: bytes, size: int | None) -> Request:
    client, local = Address("192.0.2.1", 2000), Address("192.0.2.2", 69)
    return Request(direction, name, Mode.OCTET, {}, client, local, size)


def fetch(backend: Any, name: bytes) -> bytes:
    """All that a client gets for ``name``."""
    reader = result_of(backend.open_read(read_request(name)))
    try:
        return read_all(reader)
    finally:
        reader.close()


def read_all(reader: Any, length: int = 1428) -> bytes:
    """What the reader has, from the beginning."""
    content = b""
    while piece := bytes(result_of(reader.read(len(content), length))):
        content += piece
    return content


def store(backend: Any, name: bytes, content: bytes, size: int | None = None) -> None:
    """Upload ``content``; what goes wrong is raised, after the upload has been cancelled."""
    writer = result_of(backend.open_write(write_request(name, size)))
    try:
        for at in range(0, len(content), 512):
            result_of(writer.write(content[at : at + 512]))
        result_of(writer.finish())
    except BaseException:
        result_of(writer.cancel())
        raise


def not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel say of every name that it would have to ask a disk; so a thread has to."""
    real = Root.open_file

    def open_file(self: Root, components: Any, flags: int, *, cached_only: bool = False) -> int:
        if cached_only:
            raise BlockingIOError(errno.EAGAIN, "not in the cache")
        return real(self, components, flags)

    monkeypatch.setattr(Root, "open_file", open_file)


def tree(top: Any) -> dict[str, bytes | None]:
    """Every file beneath ``top`` with its content, every other thing with None."""
    found: dict[str, bytes | None] = {}
    for path in sorted(top.rglob("*")):
        found[str(path.relative_to(top))] = path.read_bytes() if path.is_file() and not path.is_symlink() else None
    return found


def open_descriptors() -> int:
    """How many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))
