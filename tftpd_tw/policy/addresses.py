"""Addresses of clients, and sets of networks that answer in one step for each length of prefix.

A set of networks is a table for each length of prefix that occurs in it: whether an address is in the set costs a
look-up in each, however many networks there are. IPv4 and IPv6 are kept apart, and an IPv4 address in IPv6's
clothes (``::ffff:192.0.2.1``) is IPv4, as it is everywhere in this package (rule C155): so ``::/0`` is every IPv6
client and no IPv4 client.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from attrs import field, frozen

_MAPPED = 0xFFFF
"""What precedes the 32 bits of an IPv4 address in ``::ffff:0:0/96``."""

_LINK_LOCAL_PREFIX = 0xFE80 >> 6
"""The first ten bits of a link-local address (RFC 4291 section 2.4)."""


class AddressNumber(NamedTuple):
    """An address as a number."""

    bits: int
    """32 or 128."""
    value: int


@lru_cache(maxsize=4096)
def number_of(host: str) -> AddressNumber:
    """The address ``host``, an IPv4 or IPv6 address in text; a scope (``%eth0``) is left out.

    :raises ValueError: it is none
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    value = int(address)
    if address.version == 6 and value >> 32 == _MAPPED:
        return AddressNumber(32, value & 0xFFFFFFFF)
    return AddressNumber(address.max_prefixlen, value)


def group_of(host: str, ipv6_prefix: int) -> AddressNumber:
    """Whom ``host`` stands for where one must not get more by having many addresses: an IPv4 address for itself,
    an IPv6 address for its network with a prefix of ``ipv6_prefix`` bits. A link-local one stands for itself too:
    there the network is everybody on the wire, and nobody else.

    :raises ValueError: it is no address
    """
    number = number_of(host)
    if number.bits == 32 or number.value >> 118 == _LINK_LOCAL_PREFIX:
        return number
    return AddressNumber(128, number.value >> (128 - ipv6_prefix) << (128 - ipv6_prefix))


class _Table(NamedTuple):
    """The networks with one length of prefix."""

    bits: int
    """Of the address."""
    shift: int
    """How many of its bits are not of the prefix."""
    prefixes: frozenset[int]


def _tables(networks: Iterable[str]) -> tuple[_Table, ...]:
    found: dict[tuple[int, int], set[int]] = {}
    for text in networks:
        bits, shift, prefix = _parsed(text)
        found.setdefault((bits, shift), set()).add(prefix)
    return tuple(_Table(bits, shift, frozenset(prefixes)) for (bits, shift), prefixes in found.items())


def _parsed(text: str) -> tuple[int, int, int]:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(_advice(text)) from error
    bits, value, length = network.max_prefixlen, int(network.network_address), network.prefixlen
    if network.version == 6 and length >= 96 and value >> 32 == _MAPPED:
        bits, value, length = 32, value & 0xFFFFFFFF, length - 96
    return bits, bits - length, value >> (bits - length)


def _advice(text: str) -> str:
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"expected an address or a network as 192.0.2.0/24 or 2001:db8::/32, got {text!r}"
    return f"expected a network, but {text!r} is an address in {meant}; write {meant} for the network"


@frozen
class Networks:
    """A set of networks and addresses.

    :param networks: each as ``192.0.2.0/24``, ``192.0.2.0/255.255.255.0``, ``2001:db8::/32`` or one address
    :raises ValueError: for the first that is none, saying what to write instead
    """

    _tables: tuple[_Table, ...] = field(converter=_tables, alias="networks")

    def __contains__(self, host: object) -> bool:
        """Whether the address ``host`` is in one of them.

        :raises ValueError: it is no address
        """
        own_bits, value = number_of(str(host))
        return any(bits == own_bits and value >> shift in prefixes for bits, shift, prefixes in self._tables)
