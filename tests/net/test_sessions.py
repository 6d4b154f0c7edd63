"""A transfer between its backend and its socket, both of which may fail in every way."""

import pytest
from net_kit import (
    CountingReader,
    CountingWriter,
    ExhaustedHost,
    ScriptedBackend,
    Waiting,
    World,
    content,
    packet,
    raising,
    rrq,
    words,
    wrq,
)
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tftpd_tw.interfaces import IReader, IWriter, Outcome
from tftpd_tw.net.client import TransferFailed
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, FileExists, FileNotFound, ServerStopping, TFTPError
from tftpd_tw.protocol.options import Policy
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.testing import CLIENT, REQUEST_PORT, SERVER, MemoryNetwork, MemorySessionSocket, RecordingObserver

REFUSALS = {
    "C031": (FileNotFound("secret"), "E1", "not-found"),
    "C032": (AccessViolation("secret"), "E2", "denied"),
    "C070": (DiskFull("secret"), "E3", "disk-full"),
    "C110": (FileExists("secret"), "E6", "file-exists"),
    "F16": (TFTPError("secret"), "E0", "server-error"),
}

begins = pytest.mark.parametrize("begin", [rrq(), wrq()], ids=["read", "write"])
refuses = pytest.mark.parametrize(("error", "answer", "reason"), REFUSALS.values(), ids=REFUSALS)
later = pytest.mark.parametrize("deferred", [False, True], ids=["raised", "deferred"])


def opened(thing, *, deferred=False):
    """A backend that has that and nothing else, at once or in a Deferred that has fired."""
    return lambda request: succeed(thing) if deferred else thing


def failing(error, deferred):
    """A method that fails."""
    return (lambda *_: fail(error)) if deferred else raising(error)


# Opening


@later
@begins
@refuses
def test_backend_refuses(begin, error, answer, reason, deferred):
    """What the backend raises or fails with becomes its ERROR, and its message stays here (C031, C070, C110,
    C112, S039).
    """
    world = World(failing(error, deferred))
    assert world.ask(begin) == answer
    assert b"secret" not in world.peer.received[0][0]
    (record,) = world.records.refused
    assert (record.outcome, record.reason, record.detail) == (Outcome.REFUSED, reason, "secret")
    assert record.response_seconds == 0.0
    assert (world.records.started, world.records.ended) == ([], [])
    world.assert_nothing_left()


@pytest.mark.parametrize("begin", [rrq(tsize=0), wrq(tsize=10)])
def test_refusal_comes_instead_of_the_oack(begin):
    """Where the file cannot be opened there is no OACK first (C031, C070)."""
    world = World(failing(FileNotFound("x"), True))
    assert world.ask(begin) == "E1"


def test_backend_that_opens_later():
    """Until the backend has answered nothing is sent; then the answer comes, and the waiting time is known
    (S036).
    """
    opens = Waiting()
    world = World(opens)
    assert world.ask(rrq(tsize=0), wait=2.0) == ""
    assert world.sessions == []
    opens.deferreds[0].callback(CountingReader(content(600)))
    assert world.quiet(0.0) == ""
    assert [world.quiet(0.05), world.tell("A0"), world.tell("A1"), world.tell("A2")] == [
        "OA(tsize=600)",
        "D1/512",
        "D2/88",
        "",
    ]
    assert world.last.response_seconds == pytest.approx(1.999)
    assert world.last.seconds > world.last.response_seconds
    world.assert_nothing_left()


@begins
def test_backend_that_never_opens(begin):
    """A backend that does not answer within the patience is given up, with ERROR 0 (S036, C150)."""
    opens = Waiting()
    world = World(opens, Terms(patience=Patience(timeout=2.0, max_retries=3)))
    assert world.ask(begin, wait=7.9) == ""
    assert world.quiet(0.2) == "E0"
    assert opens.cancelled == 1
    assert [record.reason for record in world.records.refused] == ["backend-stalled"]
    world.assert_nothing_left()


@begins
def test_content_that_comes_too_late_is_released(begin):
    """What a cancelled backend hands over all the same is released exactly once, and nobody is answered (F12,
    C114).
    """
    reader, writer = CountingReader(content(10)), CountingWriter()
    late = Deferred(lambda deferred: deferred.callback(reader if begin == rrq() else writer))
    world = World(lambda request: late)
    assert world.ask(begin, wait=100.0) == "E0"
    assert [reader.released, writer.calls] == ([1, []] if begin == rrq() else [0, ["cancel"]])
    assert world.records.started == []
    world.assert_nothing_left()


# Reading


@later
@pytest.mark.parametrize("windowsize", [1, 4])
def test_reads_that_answer_at_once_or_later(windowsize, deferred):
    """Content comes the same way from reads that answer at once and from Deferreds, and is closed once (S035)."""

    def read(data):
        return deferLater(world.clock, 0.003, lambda: data) if deferred else data

    reader = CountingReader(content(100_000), read=read)
    world = World(opened(reader, deferred=deferred))
    assert world.network.get(b"f", block_size=600, window_size=windowsize) == content(100_000)
    world.network.run_until_idle()
    assert world.ended_as() == [(Outcome.COMPLETED, "completed")]
    assert (world.last.byte_count, world.last.block_count, world.last.retransmits) == (100_000, 167, 0)
    assert reader.released == 1
    world.assert_nothing_left()


@pytest.mark.parametrize("piece", [1, 511, 512, 513, 1000])
@pytest.mark.parametrize("known", [True, False], ids=["known size", "stream"])
def test_short_reads_are_no_end(known, piece):
    """A read may give less than was asked; only an empty one is the end (C080)."""
    reader = CountingReader(content(5000), size=5000 if known else None, read=lambda data: data[:piece])
    world = World(opened(reader))
    assert world.network.get(b"f", block_size=512, window_size=3) == content(5000)
    world.network.run_until_idle()
    assert reader.released == 1


@pytest.mark.parametrize("left", [0, 1, 511, 512, 4999])
def test_truncated_source_is_never_a_success(left):
    """Content that ends before the promised size ends the transfer with ERROR 0, not with a short block (F18)."""
    reader = CountingReader(content(left), size=5000)
    world = World(opened(reader))
    with pytest.raises(TransferFailed, match="File changed while it was sent"):
        world.network.get(b"f", block_size=512, window_size=3)
    world.network.run_until_idle()
    assert world.ended_as() == [(Outcome.FAILED, "source-truncated")]
    assert (reader.released, world.records.errors) == (1, [0])
    world.assert_nothing_left()


def test_grown_source_ends_at_the_size_that_was_promised():
    """A file that grows meanwhile is sent up to the size it had when it was opened (F20)."""
    reader = CountingReader(content(9000), size=5120)
    world = World(opened(reader))
    reader.read = lambda offset, length: content(9000)[offset : offset + length + 1000]
    assert world.network.get(b"f", block_size=512) == content(5120)


@later
def test_failing_read_is_told_to_the_client(deferred):
    """A read that fails in the middle ends the transfer with the error's code (F16, C150)."""
    reader = CountingReader(content(9000), read=failing(AccessViolation("gone"), deferred))
    world = World(opened(reader))
    assert world.ask(rrq(tsize=0)) == "OA(tsize=9000)"
    assert world.tell("A0") == "E2"
    assert world.ended_as() == [(Outcome.FAILED, "denied")]
    assert (world.last.detail, reader.released) == ("gone", 1)
    world.assert_nothing_left()


@pytest.mark.parametrize("begin", [rrq(), rrq(tsize=0)])
def test_read_that_never_answers(begin):
    """A read without an answer ends the transfer after the patience, however alive the client is (S036)."""
    reader = CountingReader(content(9000), read=Waiting())
    world = World(opened(reader), Terms(patience=Patience(timeout=2.0, max_retries=3)))
    world.ask(begin)
    if begin != rrq():
        world.tell("A0")
    assert world.quiet(7.0) == ""
    assert world.quiet(2.0) == "E0"
    assert world.ended_as() == [(Outcome.FAILED, "backend-stalled")]
    assert reader.released == 1
    world.assert_nothing_left()


@pytest.mark.parametrize("late", [b"x" * 512, AccessViolation("late"), ValueError("late")])
def test_read_that_answers_after_the_end(late):
    """What a read brings after the transfer is over changes nothing, and content is released once (F12)."""
    reads = Waiting()
    reader = CountingReader(content(9000), read=reads)
    world = World(opened(reader))
    world.ask(rrq(tsize=0))
    world.tell("A0")
    world.tell("E0")
    (waiting,) = reads.deferreds
    (waiting.errback if isinstance(late, Exception) else waiting.callback)(late)
    assert world.quiet(30.0) == ""
    assert (reader.released, len(world.records.ended)) == (1, 1)
    world.assert_nothing_left()


# Writing


@later
@pytest.mark.parametrize("windowsize", [1, 4])
def test_writes_that_answer_at_once_or_later(windowsize, deferred):
    """An upload is stored in order whether the backend answers at once or later, and finished once (C113)."""

    def answer():
        return deferLater(world.clock, 0.003, lambda: None) if deferred else None

    writer = CountingWriter(write=answer, finish=answer)
    world = World(opened(writer, deferred=deferred))
    world.network.put(b"new", content(200_000), block_size=600, window_size=windowsize)
    world.network.run_until_idle()
    assert writer.stored == content(200_000)
    assert writer.endings == ["finish"]
    assert (world.last.byte_count, world.last.block_count) == (200_000, 334)
    world.assert_nothing_left()


@pytest.mark.parametrize("held", ["write", "finish"])
def test_last_ack_comes_only_after_finish(held):
    """The last block is acknowledged when the upload is visible, not before (C113, F14)."""
    waiting = Waiting()
    writer = CountingWriter(**{held: waiting})
    world = World(opened(writer))
    world.ask(wrq())
    assert world.tell("D1/512") == "A1"
    assert world.tell("D2/3", wait=2.0) == ""
    assert world.tell("D2/3", wait=2.0) == ""
    waiting.deferreds[0].callback(None)
    assert world.quiet(0.01) == "A2"
    assert writer.calls == ["write", "finish"]
    assert world.tell("D2/3") == "A2"
    world.quiet(10.0)
    assert writer.calls == ["write", "finish"]
    world.assert_nothing_left()


@later
@pytest.mark.parametrize("method", ["write", "finish"])
@refuses
def test_failing_writer_never_gets_a_last_ack(error, answer, reason, method, deferred):
    """Where the upload cannot be stored the last block gets an ERROR instead of its ACK, and nothing is left
    (C113, F15).
    """
    writer = CountingWriter(**{method: failing(error, deferred)})
    world = World(opened(writer))
    world.ask(wrq())
    assert world.tell("D1/512") == "A1"
    assert world.tell("D2/3") == answer
    assert writer.endings == (["cancel"] if method == "write" else ["finish", "cancel"])
    assert world.ended_as() == [(Outcome.FAILED, reason)]
    assert world.tell("D2/3", wait=30.0) == ""
    world.assert_nothing_left()


@pytest.mark.parametrize("method", ["write", "finish"])
def test_writer_that_never_answers(method):
    """Storage that does not answer within the patience ends the upload with ERROR 0 (C113, S036)."""
    writer = CountingWriter(**{method: Waiting()})
    world = World(opened(writer), Terms(patience=Patience(timeout=2.0, max_retries=3)))
    world.ask(wrq())
    assert world.tell("D1/3", wait=7.0) == ""
    assert world.quiet(2.0) == "E0"
    assert writer.calls[-1] == "cancel"
    assert writer.calls.count("cancel") == 1
    assert world.ended_as() == [(Outcome.FAILED, "backend-stalled")]
    world.assert_nothing_left()


@pytest.mark.parametrize("late", [None, DiskFull("late"), ValueError("late")])
@pytest.mark.parametrize("method", ["write", "finish"])
def test_writer_that_answers_after_the_end(method, late):
    """What storage says after the transfer is over changes nothing; an upload given up is not published (C114)."""
    waiting = Waiting()
    writer = CountingWriter(**{method: waiting})
    world = World(opened(writer), Terms(patience=Patience(timeout=2.0, max_retries=1)))
    world.ask(wrq())
    world.tell("D1/3", wait=10.0)
    assert world.ended_as() == [(Outcome.FAILED, "backend-stalled")]
    (waiting.deferreds[0].errback if late else waiting.deferreds[0].callback)(late)
    assert world.quiet(30.0) == ""
    assert writer.calls == (["write", "cancel"] if method == "write" else ["write", "finish", "cancel"])
    world.assert_nothing_left()


def vanish(world):
    """The client falls silent."""
    world.quiet(200.0)


def leave(world):
    """The client's port closes, and its host says so."""
    world.peer.socket.close()
    world.network.run_until_idle()


ENDINGS = {
    "C114 ERROR": (lambda world: world.tell("E0"), "client-error:0"),
    "C114 disk full": (lambda world: world.tell("E3"), "client-error:3"),
    "C114 silence": (vanish, "client-vanished"),
    "F12 ICMP": (leave, "client-vanished"),
    "C055 block too long": (lambda world: world.tell("D2/513"), "illegal-operation"),
}


@pytest.mark.parametrize(("end", "reason"), ENDINGS.values(), ids=ENDINGS)
def test_aborted_upload_leaves_nothing(end, reason):
    """An upload that does not come to its end is cancelled once and never published (C055, C103, C114, F12)."""
    writer = CountingWriter()
    world = World(opened(writer))
    world.ask(wrq())
    world.tell("D1/512")
    end(world)
    assert writer.endings == ["cancel"]
    assert world.ended_as() == [(Outcome.FAILED, reason)]
    world.assert_nothing_left()


@pytest.mark.parametrize("cancel", [raising(ValueError("bug")), lambda: fail(ValueError("bug"))])
def test_failing_cleanup_is_logged_and_does_no_harm(logged, cancel):
    """A backend that cannot even clean up is logged, and the transfer ends as it would (K6, C114)."""
    world = World(opened(CountingWriter(cancel=cancel)))
    world.ask(wrq())
    world.tell("E0")
    assert [failure.type for failure in logged] == [ValueError]
    logged.clear()
    assert world.ended_as() == [(Outcome.FAILED, "client-error:0")]
    world.assert_nothing_left()


# Bugs of a backend


class Bugs(SynchronousTestCase):
    """A backend that raises what it should not: logged once with its traceback, and ERROR 0 for the client."""

    def fails(self, backend, *said, error=ValueError, times=1):
        """Speak to a server of ``backend``: the last answer is ERROR 0, and the log has the bug."""
        world = World(backend)
        answers = [world.ask(said[0], wait=0.5), *(world.tell(word, wait=0.5) for word in said[1:])]
        assert answers[-1] == "E0"
        assert len(self.flushLoggedErrors(error)) == times
        world.assert_nothing_left()
        packets = b"".join(datagram for datagram, _ in world.peer.received)
        assert b"secret" not in packets

    def test_open(self):
        """A bug in open is logged once, and the client told in general terms (K6, S039)."""
        for begin in (rrq(), wrq()):
            for deferred in (False, True):
                self.fails(failing(ValueError("secret"), deferred), begin)

    def test_read(self):
        """The same for a bug in read (K6, S039)."""
        for deferred in (False, True):
            reader = CountingReader(content(5000), read=failing(ValueError("secret"), deferred))
            self.fails(opened(reader), rrq(tsize=0), "A0")
            assert reader.released == 1

    def test_write_and_finish(self):
        """The same for a bug in write or finish (K6, S039)."""
        for method in ("write", "finish"):
            for deferred in (False, True):
                writer = CountingWriter(**{method: failing(ValueError("secret"), deferred)})
                self.fails(opened(writer), wrq(), "D1/3")
                assert writer.endings[-1] == "cancel"

    def test_nothing_opened(self):
        """The same for a backend that answers with None, which cannot be closed either (K6)."""
        for deferred in (False, True):
            self.fails(opened(None, deferred=deferred), rrq(), error=AttributeError, times=2)

    def test_size_that_cannot_be_told(self):
        """The same for content whose size cannot be told; it is released (K6)."""

        class Sizeless(CountingReader):
            size = property(raising(ValueError("secret")), lambda self, size: None)

        for deferred in (False, True):
            reader = Sizeless(content(10))
            self.fails(opened(reader, deferred=deferred), rrq())
            assert reader.released == 1

    def test_read_that_gives_no_bytes(self):
        """The same for a read that answers with None (K6)."""
        for answer in (lambda data: None, lambda data: succeed(None), lambda data: "text"):
            reader = CountingReader(content(5000), read=answer)
            self.fails(opened(reader), rrq(tsize=0), "A0", error=TypeError)
            assert reader.released == 1


# Sockets


def test_full_buffer_in_a_window():
    """What does not fit into the socket's buffer goes out as soon as there is room, not a timeout later (C135,
    F25).
    """
    world = World({b"f": content(20_000)})
    world.ask(rrq(windowsize=8))
    (socket,) = world.sessions
    socket.full = True
    assert world.tell("A0") == ""
    socket.drained()
    assert world.quiet(0.002) == " ".join(f"D{number}/512" for number in range(1, 9))
    assert world.tell("A8") == " ".join(f"D{number}/512" for number in range(9, 17))
    assert world.tell("A16") != ""


def test_full_buffer_and_a_later_window():
    """While the buffer is full only the newest window waits for room: older ones are loss by then (C135, F25)."""
    world = World({b"f": content(20_000)})
    world.ask(rrq(windowsize=2))
    (socket,) = world.sessions
    world.tell("A0")
    socket.full = True
    assert world.tell("A2") == ""
    assert world.quiet(2.0) == ""
    socket.drained()
    assert world.quiet(0.002) == "D3/512 D4/512"


def test_full_buffer_and_the_rest_of_a_window():
    """Content that comes after the first part of a window waits behind it, and nothing is lost (C135, F25)."""
    reads = Waiting()
    world = World(lambda _: CountingReader(content(20_000), read=reads))
    world.ask(rrq(windowsize=4))
    world.tell("A0")
    (socket,) = world.sessions
    socket.full = True
    reads.deferreds[0].callback(content(1024))
    reads.deferreds[1].callback(content(1024))
    socket.drained()
    assert world.quiet(0.002) == "D1/512 D2/512 D3/512 D4/512"


def test_full_buffer_for_ever():
    """A socket that never has room is a client that vanished, and leaves nothing behind (C089, F25)."""
    world = World({b"f": content(20_000)})
    world.ask(rrq(windowsize=8))
    world.sessions[0].full = True
    assert world.tell("A0", wait=100.0) == ""
    assert world.ended_as() == [(Outcome.FAILED, "client-vanished")]
    world.assert_nothing_left()


UNREACHABLE = {
    "S030 before any answer": ((), Outcome.UNANSWERED, "no-answer"),
    "F12 in the middle": (("A1",), Outcome.FAILED, "client-vanished"),
    "C099 after the last block": (("A1", "A2"), Outcome.COMPLETED, "last-ack-missing"),
}


@pytest.mark.parametrize(("said", "outcome", "reason"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_port_unreachable_ends_the_transfer(said, outcome, reason):
    """A closed port ends the transfer at once and without a repeat; after the last block that is a success
    (C099, F12, S030).
    """
    world = World()
    for datagram in (rrq(), *map(packet, said)):
        world.quiet(0.05)
        world.peer.send(datagram, world.peer.tid if world.peer.received else world.request_port)
    sent = len(world.network.sent)
    world.peer.socket.close()
    for _ in ("our packet arrives", "its answer finds the port closed", "ICMP"):
        world.clock.advance(0.001)
    assert len(world.network.sent) == sent + 1
    assert world.ended_as() == [(outcome, reason)]
    world.assert_nothing_left()


def test_unreachable_stranger_is_nothing_to_us():
    """Where the ERROR 5 to a stranger finds a closed port, the transfer goes on (C090, C099)."""
    world = World()
    world.ask(rrq())
    stranger = world.another("192.0.2.101")
    stranger.send(packet("A1"), world.peer.tid)
    stranger.socket.close()
    world.quiet(0.1)
    assert world.records.errors == [5]
    assert world.tell("A1") == "D2/512"


@later
@begins
def test_no_descriptor_left(monkeypatch, begin, deferred):
    """Without a descriptor a request gets silence, its content is released, and the next try is served (F17)."""
    network = MemoryNetwork()
    contents = []

    def opens(request):
        contents.append(CountingReader(content(10)) if begin == rrq() else CountingWriter())
        return succeed(contents[-1]) if deferred else contents[-1]

    server = Server(ExhaustedHost(network, SERVER), ScriptedBackend(opens), Terms(), [network.records])
    listener = Listener(server)
    listener.listen(SERVER, 69)
    peer = network.host("192.0.2.100").raw()
    assert peer.ask(begin, wait=5.0) == []
    assert listener.active == 0
    assert network.records.ignored == [(peer.socket.address, "no-socket:EMFILE")]
    assert (contents[0].released if begin == rrq() else contents[0].calls.count("cancel")) == 1
    monkeypatch.setattr(ExhaustedHost, "exhausted", False)
    assert words(peer.ask(begin)) == ("D1/10" if begin == rrq() else "A0")


# Stopping


def test_drain_with_nothing_to_wait_for():
    """Without transfers a drained listener is done at once, and takes no more requests (F22)."""
    world = World()
    results = []
    world.listener.drain(10.0).addCallback(results.append)
    assert results == [None]
    assert world.ask(rrq(), wait=5.0) == ""
    world.assert_nothing_left()


def test_drain_waits_for_transfers():
    """A transfer in progress may end in its time, and then the drain is over; new requests are not taken (F22)."""
    world = World()
    world.ask(rrq())
    results = []
    world.listener.drain(10.0).addCallback(results.append)
    assert world.tell("A1") == "D2/512"
    assert words(world.another().ask(rrq(), wait=0.02)) == ""
    assert world.tell("A2") == "D3/276"
    assert results == []
    world.tell("A3")
    assert results == [None]
    assert world.ended_as() == [(Outcome.COMPLETED, "completed")]
    world.assert_nothing_left()


def test_drain_ends_what_takes_too_long():
    """Whoever is not done in time gets ERROR 0, however far it is: opening, reading, writing or dallying (F22,
    C114).
    """
    waiting = Waiting()
    writer, reader, stored = CountingWriter(), CountingReader(content(5000)), CountingWriter()
    contents = {b"slow": waiting, b"new": lambda: writer, b"f": lambda: reader, b"stored": lambda: stored}
    world = World(lambda request: contents[request.name]())
    peers = {name: world.another() for name in contents}
    for name, peer in peers.items():
        peer.ask(rrq(name.decode()) if name in (b"slow", b"f") else wrq(name.decode()))
    peers[b"stored"].ask(packet("D1/3"), peers[b"stored"].tid)
    results = []
    world.listener.drain(2.0).addCallback(results.append)
    before = {name: len(peer.received) for name, peer in peers.items()}
    world.clock.advance(1.9)
    assert results == []
    world.clock.advance(0.1)
    assert results == [None]
    world.network.run_until_idle()
    said = {name: words(peer.wait(0.01, before[name]))[-2:] for name, peer in peers.items()}
    assert said == {b"slow": "E0", b"new": "E0", b"f": "E0", b"stored": ""}
    assert (writer.endings, reader.released, stored.endings, waiting.cancelled) == (["cancel"], 1, ["finish"], 1)
    assert sorted(world.ended_as(), key=str) == [
        (Outcome.COMPLETED, "completed"),
        (Outcome.FAILED, "server-stopping"),
        (Outcome.FAILED, "server-stopping"),
    ]
    assert [record.reason for record in world.records.refused] == ["server-stopping"]
    world.assert_nothing_left()


def test_drain_again():
    """Whoever does not want to wait so long asks again, and the shorter time counts for all (F22)."""
    world = World()
    world.ask(rrq())
    results = []
    world.listener.drain(10.0).addCallback(results.append)
    world.listener.drain(1.0).addCallback(results.append)
    world.clock.advance(0.9)
    assert results == []
    world.clock.advance(0.2)
    assert results == [None, None]
    world.network.run_until_idle()
    assert world.ended_as() == [(Outcome.FAILED, "server-stopping")]
    world.assert_nothing_left()


@pytest.mark.parametrize("deferred", [False, True])
def test_drain_does_not_stay_for_a_client_that_missed_the_last_ack(deferred):
    """An upload that is stored while the server is stopping does not hold that up for the seconds that it would
    stay otherwise; its last ACK has left (F22).
    """
    written = Deferred()
    writer = CountingWriter()
    if deferred:
        writer.finish = lambda: written
    world = World(lambda _: writer)
    assert world.ask(wrq()) == "A0"
    results = []
    world.listener.drain(10.0).addCallback(results.append)
    said = world.tell("D1/3")
    if deferred:
        assert (said, results) == ("", [])
        written.callback(None)
        said = world.quiet(0.05)
    assert said == "A1"
    assert results == [None]
    assert world.ended_as() == [(Outcome.COMPLETED, "completed")]
    world.assert_nothing_left()


def test_ending_all_at_once():
    """Whoever is in progress gets an ERROR, and a drain is over with them (F22)."""
    world = World()
    world.ask(rrq())
    results = []
    world.listener.drain(10.0).addCallback(results.append)
    world.listener.end_all("no time")
    assert results == [None]
    assert world.network.records.ended[0].detail == "no time"
    assert world.quiet(0.05) == "E0"
    world.assert_nothing_left()


# Terms

V4, V6 = "192.0.2.100", "2001:db8::100"

MTUS = {
    "Ethernet, IPv4": (1500, V4, 65464, 1468),
    "Ethernet, IPv6": (1500, V6, 65464, 1448),
    "tunnel, IPv4": (1400, V4, 1468, 1368),
    "tunnel, IPv6": (1280, V6, 1428, 1228),
    "asked less": (1500, V4, 1428, 1428),
    "just fits": (1500, V4, 1468, 1468),
    "jumbo": (9000, V4, 8192, 8192),
    "tiny": (68, V4, 1468, 36),
    "tiniest": (40, V4, 1468, 8),
}


@pytest.mark.parametrize(("mtu", "client", "asked", "granted"), MTUS.values(), ids=MTUS)
def test_blksize_fits_the_route(mtu, client, asked, granted):
    """No blksize is granted that the route to the client would have to fragment, and none above what was asked
    (C050).
    """
    world = World(server=SERVER if client == V4 else "2001:db8::1", client=client)
    world.network.mtu = mtu
    world.listener.request_received(rrq(blksize=asked), world.peer.socket.address, world.request_port, False)
    assert spoken_last(world) == f"OA(blksize={granted})"


def spoken_last(world):
    """The newest packet on the wire."""
    return words([world.network.sent[-1][2]])


def test_blksize_may_be_larger_than_the_route():
    """Where the administrator wants it, the blksize that was asked is granted (C050, C057)."""
    world = World(terms=Terms(fit_mtu=False))
    world.network.mtu = 1500
    assert world.ask(rrq(blksize=65464)) == "OA(blksize=65464)"


def test_policy_bounds_what_is_granted():
    """The configured blksize and windowsize are the most that is granted (C053, C120)."""
    world = World(terms=Terms(Policy(max_blksize=1000, max_windowsize=8)))
    assert world.ask(rrq(blksize=65464, windowsize=64)) == "OA(blksize=1000,windowsize=8)"


# Records

RECORDS = {
    "completed": (("A0", "A1", "A2", "A3"), 0.0, Outcome.COMPLETED, "completed", 1300),
    "size-probe": (("E8",), 0.0, Outcome.SIZE_PROBE, "size-probe", 0),
    "no-answer": ((), 100.0, Outcome.UNANSWERED, "no-answer", 0),
    "client-vanished": (("A0", "A1"), 100.0, Outcome.FAILED, "client-vanished", 512),
    "last-ack-missing": (("A0", "A1", "A2"), 100.0, Outcome.COMPLETED, "last-ack-missing", 1024),
    "client-error": (("A0", "A1", "E3"), 0.0, Outcome.FAILED, "client-error:3", 512),
}


@pytest.mark.parametrize(("said", "silence", "outcome", "reason", "byte_count"), RECORDS.values(), ids=RECORDS)
def test_records(said, silence, outcome, reason, byte_count):
    """Each transfer leaves one record that says how it ended and how much of it arrived (C044, C089, C099,
    C152).
    """
    world = World()
    began = world.clock.seconds()
    world.ask(rrq(tsize=0))
    for word in said:
        world.tell(word)
    world.quiet(silence)
    (record,) = world.records.ended
    assert (record.outcome, record.reason, record.byte_count) == (outcome, reason, byte_count)
    assert record.agreed.options == ((b"tsize", b"1300"),)
    assert record.request.name == b"f"
    assert record.request.client == world.peer.socket.address
    assert record.request.local == REQUEST_PORT
    assert record.response_seconds == 0.0
    assert record.response_seconds <= record.seconds <= world.clock.seconds() - began
    assert (record.round_trip is not None) == bool(said and said[0] == "A0")
    assert len(world.records.started) == 1
    assert record.detail == ("why" if said and said[-1][0] == "E" else "")
    world.assert_nothing_left()


def test_record_counts_retransmits():
    """What was sent more than once is counted (C088)."""
    world = World()
    world.ask(rrq())
    world.quiet(1.5)
    for word in ("A1", "A2", "A3"):
        world.tell(word)
    assert world.last.retransmits == 1


def test_two_observers_hear_the_same():
    """Every observer of a server is told everything."""
    network = MemoryNetwork()
    observers = [RecordingObserver(), RecordingObserver()]
    server = Server(network.host(SERVER), ScriptedBackend(opened(CountingReader(content(10)))), Terms(), observers)
    Listener(server).listen(SERVER, 69)
    assert network.get(b"f") == content(10)
    network.run_until_idle()
    assert observers[0].ended == observers[1].ended != []


@pytest.mark.parametrize(
    "event", ["transfer_started", "transfer_ended", "request_refused", "error_sent", "datagram_dropped"]
)
def test_an_observer_that_raises_harms_nobody(event, logged):
    """It is logged; transfers go on and end, and others are told."""
    error = ValueError("observer")
    failing = type("Failing", (RecordingObserver,), {event: raising(error)})()
    world = World(policy={"observers": [failing, after := RecordingObserver()]})
    assert world.network.get(b"f") == content(1300)
    world.ask(rrq("none"))
    world.ask(b"\0\4\0\1")
    world.network.run_until_idle()
    assert [failure.value for failure in logged] == [error]
    logged.clear()
    assert after == world.records
    assert world.ended_as() == [(Outcome.COMPLETED, "completed")]
    assert len(world.records.refused) == len(world.records.errors) == len(world.records.dropped) == 1
    world.assert_nothing_left()


def test_transfer_in_progress_can_be_watched():
    """A transfer that is running shows its request and how far it is."""
    world = World()
    world.ask(rrq())
    world.tell("A1")
    (transfer,) = world.records.started
    assert (transfer.request.name, transfer.byte_count, transfer.retransmits) == (b"f", 512, 0)
    assert world.listener.active == 1


def test_stopped_server_does_not_wait_out_a_pause():
    """After five seconds in which the process stood still, each session repeats at most once (F23)."""
    world = World({b"f": content(50_000)})
    world.ask(rrq(windowsize=4))
    world.tell("A0")
    sent = len(world.network.sent)
    world.clock.advance(5.0)
    assert len(world.network.sent) - sent <= 4


def test_draining_does_not_wait_for_a_client_that_might_have_missed_the_last_ack():
    """An upload that is stored ends at once when the daemon stops; it is complete (C100)."""
    world = World()
    world.network.put(b"new", b"x" * 600, window_size=None)
    assert world.listener.active == 1
    done = world.listener.drain(10.0)
    assert done.called
    assert world.listener.active == 0


def test_a_large_window_leaves_in_slices():
    """Between two slices of a window of half a megabyte another client is served (C135, F30)."""
    world = World({b"large": content(9 * 65464 - 1), b"small": content(100)}, Terms(fit_mtu=False), mtu=70000)
    large, small = world.network.host(CLIENT).raw(), world.network.host(CLIENT).raw()
    large.ask(rrq("large", blksize=65464, windowsize=8))
    mark = len(world.network.sent)
    large.send(b"\0\4\0\0", large.tid)
    small.send(rrq("small"))
    large.wait(0.05)
    order = [to.port for _, to, datagram in world.network.sent[mark:] if datagram[1] == 3]
    ports = (large.socket.address.port, small.socket.address.port)
    assert sorted(order) == sorted([ports[0]] * 8 + [ports[1]])
    assert order.index(ports[1]) == 2


@implementer(IReader)
class Slices:
    """Content in small pieces, each in a Deferred that has fired already."""

    def __init__(self, data, length):
        self.data, self.length, self.size = data, length, len(data)

    def read(self, offset, length):
        """A piece."""
        return succeed(self.data[offset : offset + min(length, self.length)])

    def close(self):
        """Nothing."""


@pytest.mark.parametrize(("length", "blksize", "windowsize"), [(512, 1428, 64), (4096, 65464, 8), (4, 512, 1)])
def test_many_small_reads_that_are_ready_at_once(length, blksize, windowsize):
    """A Deferred that has fired is not served inside the call that brought it, so that thousands can follow."""
    data = content(200_000)
    world = World(lambda request: Slices(data, length), Terms(fit_mtu=False), mtu=70000)
    assert world.network.get(b"f", block_size=blksize, window_size=windowsize) == data


@implementer(IWriter)
class Coroutines:
    """A writer whose methods are coroutines."""

    def __init__(self):
        self.data, self.finished = b"", False

    async def write(self, data):
        """Later."""
        await succeed(None)
        self.data += data

    async def finish(self):
        """Later."""
        await succeed(None)
        self.finished = True

    async def cancel(self):
        """Later."""


def test_coroutines_are_waited_for():
    """A backend may be written with ``async def``: what it returns is a Deferred by another name."""
    writer = Coroutines()

    async def opened():
        return writer

    world = World(lambda request: opened())
    world.network.put(b"new", content(100_000))
    assert (writer.data, writer.finished) == (content(100_000), True)


def test_an_error_does_not_wait_behind_slices(monkeypatch):
    """A transfer that fails while a large window is leaving tells its client at once (C150, C135)."""
    world = World({b"large": content(9 * 65464 - 1)}, Terms(fit_mtu=False), mtu=70000)
    client = world.network.host(CLIENT).raw()
    client.ask(rrq("large", blksize=65464, windowsize=8))
    [transfer] = world.records.started
    # The turn of the next slice does not come.
    monkeypatch.setattr(MemorySessionSocket, "wait_writable", lambda socket: None)
    client.ask(b"\0\4\0\0", client.tid)
    transfer.fail(ServerStopping("enough"))
    assert [datagram[1] for datagram in client.wait(0.05)] == [5]


def test_a_client_that_is_gone_while_a_large_window_leaves(monkeypatch):
    """Sending tells that nobody listens there any more: the rest of the window goes nowhere, and does no harm."""
    world = World({b"large": content(8 * 65464 - 1)}, Terms(fit_mtu=False), mtu=70000)
    client = world.network.host(CLIENT).raw()
    client.ask(rrq("large", blksize=65464, windowsize=8))
    client.ask(b"\0\4\0\0", client.tid)
    [transfer] = world.records.started
    send = MemorySessionSocket.send

    def send_and_hear(socket, bursts, peer):
        if len(bursts) == 1:
            return send(socket, bursts, peer)  # a probe
        transfer.abandon()
        return []

    monkeypatch.setattr(MemorySessionSocket, "send", send_and_hear)
    client.wait(5)
    [record] = world.records.ended
    assert record.reason == "superseded"
    assert record.retransmits > 2
