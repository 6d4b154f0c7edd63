"""The MTU of a route: asked once, used for a moment, and never for more routes than fit."""

import pytest
from twisted.internet.task import Clock

from tftpd_tw.interfaces import Address
from tftpd_tw.net import routes
from tftpd_tw.net.routes import KEPT, MOST, PathMTUs, block_within

LOCAL = Address("192.0.2.1", 69)


@pytest.fixture
def asked(monkeypatch):
    """What the kernel was asked; it says the number of the question."""
    asked = []

    def path_mtu(local, peer):
        asked.append((local, peer))
        return 1000 + len(asked)

    monkeypatch.setattr(routes, "path_mtu", path_mtu)
    return asked


def test_a_route_is_asked_once_in_a_while(asked):
    """All ports of a client have one route, which may be another one after some seconds (C057)."""
    clock = Clock()
    mtus = PathMTUs(clock)
    assert [mtus.of(LOCAL, Address("192.0.2.100", port)) for port in (1024, 1025)] == [1001, 1001]
    clock.advance(KEPT - 0.1)
    assert mtus.of(LOCAL, Address("192.0.2.100", 1026)) == 1001
    clock.advance(0.2)
    assert mtus.of(LOCAL, Address("192.0.2.100", 1027)) == 1002
    assert len(asked) == 2


def test_routes_differ_by_both_ends_and_the_interface(asked):
    """The same link-local address on two interfaces is two clients (C154)."""
    mtus = PathMTUs(Clock())
    ends = [
        (LOCAL, Address("192.0.2.100", 1024)),
        (Address("192.0.2.2", 69), Address("192.0.2.100", 1024)),
        (LOCAL, Address("fe80::1", 1024, 1)),
        (LOCAL, Address("fe80::1", 1024, 2)),
    ]
    for _ in range(2):
        assert [mtus.of(*pair) for pair in ends] == [1001, 1002, 1003, 1004]


def test_no_route_is_an_answer_too(monkeypatch, asked):
    """That there is no way is remembered as well."""
    monkeypatch.setattr(routes, "path_mtu", lambda *pair: asked.append(pair))
    mtus = PathMTUs(Clock())
    peer = Address("192.0.2.100", 1024)
    assert [mtus.of(LOCAL, peer), mtus.of(LOCAL, peer)] == [None, None]
    assert len(asked) == 1


def test_forged_addresses_do_not_fill_the_memory(asked):
    """However many clients there seem to be, so many routes are remembered and no more."""
    mtus = PathMTUs(Clock())
    for number in range(2 * MOST + 1):
        mtus.of(LOCAL, Address(str(number), 1024))
        assert len(mtus._known) <= MOST
    assert len(asked) == 2 * MOST + 1


@pytest.mark.parametrize(
    ("mtu", "host", "size"),
    [
        (1500, "192.0.2.1", 1468),
        (1500, "2001:db8::1", 1448),
        (65536, "127.0.0.1", 65464),
        (20, "192.0.2.1", 8),
    ],
)
def test_the_largest_block_in_one_piece(mtu, host, size):
    """What is left of a packet beside its headers, within what an option can say (C050, C057)."""
    assert block_within(mtu, host) == size
