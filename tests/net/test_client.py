"""The client, against the server of this package and against servers made of literal packets."""

import errno
import os
from collections import Counter

import pytest
from attrs import evolve
from net_kit import (
    CountingReader,
    CountingWriter,
    ExhaustedHost,
    ScriptedServer,
    World,
    content,
    packet,
    raising,
    spoken,
)
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tftpd_tw.backends.memory import BytesReader, BytesWriter, MemoryBackend
from tftpd_tw.interfaces import Address, Direction
from tftpd_tw.net.client import Client, TransferFailed, Wishes, resolve
from tftpd_tw.protocol.errors import DiskFull, TFTPError
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.testing import CLIENT, REQUEST_PORT, SERVER, MemoryNetwork

SIZES = [0, 1, 511, 512, 513, 1024, 70_000]

WISHES = {
    "defaults": {},
    "no options": {"block_size": None, "window_size": None, "size": False},
    "lockstep": {"block_size": 512, "window_size": None},
    "window": {"block_size": 512, "window_size": 8, "timeout": 2},
}

WIRES = {
    "F02 loss": {"loss": 0.05},
    "F05 duplication": {"duplication": 0.3},
    "F06 reordering": {"reordering": 0.25},
    "everything": {"loss": 0.05, "duplication": 0.1, "reordering": 0.1, "jitter": 0.002},
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wishes", WISHES.values(), ids=WISHES)
def test_both_ways(wishes, size):
    """What a client reads, and writes, is what was there, at every size around a block's end (C080, C081, C126,
    C127).
    """
    world = World({b"f": content(size)})
    assert world.network.get(b"f", **wishes) == content(size)
    world.network.put(b"new", content(size), **wishes)
    assert world.files[b"new"] == content(size)
    world.network.run_until_idle()
    world.assert_nothing_left()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wire", WIRES.values(), ids=WIRES)
@pytest.mark.parametrize("window_size", [1, 4, 16])
def test_both_ways_over_a_bad_wire(wire, window_size, seed):
    """Loss, repeats and disorder change nothing in what arrives, either way (F01, F02, F05, F06)."""
    world = World({b"f": content(60_000)}, seed=seed, **wire)
    patience = Patience(timeout=5.0, max_retries=10)
    wishes = Wishes(block_size=512, window_size=window_size)
    client = Client(world.network.host(CLIENT), REQUEST_PORT, wishes, patience)
    writer = CountingWriter()
    world.network.run(client.get(b"f", writer))
    assert writer.stored == content(60_000)
    assert writer.endings == ["finish"]
    reader = CountingReader(content(60_000))
    world.network.run(client.put(b"new", reader))
    assert world.files[b"new"] == content(60_000)
    assert reader.released == 1
    world.network.run_until_idle()
    world.assert_nothing_left()


def test_what_a_transfer_came_to():
    """A transfer that is done tells its terms and its figures (C040, C046)."""
    world = World({b"f": content(10_000)})
    done = world.network.run(world.network.client(block_size=1000, window_size=4).get(b"f", CountingWriter()))
    assert done.agreed.options == ((b"blksize", b"1000"), (b"windowsize", b"4"), (b"tsize", b"10000"))
    assert (done.byte_count, done.block_count, done.retransmits) == (10_000, 11, 0)
    assert done.seconds == pytest.approx(0.009, abs=0.003)
    assert done.round_trip == pytest.approx(0.002)


def test_what_is_asked():
    """The wishes are the options of the request, in their order, and no others (C066, C069)."""
    world = World()
    client = world.network.client(block_size=600, window_size=None, timeout=3)
    world.network.run(client.get(b"f", CountingWriter()))
    assert world.network.sent[0][2] == b"\0\1f\0octet\0blksize\x00600\0timeout\x003\0tsize\x000\0"
    before = len(world.network.sent)
    world.network.run(client.put(b"new", BytesReader(content(77))))
    assert world.network.sent[before][2] == b"\0\2new\0octet\0blksize\x00600\0timeout\x003\0tsize\x0077\0"


def test_size_of_a_text_is_not_announced():
    """What netascii makes of the size is not known, so a write of a text announces none (C068, C069)."""
    world = World()
    world.network.run(world.network.client(mode=Mode.NETASCII).put(b"new", BytesReader(b"a\nb")))
    assert b"tsize" not in world.network.sent[0][2]
    assert world.files[b"new"] == b"a\nb"


@pytest.mark.parametrize("window_size", [1, 8])
@pytest.mark.parametrize("block_size", [8, 9, 512, None])
def test_netascii_both_ways(block_size, window_size):
    """A text goes both ways as netascii and arrives as it was, wherever its ends of lines fall (C136,
    C140-C143).
    """
    text = b"a\nb\rc\r\nd" + b"x" * 500 + b"\n\r\n\r\r\n" * 100 + b"\r"
    world = World({b"f": text})
    wishes = {"block_size": block_size, "window_size": window_size, "mode": Mode.NETASCII}
    assert world.network.get(b"f", **wishes) == text
    world.network.put(b"new", text, **wishes)
    assert world.files[b"new"] == text
    encoded = text.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")
    data = [datagram for _, _, datagram in world.network.sent if datagram[:2] == b"\0\3"]
    assert b"".join(datagram[4:] for datagram in data) == 2 * encoded


REFUSED = {
    "C031": ("get", b"none", 1, "File not found"),
    "C112": ("put", b"new", 2, "Access violation"),
}


@pytest.mark.parametrize(("way", "name", "code", "text"), REFUSED.values(), ids=REFUSED)
def test_servers_error(way, name, code, text):
    """A server's ERROR fails the transfer with its code and text, and is not answered (C031, C112, C151)."""
    world = World({b"f": b""})
    world.backend.writable = False
    client = world.network.client()
    content_ = CountingWriter() if way == "get" else CountingReader(content(10))
    with pytest.raises(TransferFailed, match=f"the server said ERROR {code}: {text}") as caught:
        world.network.run(getattr(client, way)(name, content_))
    assert (caught.value.ended.code, caught.value.ended.text) == (code, text.encode())
    world.network.run_until_idle()
    assert Counter(spoken(datagram)[0] for _, _, datagram in world.network.sent) == {
        "R" if way == "get" else "W": 1,
        "E": 1,
    }
    assert content_.calls == ["cancel"] if way == "get" else content_.released == 1
    world.assert_nothing_left()


FALSE_OACKS = {
    "not asked": b"\0\6multicast\x00\0",
    "not asked, known": b"\0\6timeout\x003\0",
    "larger block": b"\0\6blksize\x001429\0",
    "larger window": b"\0\6windowsize\x0017\0",
    "block too small": b"\0\6blksize\x007\0",
    "no number": b"\0\6blksize\x005e2\0",
}


@pytest.mark.parametrize("oack", FALSE_OACKS.values(), ids=FALSE_OACKS)
def test_oack_that_grants_what_was_not_asked(oack):
    """An OACK with more than was asked gets ERROR 8, at the port that it came from, and ends the transfer
    (C046).
    """
    network = MemoryNetwork()
    server = ScriptedServer(network, oack)
    writer = CountingWriter()
    with pytest.raises(TransferFailed) as caught:
        network.run(network.client().get(b"f", writer))
    assert caught.value.ended.reason == "option-refused"
    network.run_until_idle()
    assert [spoken(datagram) for datagram, _ in server.peer.received] == ["E8"]
    assert writer.calls == ["cancel"]


def test_oack_with_less_is_taken():
    """A server may grant less, or nothing, of what was asked (C046, C047)."""
    network = MemoryNetwork()
    ScriptedServer(network, b"\0\3\0\1hello")
    assert network.get(b"f") == b"hello"
    network = MemoryNetwork()
    server = ScriptedServer(network, b"\0\6BLKSIZE\x00600\0")
    done = network.client().get(b"f", CountingWriter())
    network.clock.advance(0.0015)
    network.step()
    network.step()
    assert [spoken(datagram) for datagram, _ in server.peer.received] == ["A0"]
    server.peer.send(packet("D1/599"), server.peer.tid)
    assert network.run(done).agreed.blksize == 600


def test_second_answer_gets_error_5():
    """Once a server has answered from one port, packets from others are strangers' (C090, C095)."""
    network = MemoryNetwork()
    server = ScriptedServer(network, b"\0\3\0\1" + content(512))
    second = network.host(SERVER).raw()
    done = network.client(block_size=None, window_size=None, size=False).get(b"f", CountingWriter())
    while not server.peer.received:
        network.step()
    assert [spoken(datagram) for datagram in second.ask(b"\0\3\0\1" + content(512), server.peer.tid)] == ["E5"]
    server.peer.send(b"\0\3\0\2", server.peer.tid)
    assert network.run(done).byte_count == 512


def test_answer_from_another_host_is_refused():
    """Only the host that was asked may answer (C090)."""
    network = MemoryNetwork(drop=lambda datagram: datagram[:2] == b"\0\1")
    other = network.host("192.0.2.66").raw()
    done = network.client().get(b"f", CountingWriter())
    network.clock.advance(0.5)
    (client,) = {source for source, _, _ in network.sent}
    assert [spoken(datagram) for datagram in other.ask(b"\0\3\0\1evil", client)] == ["E5"]
    assert not done.called
    done.addErrback(lambda _: None)
    done.cancel()


def test_silence():
    """A request without any answer is repeated with longer and longer waits, and then fails (C088, C089)."""
    network = MemoryNetwork(drop=lambda datagram: True)
    writer = CountingWriter()
    with pytest.raises(TransferFailed, match=r"^no answer from the server$") as caught:
        network.run(network.client().get(b"f", writer))
    assert caught.value.reason == "no-answer"
    assert network.clock.seconds() == pytest.approx(30.0)
    assert 4 <= len(network.sent) <= 10
    assert len({datagram for _, _, datagram in network.sent}) == 1
    assert writer.calls == ["cancel"]
    assert network.clock.getDelayedCalls() == []


def test_nobody_there():
    """A host that says that nobody listens ends the transfer at once (C099, F12)."""
    network = MemoryNetwork()
    with pytest.raises(TransferFailed, match=r"the server: nobody listens on its port$") as caught:
        network.get(b"f")
    assert (caught.value.reason, caught.value.ended.unreachable) == ("no-answer", True)
    assert network.clock.seconds() < 0.1


def test_server_that_stops_answering():
    """A server that vanishes in the middle ends the transfer after the patience, and nothing is kept (C089,
    C114).
    """
    world = World({b"f": content(60_000)})
    writer = CountingWriter()
    done = world.network.client(block_size=512).get(b"f", writer)
    world.quiet(0.01)
    assert writer.stored
    world.network.drop = lambda datagram: True
    with pytest.raises(TransferFailed, match=r"^the server stopped answering$") as caught:
        world.network.run(done)
    assert caught.value.reason == "server-vanished"
    assert writer.endings == ["cancel"]


@pytest.mark.parametrize("closes", [True, False])
def test_server_that_only_begins(closes):
    """A server that answers the request and then nothing more was there: no other need be asked (C042, C089)."""
    network = MemoryNetwork()
    server = ScriptedServer(network, b"\0\6blksize\x001428\0")
    transfer = network.client().begin(Direction.READ, b"f", CountingWriter())
    while transfer.response_seconds is None:
        network.step()
    if closes:
        server.peer.socket.close()
    with pytest.raises(TransferFailed) as caught:
        network.run(transfer.done)
    assert (caught.value.reason, caught.value.ended.unreachable) == ("server-vanished", closes)


def test_the_cause_of_a_failure_that_is_ours(logged):
    """What a writer raised is found from what the transfer fails with: as the cause, or as that one's cause if it
    is none of the errors that a transfer knows.
    """
    world = World()
    full, broken = DiskFull("no room"), ValueError("broken")
    with pytest.raises(TransferFailed, match=r"^no room$") as caught:
        world.network.run(world.network.client().get(b"f", CountingWriter(write=raising(full))))
    assert (caught.value.reason, caught.value.__cause__) == ("disk-full", full)
    with pytest.raises(TransferFailed, match=r"^ValueError: broken$") as caught:
        world.network.run(world.network.client().get(b"f", CountingWriter(write=raising(broken))))
    assert caught.value.__cause__.__cause__ is broken
    assert [failure.value for failure in logged] == [broken]
    logged.clear()


WRONG_WISHES = [
    {"block_size": 7},
    {"block_size": 65465},
    {"window_size": 0},
    {"window_size": 65536},
    {"timeout": 0},
]


@pytest.mark.parametrize("wishes", WRONG_WISHES, ids=str)
def test_wishes_that_no_server_may_grant(wishes):
    """They fail where they are made; a server would only pass over them."""
    with pytest.raises(ValueError, match=f"'{next(iter(wishes))}' must be"):
        Wishes(**wishes)


def test_wishes_in_parts_of_a_second():
    """A timeout is whole seconds on the wire (C060)."""
    with pytest.raises(TypeError, match="timeout"):
        Wishes(timeout=0.5)


def test_how_far_it_is():
    """A transfer that was begun says at any time what has come, of how much, on which terms (C066, C069)."""
    world = World({b"f": content(60_000)})
    client = world.network.client(block_size=512, window_size=4)
    contents = {Direction.READ: CountingWriter(), Direction.WRITE: CountingReader(content(60_000))}
    for direction, mine in contents.items():
        transfer = client.begin(direction, b"f" if direction is Direction.READ else b"new", mine)
        assert (transfer.byte_count, transfer.agreed.blksize, transfer.agreed.options) == (0, 512, ())
        assert transfer.response_seconds is None
        assert transfer.size == (None if direction is Direction.READ else 60_000)
        world.quiet(0.05)
        assert 0 < transfer.byte_count < 60_000
        assert (transfer.size, transfer.agreed.windowsize) == (60_000, 4)
        assert transfer.response_seconds == pytest.approx(0.002)
        done = world.network.run(transfer.done)
        assert transfer.byte_count == done.byte_count == 60_000


def test_a_size_that_is_not_told():
    """A server that does not say how much it is leaves it open."""
    network = MemoryNetwork()
    ScriptedServer(network, b"\0\3\0\1" + content(512))
    transfer = network.client().begin(Direction.READ, b"f", CountingWriter())
    while not transfer.byte_count:
        network.step()
    assert transfer.size is None
    transfer.done.addErrback(lambda _: None)
    transfer.done.cancel()


def test_requests_that_were_lost_are_counted():
    """A request that was sent again is a retransmit, and the response time counts from the first one (C088)."""
    requests = []

    def drop(datagram):
        requests.append(datagram)
        return len(requests) <= 2

    world = World({b"f": content(100)}, drop=drop)
    transfer = world.network.client().begin(Direction.READ, b"f", CountingWriter())
    assert world.network.run(transfer.done).retransmits == transfer.retransmits == 2
    assert transfer.response_seconds == pytest.approx(3.002)


def test_the_response_time_of_an_error():
    """A refusal is an answer too."""
    world = World({})
    transfer = world.network.client().begin(Direction.READ, b"f", CountingWriter())
    with pytest.raises(TransferFailed):
        world.network.run(transfer.done)
    assert transfer.response_seconds == pytest.approx(0.002)


def test_an_error_that_would_do_something_to_a_terminal():
    """The text of a server's ERROR is a stranger's: in ours it is escaped (S038)."""
    network = MemoryNetwork()
    ScriptedServer(network, b"\0\5\0\7\x1b[2Jgone\n\0")
    with pytest.raises(TransferFailed) as caught:
        network.get(b"f")
    assert str(caught.value) == r"the server said ERROR 7: \x1b[2Jgone\x0a"
    assert (caught.value.reason, caught.value.ended.text) == ("error:7", b"\x1b[2Jgone\n")


@pytest.mark.parametrize("way", ["get", "put"])
def test_no_dallying(way):
    """A client that does not dally has closed its socket when the transfer is done; otherwise it stays, to answer
    a repeat of the last block of a read (C100).
    """
    world = World({b"f": content(2000)})
    for dally in (True, False):
        client = evolve(world.network.client(), dally=dally)
        mine = CountingWriter() if way == "get" else CountingReader(content(2000))
        world.network.run(getattr(client, way)(b"f" if way == "get" else b"new", mine))
        own = [socket for socket in world.sessions if socket.address.host == CLIENT]
        assert len(own) == (1 if dally and way == "get" else 0)
        world.network.run_until_idle()
        world.assert_nothing_left()
    assert {reason for _, reason in world.ended_as()} == {"completed"}


class Cancelling(SynchronousTestCase):
    """A Deferred of a transfer may be cancelled at any time."""

    def cancelled_after(self, way, seconds):
        """Cancel after so many seconds; nothing may be left."""
        world = World({b"f": content(60_000)})
        client = world.network.client(block_size=512, window_size=4)
        mine = CountingWriter() if way == "get" else CountingReader(content(60_000))
        done = getattr(client, way)(b"f" if way == "get" else b"new", mine)
        world.quiet(seconds)
        sent = len(world.network.sent)
        done.cancel()
        assert self.failureResultOf(done, TransferFailed).value.reason == "cancelled"
        assert [datagram for _, _, datagram in world.network.sent[sent:]] == [b"\0\5\0\0Transfer was cancelled\0"]
        world.network.run_until_idle(limit=100.0)
        world.assert_nothing_left()
        assert b"new" not in world.files
        assert (mine.endings if way == "get" else ["cancel"] * mine.released) == ["cancel"]

    def test_before_an_answer(self):
        """Cancelled before the server answered, a transfer leaves nothing at either end (C114)."""
        for way in ("get", "put"):
            self.cancelled_after(way, 0.0)

    def test_in_the_middle(self):
        """Cancelled in the middle, a transfer ends with an ERROR and leaves nothing at either end (C114, C152)."""
        for way in ("get", "put"):
            self.cancelled_after(way, 0.01)

    def test_from_within(self):
        """Cancelled by its own content, a transfer ends all the same, and its Deferred fires once."""
        world = World({b"f": content(60_000)})
        transfers = []
        writer = CountingWriter(write=lambda: transfers[0].done.cancel())
        transfers.append(world.network.client(block_size=512, window_size=64).begin(Direction.READ, b"f", writer))
        world.quiet(0.1)
        self.failureResultOf(transfers[0].done)
        world.network.run_until_idle(limit=100.0)
        world.assert_nothing_left()
        assert writer.endings == ["cancel"]

    def test_after_the_end(self):
        """Cancelling what is done changes nothing."""
        world = World({b"f": content(10)})
        done = world.network.client().get(b"f", CountingWriter())
        world.network.run_until_idle()
        done.cancel()
        self.successResultOf(done)


def test_failing_writer():
    """A writer that fails ends the transfer with its error at both ends, and is cancelled (C113)."""
    world = World({b"f": content(600)})

    def full():
        raise TFTPError("no room here")

    writer = CountingWriter(finish=full)
    with pytest.raises(TransferFailed, match="no room here"):
        world.network.run(world.network.client().get(b"f", writer))
    world.network.run_until_idle()
    assert writer.endings == ["finish", "cancel"]
    assert [reason for _, reason in world.ended_as()] == ["client-error:0"]


@pytest.mark.parametrize("name", [b"", b"a\0b", b"x" * 500])
def test_name_that_does_not_fit(name):
    """A name that no request can hold is refused before anything is sent (C014)."""
    network = MemoryNetwork()
    with pytest.raises(ValueError, match="request"):
        network.get(name)
    assert network.sent == []


@pytest.mark.parametrize("way", ["get", "put"])
def test_no_descriptor_left(way):
    """A client that gets no socket fails the transfer, and releases its content (F17)."""
    network = MemoryNetwork()
    client = Client(ExhaustedHost(network, CLIENT), REQUEST_PORT)
    mine = CountingWriter() if way == "get" else CountingReader(content(10))
    with pytest.raises(TransferFailed, match=os.strerror(errno.EMFILE)):
        network.run(getattr(client, way)(b"f", mine))
    assert mine.endings == ["cancel"] if way == "get" else mine.released == 1


@implementer(IHostnameResolver)
class Resolver:
    """Knows some addresses, which it tells when asked, or later."""

    def __init__(self, *addresses, at_once=True):
        self.addresses = addresses
        self.at_once = at_once

    def resolveHostName(self, receiver, *_):  # noqa: N802
        """Tell."""
        receiver.resolutionBegan(None)
        self.receiver = receiver
        if self.at_once:
            self.tell()

    def tell(self):
        """Say what is known."""
        for address in self.addresses:
            self.receiver.addressResolved(address)
        self.receiver.resolutionComplete()


V4 = IPv4Address("UDP", "192.0.2.1", 0)
V6 = IPv6Address("UDP", "2001:db8::1", 0)


class Resolving(SynchronousTestCase):
    """The address of a host."""

    def test_first_address(self):
        """The first address that the resolver has is the one, with the port that was asked for (C154)."""
        for addresses, host in (((V4,), "192.0.2.1"), ((V6,), "2001:db8::1"), ((V6, V4), "2001:db8::1")):
            assert self.successResultOf(resolve(Resolver(*addresses), "host", 6969)) == Address(host, 6969)

    def test_link_local_address(self):
        """A link-local address keeps its interface (C154, K4)."""
        found = resolve(Resolver(IPv6Address("UDP", "fe80::1", 0, 0, 3)), "host", 6969)
        assert self.successResultOf(found) == Address("fe80::1", 6969, 3)

    def test_port_69(self):
        """Without a port it is TFTP's."""
        assert self.successResultOf(resolve(Resolver(V4), "host")) == Address("192.0.2.1", 69)

    def test_later(self):
        """A resolver may take its time."""
        resolver = Resolver(V4, at_once=False)
        found = resolve(resolver, "host")
        self.assertNoResult(found)
        resolver.tell()
        assert self.successResultOf(found) == Address("192.0.2.1", 69)

    def test_unknown_host(self):
        """A host without an address is an error that names it."""
        failure = self.failureResultOf(resolve(Resolver(), "nowhere.example"), TFTPError)
        assert "nowhere.example" in str(failure.value)


def test_address_of_the_server_in_any_spelling():
    """An IPv6 address is compared as the kernel writes it, however it was given."""
    client = Client(MemoryNetwork().host(CLIENT), Address("2001:DB8:0:0::1", 69))
    assert client.server == Address("2001:db8::1", 69)


def test_mapped_address_of_the_server():
    """IPv4 in IPv6's clothes is IPv4."""
    client = Client(MemoryNetwork().host(CLIENT), Address("::ffff:192.0.2.1", 69))
    assert client.server == REQUEST_PORT


def test_a_stray_packet_from_the_servers_host_is_not_its_answer():
    """Only an answer makes its port the other end (C090)."""
    network = MemoryNetwork()
    network.serve(MemoryBackend({b"f": b"content"}))
    stray = network.host(SERVER).raw()
    got = []
    done = network.client().get(b"f", BytesWriter(got.append))
    asking = network.sent[-1][0]
    for datagram in (b"\0\4\0\7", b"\0\3\0\5late", b"junk"):
        stray.send(datagram, asking)
    network.run(done)
    assert got == [b"content"]
