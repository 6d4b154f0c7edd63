"""Networks of clients: what is in them, in which spelling, and what it costs to ask."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftpd_tw.policy.addresses import Networks, group_of, number_of

IN = [
    ("192.0.2.0/24", "192.0.2.0 192.0.2.255", "192.0.3.0 2001:db8::1 ::c000:201"),
    ("192.0.2.0/255.255.255.0", "192.0.2.7", "192.0.3.7"),
    ("192.0.2.7", "192.0.2.7 ::ffff:192.0.2.7", "192.0.2.8"),
    ("::ffff:192.0.2.0/120", "192.0.2.9 ::ffff:192.0.2.9", "192.0.3.9"),
    ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2"),
    ("2001:db8::/32", "2001:db8::1 2001:DB8:0::1", "2001:db9::1 192.0.2.1"),
    ("fe80::/10", "fe80::1 fe80::1%eth0", "fec0::1"),
    ("::/0", "::1 2001:db8::1", "192.0.2.1 ::ffff:192.0.2.1"),
    ("0.0.0.0/0", "192.0.2.1 ::ffff:192.0.2.1", "::1"),
]


@pytest.mark.parametrize(("network", "inside", "outside"), IN, ids=[row[0] for row in IN])
def test_what_is_in_a_network(network, inside, outside):
    """S03a, C155: IPv4 is IPv4 in every spelling, and never IPv6."""
    networks = Networks([network])
    assert [host for host in inside.split() if host not in networks] == []
    assert [host for host in outside.split() if host in networks] == []


def test_several_and_none():
    """An address is in the set if it is in one of them."""
    networks = Networks(["192.0.2.0/24", "198.51.100.1", "2001:db8::/32"])
    assert "198.51.100.1" in networks
    assert "2001:db8::5" in networks
    assert "203.0.113.1" not in networks
    assert "192.0.2.1" not in Networks([])


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("192.0.2.7/24", "'192.0.2.7/24' is an address in 192.0.2.0/24; write 192.0.2.0/24 for the network"),
        ("192.0.2", "expected an address or a network as 192.0.2.0/24 or 2001:db8::/32, got '192.0.2'"),
        ("lab", "got 'lab'"),
        ("192.0.2.0/33", r"got '192.0.2.0/33'"),
    ],
)
def test_what_is_no_network(text, advice):
    """The message says what to write."""
    with pytest.raises(ValueError, match=advice):
        Networks([text])


def test_the_cost_does_not_grow_with_the_number_of_networks():
    """Ten thousand networks of two lengths of prefix are two look-ups."""
    hosts = [f"10.{i >> 8}.{i & 255}.0/24" for i in range(10_000)]
    networks = Networks([*hosts, "203.0.113.7"])
    assert len(networks._tables) == 2
    assert "10.39.15.200" in networks
    assert "10.39.16.1" not in networks


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_the_same_answer_as_the_standard_library(network, length, host):
    """Whatever the network and the address."""
    whole = ipaddress.ip_network((network, length), strict=False)
    address = ipaddress.ip_address(host)
    assert (str(address) in Networks([str(whole)])) == (address in whole)


def test_groups():
    """S031: who could take any address of a network counts as one, but not a whole link."""
    assert group_of("192.0.2.1", 64) != group_of("192.0.2.2", 64)
    assert group_of("2001:db8::1", 64) == group_of("2001:db8::ffff:1", 64)
    assert group_of("2001:db8::1", 64) != group_of("2001:db8:0:1::1", 64)
    assert group_of("2001:db8::1", 128) != group_of("2001:db8::2", 128)
    assert group_of("fe80::1", 64) != group_of("fe80::2", 64)
    assert group_of("::ffff:192.0.2.1", 64) == number_of("192.0.2.1")


def test_what_is_no_address():
    """It is not passed over."""
    with pytest.raises(ValueError, match="does not appear to be"):
        number_of("localhost")
