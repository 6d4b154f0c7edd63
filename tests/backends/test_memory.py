"""Content in memory."""

import pytest
from backend_kit import fetch, read_request, result_of, store, write_request
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from tftpd_tw.backends.finding import IFinder, exists
from tftpd_tw.backends.memory import BytesReader, BytesWriter, MemoryBackend
from tftpd_tw.interfaces import IBackend, IReader, IWriter
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, FileNotFound


def test_interfaces():
    """Each provides what its interface asks for."""
    assert verifyObject(IBackend, MemoryBackend({}))
    assert verifyObject(IFinder, MemoryBackend({}))
    assert verifyObject(IReader, BytesReader(b""))
    assert verifyObject(IWriter, BytesWriter(lambda _: None))


@pytest.mark.parametrize("content", [b"", b"a", b"b" * 5000])
def test_reads_what_is_there(content):
    """The content comes back whole, and its size is known before."""
    backend = MemoryBackend({b"dir/f": content})
    assert fetch(backend, b"dir/f") == content
    assert backend.open_read(read_request(b"dir/f")).size == len(content)


@pytest.mark.parametrize("name", [b"/dir/f", b"//dir/./f", b"\\dir\\f", b"C:\\dir\\f"])
def test_names_are_normalised(name):
    """C033, C034: every spelling of a name finds the same content."""
    assert fetch(MemoryBackend({b"dir/f": b"x"}), name) == b"x"


def test_refuses_what_there_is_not():
    """C030, C031, S020: what is missing is not found, and what is no name of a file is refused."""
    backend = MemoryBackend({b"dir/f": b"x"}, writable=True)
    with pytest.raises(FileNotFound):
        backend.open_read(read_request(b"nope"))
    for name in (b"../dir/f", b"dir/", b"/"):
        with pytest.raises(AccessViolation):
            backend.open_read(read_request(name))
        with pytest.raises(AccessViolation):
            backend.open_write(write_request(name))


def test_a_reader_keeps_what_it_began_with():
    """F19: a file that is replaced meanwhile goes on being the old one."""
    backend = MemoryBackend({b"f": b"old"}, writable=True)
    reader = backend.open_read(read_request(b"f"))
    store(backend, b"f", b"new")
    assert reader.read(0, 512) == b"old"
    assert fetch(backend, b"f") == b"new"


def test_uploads_are_refused_by_default():
    """C112: nothing is stored in a backend that was not made writable."""
    backend = MemoryBackend({})
    with pytest.raises(AccessViolation):
        backend.open_write(write_request(b"f"))
    assert backend.files == {}


def test_an_upload_is_there_when_finished_and_not_before():
    """C113, C114: only a finished upload is visible, and a cancelled one never was."""
    backend = MemoryBackend({}, writable=True)
    writer = backend.open_write(write_request(b"/dir/f"))
    writer.write(b"ab")
    writer.write(memoryview(b"cd"))
    assert backend.files == {}
    assert result_of(writer.finish()) is None
    assert backend.files == {b"dir/f": b"abcd"}
    cancelled = backend.open_write(write_request(b"other"))
    cancelled.write(b"ab")
    cancelled.cancel()
    assert backend.files == {b"dir/f": b"abcd"}


def test_whoever_gets_an_upload_may_refuse_it():
    """C113: what the function raises fails the upload."""

    def refuse(_content):
        raise DiskFull("too much")

    writer = BytesWriter(refuse)
    writer.write(b"a")
    with pytest.raises(DiskFull):
        writer.finish()


def test_an_upload_is_over_when_whoever_gets_it_says_so():
    """What ``on_finish`` returns is what the client waits for (C113)."""
    stored = Deferred()
    writer = BytesWriter(lambda content: stored)
    writer.write(b"a")
    assert writer.finish() is stored


def test_what_has_come_can_be_looked_at():
    """``data`` is all of it, for whoever has no use for ``on_finish``."""
    writer = BytesWriter()
    writer.write(b"ab")
    writer.write(memoryview(b"cd"))
    writer.finish()
    assert writer.data == b"abcd"


def test_no_more_is_kept_than_the_limit_allows():
    """The write that brings too much fails, and what comes to the limit does not (C071)."""
    writer = BytesWriter(limit=4)
    writer.write(b"abcd")
    with pytest.raises(DiskFull, match="more than 4 bytes"):
        writer.write(b"e")
    assert writer.data == b"abcd"


def test_it_can_be_asked_whether_there_is_a_file():
    """As rewrite rules and searches do, whatever the spelling."""
    backend = MemoryBackend({b"dir/f": b"x"})
    assert exists(backend.find, read_request(b"/dir/f")) is True
    assert exists(backend.find, read_request(b"nope")) is False
    assert exists(backend.find, read_request(b"../f")) is False
