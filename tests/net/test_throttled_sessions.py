"""Transfers that keep to a rate, and what that does to them."""

from contextlib import closing

import pytest
from net_kit import CountingReader, World, content, packet, rrq, words, wrq
from poll_reactor import PATIENCE, PollReactor, plain_socket

from tftpd_tw.backends.memory import BytesWriter, MemoryBackend
from tftpd_tw.interfaces import Outcome
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.policy.rates import CREDIT, PIECE, SHORTEST_DELAY, Rates, Throttling
from tftpd_tw.testing import REQUEST_PORT, SERVER, MemoryNetwork

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


def most_within(world, seconds):
    """The most bytes that the server sent within so many seconds, whichever."""
    times, sizes = [], []
    most = first = inside = 0
    for at, size in world.left:
        times.append(at)
        sizes.append(size)
        inside += size
        while times[first] < at - seconds:
            inside -= sizes[first]
            first += 1
        most = max(most, inside)
    return most


class Recorded(MemoryNetwork):
    """A network that notes when the server sends how much."""

    def transmit(self, datagram, source, destination):
        """One more packet."""
        if source.host == SERVER:
            self.left.append((self.clock.seconds(), len(datagram)))
        super().transmit(datagram, source, destination)


def crowd(rate, clients, block_size, window_size):
    """Let so many clients read at one rate for all: the network, and the packets that went out more than once."""
    world = Recorded(delay=0.02)
    world.left = []
    world.serve(MemoryBackend({b"f": content(SIZE // 2)}), throttling=Throttling(Rates(total=rate)))
    done = []
    for number in range(clients):
        client = Client(world.host(f"192.0.2.{100 + number}"), REQUEST_PORT, Wishes(block_size, window_size))
        client.get(b"f", BytesWriter(done.append))
    world.run_until_idle()
    assert done == [content(SIZE // 2)] * clients
    # What was saved up, what follows within the shortest wait, and the last piece.
    burst = rate * (CREDIT + SHORTEST_DELAY) + max(block_size + 4, rate * PIECE)
    assert most_within(world, 0.1) <= burst + rate * 0.1
    return world, len(world.left) - clients * (SIZE // 2 // block_size + 2)


@pytest.mark.parametrize("shape", [(512, 64), (1428, None), (1428, 4), (1428, 64)])
@pytest.mark.parametrize(
    ("rate", "clients"), [(20_000, 1), (100_000, 1), (100_000, 4), (1_000_000, 1), (1_000_000, 4)]
)
def test_a_window_never_leaves_faster_than_its_rate(rate, clients, shape):
    """Within any 100 ms the rate is kept, but for what was saved up and a piece; and no timer repeats a block that
    only waits for its turn, nor one that has just left.
    """
    world, twice = crowd(rate, clients, *shape)
    assert twice == repeats(world) == 0


@pytest.mark.parametrize("shape", [(512, 64), (1428, 4), (1428, 64), (8192, 24)])
def test_clients_that_ask_again_while_a_window_leaves(shape):
    """Where so little leaves that they do, the rate is kept all the same, and hardly anything is sent twice."""
    world, twice = crowd(20_000, 4, *shape)
    assert twice <= 0.06 * len(world.left)


def test_a_window_whose_content_comes_in_parts():
    """What comes while the first part waits is sent after it, and nothing twice."""

    def opened(_):
        return CountingReader(content(SIZE), read=lambda data: data[:20_000])

    world = World(opened, policy={"throttling": Throttling(Rates(transfer=200_000))})
    assert world.network.get(b"f", window_size=64) == content(SIZE)
    assert repeats(world) == 0


def test_the_round_trip_is_the_networks():
    """The wait for a turn is no part of it, so that a loss is noticed as soon as ever."""
    _, world = downloads(Rates(transfer=100_000), window_size=16, delay=0.01)
    assert world.records.ended[0].round_trip == pytest.approx(0.02, abs=0.001)


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
    """It is held back to the same rate, by the ACKs; the last one does not wait."""
    world = MemoryNetwork()
    files = {}
    world.serve(MemoryBackend(files, writable=True), throttling=Throttling(Rates(transfer=100_000)))
    world.put(b"new", content(SIZE), window_size=window_size)
    assert files[b"new"] == content(SIZE)
    left_out = 2 * 1428 * (window_size or 1)
    assert (SIZE - left_out) / 100_000 * 0.98 <= world.clock.seconds() <= SIZE * HEADERS / 100_000 + 1.0


def test_without_a_rate_nothing_waits():
    """The session is the common one."""
    fast, _ = downloads(Rates(), window_size=16)
    assert fast < 0.1


def throttled(rate=5160):
    """A server that sends ten blocks a second, and a client that has the first two."""
    world = World({b"f": content(51_200)}, policy={"throttling": Throttling(Rates(transfer=rate))})
    assert world.ask(rrq("f"), wait=0.002) == "D1/512"
    assert world.tell("A1", wait=516 / rate - CREDIT + 0.002) == "D2/512"
    return world


def test_an_answer_waits():
    """Until what was sent is paid for; who repeats himself meanwhile gets it once."""
    world = throttled()
    assert world.tell("A2", "A2", "A2", wait=0.002) == ""
    assert world.quiet(0.092) == ""
    assert world.quiet(0.01) == "D3/512"
    assert world.quiet(0.09) == ""


def test_what_waits_is_bounded():
    """It is a window at most, whatever the client says meanwhile."""
    world = World({b"f": content(51_200)}, policy={"throttling": Throttling(Rates(transfer=5160))})
    world.ask(rrq("f", windowsize=8))
    world.tell("A0", "A2", "A2", "A1", "A4", "A0", "A5", *["A6"] * 50, wait=0.002)
    (session,) = world.sessions
    assert len(session.handler._waiting) <= 8


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
    assert world.quiet(1.7) == ""
    assert world.quiet(0.1) == "D3/512"


def test_the_client_vanishes_while_it_waits():
    """What has left is repeated as ever from then on, and in the end the transfer is given up (C089)."""
    world = throttled(rate=300)
    world.tell("A2", wait=0.002)
    assert set(world.quiet(100.0).split()) == {"D3/512"}
    assert world.ended_as() == [(Outcome.FAILED, "client-vanished")]
    world.assert_nothing_left()


def test_a_window_of_an_upload_on_a_real_socket(engine):
    """It comes in one piece, and all of it is paid for before the next but one."""
    with closing(PollReactor(engine)) as reactor, plain_socket() as client:
        backend = MemoryBackend({}, writable=True)
        listener = Listener(Server(reactor.engine, backend, throttling=Throttling(Rates(transfer=1000))))
        client.sendto(wrq("new", windowsize=8), ("127.0.0.1", listener.listen("127.0.0.1", 0).port))
        reactor.run_until(lambda: listener.active)
        _, session = client.recvfrom(600)
        [transfer] = listener._transfers

        def window(first):
            for number in range(first, first + 8):
                client.sendto(b"\0\3" + number.to_bytes(2, "big") + bytes(512), session)
            reactor.run_until(lambda: transfer.byte_count == 512 * (first + 7))

        window(1)
        assert client.recv(600) == b"\0\4\0\x08"
        window(9)
        client.setblocking(False)
        reactor.advance(3.5)
        with pytest.raises(BlockingIOError):
            client.recv(600)
        client.settimeout(PATIENCE)
        reactor.advance(1)
        assert client.recv(600) == b"\0\4\0\x10"
        client.sendto(b"\0\5\0\0\0", session)
        reactor.run_until(lambda: not listener.active)
        listener.close()
