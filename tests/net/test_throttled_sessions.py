"""Transfers that keep to a rate, and what that does to them."""

from contextlib import closing

import pytest
from net_kit import World, content, packet, rrq, words, wrq
from poll_reactor import PATIENCE, PollReactor, plain_socket

from tftpd_tw.backends.memory import BytesWriter, MemoryBackend
from tftpd_tw.interfaces import Outcome
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.net.throttled_session import MOST_HELD
from tftpd_tw.policy.rates import Rates, Throttling
from tftpd_tw.testing import REQUEST_PORT, MemoryNetwork

SIZE = 400_000
HEADERS = 1.01
"""What the headers of packets add, at most, with the block sizes used here."""


def downloads(rates, clients=1, *, block_size=1428, window_size=None, **network):
    """Let so many clients read a file at once: the seconds until the last is done, and the network."""
    world = MemoryNetwork(**network)
    world.serve(MemoryBackend({b"f": content(SIZE)}), throttling=Throttling(rates))
    done = []
    for number in range(clients):
        client = Client(world.host(f"192.0.2.{100 + number}"), REQUEST_PORT, Wishes(block_size, window_size))
        client.get(b"f", BytesWriter(lambda data: done.append((data, world.clock.seconds()))))
    world.run_until_idle()
    assert [data for data, _ in done] == [content(SIZE)] * clients
    return max(at for _, at in done), world


def repeats(world):
    """Packets that the server sent more than once."""
    return sum(record.retransmits for record in world.records.ended)


@pytest.mark.parametrize("window_size", [None, 1, 4, 16, 64])
@pytest.mark.parametrize("rate", [50_000, 200_000])
def test_a_download(rate, window_size):
    """It takes as long as it should, the last window left out of the count, and nothing is repeated for it."""
    seconds, world = downloads(Rates(transfer=rate), window_size=window_size)
    window = 1432 * (window_size or 1)
    assert (SIZE - 2 * window) / rate * 0.95 <= seconds <= SIZE * HEADERS / rate + 0.1
    assert repeats(world) == 0


def test_a_window_that_leaves_in_slices():
    """It is paid for once."""
    seconds, world = downloads(Rates(transfer=100_000), block_size=8192, window_size=24)
    assert 1.9 <= seconds <= SIZE * HEADERS / 100_000
    assert repeats(world) == 0


@pytest.mark.parametrize("window_size", [None, 8])
def test_all_downloads_together(window_size):
    """Five clients share what there is, and end at the same time."""
    seconds, world = downloads(Rates(total=500_000), 5, window_size=window_size)
    assert 5 * SIZE / 500_000 * 0.97 <= seconds <= 5 * SIZE * HEADERS / 500_000 + 0.1
    ends = [record.seconds for record in world.records.ended]
    assert max(ends) - min(ends) < 0.2
    assert repeats(world) == 0


def test_a_lossy_wire():
    """F02: what is lost is repeated as ever, and paid for too."""
    seconds, _ = downloads(Rates(transfer=100_000), window_size=8, loss=0.05, seed=3)
    assert seconds >= SIZE / 100_000 * 0.95


@pytest.mark.parametrize("window_size", [None, 4, 16])
def test_an_upload(window_size):
    """It is held back to the same rate."""
    world = MemoryNetwork()
    files = {}
    world.serve(MemoryBackend(files, writable=True), throttling=Throttling(Rates(transfer=100_000)))
    world.put(b"new", content(SIZE), window_size=window_size)
    assert files[b"new"] == content(SIZE)
    assert SIZE / 100_000 * 0.95 <= world.clock.seconds() <= SIZE * HEADERS / 100_000 + 1.0


def test_without_a_rate_nothing_waits():
    """The session is the common one."""
    fast, _ = downloads(Rates(), window_size=16)
    assert fast < 0.1


def throttled(rate=5160):
    """A server that sends ten blocks a second, and a client that has the first."""
    world = World({b"f": content(51_200)}, policy={"throttling": Throttling(Rates(transfer=rate))})
    assert world.ask(rrq("f"), wait=0.002) == "D1/512"
    assert world.tell("A1", wait=0.002) == "D2/512"
    return world


def test_an_answer_waits():
    """Until what was sent is paid for; who repeats himself meanwhile is heard once."""
    world = throttled()
    assert world.tell("A2", "A2", "A2", wait=0.002) == ""
    (session,) = world.sessions
    assert session.handler._held == [packet("A2")]
    assert world.quiet(0.04) == ""
    assert world.quiet(0.01) == "D3/512"


def test_what_waits_is_bounded():
    """Also if it is something else each time."""
    world = throttled()
    world.tell(*(f"A{number}" for number in range(100, 200)), wait=0.002)
    (session,) = world.sessions
    assert len(session.handler._held) == MOST_HELD


def test_the_client_leaves_while_it_waits():
    """Its ERROR does not wait (C152), and it gets nothing more."""
    world = throttled()
    assert world.tell("A2", "E0", wait=0.002) == ""
    assert world.ended_as() == [(Outcome.FAILED, "client-error:0")]
    assert world.quiet(1.0) == ""
    assert world.ended_as() == [(Outcome.FAILED, "client-error:0")]
    world.assert_nothing_left()


def test_the_server_stops_while_it_waits():
    """The transfer that is closed has no timer left."""
    world = throttled(rate=1000)
    world.tell("A2", wait=0.002)
    world.listener.drain(0.0)
    world.quiet(5.0)
    world.assert_nothing_left()


def test_a_stranger_does_not_wait():
    """C091: it is told at once, and takes nobody's place."""
    world = throttled()
    stranger = world.another("192.0.2.9")
    stranger.send(packet("A1"), world.peer.tid)
    assert words(stranger.wait(0.005)) == "E5"


def test_the_timer_does_not_repeat_what_waits():
    """A pause that is longer than the wait for an ACK is no loss."""
    world = throttled(rate=300)
    world.tell("A2", wait=0.002)
    assert world.quiet(1.6) == ""
    assert world.quiet(0.1) == "D3/512"


def test_a_window_of_an_upload_on_a_real_socket(engine):
    """It comes in one piece, and each block of it is paid for all the same."""
    with closing(PollReactor(engine)) as reactor, plain_socket() as client:
        stored = {}
        backend = MemoryBackend(stored, writable=True)
        server = Server(reactor.engine, backend, throttling=Throttling(Rates(transfer=1000)))
        listener = Listener(server)
        client.sendto(wrq("new", windowsize=8), ("127.0.0.1", listener.listen("127.0.0.1", 0).port))
        reactor.run_until(lambda: listener.active)
        _, session = client.recvfrom(600)
        for number in range(1, 9):
            client.sendto(b"\0\3" + number.to_bytes(2, "big") + bytes(512), session)
        [transfer] = listener._transfers
        reactor.run_until(lambda: transfer._session._held)
        client.setblocking(False)
        reactor.advance(3)
        with pytest.raises(BlockingIOError):
            client.recv(600)
        client.settimeout(PATIENCE)
        for _ in range(10):
            reactor.advance(0.5)
        assert client.recv(600) == b"\0\4\0\x08"
        client.sendto(b"\0\5\0\0\0", session)
        reactor.run_until(lambda: not listener.active)
        listener.close()
