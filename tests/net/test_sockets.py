"""Real sockets on the loopback device, and sockets that fail as the kernel's may."""

import errno
import os
import pathlib
import select
import socket
import struct
from contextlib import closing
from functools import partial

import pytest
from net_kit import content, packet, rrq, spoken, wrq
from poll_reactor import PollReactor, closed_port, plain_socket
from under_reactor import REACTORS, output

from tftpd_tw.backends.memory import BytesReader, BytesWriter, MemoryBackend
from tftpd_tw.interfaces import Address
from tftpd_tw.net import bursts, sockets
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.net.engine import from_socket_address, joined, to_socket_address
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.reactor_engine import RequestSocket, SessionSocket
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.net.sockets import segment_control
from tftpd_tw.protocol.opening import answer_read
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.testing import RecordingObserver

LOOPBACKS = ["127.0.0.1", "::1"]

both_families = pytest.mark.parametrize("host", LOOPBACKS)


class Handler:
    """Keeps what a socket says; may close it at the first packet or error."""

    def __init__(self, closes=False):
        self.requests, self.packets, self.batches, self.gone = [], [], [], []
        self.interfaces = []
        self.wanted = 0
        self.resumed = 0
        self.socket = None
        self.closes = closes

    def request_received(self, *request):
        """A request; the port that it came to, and the interface, are the last of it."""
        self.requests.append(request[:-2])
        self.interfaces.append(request[-1])
        if self.closes:
            self.socket.close()

    def datagramReceived(self, datagram, peer):
        """A packet."""
        self.packets.append((datagram, peer))
        if self.closes:
            self.socket.close()

    def datagrams_received(self, datagrams, peer):
        """Packets in a row; :attr:`wanted` more should follow."""
        self.batches.append((len(datagrams), peer))
        for datagram in datagrams:
            self.datagramReceived(datagram, peer)
        return self.wanted

    def unreachable(self, peer):
        """An error."""
        self.gone.append(peer)
        if self.closes:
            self.socket.close()

    def resume_sending(self):
        """There is room."""
        self.resumed += 1


@pytest.fixture
def reactor(engine):
    """No real one; sockets are closed after the test, whatever came of it."""
    with closing(PollReactor(engine)) as reactor:
        yield reactor


# The address that was asked

ASKED = {
    "IPv4": ("127.0.0.1", "127.0.0.1"),
    "C153 alias of a wildcard": ("0.0.0.0", "127.0.0.9"),
    "IPv4 wildcard": ("0.0.0.0", "127.0.0.1"),
    "IPv6": ("::1", "::1"),
    "IPv6 wildcard": ("::", "::1"),
    "C155 IPv4 on the IPv6 wildcard": ("::", "127.0.0.1"),
    "C153 C155 alias on the IPv6 wildcard": ("::", "127.0.0.9"),
}


@pytest.mark.parametrize(("bound", "asked"), ASKED.values(), ids=ASKED)
def test_asked_address(reactor, bound, asked):
    """The address that a request was sent to is known, and IPv4 clients are IPv4 on any socket (C153, C155,
    K4).
    """
    handler = Handler()
    request_socket = reactor.engine.listen(bound, 0, handler)
    port = request_socket.address.port
    assert request_socket.address == Address(bound, port)
    with plain_socket(asked) as client:
        client.sendto(b"\0\1", (asked, port))
        reactor.run_until(lambda: handler.requests)
        peer = Address(asked, client.getsockname()[1])
    assert handler.requests == [(b"\0\1", peer, Address(asked, port), False)]


@pytest.mark.parametrize(("bound", "asked"), ASKED.values(), ids=ASKED)
def test_all_answers_come_from_the_asked_address(reactor, bound, asked):
    """Data, and errors, come from the address that was asked, from a port of its own (C001, C153, C154, C156)."""
    listener = serve(reactor, {b"f": content(10)})
    port = listener.listen(bound, 0).port
    with plain_socket(asked) as client:
        for datagram, answer in ((rrq(), "D1/10"), (rrq("none"), "E1"), (b"\0\7", "E4")):
            client.sendto(datagram, (asked, port))
            reactor.run_until(lambda: readable(client))
            received, sender = client.recvfrom(1000)
            assert spoken(received) == answer
            assert sender[0] == asked
            assert sender[1] != port


def readable(sock):
    """Whether something has come."""
    return bool(select.select([sock], [], [], 0)[0])


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_broadcast_is_seen(reactor, bound):
    """A request to a broadcast address is known as one, with an address to answer from (C037)."""
    handler = Handler()
    port = reactor.engine.listen(bound, 0, handler).address.port
    with plain_socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.sendto(b"\0\1", ("127.255.255.255", port))
        reactor.run_until(lambda: handler.requests)
    assert handler.requests[0][2:] == (Address("127.0.0.1", port), True)


def pktinfo6(host, interface):
    """The control message of an IPv6 packet."""
    data = socket.inet_pton(socket.AF_INET6, host) + struct.pack("=I", interface)
    return ((socket.IPPROTO_IPV6, sockets.IPV6_PKTINFO, data),)


BOUND = Address("::", 69)

CONTROLS = {
    "C037 multicast": (pktinfo6("ff02::1", 2), (Address("", 69), True, 2)),
    "C154 link-local, whoever asks": (pktinfo6("fe80::1", 2), (Address("fe80::1", 69, 2), False, 2)),
    "global": (pktinfo6("2001:db8::1", 3), (Address("2001:db8::1", 69), False, 3)),
    "C155 mapped": (pktinfo6("::ffff:192.0.2.1", 2), (Address("192.0.2.1", 69), False, 2)),
    "nothing known": ((), (BOUND, False, 0)),
    "something else": (((1, 2, b"x"),), (BOUND, False, 0)),
}


@pytest.mark.parametrize(("control", "known"), CONTROLS.values(), ids=CONTROLS)
def test_what_control_messages_tell(control, known):
    """Those that loopback cannot make are read too: multicast, link-local, none at all (C037, C154, C155)."""
    assert sockets.arrival(control, BOUND) == known


@pytest.mark.parametrize("bound", ["127.0.0.1", "0.0.0.0", "::", "::1"])
def test_the_interface_that_a_request_came_in_by(reactor, bound):
    """It is known, by its number."""
    handler = Handler()
    port = reactor.engine.listen(bound, 0, handler).address.port
    asked = "::1" if bound == "::1" else "127.0.0.1"
    with plain_socket(asked) as client:
        client.sendto(b"\0\1", (asked, port))
        reactor.run_until(lambda: handler.requests)
    assert [sockets.interface_name(number) for number in handler.interfaces] == ["lo"]


def test_an_interface_that_is_not_there():
    """It has no name."""
    assert sockets.interface_name(0) is None
    assert sockets.interface_name(0x7FFFFFF0) is None


ADDRESSES = {
    "IPv4": (("192.0.2.1", 69), Address("192.0.2.1", 69)),
    "IPv6": (("2001:db8::1", 69, 0, 0), Address("2001:db8::1", 69)),
    "link-local": (("fe80::1", 69, 0, 3), Address("fe80::1", 69, 3)),
}


@pytest.mark.parametrize(("raw", "address"), ADDRESSES.values(), ids=ADDRESSES)
def test_addresses_there_and_back(raw, address):
    """What a socket calls an address and what we call it say the same, with the scope (C154, K4)."""
    assert from_socket_address(raw) == address
    assert to_socket_address(address) == raw


def test_mapped_addresses_are_ipv4():
    """An IPv4 peer of an IPv6 socket is IPv4; an IPv6 address that only looks like one is not (C155)."""
    assert from_socket_address(("::ffff:192.0.2.1", 69, 0, 0)) == Address("192.0.2.1", 69)
    assert from_socket_address(("::ffff:1", 69, 0, 0)) == Address("::ffff:1", 69)


# Request sockets


class FailingSocket:
    """A socket whose calls do what ``script`` says, in turn, and then find nothing to read or have room for
    all.
    """

    def __init__(self, *script):
        self.script = list(script)
        self.sent, self.controls = [], []
        self.open = True

    def fileno(self):
        """A number."""
        return 99 if self.open else -1

    def getsockname(self):
        """An address."""
        return ("127.0.0.1", 69)

    def close(self):
        """Closed."""
        self.open = False

    def getsockopt(self, *_):
        """No error is pending any more."""
        return 0

    def setsockopt(self, *_):
        """An old kernel's."""
        raise OSError(errno.ENOPROTOOPT, "x")

    def recvmsg(self, *_):
        """What comes next."""
        return self._next() or raises(BlockingIOError())

    recvfrom = recvmsg

    def sendmsg(self, buffers, control, flags, peer):
        """Sent, or not."""
        assert self.open, "sent on a closed socket"
        self.controls.append(bool(control))
        if isinstance(outcome := self._next(control), OSError):
            raise outcome
        self.sent += joined([buffers])

    def _next(self, *arguments):
        if not self.script:
            return None
        outcome = self.script[0] if callable(self.script[0]) else self.script.pop(0)
        if callable(outcome):
            return outcome(*arguments)
        return outcome if not isinstance(outcome, OSError) or arguments else raises(outcome)


def raises(error):
    """Raise it."""
    raise error


ERRNOS = [
    errno.ECONNREFUSED,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EIO,
    errno.EBADMSG,
]


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_request_port_outlives_errors(reactor, number):
    """Whatever error a read of the request port brings, the next request is taken (K5, F25)."""
    handler = Handler()
    sock = FailingSocket(OSError(number, "x"), (b"\0\1", [], 0, ("127.0.0.1", 1024)))
    request_socket = RequestSocket(sock, reactor, handler)
    request_socket.doRead()
    request_socket.doRead()
    assert len(handler.requests) == 1
    assert request_socket in reactor.readers


@pytest.mark.parametrize("make", [RequestSocket, SessionSocket])
def test_reactor_that_drops_a_socket_gets_it_back(reactor, make):
    """A reactor that takes an error for the end of the connection does not end it; one that stops, does (K5)."""
    handler = Handler()
    opened = make(FailingSocket(), reactor, handler)
    reactor.readers.clear()
    opened.connectionLost(None)
    assert reactor.readers == [opened]
    opened.close()
    opened.connectionLost(None)
    assert reactor.readers == []
    other = make(FailingSocket(), reactor, handler)
    reactor.readers.clear()
    reactor.running = False
    other.connectionLost(None)
    assert reactor.readers == []
    assert other.fileno() < 0


def test_a_transfer_whose_engine_was_closed_fails():
    """It hears nothing any more, so that its time comes; nothing raises because there is no socket."""
    with closing(PollReactor("poll")) as reactor:
        port = serve(reactor, {b"f": content(10)}).listen("127.0.0.1", 0)
        failures = []
        Client(reactor.engine, port).get(b"f", BytesWriter()).addErrback(failures.append)
        reactor.engine.close()
        for _ in range(60):
            reactor.advance(1.0)
        assert [failure.value.reason for failure in failures] == ["no-answer"]


def test_many_requests_take_turns(reactor):
    """A flood of requests does not keep other sockets from being read, and closing in the middle is heeded
    (S037).
    """
    flood = [(b"\0\1", [], 0, ("127.0.0.1", 1024))] * 1000
    handler = Handler()
    request_socket = RequestSocket(FailingSocket(*flood), reactor, handler)
    request_socket.doRead()
    assert len(handler.requests) == 64
    handler.socket, handler.closes = request_socket, True
    request_socket.doRead()
    assert len(handler.requests) == 65


def test_requests_are_not_cut_to_a_legal_length(reactor):
    """A request of more than 512 bytes is seen to be longer (C014, K3)."""
    handler = Handler()
    address = reactor.engine.listen("127.0.0.1", 0, handler).address
    with plain_socket() as client:
        for length in (511, 512, 513, 60_000):
            client.sendto(b"x" * length, address[:2])
        reactor.run_until(lambda: len(handler.requests) == 4)
    assert [min(len(request[0]), 514) for request in handler.requests] == [511, 512, 513, 513]


def test_port_taken():
    """A port that is taken is an OSError that says so, and no descriptor is left (F17)."""
    with plain_socket() as taken:
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="in use") as caught:
            sockets.bind_request_socket(*taken.getsockname())
        assert caught.value.errno == errno.EADDRINUSE
        with pytest.raises(OSError, match="assign"):
            sockets.bind_session_socket(Address("192.0.2.254", 0), Address("192.0.2.1", 69))
        assert len(os.listdir("/proc/self/fd")) == before


# Sending


def burst(*sizes):
    """DATA blocks of those sizes as a machine hands them out."""
    parts = []
    for number, size in enumerate(sizes, 1):
        parts += [b"\0\3" + number.to_bytes(2, "big"), memoryview(content(size))]
    return parts


BURSTS = {
    "one": (512,),
    "two": (512, 512),
    "C080 empty last": (512, 512, 0),
    "short last": (512, 512, 1),
    "one short": (3,),
    "one empty": (0,),
    "smallest": (8,) * 64,
    "Ethernet": (1428,) * 45,
    "largest": (65464,),
    "half": (32000, 32000),
}


@both_families
@pytest.mark.parametrize("sizes", BURSTS.values(), ids=BURSTS)
def test_burst_arrives_as_separate_datagrams(reactor, host, sizes):
    """A burst, sent with one system call, arrives as datagrams of a block each (C057, C135)."""
    with plain_socket(host) as client:
        peer = from_socket_address(client.getsockname())
        session_socket = reactor.engine.open_session(Address(host, 0), peer, Handler())
        counted = Counting(session_socket._socket)
        session_socket._socket = counted
        blocks = burst(*sizes)
        assert session_socket.send([blocks], to_socket_address(peer)) == []
        received = [client.recvfrom(65536) for _ in sizes]
        assert [datagram for datagram, _ in received] == joined([blocks])
        assert {from_socket_address(sender) for _, sender in received} == {session_socket.address}
    assert counted.calls == 1


def test_bursts_of_different_sizes(reactor):
    """Each burst is cut at its own block size (C135)."""
    with plain_socket() as client:
        peer = from_socket_address(client.getsockname())
        session_socket = reactor.engine.open_session(Address("127.0.0.1", 0), peer, Handler())
        bursts = [burst(512, 512), burst(100, 100, 9), burst(512, 512, 512)]
        assert session_socket.send(bursts, client.getsockname()) == []
        assert [client.recv(1000) for _ in joined(bursts)] == joined(bursts)


class Counting:
    """A socket that counts its sends."""

    def __init__(self, sock):
        self._sock = sock
        self.calls = 0

    def sendmsg(self, *arguments):
        """Count."""
        self.calls += 1
        return self._sock.sendmsg(*arguments)

    def __getattr__(self, name):
        return getattr(self._sock, name)


@pytest.mark.parametrize(
    ("blksize", "windowsize", "most"), [(1428, 64, 2), (1428, 16, 1), (512, 64, 1), (8192, 8, 2), (512, 1, 1)]
)
def test_system_calls_of_a_window(reactor, blksize, windowsize, most):
    """A window of 64 blocks of 1428 bytes takes two system calls, not 64 (C135)."""
    machine = answer_read(
        Agreed(blksize, windowsize, options=((b"x", b"1"),)), Patience(), size=None, mode=Mode.OCTET
    )
    machine.start(0.0)
    machine.bursts()
    machine.datagram_received(packet("A0"), 0.0)
    (wanted,) = machine.events()
    machine.blocks_read(content(wanted.length), 0.0)
    window = machine.bursts()
    sock = FailingSocket()
    assert SessionSocket(sock, reactor, Handler()).send(window, ("127.0.0.1", 1024)) == []
    assert len(sock.sent) == windowsize
    assert {len(datagram) for datagram in sock.sent} == {blksize + 4}
    assert len(sock.controls) <= most


def refusing(number):
    """Segmented sends fail with that error; others work."""
    return lambda control: OSError(number, os.strerror(number)) if control else None


@pytest.mark.parametrize("number", sorted(sockets.SEGMENTATION_ERRORS), ids=errno.errorcode.get)
def test_without_segmentation_blocks_go_one_by_one(reactor, number):
    """Where a segmented send fails, the burst goes out block by block, and so does all that follows (C135)."""
    sock = FailingSocket(refusing(number))
    session_socket = SessionSocket(sock, reactor, Handler())
    bursts = [burst(512, 512, 512), burst(512, 7), [b"\0\4\0\1"]]
    assert session_socket.send(bursts, ("127.0.0.1", 1024)) == []
    assert sock.sent == joined(bursts)
    assert sock.controls == [True] + [False] * 6
    sock.controls.clear()
    assert session_socket.fallback == errno.errorcode[number]
    assert session_socket.send(bursts, ("127.0.0.1", 1024)) == []
    assert sock.sent == joined(bursts) * 2
    assert sock.controls == [False] * 6


@pytest.mark.parametrize("room", range(8))
@pytest.mark.parametrize("segmented", [True, False])
def test_full_buffer_gives_back_what_was_not_sent(reactor, room, segmented):
    """When the buffer fills up, exactly what was not sent comes back, in order (C135, F25)."""
    bursts = [burst(512, 512, 512), [b"\0\4\0\1"], burst(100, 100, 9)]
    calls = 0

    def limited(control):
        nonlocal calls
        if control and not segmented:
            return OSError(errno.EIO, "x")
        calls += 1
        return BlockingIOError(errno.EAGAIN, "full") if calls > room else None

    sock = FailingSocket(limited)
    rest = SessionSocket(sock, reactor, Handler()).send(bursts, ("127.0.0.1", 1024))
    assert sock.sent + joined(rest) == joined(bursts)
    assert len(sock.sent) == (min(room, 7) if not segmented else (0, 3, 4, 7)[min(room, 3)])


LOSSES = [errno.ENOBUFS, errno.EPERM, errno.ENETDOWN, errno.ENOMEM, errno.EACCES]


@pytest.mark.parametrize("number", LOSSES, ids=errno.errorcode.get)
@pytest.mark.parametrize("blocks", [1, 3])
def test_other_errors_are_loss(reactor, number, blocks):
    """A send that a firewall or a full queue refuses is a lost packet, and nothing more (C135, F25, K5)."""
    handler = Handler()
    sock = FailingSocket(OSError(number, "x"))
    bursts = [burst(*[512] * blocks), [b"\0\4\0\1"]]
    assert SessionSocket(sock, reactor, handler).send(bursts, ("127.0.0.1", 1024)) == []
    assert sock.sent == [b"\0\4\0\1"]
    assert handler.gone == []


@pytest.mark.parametrize("number", sorted(sockets.PENDING_ERRORS), ids=errno.errorcode.get)
@pytest.mark.parametrize("blocks", [1, 3])
def test_pending_error_of_an_earlier_packet(reactor, number, blocks):
    """A send that only reports an earlier packet's ICMP message is made again (C099, K5)."""
    sock = FailingSocket(OSError(number, "x"))
    # What comes after in the script is the error queue, which is empty.
    sock.recvmsg = lambda *_: raises(BlockingIOError())
    bursts = [burst(*[512] * blocks), [b"\0\4\0\1"]]
    session_socket = SessionSocket(sock, reactor, Handler())
    assert session_socket.send(bursts, ("127.0.0.1", 1024)) == []
    assert sock.sent == joined(bursts)
    # The kernel refused nothing: the next window goes in one piece again.
    sock.controls.clear()
    assert session_socket.send(bursts, ("127.0.0.1", 1024)) == []
    assert sock.controls == [blocks > 1, False]
    assert session_socket.fallback == ""


@pytest.mark.parametrize("number", sorted(sockets.PENDING_ERRORS), ids=errno.errorcode.get)
@pytest.mark.parametrize("at", range(6))
def test_pending_error_between_single_sends(reactor, number, at):
    """Where blocks go one by one, none is lost to the ICMP message about an earlier packet (C099, C135, K5)."""
    calls = 0

    def outcome(control):
        nonlocal calls
        if control:
            return OSError(errno.EMSGSIZE, "x")
        calls += 1
        return OSError(number, "x") if calls == at + 1 else None

    sock = FailingSocket(outcome)
    sock.recvmsg = lambda *_: raises(BlockingIOError())
    bursts = [burst(512, 512, 512), burst(512, 7), [b"\0\4\0\1"]]
    session_socket = SessionSocket(sock, reactor, Handler())
    assert session_socket.send(bursts, ("127.0.0.1", 1024)) == []
    assert sock.sent == joined(bursts)
    assert session_socket.fallback == "EMSGSIZE"


@pytest.mark.parametrize("number", sorted(sockets.PENDING_ERRORS), ids=errno.errorcode.get)
def test_error_that_comes_with_every_send(reactor, number):
    """A route that is gone is not tried for ever: all of it is loss, until the timer (C135, F25)."""
    sock = FailingSocket(lambda control: OSError(number, "x"))
    sock.recvmsg = lambda *_: raises(BlockingIOError())
    bursts = [burst(512, 512, 512), [b"\0\4\0\1"]]
    assert SessionSocket(sock, reactor, Handler()).send(bursts, ("127.0.0.1", 1024)) == []
    assert sock.sent == []
    assert len(sock.controls) == 9


def test_handler_that_closes_between_single_sends(reactor):
    """Nothing is sent on a socket that its handler has closed (C099, F12)."""
    handler = Handler(closes=True)
    sock = FailingSocket(OSError(errno.EMSGSIZE, "x"), None, OSError(errno.ECONNREFUSED, "x"))
    handler.socket = session_socket = SessionSocket(sock, reactor, handler)
    told = [(b"", [(socket.IPPROTO_IP, sockets.IP_RECVERR, refused_by_icmp())], 0, ("127.0.0.1", 1024))]
    sock.recvmsg = lambda *_: told.pop() if told else raises(BlockingIOError())
    assert session_socket.send([burst(512, 512, 512)], ("127.0.0.1", 1024)) == []
    assert handler.gone == [("127.0.0.1", 1024)]
    assert len(sock.sent) == 1


def refused_by_icmp():
    """A ``sock_extended_err`` that says so."""
    return struct.pack("=IBBBBII", errno.ECONNREFUSED, 2, 3, 3, 0, 0, 0)


@both_families
@pytest.mark.parametrize("closes", [False, True])
def test_pending_icmp_found_by_a_send(reactor, host, closes):
    """A send that meets the ICMP message of the one before tells the handler, which may close the socket (C099,
    F12).
    """
    handler = Handler(closes)
    gone = Address(*closed_port(host))
    session_socket = reactor.engine.open_session(Address(host, 0), gone, handler)
    handler.socket = session_socket
    raw = to_socket_address(gone)
    for _ in range(100):
        assert session_socket.send([burst(512, 512, 100)], raw) == []
        if handler.gone:
            break
    assert handler.gone[0] == raw
    assert (session_socket.fileno() < 0) == closes


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_what_was_said_before_an_icmp_message(reactor, host, closes):
    """A client that gives up says so and is gone: its ERROR counts, though the kernel tells of the closed port
    first (F12).
    """
    handler = Handler(closes)
    with plain_socket(host) as client:
        peer = client.getsockname()
        session = handler.socket = reactor.engine.open_session(Address(host, 0), Address(host, peer[1]), handler)
        client.sendto(b"\0\5\0\0enough\0", (host, session.address.port))
    session.send([[b"\0\3\0\1" + b"x" * 512]], peer[:2] if host == "127.0.0.1" else peer)
    reactor.run_until(lambda: handler.packets)
    assert [datagram for datagram, _ in handler.packets] == [b"\0\5\0\0enough\0"]
    if not closes:
        reactor.run_until(lambda: handler.gone)
        session.close()
    assert handler.gone == ([] if closes else [peer])


@both_families
def test_icmp_found_by_a_read(reactor, host):
    """A closed port is noticed by the next read, with the address that was sent to (C099, F12)."""
    handler = Handler()
    gone = Address(*closed_port(host))
    session_socket = reactor.engine.open_session(Address(host, 0), gone, handler)
    session_socket.send([[b"\0\4\0\0"]], to_socket_address(gone))
    reactor.run_until(lambda: handler.gone)
    assert handler.gone == [to_socket_address(gone)]
    # And the socket still works.
    with plain_socket(host) as client:
        client.sendto(b"hello", session_socket._socket.getsockname())
        reactor.run_until(lambda: handler.packets)
    assert handler.packets[0][0] == b"hello"


@both_families
def test_large_blocks_may_be_fragmented(host):
    """A session's packets may be fragmented on the way: what is above the MTU is sent, not refused (C057)."""
    level, option = {
        "127.0.0.1": (socket.IPPROTO_IP, sockets.IP_MTU_DISCOVER),
        "::1": (socket.IPPROTO_IPV6, sockets.IPV6_MTU_DISCOVER),
    }[host]
    with sockets.bind_session_socket(Address(host, 69), Address(host, 1024)) as sock:
        assert sock.getsockopt(level, option) == sockets.IP_PMTUDISC_DONT


def test_waiting_for_room(reactor):
    """Once there is room again in the buffer the handler is told, and told once (C135, F25)."""
    handler = Handler()
    sock = FailingSocket(BlockingIOError(errno.EAGAIN, "full"))
    session_socket = SessionSocket(sock, reactor, handler)
    assert session_socket.send([[b"\0\4\0\0"]], ("127.0.0.1", 1024)) == [[b"\0\4\0\0"]]
    session_socket.wait_writable()
    assert reactor.writers == [session_socket]
    session_socket.doWrite()
    assert (handler.resumed, reactor.writers) == (1, [])


def test_a_dropped_socket_that_waits_for_room_goes_on_waiting():
    """A reactor that lets go of a descriptor because of an ICMP error gets both its halves back (F25)."""
    with closing(PollReactor("reactor")) as reactor:
        session_socket = SessionSocket(FailingSocket(), reactor, Handler())
        session_socket.wait_writable()
        reactor.readers.clear()
        reactor.writers.clear()
        session_socket.connectionLost(None)
        assert (reactor.readers, reactor.writers) == ([session_socket], [session_socket])


PEER, STRANGER = ("127.0.0.1", 1), ("127.0.0.1", 2)


def windowed(reactor, handler, count, *script):
    """A session socket that expects windows of ``count``, on a socket that does what ``script`` says."""
    session_socket = SessionSocket(FailingSocket(*script), reactor, handler)
    session_socket.expect(2000, count)
    return session_socket


def came(peer=PEER, data=b"x"):
    """What a read of one packet gives."""
    return (data, [], 0, peer)


@pytest.mark.parametrize(("count", "read"), [(8, 8), (1000, 64)])
def test_session_socket_reads_a_window_and_no_more(reactor, count, read):
    """One turn reads as many packets as come in a row, 64 at most, and a socket that its handler closes is not
    read again (S037).
    """
    handler = Handler()
    session_socket = windowed(reactor, handler, count, *[came()] * 200)
    handler.wanted = 1000
    session_socket.doRead()
    assert handler.batches == [(read, PEER)]
    handler.socket, handler.closes = session_socket, True
    session_socket.doRead()
    assert handler.batches == [(read, PEER)] * 2
    assert reactor.idle


def test_session_socket_reads_one_packet_where_no_more_can_come(reactor):
    """In lockstep a turn is one read."""
    handler = Handler()
    session_socket = SessionSocket(FailingSocket(*[(b"x", PEER)] * 3), reactor, handler)
    session_socket.doRead()
    assert handler.packets == [(b"x", PEER)]
    session_socket.close()


def test_a_window_is_read_on_while_it_comes(reactor):
    """What has come while packets were served is read in the same turn, until the window is complete or nothing
    has come.
    """
    handler = Handler()
    handler.wanted = 2
    nothing = BlockingIOError()
    script = [came(), came(), nothing, came(), nothing, nothing, came()]
    session_socket = windowed(reactor, handler, 16, *script)
    session_socket.doRead()
    assert handler.batches == [(2, PEER), (1, PEER)]
    handler.wanted = 0
    session_socket.doRead()
    assert handler.batches == [(2, PEER), (1, PEER), (1, PEER)]
    session_socket.close()


def test_packets_of_a_stranger_are_kept_apart(reactor):
    """Packets that are handed over together come from one address; after a close nothing is handed over (C090)."""
    handler = Handler()
    mixed = [came(), came(), came(STRANGER), came()]
    session_socket = windowed(reactor, handler, 16, *mixed, BlockingIOError(), *mixed)
    session_socket.doRead()
    assert handler.batches == [(2, PEER), (1, STRANGER), (1, PEER)]
    handler.socket, handler.closes = session_socket, True
    session_socket.doRead()
    assert handler.batches[3:] == [(2, PEER)]


def test_packets_before_an_error_count_first(reactor, monkeypatch):
    """A client that sends its last block and closes its port is not taken for one that has gone before it."""
    looked = []
    monkeypatch.setattr(SessionSocket, "read_errors", lambda _: looked.append(len(handler.packets)))
    handler = Handler()
    refused = OSError(errno.ECONNREFUSED, "x")
    session_socket = windowed(reactor, handler, 16, came(), refused, refused)
    session_socket.doRead()
    session_socket.doRead()
    assert looked == [1]
    session_socket.close()


def test_send_once_never_raises(reactor):
    """An ERROR that cannot be sent is none of our troubles (C150, K5)."""
    engine = reactor.engine
    for local, peer in (
        (Address("192.0.2.254", 0), Address("127.0.0.1", 1)),
        (Address("127.0.0.1", 0), Address("127.0.0.1", 0)),
        (Address("127.0.0.1", 0), Address("::1", 1)),
    ):
        engine.send_once(b"\0\5", local, peer)
    with plain_socket() as client:
        engine.send_once(b"\0\5", Address("127.0.0.9", 0), Address(*client.getsockname()))
        datagram, sender = client.recvfrom(100)
    assert (datagram, sender[0]) == (b"\0\5", "127.0.0.9")
    assert reactor.idle


# Routes


@both_families
def test_mtu_of_a_route(reactor, host):
    """The MTU of the route to a client is that of its interface (C057)."""
    mtu = int(pathlib.Path("/sys/class/net/lo/mtu").read_text())
    if ":" not in host:
        mtu = min(mtu, 65535)  # the largest IPv4 packet there is
    assert reactor.engine.path_mtu(Address(host, 69), Address(host, 1024)) == mtu
    assert sockets.path_mtu(Address("", 69), Address(host, 1024)) == mtu


@pytest.mark.parametrize(
    ("local", "peer"),
    [("192.0.2.254", "127.0.0.1"), ("127.0.0.1", "::1"), ("", "fe80::1")],
)
def test_route_that_is_not_there(local, peer):
    """Without a route there is no MTU, and no exception (C057)."""
    assert sockets.path_mtu(Address(local, 69), Address(peer, 1024)) is None


# Whole transfers


def serve(reactor, files, records=None):
    """A listener on real sockets."""
    server = Server(reactor.engine, MemoryBackend(files, writable=True), Terms(), [records or RecordingObserver()])
    return Listener(server)


BLOCK_SIZES = [8, 512, 1428, 8187, 8188, 8189, 8190, 8191, 8192, 8193, 16384, 65463, 65464]


@both_families
@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_block_sizes_both_ways(reactor, host, block_size):
    """Every block size up to the largest carries a file unharmed over real sockets, either way (C050, C054,
    C057, K3).
    """
    size = min(200_000, block_size * 300 + 1)
    files = {b"f": content(size)}
    records = RecordingObserver()
    port = serve(reactor, files, records).listen(host, 0).port
    client = Client(reactor.engine, Address(host, port), Wishes(block_size, window_size=None))
    got, done = [], []
    client.get(b"f", BytesWriter(got.append)).addCallback(done.append)
    reactor.run_until(lambda: done)
    assert got == [content(size)]
    client.put(b"new", BytesReader(content(size))).addCallback(done.append)
    reactor.run_until(lambda: len(done) == 2)
    assert files[b"new"] == content(size)
    assert [transferred.agreed.blksize for transferred in done] == [block_size] * 2
    reactor.advance(600.0)
    assert [record.reason for record in records.ended] == ["completed"] * 2
    assert len(reactor.readers) == 1


@both_families
def test_a_kernel_that_cuts_no_bursts(reactor, host, monkeypatch):
    """What it refuses, it refuses once in a transfer, and the record says why (C135)."""

    def far_too_many(size):
        asked.append(size)
        return segment_control(8)

    asked, records = [], RecordingObserver()
    monkeypatch.setattr(bursts, "segment_control", far_too_many)
    port = serve(reactor, {b"f": content(500_001)}, records).listen(host, 0).port
    got, done = [], []
    client = Client(reactor.engine, Address(host, port), Wishes(1428, window_size=16))
    client.get(b"f", BytesWriter(got.append)).addCallback(done.append)
    reactor.run_until(lambda: done and records.ended)
    assert got == [content(500_001)]
    assert asked == [1432]
    assert [record.burst_fallback for record in records.ended] == ["EINVAL"]


@both_families
def test_a_kernel_that_joins_no_packets(reactor, host, monkeypatch):
    """An upload's packets are read one by one then, and the record says why (C128)."""
    monkeypatch.setattr(sockets, "UDP_GRO", 9999)
    files, records = {}, RecordingObserver()
    port = serve(reactor, files, records).listen(host, 0).port
    done = []
    client = Client(reactor.engine, Address(host, port), Wishes(1428, window_size=16))
    client.put(b"windows", BytesReader(content(500_001))).addCallback(done.append)
    reactor.run_until(lambda: done and records.ended)
    assert files[b"windows"] == content(500_001)
    assert [record.burst_fallback for record in records.ended] == ["ENOPROTOOPT"]


def link_locals():
    """This host's link-local addresses, as the kernel lists them."""
    try:
        rows = [line.split() for line in pathlib.Path("/proc/net/if_inet6").read_text().splitlines()]
    except OSError:
        return []
    return [
        Address(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[0])), 0, int(row[1], 16))
        for row in rows
        if row[3] == "20" and not int(row[4], 16) & 0x40  # not while it is still looked whether it is taken
    ]


@pytest.mark.skipif(not link_locals(), reason="no interface has a link-local address")
def test_link_local_both_ways(reactor):
    """A link-local client of the wildcard is served from the link-local address that it asked (C154, K4)."""
    records, files = RecordingObserver(), {b"f": content(5000)}
    host = link_locals()[0]
    port = serve(reactor, files, records).listen("::", 0).port
    client = Client(reactor.engine, host._replace(port=port))
    got, done = [], []
    client.get(b"f", BytesWriter(got.append)).addCallback(done.append)
    client.put(b"new", BytesReader(content(5000))).addCallback(done.append)
    reactor.run_until(lambda: len(done) == 2)
    assert got == [content(5000)] == [files[b"new"]]
    assert {transfer.request.local for transfer in records.started} == {host._replace(port=port)}
    assert {transfer.request.client._replace(port=0) for transfer in records.started} == {host}


@both_families
@pytest.mark.parametrize("window_size", [4, 64])
def test_windows_both_ways(reactor, host, window_size):
    """Windows arrive whole over real sockets, either way (C123, C128, C135)."""
    files = {b"f": content(500_001)}
    port = serve(reactor, files).listen(host, 0).port
    client = Client(reactor.engine, Address(host, port), Wishes(1428, window_size))
    got, done = [], []
    client.get(b"f", BytesWriter(got.append)).addCallback(done.append)
    client.put(b"new", BytesReader(content(500_001))).addCallback(done.append)
    reactor.run_until(lambda: len(done) == 2)
    assert got == [content(500_001)]
    assert files[b"new"] == content(500_001)


@both_families
def test_a_window_is_read_in_one_piece(reactor, host):
    """Packets that came together are handed over together and taken apart again, the last one shorter (C128)."""
    handler = Handler()
    session_socket = reactor.engine.open_session(Address(host, 0), Address(host, 1024), handler)
    session_socket.expect(1433, 2)
    sizes = [1432] * 15 + [700]
    with plain_socket(host) as client:
        sock = session_socket._socket
        client.sendmsg([bytes(sum(sizes))], segment_control(1432), 0, sock.getsockname())
        reactor.run_until(lambda: readable(sock))
        session_socket.doRead()
        assert [len(datagram) for datagram, _ in handler.packets] == sizes
        client.sendto(b"", sock.getsockname())
        client.sendto(b"x", sock.getsockname())
        reactor.run_until(lambda: len(handler.packets) == 18)
    assert [datagram for datagram, _ in handler.packets[16:]] == [b"", b"x"]
    session_socket.close()


OVERLONG = [
    (512, 513),
    (512, 1024),
    (512, 60_000),
    (8188, 8189),
    (8192, 8193),
    (8192, 8196),
    (65464, 65465),
    (65464, 65503),
]


@pytest.mark.parametrize(("blksize", "length"), OVERLONG)
def test_overlong_block_is_not_taken_for_a_short_one(reactor, blksize, length):
    """A block that is longer than agreed ends the upload with ERROR 4: it is never cut to one that fits (C055,
    K3).
    """
    files = {}
    port = serve(reactor, files).listen("127.0.0.1", 0).port
    with plain_socket() as client:
        client.sendto(wrq(blksize=blksize), ("127.0.0.1", port))
        reactor.run_until(lambda: readable(client))
        answer, tid = client.recvfrom(1000)
        assert spoken(answer) == f"OA(blksize={blksize})"
        client.sendto(packet(f"D1/{length}"), tid)
        reactor.run_until(lambda: readable(client))
        assert spoken(client.recv(1000)) == "E4"
    assert files == {}


def test_client_that_leaves(reactor):
    """A transfer whose client is gone ends by the kernel's word for it, long before its patience (F12, C099)."""
    records = RecordingObserver()
    port = serve(reactor, {b"f": content(5000)}, records).listen("127.0.0.1", 0).port
    with plain_socket() as client:
        client.sendto(rrq(), ("127.0.0.1", port))
        reactor.run_until(lambda: readable(client))
        _, tid = client.recvfrom(1000)
        client.sendto(packet("A1"), tid)
    reactor.run_until(lambda: records.ended)
    assert [record.reason for record in records.ended] == ["client-vanished"]
    assert len(reactor.readers) == 1


@pytest.mark.parametrize("reactor_name", REACTORS)
def test_reactors(reactor_name, engine):
    """Under each reactor, with each engine, a file arrives, and a closed port is noticed within a second,
    without a word in the log (C099, F12, K5).
    """
    assert output("own_ports_script", reactor_name, engine) == "got 100000 bytes\nunreachable\n"


def test_an_answer_that_waits_is_no_silence(reactor):
    """When the timer fires first because we are late, what waits in the socket counts; nothing is repeated."""
    backend = MemoryBackend({b"f": content(3 * 512)})
    listener = Listener(Server(reactor.engine, backend))
    port = listener.listen("127.0.0.1", 0).port
    with plain_socket() as client:
        client.sendto(rrq("f"), ("127.0.0.1", port))
        reactor.run_until(lambda: listener.active)
        first, server = client.recvfrom(600)
        client.sendto(b"\0\4\0\1", server)
        reactor.advance(60)
        second, _ = client.recvfrom(600)
        client.sendto(b"\0\5\0\0\0", server)
        reactor.run_until(lambda: not listener.active)
        client.setblocking(False)
        with pytest.raises(BlockingIOError):
            client.recv(600)
    assert (first[:4], second[:4]) == (b"\0\3\0\1", b"\0\3\0\2")
    listener.close()


def inherited_socket():
    """One that another program has bound."""
    return sockets.adopt_request_socket(plain_socket().detach())


@pytest.mark.parametrize("opened", [partial(sockets.bind_request_socket, "127.0.0.1", 0), inherited_socket])
def test_room_for_requests_that_wait(opened):
    """More than a usual socket has, whoever has opened it: a rack that is switched on asks at once."""
    with plain_socket() as usual, opened() as sock:
        usual_room = usual.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        most = int(pathlib.Path("/proc/sys/net/core/rmem_max").read_text())
        room = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert room >= min(2 * most, 2 * sockets.REQUEST_BUFFER)
        assert room >= usual_room
