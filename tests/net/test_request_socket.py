"""Transfers that share a request port, on real sockets and on ones that fail as the kernel's may."""

import errno
import pathlib
import socket
import sys
from collections import Counter
from contextlib import ExitStack, closing

import pytest
from net_kit import content, packet, rrq, spoken, wrq
from poll_reactor import PollReactor, closed_port, plain_socket
from test_sockets import ASKED, FailingSocket, Handler, both_families, readable
from under_reactor import REACTORS, output

from tftpd_tw.backends.memory import BytesReader, BytesWriter, MemoryBackend
from tftpd_tw.interfaces import Address
from tftpd_tw.net import poll_loop, sockets
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.net.engine import to_socket_address
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.request_socket import RequestSocket
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.net.sockets import segment_control
from tftpd_tw.net.watcher import PACKETS_PER_TURN
from tftpd_tw.testing import RecordingObserver

HOST = "127.0.0.1"


@pytest.fixture
def reactor(engine):
    """No real one; sockets are closed after the test, whatever came of it."""
    with closing(PollReactor(engine)) as reactor:
        yield reactor


class Served:
    """A listener of one port, and what became of its transfers."""

    def __init__(self, reactor, files, host=HOST):
        self.reactor = reactor
        self.files = files
        self.records = RecordingObserver()
        backend = MemoryBackend(files, writable=True)
        self.listener = Listener(Server(reactor.engine, backend, Terms(), [self.records]))
        self.address = self.listener.listen(host, 0, single_port=True)
        [self.port] = self.listener._sockets

    def ask(self, client, datagram, host=HOST):
        """What comes back, and from where."""
        client.sendto(datagram, (host, self.address.port))
        self.reactor.run_until(lambda: readable(client))
        return client.recvfrom(65536)

    def client(self, host=HOST, **wishes):
        """One of ours."""
        return Client(self.reactor.engine, Address(host, self.address.port), Wishes(**wishes))


# Who answers


@pytest.mark.parametrize(("bound", "asked"), ASKED.values(), ids=ASKED)
def test_all_answers_come_from_where_was_asked(reactor, bound, asked):
    """From the address and the port that were asked: data, a window in one piece, and errors (C153, C155)."""
    served = Served(reactor, {b"f": content(3000)}, bound)
    with plain_socket(asked) as client:
        where = (asked, served.address.port)
        for said, answers in {
            rrq("f", windowsize=4): "OA(windowsize=4)",
            packet("A0"): "D1/512 D2/512 D3/512 D4/512",
            packet("A4"): "D5/512 D6/440",
            packet("A6"): "",
            rrq("none"): "E1",
            b"\0\7": "E4",
            rrq("f"): "D1/512",
        }.items():
            client.sendto(said, where)
            for answer in answers.split():
                reactor.run_until(lambda: readable(client))
                datagram, sender = client.recvfrom(1000)
                assert (spoken(datagram), sender[:2]) == (answer, where)


def test_two_asked_addresses_are_two_transfers(reactor):
    """One port of a client has a transfer with each address of the host that it asks (C153)."""
    served = Served(reactor, {b"f": content(1500)}, "0.0.0.0")
    with plain_socket("0.0.0.0") as client:
        for said, answer in ((rrq(), "D1/512"), (packet("A1"), "D2/512"), (packet("A2"), "D3/476")):
            for host in ("127.0.0.1", "127.0.0.9"):
                datagram, sender = served.ask(client, said, host)
                assert (spoken(datagram), sender) == (answer, (host, served.address.port))


@pytest.mark.parametrize("stray", ["A0", "A1", "D1/10", "E4"])
def test_strangers_get_nothing(reactor, stray):
    """Also while somebody has a transfer on the port (C010, C011, S019)."""
    served = Served(reactor, {b"f": content(1500)})
    with plain_socket() as client, plain_socket() as stranger:
        assert spoken(served.ask(client, rrq())[0]) == "D1/512"
        stranger.sendto(packet(stray), (HOST, served.address.port))
        reactor.run_until(lambda: served.records.dropped)
        assert spoken(served.ask(client, packet("A1"))[0]) == "D2/512"
        assert not readable(stranger)
    assert served.records.dropped == ["not-a-request"]


# Whole transfers


@both_families
@pytest.mark.parametrize(("block_size", "window_size"), [(512, 1), (1428, 16), (1428, 64), (65464, 1), (8192, 4)])
def test_both_ways(reactor, host, block_size, window_size):
    """Files arrive whole, with and without windows (C050, C123, C128), and nothing is open in the end."""
    size = 500_001
    served = Served(reactor, {b"f": content(size)}, host)
    client = served.client(host, block_size=block_size, window_size=window_size)
    got, done = [], []
    client.get(b"f", BytesWriter(got.append)).addCallback(done.append)
    client.put(b"new", BytesReader(content(size))).addCallback(done.append)
    reactor.run_until(lambda: len(done) == 2)
    assert got == [content(size)] == [served.files[b"new"]]
    assert {transferred.agreed.windowsize for transferred in done} == {window_size}
    reactor.advance(600.0)
    assert [record.reason for record in served.records.ended] == ["completed"] * 2
    assert [record.burst_fallback for record in served.records.ended] == [""] * 2
    served.listener.close()
    assert reactor.idle


def test_a_hundred_clients_at_once(reactor):
    """All on one port: half of them read, half write, some in windows, and all bytes are right (F30)."""
    count, size = 100, 30_000
    files = {b"f%d" % number: content(size + number) for number in range(count)}
    served = Served(reactor, dict(files))
    got, done = {}, []
    for number in range(count):
        client = served.client(block_size=1428, window_size=(1, 4, 16)[number % 3])
        name = b"f%d" % number
        if number % 2:
            transfer = client.get(name, BytesWriter(lambda data, name=name: got.update({name: data})))
        else:
            transfer = client.put(b"new-" + name, BytesReader(files[name]))
        transfer.addCallback(done.append)
    reactor.run_until(lambda: len(done) == count)
    for number in range(count):
        name = b"f%d" % number
        assert (got[name] if number % 2 else served.files[b"new-" + name]) == files[name]
    assert len(served.records.started) == count


OVERLONG = [(512, 513), (512, 60_000), (8192, 8193), (65464, 65465)]


@pytest.mark.parametrize(("blksize", "length"), OVERLONG)
def test_overlong_block_is_not_taken_for_a_short_one(reactor, blksize, length):
    """It is seen to be too long, whatever others on the port have agreed (C055, K3)."""
    served = Served(reactor, {})
    with plain_socket() as client:
        assert spoken(served.ask(client, wrq(blksize=blksize))[0]) == f"OA(blksize={blksize})"
        assert spoken(served.ask(client, packet(f"D1/{length}"))[0]) == "E4"
    assert served.files == {}


# What it costs


CALLS = {"recvmsg", "recvfrom", "sendmsg", "sendto", "bind", "socket.__init__", "register", "unregister"}


class Calls:
    """System calls by name, while the server works and nobody else does."""

    def __init__(self, served, client):
        self.served, self.client = served, client
        self.made = Counter()

    def _count(self, frame, event, argument):
        if event == "c_call" and argument.__name__ in CALLS:
            self.made[argument.__name__] += 1
        elif event == "call" and frame.f_code.co_qualname in CALLS:
            self.made[frame.f_code.co_qualname] += 1

    def answers(self, *said, count=1):
        """Say it, let the server answer so many packets, and take these."""
        for datagram in said:
            self.client.sendto(datagram, (HOST, self.served.address.port))
        sys.setprofile(self._count)
        try:
            self.served.reactor.run_until(lambda: readable(self.client))
        finally:
            sys.setprofile(None)
        return [self.client.recv(65536) for _ in range(count)]


@pytest.fixture
def calls(reactor, monkeypatch):
    """With a client that has room for a window."""
    monkeypatch.setattr(poll_loop, "SPIN", 0)
    served = Served(reactor, {b"f": content(3_000_000)})
    with plain_socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        yield Calls(served, client)


@pytest.mark.parametrize(("window", "bursts"), [(1, 1), (16, 1), (64, 2)])
def test_system_calls_of_a_window_that_is_read(calls, window, bursts):
    """A window is one burst for each 64 KiB, as on a port of its own; the ACK is one read, and one more sees that
    there is no other. No socket is opened (C135).
    """
    calls.answers(rrq("f", blksize=1428, windowsize=window))
    calls.made.clear()  # the MTU of the route was asked
    for number in range(20):
        ack = (number * window).to_bytes(2, "big")
        blocks = calls.answers(b"\0\4" + ack, count=window)
        assert [int.from_bytes(block[2:4], "big") for block in blocks] == [
            number * window + each for each in range(1, window + 1)
        ]
    assert calls.made["sendmsg"] == 20 * bursts
    assert calls.made["recvmsg"] <= 2 * 20
    assert set(calls.made) == {"sendmsg", "recvmsg"}


@pytest.mark.parametrize("window", [1, 16, 60])
def test_system_calls_of_a_window_that_is_written(calls, window):
    """Its packets are read one by one, and acknowledged once (C128)."""
    calls.answers(wrq("new", blksize=1024, windowsize=window))
    for number in range(20):
        first = number * window + 1
        blocks = [b"\0\3" + each.to_bytes(2, "big") + bytes(1024) for each in range(first, first + window)]
        [answer] = calls.answers(*blocks)
        assert answer == b"\0\4" + (first + window - 1).to_bytes(2, "big")
    assert calls.made["sendmsg"] == 21
    assert calls.made["recvmsg"] <= 21 + 20 * window + 21


def test_a_window_that_came_is_handed_over_at_once(reactor):
    """Also where two clients' windows are mixed; and a request between them comes after what was before it."""
    handler = Handler()
    order = []
    handler.request_received = lambda datagram, *_: order.append(datagram)
    first, second = Handler(), Handler()
    for name, each in (("first", first), ("second", second)):
        each.datagrams_received = lambda datagrams, peer, name=name: order.append((name, len(datagrams)))
    peers = {name: ("127.0.0.1", number) for number, name in enumerate(("first", "second"), 1)}

    def came(name, datagram=b"\0\3\0\1"):
        return (datagram, [], 0, peers[name])

    script = [came("first"), came("second"), came("first"), came("first", b"\0\1"), came("second")]
    port = shared(reactor, handler, *script)
    for name, each in (("first", first), ("second", second)):
        port.open_session(port.address, Address(*peers[name]), each).expect(100, 4)
    port.doRead()
    assert sorted(order[:2]) == [("first", 2), ("second", 1)]
    assert order[2:] == [b"\0\1", ("second", 1)]


# A buffer that is full, and errors of others


def shared(reactor, handler, *script):
    """A request port on a socket that does what ``script`` says."""
    return RequestSocket(FailingSocket(*script), reactor, handler, single_port=True)


@pytest.fixture(autouse=True)
def _old_kernel(monkeypatch):
    """FailingSocket knows no options; real sockets have them set."""
    monkeypatch.setattr(FailingSocket, "setsockopt", lambda *_: None)
    monkeypatch.setattr(FailingSocket, "family", socket.AF_INET, raising=False)


FULL = BlockingIOError(errno.EAGAIN, "full")


def test_whoever_finds_the_buffer_full_waits_in_line():
    """When there is room the first in line goes on, and then stands behind the others; who finds no room keeps his
    place (C135, F25).
    """
    with closing(PollReactor("reactor")) as reactor:
        room = [0]

        def send(_):
            if not room[0]:
                return FULL
            room[0] -= 1
            return None

        port = shared(reactor, Handler(), send)
        served = []

        class Sending(Handler):
            def __init__(self, name):
                super().__init__()
                self.name, self.left = name, 2

            def resume_sending(self):
                if self.socket.send([[b"x"]], ()):
                    self.socket.wait_writable()
                    return
                served.append(self.name)
                self.left -= 1
                if self.left:
                    self.socket.wait_writable()

        for number, name in enumerate("abc", 1):
            handler = Sending(name)
            handler.socket = port.open_session(port.address, Address("127.0.0.1", number), handler)
            handler.resume_sending()
        assert reactor.writers == [port]
        for _ in range(6):
            room[0] = 1
            port.doWrite()
        assert "".join(served) == "abcabc"
        port.doWrite()
        assert reactor.writers == []


def test_who_is_over_waits_no_more():
    """A transfer that ends while it is in line is passed over."""
    with closing(PollReactor("reactor")) as reactor:
        port = shared(reactor, Handler(), FULL)
        handlers = [Handler(), Handler()]
        for number, handler in enumerate(handlers, 1):
            handler.socket = port.open_session(port.address, Address("127.0.0.1", number), handler)
            handler.socket.wait_writable()
        handlers[0].socket.close()
        reactor.readers.clear()
        reactor.writers.clear()
        port.connectionLost(None)
        assert (reactor.readers, reactor.writers) == ([port], [port])
        port.doWrite()
        assert [handler.resumed for handler in handlers] == [0, 1]


@pytest.mark.parametrize("window", [[b"\0\4\0\1"], [b"\0\3\0\1", b"x", b"\0\3\0\2", b"x"]])
def test_an_error_of_another_client_costs_nothing(monkeypatch, window):
    """The kernel reports it instead of sending; what was to be sent is sent then (K5, K7)."""
    told = []
    monkeypatch.setattr(RequestSocket, "read_errors", lambda _: told.append(True))
    with closing(PollReactor("reactor")) as reactor:
        refused = OSError(errno.ECONNREFUSED, "x")
        port = shared(reactor, Handler(), lambda _: port._socket.script.pop(0) and refused)
        port._socket.script = [lambda *_: refused]

        def once(*_):
            port._socket.script.clear()
            return refused

        port._socket.script = [once]
        session = port.open_session(port.address, Address("127.0.0.1", 1), Handler())
        assert session.send([window], ()) == []
        assert b"".join(port._socket.sent) == b"".join(window)
        port._socket.script = [once]
        port.send_once(b"\0\5", port.address, Address("127.0.0.1", 2))
        assert port._socket.sent[-1] == b"\0\5"
    assert len(told) == 2


@both_families
def test_an_error_is_told_to_whom_it_concerns(reactor, host):
    """Of the transfers on a port the one whose client is gone is told, and the port stays open (C099, F12, K7)."""
    handler, gone, other = Handler(), Handler(), Handler()
    bound = "::" if host == "::1" else "0.0.0.0"
    port = reactor.engine.listen(bound, 0, handler, single_port=True)
    local = Address(host, port.address.port)
    with plain_socket(host) as client:
        peer = Address(*client.getsockname()[:2])
        sessions = [
            port.open_session(local, Address(*closed_port(host)), gone),
            port.open_session(local, peer, other),
        ]
        sessions[0].send([[b"\0\4\0\0"]], ())
        reactor.run_until(lambda: gone.gone)
        assert gone.gone == [sessions[0].peer]
        assert other.gone == []
        sessions[1].send([[b"\0\4\0\0"]], ())
        client.sendto(b"\0\3\0\1", (host, port.address.port))
        client.sendto(b"\0\1", (host, port.address.port))
        reactor.run_until(lambda: other.packets and handler.requests)
        assert other.packets == [(b"\0\3\0\1", to_socket_address(peer))]
        assert client.recv(100) == b"\0\4\0\0"
    for session in sessions:
        session.close()
    port.close()
    assert reactor.idle


@both_families
def test_an_error_that_concerns_nobody_is_taken_away(reactor, host, monkeypatch):
    """Nobody has a transfer when an ERROR finds its client gone; a poll loop would come back for ever (K7)."""
    read = []
    real = RequestSocket.read_errors
    monkeypatch.setattr(RequestSocket, "read_errors", lambda port: read.append(real(port)))
    served = Served(reactor, {}, "::")
    served.port.send_once(b"\0\5", Address(host, served.address.port), Address(*closed_port(host)))
    reactor.run_until(lambda: read)
    with pytest.raises(BlockingIOError):
        served.port._socket.recvmsg(0, 512, socket.MSG_ERRQUEUE)
    with plain_socket(host) as client:
        assert spoken(served.ask(client, rrq("none"), host)[0]) == "E1"
    assert len(read) == 1


def test_a_client_that_leaves(reactor):
    """Its transfer ends by the kernel's word, and the others' do not notice (F12)."""
    served = Served(reactor, {b"f": content(5000)})
    with plain_socket() as stays:
        assert spoken(served.ask(stays, rrq())[0]) == "D1/512"
        with plain_socket() as leaves:
            served.ask(leaves, rrq())
            leaves.sendto(packet("A1"), (HOST, served.address.port))
        reactor.run_until(lambda: served.records.ended)
        assert [record.reason for record in served.records.ended] == ["client-vanished"]
        assert spoken(served.ask(stays, packet("A1"))[0]) == "D2/512"


ERRNOS = [errno.ECONNREFUSED, errno.ENOBUFS, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EBADMSG]


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
def test_the_port_outlives_errors(number):
    """With transfers on it as without; and what has come is read first (K5, F25)."""
    with closing(PollReactor("reactor")) as reactor:
        handler, session = Handler(), Handler()
        port = shared(reactor, handler)
        port.open_session(port.address, Address("127.0.0.1", 1), session)
        nothing = BlockingIOError()
        port._socket.script = [
            OSError(number, "x"),  # of the read,
            (b"\0\4\0\1", [], 0, ("127.0.0.1", 1)),
            (b"\0\1", [], 0, ("127.0.0.1", 1)),
            nothing,  # to read,
            nothing,  # and no more in the error queue
        ]
        port.doRead()
        assert session.packets == [(b"\0\4\0\1", ("127.0.0.1", 1))]
        assert len(handler.requests) == 1
        assert reactor.readers == [port]


# Turns


def test_a_flood_takes_turns(reactor):
    """A port that is never empty does not keep other sockets from being read (S037)."""
    flood = [(b"\0\4\0\1", [], 0, ("127.0.0.1", 1))] * 200
    session = Handler()
    port = shared(reactor, Handler(), *flood)
    port.open_session(port.address, Address("127.0.0.1", 1), session)
    port.doRead()
    assert len(session.packets) == PACKETS_PER_TURN


def test_who_is_handed_a_packet_reads_no_further(reactor):
    """A request's transfer asks for what it may have missed: behind the request there is nothing of that kind."""
    session = Handler()
    port = shared(reactor, Handler(), *[(b"\0\4\0\1", [], 0, ("127.0.0.1", 1))] * 3)
    opened = port.open_session(port.address, Address("127.0.0.1", 1), session)
    depth = []

    def received(datagram, peer):
        depth.append("in")
        opened.receive()
        depth.append("out")

    session.datagramReceived = received
    opened.receive()
    assert depth == ["in", "out"] * 3


def test_a_late_timer_repeats_nothing_that_was_answered(reactor):
    """A timer that is due first reads what has come to the port, for all who have a transfer on it."""
    served = Served(reactor, {b"f": content(700)})
    with ExitStack() as stack:
        clients = [stack.enter_context(plain_socket()) for _ in range(100)]
        for client in clients:
            assert spoken(served.ask(client, rrq("f", blksize=1024))[0]) == "OA(blksize=1024)"
            assert spoken(served.ask(client, packet("A0"))[0]) == "D1/700"
        # Who is due first is read last.
        for client in reversed(clients):
            client.sendto(packet("A1"), (HOST, served.address.port))
        reactor.advance(5.0)
        assert [(record.reason, record.retransmits) for record in served.records.ended] == [("completed", 0)] * 100
        assert not any(readable(client) for client in clients)


# Opening and closing


def test_one_transfer_for_each_client(reactor):
    """A second one on the same port could not be told apart; after the first it can be had."""
    port = reactor.engine.listen(HOST, 0, Handler())
    peer = Address(HOST, 1)
    first = port.open_session(port.address, peer, Handler())
    with pytest.raises(OSError, match="in use"):
        port.open_session(port.address, peer, Handler())
    first.close()
    first.close()
    port.open_session(port.address, peer, Handler()).close()
    port.close()
    assert reactor.idle


def test_a_retired_port_stays_for_its_transfers(reactor):
    """It takes no requests any more, and closes when its last transfer is over (F22)."""
    served = Served(reactor, {b"f": content(700)})
    with plain_socket() as client:
        assert spoken(served.ask(client, rrq())[0]) == "D1/512"
        served.listener.close()
        with plain_socket() as late:
            late.sendto(rrq(), (HOST, served.address.port))
            assert spoken(served.ask(client, packet("A1"))[0]) == "D2/188"
            assert not readable(late)
        client.sendto(packet("A2"), (HOST, served.address.port))
        reactor.run_until(lambda: served.port.fileno() < 0)
    assert [record.reason for record in served.records.ended] == ["completed"]
    assert reactor.idle


def test_a_retired_port_that_is_wanted_again(reactor):
    """It takes requests again, its transfer goes on, and that one's end does not close it (F21)."""
    served = Served(reactor, {b"f": content(700)})
    with plain_socket() as client, plain_socket() as late:
        assert spoken(served.ask(client, rrq())[0]) == "D1/512"
        served.listener.stop_listening(served.port)
        served.listener.listen_again(served.port)
        assert spoken(served.ask(client, packet("A1"))[0]) == "D2/188"
        client.sendto(packet("A2"), (HOST, served.address.port))
        assert spoken(served.ask(late, rrq())[0]) == "D1/512"
        assert not served.port.closed.called
        late.sendto(packet("E0"), (HOST, served.address.port))
        served.listener.stop_listening(served.port)
        reactor.run_until(lambda: served.port.closed.called)
    assert reactor.idle


def test_room_for_many(reactor):
    """A port that carries transfers has large buffers, as far as the system allows; others are left alone."""
    port = reactor.engine.listen(HOST, 0, Handler())

    def room():
        return port._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    before = room()
    port.open_session(port.address, Address(HOST, 1), Handler())
    most = int(pathlib.Path("/proc/sys/net/core/wmem_max").read_text())
    assert room() >= min(sockets.REQUEST_BUFFER, 2 * most) >= before


@pytest.mark.parametrize("allowed", [True, False])
def test_room_is_asked_for(allowed):
    """Who may go beyond the system's limits does so; who may not gets what they allow."""

    class Options:
        family = socket.AF_INET

        def __init__(self):
            self.set = {}

        def getsockopt(self, level, option):
            return 212_992

        def setsockopt(self, level, option, value):
            if level == socket.SOL_SOCKET:
                if option == sockets.SO_SNDBUFFORCE and not allowed:
                    raise PermissionError(errno.EPERM, "x")
                self.set[option] = value

    sock = Options()
    sockets.carry_sessions(sock)
    assert sock.set == {sockets.SO_SNDBUFFORCE if allowed else socket.SO_SNDBUF: sockets.REQUEST_BUFFER}


@both_families
def test_large_packets_are_fragmented(reactor, host):
    """As on a port of its own (C057)."""
    port = reactor.engine.listen("::" if host == "::1" else HOST, 0, Handler())
    port.open_session(Address(host, 69), Address(host, 1), Handler())
    options = [(socket.IPPROTO_IP, sockets.IP_MTU_DISCOVER)]
    options += [(socket.IPPROTO_IPV6, sockets.IPV6_MTU_DISCOVER)] if host == "::1" else []
    assert [port._socket.getsockopt(*option) for option in options] == [sockets.IP_PMTUDISC_DONT] * len(options)


def test_a_kernel_that_cuts_no_bursts(reactor, monkeypatch):
    """Blocks are sent one by one then, from the right address, and the record says why (C135)."""
    monkeypatch.setattr("tftpd_tw.net.bursts.segment_control", lambda size: segment_control(8))
    served = Served(reactor, {b"f": content(100_000)}, "0.0.0.0")
    got, done = [], []
    client = served.client("127.0.0.9", block_size=1428, window_size=16)
    client.get(b"f", BytesWriter(got.append)).addCallback(done.append)
    reactor.run_until(lambda: done and served.records.ended)
    assert got == [content(100_000)]
    assert [record.burst_fallback for record in served.records.ended] == ["EINVAL"]


@pytest.mark.parametrize("reactor_name", REACTORS)
def test_reactors(reactor_name, engine):
    """Under each reactor, with each engine, a client that is gone costs nobody else anything, without a word in
    the log (F12, K5).
    """
    assert output("single_port_script", reactor_name, engine) == "got 1000000 bytes while 20 clients went\n"
