"""The test kit that the package offers: it does what it says, and the same again from the same seed."""

from collections import Counter

import pytest
from net_kit import content
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from tftpd_tw.backends.memory import BytesWriter, MemoryBackend
from tftpd_tw.net.client import TransferFailed
from tftpd_tw.testing import CLIENT, REQUEST_PORT, SERVER, MemoryNetwork


async def size_of(network, name):
    """A program under test: it waits for a while, and reads a file."""
    await deferLater(network.clock, 2.0)
    writer = BytesWriter()
    await network.client().get(name, writer)
    return len(writer.data)


def test_a_coroutine_runs_in_its_time():
    """It may be handed over as it is; what it returns or raises comes out."""
    network = MemoryNetwork()
    network.serve(MemoryBackend({b"f": b"abc"}))
    assert network.run(size_of(network, b"f")) == 3
    assert 2.0 < network.clock.seconds() < 3.0
    with pytest.raises(TransferFailed, match="ERROR 1"):
        network.run(size_of(network, b"none"))


BAD = {"loss": 0.1, "duplication": 0.1, "reordering": 0.2, "jitter": 0.001}


def test_the_example():
    """The example at the head of the module works (F02)."""
    network = MemoryNetwork(loss=0.05, seed=7)
    network.serve(MemoryBackend({b"pxelinux.0": content(30_000)}))
    assert network.get(b"pxelinux.0") == content(30_000)


def trace(seed):
    """All that happens in one transfer over a bad wire."""
    network = MemoryNetwork(seed=seed, **BAD)
    network.serve(MemoryBackend({b"f": content(30_000)}))
    network.get(b"f", block_size=512, window_size=4)
    return network.clock.seconds(), network.sent


def test_seeds():
    """The same seed gives the same run, packet for packet; another one another run."""
    assert trace(3) == trace(3)
    assert trace(3) != trace(4)


def arrivals(count=2000, **network):
    """Which of so many packets, sent a millisecond apart, arrive, in their order, and when."""
    net = MemoryNetwork(**network)
    sender, receiver = net.host("192.0.2.7").raw(), net.host("192.0.2.8").raw()
    arrived = []
    for number in range(count):
        sender.send(number.to_bytes(2, "big"), receiver.socket.address)
        arrived += [(int.from_bytes(datagram, "big"), number + 1) for datagram in receiver.wait(0.001)]
    arrived += [(int.from_bytes(datagram, "big"), count + 10) for datagram in receiver.wait(1.0)]
    assert len(net.sent) == count
    return arrived


def test_a_good_wire():
    """By default each packet arrives once, in order, after the delay."""
    assert [number for number, _ in arrivals()] == list(range(2000))
    network = MemoryNetwork(delay=0.25)
    one, other = network.host("192.0.2.7").raw(), network.host("192.0.2.8").raw()
    one.send(b"hello", other.socket.address)
    assert other.wait(0.24) == []
    assert other.wait(0.02) == [b"hello"]
    assert other.received == [(b"hello", one.socket.address)]


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_loss(share):
    """The share of packets that is to be lost is lost, and none arrives twice."""
    numbers = [number for number, _ in arrivals(loss=share)]
    assert len(numbers) == len(set(numbers)) == pytest.approx(2000 * (1 - share), abs=100)


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_duplication(share):
    """The share that is to arrive twice does so, and all others once."""
    counts = Counter(Counter(number for number, _ in arrivals(duplication=share)).values())
    assert counts[2] == pytest.approx(2000 * share, abs=100)
    assert counts[1] + counts[2] == 2000


def test_reordering():
    """The share that is to be overtaken is, and nothing is lost."""
    numbers = [number for number, _ in arrivals(reordering=0.1)]
    assert sorted(numbers) == list(range(2000))
    late = sum(number < highest for number, highest in zip(numbers[1:], running_maximum(numbers), strict=False))
    assert late == pytest.approx(200, abs=60)


def running_maximum(numbers):
    """The largest so far."""
    highest = -1
    for number in numbers:
        highest = max(highest, number)
        yield highest


@pytest.mark.parametrize(("mtu", "size", "arrives"), [(1500, 1472, True), (1500, 1473, False), (576, 548, True)])
def test_mtu(mtu, size, arrives):
    """A datagram that does not fit into an IP packet of that size is lost."""
    network = MemoryNetwork(mtu=mtu)
    one, other = network.host("192.0.2.7").raw(), network.host("192.0.2.8").raw()
    one.send(b"x" * size, other.socket.address)
    assert bool(other.wait(1.0)) == arrives
    assert network.host(CLIENT).path_mtu(REQUEST_PORT, REQUEST_PORT) == mtu


def test_drop():
    """A script decides which packets are lost; they count as sent (F09)."""
    network = MemoryNetwork(drop=lambda datagram: datagram[:4] == b"\0\3\0\2")
    network.serve(MemoryBackend({b"f": content(5000)}))
    with pytest.raises(TransferFailed):
        network.get(b"f", block_size=512, window_size=1)
    assert sum(datagram[:4] == b"\0\3\0\2" for _, _, datagram in network.sent) > 2
    assert not any(datagram[:4] == b"\0\3\0\3" for _, _, datagram in network.sent)


def test_jitter():
    """Jitter delays each packet by up to so much more."""
    network = MemoryNetwork(delay=1.0, jitter=1.0)
    one, other = network.host("192.0.2.7").raw(), network.host("192.0.2.8").raw()
    for _ in range(100):
        one.send(b"x", other.socket.address)
    assert len(other.wait(0.999)) == 0
    assert len(other.wait(0.501)) == pytest.approx(50, abs=20)
    other.wait(0.5)
    assert len(other.received) == 100


def test_closed_port_is_told_to_a_session():
    """A packet to a port where nobody listens comes back as ICMP, to a session that is still there (C099)."""
    network = MemoryNetwork()
    told = []

    class Handler:
        """Notes what ICMP says."""

        def unreachable(self, peer):
            """Note."""
            told.append((peer, network.clock.seconds()))

    socket = network.host(CLIENT).open_session(REQUEST_PORT._replace(host=CLIENT), REQUEST_PORT, Handler())
    socket.send([[b"anyone?"]], (SERVER, 69))
    network.run_until_idle()
    assert told == [((SERVER, 69), pytest.approx(0.002))]
    socket.send([[b"anyone?"]], (SERVER, 69))
    socket.close()
    network.run_until_idle()
    assert len(told) == 1


def test_request_port_is_taken_once():
    """A second listener on the same port fails as a socket's would, until the first is closed."""
    network = MemoryNetwork()
    first = network.serve(MemoryBackend({}))
    with pytest.raises(OSError, match="Address already in use"):
        network.serve(MemoryBackend({}))
    first.close()
    network.serve(MemoryBackend({}))


def test_run_until_idle():
    """Time passes until nothing is left to happen; if that takes too long it is an error."""
    network = MemoryNetwork()
    network.clock.callLater(50.0, lambda: None)
    network.run_until_idle()
    assert network.clock.seconds() == 50.0
    network.clock.callLater(50.0, lambda: None)
    with pytest.raises(AssertionError, match="still busy after 10"):
        network.run_until_idle(limit=10.0)
    assert network.step() is False


def test_run_without_hope():
    """Waiting for what cannot happen any more is an error, not a hang."""
    with pytest.raises(AssertionError, match="nothing is left"):
        MemoryNetwork().run(Deferred())


def test_observer_keeps_everything():
    """The records of the servers are there to be looked at (C031, C044)."""
    network = MemoryNetwork()
    network.serve(MemoryBackend({b"f": b"x"}))
    network.get(b"f")
    with pytest.raises(TransferFailed):
        network.get(b"none")
    network.host(CLIENT).raw().ask(b"\0\4\0\0")
    records = network.records
    assert [record.reason for record in records.ended] == ["completed"]
    assert [record.reason for record in records.refused] == ["not-found"]
    assert (len(records.started), records.errors, records.dropped) == (1, [1], ["not-a-request"])
