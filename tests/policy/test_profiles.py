"""Profiles: which one a request is treated by, and what becomes of the general settings."""

from tftpd_tw.backends.names import normalise
from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.globs import Globs
from tftpd_tw.policy.profiles import ALL_OPTIONS, Profile, Profiles
from tftpd_tw.protocol.options import _GRANT, Facts, Policy, negotiate
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.protocol.timing import Patience

LAB = Profile("lab", clients=Networks(["192.0.2.0/24"]))
SECOND_CARD = Profile("second card", local=Networks(["198.51.100.1"]))
DMZ = Profile("dmz", interfaces=frozenset({"eth1", "eth2"}))
PHONES = Profile("phones", paths=Globs.compile([b"SEP*.cnf.xml", b"/phones"]))
GENERAL = Policy(1428, 16, frozenset({b"rollover"}))


def found(profiles, client="203.0.113.7", local="203.0.113.1", name=b"f", interface=0):
    """The name of the profile for such a request."""
    addresses = Address(client, 2000), Address(local, 69)
    request = Request(Direction.READ, name, Mode.OCTET, (), *addresses, interface=interface)
    profile = Profiles(profiles, normalise, {7: "eth0", 8: "eth1", 9: "eth2"}.get).find(request)
    return profile and profile.name


def test_what_a_profile_is_for():
    """The client's network, the address asked, the interface, the name of the file."""
    profiles = [LAB, SECOND_CARD, DMZ, PHONES]
    assert found(profiles) is None
    assert found(profiles, client="192.0.2.7") == "lab"
    assert found(profiles, local="198.51.100.1") == "second card"
    assert [found(profiles, interface=number) for number in (7, 8, 9, 10)] == [None, "dmz", "dmz", None]
    assert found(profiles, name=b"\\SEP00112233.cnf.xml") == "phones"
    assert found(profiles, name=b"phones/firmware/a.bin") == "phones"
    assert found(profiles, name=b"../phones/f") is None


def test_the_first_that_fits_counts():
    """Also if a later one fits better."""
    assert found([LAB, SECOND_CARD], "192.0.2.7", "198.51.100.1") == "lab"
    assert found([SECOND_CARD, LAB], "192.0.2.7", "198.51.100.1") == "second card"


def test_all_that_a_profile_mentions_must_fit():
    """Network, address, interface and name together."""
    profile = Profile("all", LAB.clients, SECOND_CARD.local, DMZ.interfaces, PHONES.paths)
    assert found([profile], "192.0.2.7", "198.51.100.1", b"phones/f", 8) == "all"
    assert found([profile], "203.0.113.7", "198.51.100.1", b"phones/f", 8) is None
    assert found([profile], "192.0.2.7", "203.0.113.1", b"phones/f", 8) is None
    assert found([profile], "192.0.2.7", "198.51.100.1", b"f", 8) is None
    assert found([profile], "192.0.2.7", "198.51.100.1", b"phones/f", 7) is None


def test_names_of_interfaces_are_asked_where_they_matter():
    """And nowhere else, since that is a system call."""

    def nobody(number):
        raise AssertionError(number)

    request = Request(Direction.READ, b"f", Mode.OCTET, (), Address("192.0.2.7", 2000), Address("203.0.113.1", 69))
    assert Profiles([SECOND_CARD, LAB], normalise, nobody).find(request) is LAB


def test_a_profile_for_everybody():
    """One that mentions nothing fits always."""
    assert found([LAB, Profile("others")]) == "others"


def test_what_is_not_set_stays_as_it_is():
    """For everybody."""
    assert Profile("p").policy(GENERAL) == GENERAL
    assert Profile("p").patience(Patience(3.0, 4)) == Patience(3.0, 4)


def test_what_is_set_counts():
    """Be it more or less than the general setting."""
    profile = Profile("p", block_size=8192, window_size=1, timeout=20.0, refused=frozenset({b"blksize"}))
    assert profile.policy(GENERAL) == Policy(8192, 1, frozenset({b"blksize"}))
    assert profile.patience(Patience(3.0, 4)) == Patience(20.0, 4)


def test_all_options():
    """A profile can refuse every option that the server knows."""
    values = {b"blksize": b"8", b"blksize2": b"16", b"windowsize": b"2", b"timeout": b"2", b"utimeout": b"500000"}
    values |= {b"tsize": b"0", b"rollover": b"0"}
    assert set(values) == set(_GRANT) == ALL_OPTIONS
    for option in values.items():
        facts = Facts(reading=True, size=100)
        assert negotiate((option,), Profile("p", refused=frozenset()).policy(GENERAL), facts).options
        assert not negotiate((option,), Profile("p", refused=ALL_OPTIONS).policy(GENERAL), facts).options
