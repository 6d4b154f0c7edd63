"""Transfers that stay on the port that was asked, in memory: they keep the rules of those that have their own."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from net_kit import World, content, packet, rrq, words, wrq

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.interfaces import Address, Outcome
from tftpd_tw.net.serving import Terms
from tftpd_tw.testing import REQUEST_PORT, SERVER, MemoryNetwork

FILE = {b"f": content(1300), b"g": content(100)}


@pytest.fixture
def world():
    """A server whose transfers stay on its port."""
    return World(dict(FILE), single_port=True)


def senders(world):
    """Where the client's packets came from."""
    return {sender for _, sender in world.peer.received}


def test_a_read(world):
    """Every packet comes from the port that was asked, and the last ACK is answered by nothing (C001)."""
    assert world.ask(rrq()) == "D1/512"
    assert [world.tell(word) for word in ("A1", "A2", "A3")] == ["D2/512", "D3/276", ""]
    assert senders(world) == {REQUEST_PORT}
    assert world.ended_as() == [(Outcome.COMPLETED, "completed")]
    world.assert_nothing_left()


def test_a_write(world):
    """So it is with an upload, whose last ACK is repeated for a client that missed it (C098, C100)."""
    assert world.ask(wrq()) == "A0"
    assert world.ask(wrq()) == "A0"
    assert world.tell("D1/512") == "A1"
    assert world.tell("D2/10") == "A2"
    assert world.tell("D2/10") == "A2"
    assert senders(world) == {REQUEST_PORT}
    assert world.files[b"new"] == content(512) + content(10)
    world.quiet(60)
    world.assert_nothing_left()


def test_windows(world):
    """Options and windows are granted as ever (C040, C120, C126)."""
    assert world.ask(rrq(windowsize=2)) == "OA(windowsize=2)"
    assert world.tell("A0") == "D1/512 D2/512"
    assert world.tell("A2") == "D3/276"
    assert world.tell("A3") == ""
    assert senders(world) == {REQUEST_PORT}


@pytest.mark.parametrize(("said", "answer"), [(rrq("none"), "E1"), (b"\0\7", "E4"), (rrq("f", "mail"), "E4")])
def test_errors(world, said, answer):
    """An ERROR comes from there too, or a client behind NAT would never know (C031, C009, C012)."""
    assert world.ask(said) == answer
    assert senders(world) == {REQUEST_PORT}


STRAY = ["A0", "A1", "A7", "D1/512", "E0", "E4", b"\0\6blksize\x00512\0", b"", b"\0", b"\0\4"]


@pytest.mark.parametrize("stray", STRAY)
def test_strangers_get_nothing(world, stray):
    """What could be an answer is answered by nothing if its sender has no transfer here, and it disturbs none
    (C010, C011, C090, C091, S019).
    """
    assert world.ask(rrq()) == "D1/512"
    for stranger in (world.another("192.0.2.101"), world.another()):
        datagram = packet(stray) if isinstance(stray, str) else stray
        assert stranger.ask(datagram, REQUEST_PORT) == []
    assert world.records.dropped == ["not-a-request"] * 2
    assert world.records.errors == []
    assert world.tell("A1") == "D2/512"


def test_what_comes_late_is_a_strangers(world):
    """After the end the client's packets are nobody's (C010)."""
    world.ask(rrq("g"))
    assert world.tell("A1") == ""
    assert world.tell("A1", "D1/512", "E0") == ""
    assert world.records.dropped == ["not-a-request"] * 3


def test_an_error_ends_it(world):
    """The client's ERROR is its transfer's (C152)."""
    world.ask(rrq())
    assert world.tell("E0") == ""
    assert world.ended_as() == [(Outcome.FAILED, "client-error:0")]
    world.assert_nothing_left()


def test_a_repeated_request_is_folded(world):
    """The same request again is the same transfer (C095)."""
    assert [world.ask(rrq()) for _ in range(4)] == ["D1/512"] * 4
    assert len(world.records.started) == 1
    assert world.tell("A1") == "D2/512"
    assert world.ask(rrq()) == ""
    assert world.tell("A2") == "D3/276"


def finished(world):
    """The first transfer is over."""
    assert [world.tell(word) for word in ("A1", "A2", "A3")] == ["D2/512", "D3/276", ""]


def unverified(world):
    """Its first block was not acknowledged."""


def idle(world):
    """It began, and has said nothing for longer than a repeat takes."""
    world.tell("A1", wait=0.3)


@pytest.mark.parametrize("before", [finished, unverified, idle])
def test_another_request_from_the_same_port(world, before):
    """It replaces a transfer that is over, was never answered, or does not get on (C096, C049)."""
    world.ask(rrq())
    before(world)
    assert world.ask(rrq("g")) == "D1/100"
    assert len(world.records.started) == 2
    assert world.tell("A1") == ""
    world.quiet(60)
    world.assert_nothing_left()


def test_another_request_while_the_first_gets_on(world):
    """Two transfers could not be told apart: the new request waits for the old transfer, which a forger cannot
    end so (C096).
    """
    world.ask(rrq())
    assert world.tell("A1", wait=0.01) == "D2/512"
    assert world.ask(rrq("g"), wait=0.01) == ""
    assert world.records.ignored == [(world.peer.socket.address, "port-in-use")]
    assert world.tell("A2", wait=0.01) == "D3/276"
    assert world.tell("A3") == ""
    assert world.ask(rrq("g")) == "D1/100"


def test_a_request_during_the_dally(world):
    """A client that has got its last ACK is served anew at once (C096, C100)."""
    world.ask(wrq())
    assert world.tell("D1/10") == "A1"
    assert world.ask(rrq("g")) == "D1/100"
    assert world.tell("A1") == ""
    world.assert_nothing_left()


def test_one_client_at_two_ports(world):
    """The same request from one port to two ports of the server is two transfers (C095)."""
    other = Address(SERVER, 6969)
    world.listener.listen(*other[:2], single_port=True)
    assert world.ask(rrq()) == "D1/512"
    assert words(world.peer.ask(rrq(), other)) == "D1/512"
    assert len(world.records.started) == 2
    assert words(world.peer.ask(packet("A1"), REQUEST_PORT)) == "D2/512"
    assert words(world.peer.ask(packet("A1"), other)) == "D2/512"
    assert senders(world) == {REQUEST_PORT, other}


def test_many_clients(world):
    """Each gets its own answers."""
    peers = [world.another(f"192.0.2.{number}") for number in range(50, 90)]
    assert [words(peer.ask(rrq())) for peer in peers] == ["D1/512"] * 40
    assert [words(peer.ask(packet("A1"))) for peer in peers] == ["D2/512"] * 40
    assert len(world.records.started) == 40


@pytest.mark.parametrize(("said", "outcome"), [((), Outcome.UNANSWERED), (("A1",), Outcome.FAILED)])
def test_a_client_that_is_gone(world, said, outcome):
    """Its host's word ends its transfer, and nobody else's (F12, S030)."""
    other = world.another()
    assert words(other.ask(rrq())) == "D1/512"
    world.ask(rrq())
    for word in said:
        world.peer.send(packet(word), REQUEST_PORT)
    world.peer.socket.close()
    world.quiet(2.0)
    assert [record.outcome for record in world.records.ended] == [outcome]
    assert words(other.ask(packet("A1"), REQUEST_PORT)) == "D2/512"


def test_draining(world):
    """The port is closed for requests at once and for transfers when they are through (F22)."""
    world.ask(rrq())
    drained = world.listener.drain(10.0)
    assert world.ask(rrq("g")) == ""
    assert words(world.another().ask(rrq(), REQUEST_PORT)) == ""
    assert world.tell("A1", wait=0.01) == "D2/512"
    assert world.tell("A2", wait=0.01) == "D3/276"
    assert not drained.called
    world.tell("A3")
    assert drained.called
    assert world.network.request_sockets == {}


@pytest.mark.parametrize("of_port", [True, False])
@pytest.mark.parametrize("of_terms", [True, False, None])
def test_the_terms_of_a_request_decide(of_port, of_terms):
    """They may say that it stays or that it does not; else it is as the port has it."""
    world = World(dict(FILE), terms=Terms(single_port=of_terms), single_port=of_port)
    stays = of_port if of_terms is None else of_terms
    assert world.ask(rrq()) == "D1/512"
    assert world.ask(rrq("none")) == "E1"
    assert [sender == REQUEST_PORT for _, sender in world.peer.received] == [stays] * 2


def test_another_transfer_holds_the_port():
    """Where a client's transfer has a port of its own and gets on, another of his may stay on the asked one, and
    the next one has to wait for that (C096).
    """
    terms = {b"f": Terms(single_port=False), b"g": Terms(single_port=True)}
    world = World({b"f": content(1300), b"g": content(1300)}, policy={"terms_for": lambda it: terms[it.name]})
    assert world.ask(rrq("f")) == "D1/512"
    first = world.peer.tid
    assert words(world.peer.ask(packet("A1"), first, 0.01)) == "D2/512"
    assert world.ask(rrq("g"), wait=0.01) == "D1/512"
    assert world.peer.tid == REQUEST_PORT
    assert words(world.peer.ask(packet("A1"), REQUEST_PORT, 0.01)) == "D2/512"
    assert world.ask(rrq("f"), wait=0.01) == ""
    # By then a block may have been repeated.
    assert words(world.peer.ask(packet("A2"), first, 0.01)).endswith("D3/276")
    assert words(world.peer.ask(packet("A2"), REQUEST_PORT, 0.01)).endswith("D3/276")


def test_a_request_to_many():
    """Where it is not known which address to answer from, the answer has a port of its own (C037)."""
    world = World(dict(FILE), single_port=True, answer_broadcasts=True)
    [port] = world.network.request_sockets.values()
    world.listener.request_received(rrq("g"), world.peer.socket.address, Address("", 69), True, port)
    assert world.quiet(0.1) == "D1/100"
    assert world.peer.tid != REQUEST_PORT


def test_a_full_buffer(world):
    """What does not fit goes out once there is room (C135, F25)."""
    world.ask(rrq(windowsize=8))
    [session] = next(iter(world.network.request_sockets.values())).sessions.values()
    session.full = True
    assert world.tell("A0") == ""
    session.drained()
    assert world.quiet(0.002) == "D1/512 D2/512 D3/276"


@given(
    seed=st.integers(0, 1 << 30),
    window=st.sampled_from([1, 4, 16]),
    size=st.sampled_from([0, 511, 512, 20_000]),
)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_bad_network(seed, window, size):
    """Loss, doubles and reordering harm a transfer no more than one with its own port (F02, F05, F06)."""
    network = MemoryNetwork(loss=0.05, duplication=0.05, reordering=0.05, seed=seed)
    files = {b"f": content(size)}
    network.serve(MemoryBackend(files, writable=True), single_port=True)
    assert network.get(b"f", window_size=window) == content(size)
    network.put(b"new", content(size), window_size=window)
    assert files[b"new"] == content(size)
    assert {source.port for source, _, _ in network.sent if source.host == SERVER} == {69}
