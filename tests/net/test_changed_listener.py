"""A listener that is changed while it serves: another server, other ports (F21)."""

from net_kit import World, content, packet, rrq, words

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.interfaces import Address
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.protocol.options import Policy
from tftpd_tw.testing import SERVER, MemoryNetwork


def other_server(network: MemoryNetwork) -> Server:
    """A server of the same host with other content and terms."""
    backend = MemoryBackend({b"f": b"other"})
    return Server(network.host(SERVER), backend, Terms(Policy(max_blksize=100)), (network.records,))


def test_another_server() -> None:
    """It gets all new requests; a transfer in progress is finished by the one that began it, repeats included."""
    world = World()
    first, second = world.peer, world.another()
    assert world.ask(rrq()) == "D1/512"
    world.listener.serve(other_server(world.network), False)
    assert words(second.ask(rrq(), world.request_port)) == "D1/5"
    assert words(second.ask(rrq(blksize=512), world.request_port)) == "OA(blksize=100)"
    # The same request from the same port is still that of the old one.
    assert words(first.ask(rrq(), world.request_port)) == "D1/512"
    assert [world.tell(f"A{number}") for number in (1, 2, 3)] == ["D2/512", f"D3/{len(content(1300)) - 1024}", ""]


def test_broadcasts_are_part_of_it() -> None:
    """Answered or not, as it says then."""
    world = World()
    assert world.broadcast(rrq()) == ""
    world.listener.serve(other_server(world.network), True)
    assert world.broadcast(rrq()) == "D1/5"


def test_a_port_that_is_closed() -> None:
    """Nobody answers there; the other ports and what began there go on, and it can be opened again."""
    world = World()
    port = world.listener.open(SERVER, 70)
    there = Address(SERVER, 70)
    other = world.another()
    assert words(other.ask(rrq(), there)) == "D1/512"
    world.listener.stop_listening(port)
    assert words(world.another().ask(rrq(), there)) == ""
    assert world.ask(rrq()) == "D1/512"
    before = len(other.received)
    other.send(packet("A1"), other.tid)
    assert words(other.wait(0.05, before)) == "D2/512"
    world.listener.listen(SERVER, 70)
    assert words(world.another().ask(rrq(), there)) == "D1/512"
