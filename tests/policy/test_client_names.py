"""What clients are called, and folders that are named after them."""

import re

import pytest

from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.policy.client_names import ClientNames, Tree, names_by_address
from tftpd_tw.protocol.packets import Mode

NAMES = ClientNames(b"192.0.2.9", b"C0000209", b"52-54-00-12-34-56", b"eth0")
BY_ADDRESS = ClientNames(b"192.0.2.9", b"C0000209")


@pytest.mark.parametrize(
    ("host", "ip", "ip_hex"),
    [
        ("192.0.2.9", b"192.0.2.9", b"C0000209"),
        ("10.0.0.1", b"10.0.0.1", b"0A000001"),
        ("2001:db8::9", b"2001:db8::9", b"20010DB8000000000000000000000009"),
        ("fe80::1", b"fe80::1", b"FE800000000000000000000000000001"),
    ],
)
def test_what_an_address_tells(host, ip, ip_hex):
    """PXELINUX's hexadecimal is eight capital digits; what only the kernel knows is left open."""
    request = Request(Direction.READ, b"f", Mode.OCTET, {}, Address(host, 2000, 3), Address("192.0.2.1", 69))
    assert names_by_address(request) == ClientNames(ip, ip_hex, None, None)


@pytest.mark.parametrize(
    ("path", "base", "components"),
    [
        ("/srv/tftp", "/srv/tftp", ()),
        ("/srv/tftp/{ip}", "/srv/tftp", (b"192.0.2.9",)),
        ("/srv/hosts/{mac}/boot", "/srv/hosts", (b"52-54-00-12-34-56", b"boot")),
        ("/srv/host-{ip_hex}.d/./x//y/", "/srv", (b"host-C0000209.d", b"x", b"y")),
        ("/srv/{interface}/{ip}", "/srv", (b"eth0", b"192.0.2.9")),
        ("/{ip}", "/", (b"192.0.2.9",)),
        ("{ip}/x", ".", (b"192.0.2.9", b"x")),
        ("/srv/{1234}/{}", "/srv/{1234}/{}", ()),
        ("/srv/../tftp/{ip}", "/srv/../tftp", (b"192.0.2.9",)),
    ],
)
def test_trees(path, base, components):
    """The part before the first placeholder is one folder for all; the rest depends on the client."""
    tree = Tree.parse(path)
    assert tree.base == base
    assert tree.components(NAMES) == components
    assert NAMES.missing(tree.placeholders) == []


@pytest.mark.parametrize("path", ["/srv/tftp", "/srv/{mac}/x", "/{ip}", "/srv/a-{ip}{interface}/b"])
def test_a_tree_is_shown_as_it_was_written(path):
    """What an operator wrote is what he sees."""
    assert str(Tree.parse(path)) == path


@pytest.mark.parametrize(
    ("path", "missing"), [("/srv/{ip}", []), ("/srv/{ip}-{mac}/{interface}", ["mac", "interface"])]
)
def test_what_is_not_known(path, missing):
    """A tree says which of its placeholders nobody knows the value of."""
    assert BY_ADDRESS.missing(Tree.parse(path).placeholders) == missing


def test_placeholders_of_a_tree():
    """Whoever sets up the trees learns whether the kernel has to be asked."""
    assert Tree.parse("/srv/{ip}-{mac}/{mac}").placeholders == {"ip", "mac"}
    assert Tree.parse("/srv").placeholders == frozenset()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/srv/{serial}", "unknown placeholder {serial}; known are {ip}, {ip_hex}, {mac}, {interface}"),
        ("/srv/{ip}/../x", "without '..'"),
        ("/srv/{ip}/a\\b", "backslashes"),
    ],
)
def test_wrong_trees(path, words):
    """What cannot be a folder for each client is refused when it is read, not when a client comes (S020)."""
    with pytest.raises(ValueError, match=re.escape(words)):
        Tree.parse(path)
