"""The ports that transfers get where a firewall lets only some of them through."""

import errno
import os
from contextlib import ExitStack, closing

import pytest
from poll_reactor import PollReactor, plain_socket

from tftpd_tw.interfaces import Address
from tftpd_tw.net import sockets
from tftpd_tw.net.engines import ENGINES

PEER = Address("127.0.0.1", 1)


def free_range(length):
    """Ports in a row that are free now."""
    with plain_socket() as sock:
        first = sock.getsockname()[1]
    first = min(first, 65535 - length)
    return range(first, first + length)


def bind(ports, local="127.0.0.1", peer=PEER):
    """A socket of a transfer."""
    return sockets.bind_session_socket(Address(local, 69), peer, ports)


def port_of(sock):
    """Its port."""
    return sock.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", ""])
def test_every_port_is_used_once(host):
    """Whatever is taken; and when all are, that is told and nothing stays open (C156, F17)."""
    ports = free_range(12)
    peer = Address(host or "127.0.0.1", 1)
    before = len(os.listdir("/proc/self/fd"))
    with ExitStack() as stack:
        taken = [stack.enter_context(bind(ports, host, peer)) for _ in ports]
        assert sorted(map(port_of, taken)) == list(ports)
        with pytest.raises(OSError, match=f"no port of {ports[0]}-{ports[-1]} is free") as caught:
            bind(ports, host, peer)
        assert caught.value.errno == errno.EADDRINUSE
        taken[3].close()
        with bind(ports, host, peer) as again:
            assert port_of(again) in ports
    assert len(os.listdir("/proc/self/fd")) == before


def test_nobody_can_foretell_it():
    """The first free port is no more likely than any other (C156)."""
    ports = free_range(1000)
    seen = []
    for _ in range(50):
        with bind(ports) as sock:
            seen.append(port_of(sock))
    assert len(set(seen)) > 30


def test_a_port_that_is_taken_is_passed_over(monkeypatch):
    """The next one is taken, and after the last one the first."""
    ports = free_range(4)
    monkeypatch.setattr(sockets.secrets, "randbelow", lambda count: count - 2)
    with bind(ports) as first, bind(ports) as second, bind(ports) as third:
        assert [port_of(sock) for sock in (first, second, third)] == [ports[2], ports[3], ports[0]]


def test_a_large_range_that_is_taken_is_given_up_soon(monkeypatch):
    """Nobody else waits for the search."""
    tries = []

    class Taken:
        def bind(self, address):
            tries.append(address[1])
            raise OSError(errno.EADDRINUSE, "x")

    with pytest.raises(OSError, match="no port"):
        sockets._bind_within(Taken(), Address("127.0.0.1", 69), range(1024, 65536))
    assert len(tries) == sockets.MOST_TRIES


def test_other_errors_are_no_reason_to_search():
    """An address that this host does not have is not free on any port."""
    with pytest.raises(OSError, match="Cannot assign"):
        bind(free_range(10), "192.0.2.254")


@pytest.mark.parametrize("name", ["reactor", "poll"])
def test_errors_leave_from_the_range_too(name):
    """What is sent once passes the same firewall (C150)."""
    ports = free_range(3)
    with closing(PollReactor("reactor")) as reactor, plain_socket() as client:
        engine = ENGINES[name](reactor, ports)
        engine.send_once(b"\0\5", Address("127.0.0.1", 69), Address(*client.getsockname()))
        assert client.recvfrom(10)[1][1] in ports
        engine.close()
