"""Request ports that come and go with the settings, on real sockets."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from attrs import evolve

from tftpd_tw.interfaces import Address
from tftpd_tw.net.sockets import IP_PKTINFO, IPV6_RECVPKTINFO, adopt_request_socket, bind_request_socket
from tftpd_tw.service import opening
from tftpd_tw.service.configuration import Network
from tftpd_tw.service.opening import OpenError, Place
from tftpd_tw.service.request_ports import RequestPorts
from tftpd_tw.service.value_types import Host, Interface, Port


@pytest.fixture
def port() -> int:
    """One that is free on every address."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(("::", 0))
        number: int = sock.getsockname()[1]
        return number


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


def ports(stack: ExitStack, each: int = 1, inherited: tuple[socket.socket, ...] = ()) -> RequestPorts:
    """Some, closed at the end."""
    made = RequestPorts(each, inherited)
    stack.callback(made.close)
    return made


def network(port: int, *hosts: str) -> Network:
    """The settings."""
    return Network(tuple(map(Host, hosts)), Port(port))


def free(host: str, port: int) -> bool:
    """Whether somebody else can have it, even somebody who would share it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def test_what_stays_is_not_touched(stack: ExitStack, port: int) -> None:
    """The same sockets, with what waits in them; new ones beside them, and those that are not wanted closed."""
    made = ports(stack, 2)
    made.open(network(port, "127.0.0.1", "127.0.0.2"))
    first, second = made.groups
    change = made.open(network(port, "127.0.0.2", "127.0.0.3"))
    assert [place for place, _ in change.opened] == [Place("127.0.0.3", port)]
    assert [place for place, _ in change.closing] == [Place("127.0.0.1", port)]
    assert len(made.groups) == 3
    made.finish(change)
    made.release(())
    assert made.groups[0] == second
    assert [len(group) for group in made.groups] == [2, 2]
    assert made.addresses == [Address("127.0.0.2", port), Address("127.0.0.3", port)]
    assert {sock.fileno() for sock in first} == {-1}
    assert free("127.0.0.1", port)


def test_a_change_that_is_taken_back(stack: ExitStack, port: int) -> None:
    """All is as it was."""
    made = ports(stack)
    made.open(network(port, "127.0.0.1"))
    before = made.groups
    made.undo(made.open(network(port, "127.0.0.2")))
    made.release(())
    assert made.groups == before
    assert free("127.0.0.2", port)
    assert not free("127.0.0.1", port)


def test_a_change_that_fails(stack: ExitStack, port: int) -> None:
    """Nothing has changed, and nothing is left of it."""
    made = ports(stack)
    made.open(network(port, "127.0.0.1"))
    before = made.groups
    with pytest.raises(OpenError, match="no such address"):
        made.open(network(port, "127.0.0.2", "192.0.2.1"))
    assert made.groups == before
    assert free("127.0.0.2", port)


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize(("before", "after"), [("::", "127.0.0.1"), ("127.0.0.1", "::"), ("0.0.0.0", "::")])
def test_addresses_that_overlap(before: str, after: str, each: int, stack: ExitStack, port: int) -> None:
    """The new one is opened while the old one is still there, and nobody else can join then or later."""
    made = ports(stack, each)
    made.open(network(port, before))
    change = made.open(network(port, after))
    assert not free("127.0.0.1", port)
    made.finish(change)
    assert made.addresses == [Address(after, port)]
    assert not free("127.0.0.1", port)


def test_a_port_that_comes_back(stack: ExitStack, port: int) -> None:
    """As long as transfers stay there its sockets do, and are those that serve again when it is wanted again."""
    made = ports(stack, 2)
    made.open(network(port, "127.0.0.1"))
    [before] = made.groups
    here = made.places
    made.finish(made.open(network(port, "127.0.0.2")))
    made.release(here)
    assert not free("127.0.0.1", port)
    back = made.open(network(port, "127.0.0.1"))
    assert back.opened == [(here[0], before)]
    made.undo(back)
    made.release(here)
    assert made.addresses == [Address("127.0.0.2", port)]
    made.finish(made.open(network(port, "127.0.0.1")))
    made.release(())
    assert made.groups == [before]
    assert {sock.fileno() for sock in before}.isdisjoint({-1})
    assert free("127.0.0.2", port)


def test_an_address_that_overlaps_with_a_retired_one(stack: ExitStack, port: int) -> None:
    """It can be had beside it."""
    made = ports(stack)
    made.open(network(port, "127.0.0.1"))
    retired = made.places
    made.finish(made.open(network(port, "127.0.0.2")))
    made.release(retired)
    made.finish(made.open(network(port, "::")))
    assert made.addresses == [Address("::", port)]


def test_all_are_retired(stack: ExitStack, port: int) -> None:
    """Those on which transfers stay are closed last."""
    made = ports(stack)
    made.open(network(port, "127.0.0.1", "127.0.0.2"))
    first, _ = made.places
    made.retire()
    made.release({first})
    assert made.all == ()
    assert (free("127.0.0.1", port), free("127.0.0.2", port)) == (False, True)
    made.close()
    assert free("127.0.0.1", port)


def test_any_port_is_the_same_any_port(stack: ExitStack) -> None:
    """Port 0 does not move at each reload."""
    made = ports(stack)
    made.open(network(0, "127.0.0.1"))
    before = made.addresses
    made.finish(made.open(network(0, "127.0.0.1")))
    assert made.addresses == before


# Inherited


def bound(host: str, port: int = 0, *, shared: bool = False) -> socket.socket:
    """As systemd opens one: it knows nothing of TFTP, waits, and is inherited."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if host == "::":
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    sock.bind((host, port))
    sock.set_inheritable(True)
    return sock


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
def test_a_socket_of_another_program(host: str) -> None:
    """It becomes as one of ours: does not wait, is not inherited, tells where packets were sent to."""
    with adopt_request_socket(bound(host).detach()) as adopted, bind_request_socket(host, 0) as ours:
        assert not adopted.getblocking()
        assert not adopted.get_inheritable()
        for level, option in ((socket.IPPROTO_IP, IP_PKTINFO), (socket.IPPROTO_IPV6, IPV6_RECVPKTINFO)):
            if adopted.family == socket.AF_INET6 or level == socket.IPPROTO_IP:
                assert adopted.getsockopt(level, option) == ours.getsockopt(level, option)


def test_a_descriptor_that_is_no_such_socket(stack: ExitStack) -> None:
    """It is left as it is."""
    stream = stack.enter_context(socket.socket())
    stream.bind(("127.0.0.1", 0))
    unbound = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    local = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    for sock in (stream, unbound, local):
        with pytest.raises(ValueError, match="it is no UDP socket that is bound to a port"):
            adopt_request_socket(sock.fileno())
        os.fstat(sock.fileno())
    with open(os.devnull) as file, pytest.raises(ValueError, match="it is no socket"):
        adopt_request_socket(file.fileno())


def test_inherited_ones_replace_the_settings(stack: ExitStack, port: int) -> None:
    """At the start and at every reload."""
    sock = bound("127.0.0.1")
    made = ports(stack, inherited=(sock,))
    change = made.open(network(port, "127.0.0.2"))
    assert (change.opened, change.closing) == ((), ())
    made.finish(change)
    assert made.groups == [[sock]]


def test_each_worker_has_one_of_those_that_were_inherited(stack: ExitStack) -> None:
    """Those on the same address are shared out, and what is missing is opened."""
    first = bound("127.0.0.1", shared=True)
    place = first.getsockname()
    others = [bound(*place, shared=True) for _ in range(2)]
    made = ports(stack, 2, (first, *others, bound("127.0.0.2")))
    made.open(network(0))
    assert [len(group) for group in made.groups] == [2, 2, 2]
    assert [{sock.getsockname() for sock in group} for group in made.groups[:2]] == [{place}, {place}]
    assert made.addresses[2].host == "127.0.0.2"


def test_too_few_of_them(stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the daemon may not open more, the line says what the socket unit needs."""
    sock = stack.enter_context(bound("127.0.0.1"))

    def denied(*_: object, **__: object) -> None:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(opening, "bind_request_socket", denied)
    with pytest.raises(OpenError, match=r"2 sockets for 127\.0\.0\.1: Permission denied; .*`ReusePort=yes`"):
        RequestPorts(2, (sock,))


def test_interfaces_and_single_ports(stack: ExitStack, port: int) -> None:
    """The interface is a part of what a place is; that transfers stay there is something that is said of it."""
    made = ports(stack)
    made.open(network(port, "127.0.0.1"))
    [before] = made.groups
    change = made.open(evolve(network(port, "127.0.0.1"), single_port=True))
    assert (change.opened, change.closing) == ([], [])
    made.finish(change)
    assert made.groups == [before]
    assert [place.single_port for place in made.places] == [True]
    change = made.open(evolve(network(port, "127.0.0.1"), interfaces=(Interface("lo"),)))
    made.finish(change)
    assert made.places == (Place("127.0.0.1", port, "lo", index=socket.if_nametoindex("lo")),)
    assert made.groups != [before]


def test_an_interface_that_comes_again(stack: ExitStack, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same name it is another one, and its sockets are too; the same one keeps them."""
    wanted = evolve(network(port, "127.0.0.1"), interfaces=(Interface("lo"),))
    made = ports(stack)
    made.open(wanted)
    [before] = made.groups
    made.finish(made.open(wanted))
    assert made.groups == [before]
    monkeypatch.setattr(socket, "if_nametoindex", lambda name: 4711)
    made.finish(made.open(wanted))
    made.release(())
    assert made.groups != [before]
    assert before[0].fileno() < 0
    assert made.groups[0][0].fileno() >= 0


def test_inherited_ones_do_as_the_section_says(stack: ExitStack) -> None:
    """Whether transfers stay on them, that is."""
    made = ports(stack, inherited=(bound("127.0.0.1"),))
    for single_port in (True, False):
        made.open(evolve(network(0), single_port=single_port))
        assert [place.single_port for place in made.places] == [single_port]
