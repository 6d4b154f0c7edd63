"""Option negotiation, from both ends (rules C018 to C026, C036, C038, C046 to C073, C083, C120, C121, C134)."""

import re

import pytest
from bench import GENEROUS
from hypothesis import example, given
from hypothesis import strategies as st

from tftpd_tw.protocol.blocks import Rollover
from tftpd_tw.protocol.errors import OptionRefused
from tftpd_tw.protocol.options import Agreed, Facts, Policy, agree, negotiate

Pairs = tuple[tuple[bytes, bytes], ...]

READ = Facts(reading=True, size=5000)
STREAM = Facts(reading=True)
WRITE = Facts(reading=False)


def pairs(text: str) -> Pairs:
    """``"blksize=600 tsize="`` as option pairs."""
    return tuple(
        (name.encode(), value.encode()) for name, _, value in (w.partition("=") for w in text.split(" ") if w)
    )


@pytest.mark.parametrize("facts", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize(
    ("rules", "asked", "granted"),
    [
        ("C022 only unknown", "foo=bar", ""),
        ("C022 C047 nothing asked", "", ""),
        ("C023", "foo=bar blksize=600", "blksize=600"),
        ("C018 empty values", "multicast= blksize= windowsize=4", "windowsize=4"),
        ("C036 C038", "multicast= msftwindow=31416", ""),
        ("C003 spelling", "BLKSIZE=100 WindowSize=2", "BLKSIZE=100 WindowSize=2"),
        ("C020", "blksize=600 BLKSIZE=700", "blksize=600"),
        ("C020 C056", "blksize=600 blksize2=512", "blksize=600"),
        ("C020 C064", "utimeout=500000 timeout=3", "utimeout=500000"),
        ("C024 order", "windowsize=3 timeout=2 blksize=9", "windowsize=3 timeout=2 blksize=9"),
        ("C025", "blksize=1_000", ""),
        ("C025", "blksize=+600", ""),
        ("C025", "blksize=\t600", ""),
        ("C025", "blksize=600\n", ""),
        ("C025", "blksize=0x258", ""),
        ("C025", "blksize=6e2", ""),
        ("C025", "blksize=-5", ""),
        ("C025", "blksize=٦٠٠", ""),
        ("C025", "blksize=0600", "blksize=600"),
        ("C026", "blksize=" + "9" * 40, ""),
        ("C026", "blksize=" + "9" * 400 + " windowsize=" + "0" * 400 + "1 tsize=" + "9" * 40, ""),
        ("C026 clamped", "blksize=99999999999999999999", "blksize=65464"),
        ("C047 all unacceptable", "blksize=0 timeout=0 windowsize=0 tsize=x", ""),
        *[
            ("C050", f"blksize={n}", f"blksize={n}")
            for n in (8, 9, 512, 1024, 1408, 1428, 1432, 1468, 8192, 65464)
        ],
        *[("C051", f"blksize={n}", "") for n in (0, 7)],
        *[("C052", f"blksize={n}", "blksize=65464") for n in (65465, 70000)],
        ("C056", "blksize2=1500", "blksize2=1024"),
        ("C056", "blksize2=8", "blksize2=8"),
        ("C056", "blksize2=7", ""),
        ("C056 C052", "blksize2=70000", "blksize2=32768"),
        *[("C060, C062", f"timeout={n}", f"timeout={n}") for n in (1, 5, 255)],
        *[("C061", f"timeout={n}", "") for n in ("0", "256", "abc")],
        ("C061 the other is granted", "timeout=0 utimeout=200000", "utimeout=200000"),
        ("C064", "utimeout=200000", "utimeout=200000"),
        ("C064 floor", "utimeout=100000", "utimeout=100000"),
        ("C064 below the floor", "utimeout=99999", ""),
        ("C064", "utimeout=10000", ""),
        ("C064", "utimeout=255000001", ""),
        ("C072", "tsize=-1", ""),
        ("C072", "tsize=abc", ""),
        *[("C083", f"rollover={n}", f"rollover={n}") for n in (0, 1)],
        ("C083", "rollover=2", ""),
        *[("C120", f"windowsize={n}", f"windowsize={n}") for n in (1, 4, 8, 64)],
        *[("C121", f"windowsize={n}", "") for n in ("0", "65536", "abc")],
        ("C134", "windowsize=65535 blksize=65464", "windowsize=64 blksize=65464"),
        ("C134", "blksize=65464 windowsize=65535", "blksize=65464 windowsize=64"),
        ("C134", "blksize=8 windowsize=65535", "blksize=8 windowsize=32767"),
        ("C134 C056", "windowsize=65535 blksize2=65464", "windowsize=128 blksize2=32768"),
    ],
)
def test_what_a_server_grants(facts: Facts, rules: str, asked: str, granted: str) -> None:
    """The OACK is what can be granted, spelled and ordered as asked, no more (C022 to C026, C047 to C134)."""
    assert negotiate(pairs(asked), GENEROUS, facts).options == pairs(granted), rules


@pytest.mark.parametrize(
    ("facts", "asked", "granted"),
    [
        pytest.param(READ, "0", "5000", id="C066"),
        pytest.param(Facts(True, 5 << 30), "0", "5368709120", id="C066-5-GiB"),
        pytest.param(READ, "5", "5000", id="C067"),
        pytest.param(STREAM, "0", None, id="C068-size-not-known"),
        pytest.param(Facts(True, 0), "0", "0", id="C073-empty-file"),
        pytest.param(WRITE, "5000", "5000", id="C069"),
        pytest.param(WRITE, "0", "0", id="C069-zero"),
        pytest.param(WRITE, str(1 << 63), None, id="C072-no-size"),
    ],
)
def test_tsize(facts: Facts, asked: str, granted: str | None) -> None:
    """A read is told the real size or nothing, a write gets its own number back (C066 to C069, C072, C073)."""
    agreed = negotiate(pairs(f"tsize={asked}"), Policy(), facts)
    assert agreed.options == (pairs(f"tsize={granted}") if granted else ())
    assert agreed.tsize == (int(granted) if granted else None)


@pytest.mark.parametrize(
    ("policy", "asked", "granted"),
    [
        pytest.param(Policy(max_blksize=1428), "blksize=65464", "blksize=1428", id="C053"),
        pytest.param(Policy(max_blksize=1428), "blksize=1000", "blksize=1000", id="C053-never-raised"),
        pytest.param(Policy(max_blksize=1428), "blksize2=65464", "blksize2=1024", id="C053-C056"),
        pytest.param(Policy(), "windowsize=65535", "windowsize=64", id="C120-default-cap"),
        pytest.param(Policy(max_windowsize=1), "windowsize=16", "windowsize=1", id="C122"),
        pytest.param(
            Policy(refused=frozenset({b"blksize"})), "BLKSIZE=600 tsize=0", "tsize=5000", id="C023-refused"
        ),
        pytest.param(Policy(refused=frozenset({b"tsize"})), "tsize=0", "", id="C022-all-refused"),
    ],
)
def test_policy_bounds_what_is_granted(policy: Policy, asked: str, granted: str) -> None:
    """A cap lowers blksize and windowsize and never raises them; a refused option is unknown (C053, C120)."""
    assert negotiate(pairs(asked), policy, READ).options == pairs(granted)


def test_terms_are_those_of_the_oack() -> None:
    """The terms are what the OACK says, and the defaults where it says nothing (C047, C051, C060, C120)."""
    asked = pairs("blksize=1428 windowsize=16 timeout=3 tsize=0 rollover=1")
    agreed = negotiate(asked, Policy(max_blksize=1024, max_windowsize=8), READ)
    options = pairs("blksize=1024 windowsize=8 timeout=3 tsize=5000 rollover=1")
    assert agreed == Agreed(1024, 8, 3.0, 5000, Rollover.TO_ONE, options)
    assert negotiate(pairs("blksize=7 windowsize=0"), Policy(), READ) == Agreed(
        512, 1, None, None, Rollover.TO_ZERO
    )
    assert negotiate(pairs("utimeout=200000"), Policy(), READ).timeout == 0.2


KNOWN = ["blksize", "blksize2", "windowsize", "timeout", "utimeout", "tsize", "rollover"]
NAMES = st.sampled_from([*KNOWN, *KNOWN, "multicast", "msftwindow", "x"]).flatmap(
    lambda name: st.sampled_from([name, name.upper(), name.title()])
)
NUMBERS = st.sampled_from([0, 1, 2, 7, 8, 255, 256, 512, 1428, 32767, 65464, 65535, 65536, 200_000, 1 << 63])
VALUES = (NUMBERS | st.integers(0, 70_000)).map(lambda n: b"%d" % n) | st.binary(max_size=6)
ASKED = st.lists(st.tuples(NAMES.map(str.encode), VALUES), max_size=8, unique_by=lambda pair: pair[0].lower()).map(
    tuple
)
POLICIES = st.builds(
    Policy,
    max_blksize=st.sampled_from([8, 512, 1428, 65464]),
    max_windowsize=st.sampled_from([1, 4, 64, 65535]),
    refused=st.sets(st.sampled_from([name.encode() for name in KNOWN]), max_size=2).map(frozenset),
)
FACTS = st.builds(Facts, reading=st.booleans(), size=st.none() | st.integers(0, 1 << 40))


@given(ASKED, POLICIES, FACTS)
@example(pairs("WINDOWSIZE=65535 blksize2=65464"), Policy(max_windowsize=65535), READ)
def test_an_oack_never_goes_beyond_the_request(asked: Pairs, policy: Policy, facts: Facts) -> None:
    """Entries were asked, so ordered and spelled; sizes not above; timeout exact; tsize by its rules (C046)."""
    agreed = negotiate(asked, policy, facts)
    names = [name for name, _ in asked]
    positions = [names.index(name) for name, _ in agreed.options]
    assert positions == sorted(positions)
    assert len(set(positions)) == len(positions)
    wanted = {name.lower(): value for name, value in asked}
    granted = {name.lower(): value for name, value in agreed.options}
    assert not granted.keys() & policy.refused
    for name, value in granted.items():
        assert re.fullmatch(rb"0|[1-9][0-9]*", value)
        number, most = int(value), int(wanted[name])
        match name:
            case b"blksize" | b"blksize2":
                assert 8 <= number <= min(most, policy.max_blksize)
                assert agreed.blksize == number
                assert name == b"blksize" or number.bit_count() == 1
            case b"windowsize":
                assert 1 <= number <= min(most, policy.max_windowsize)
                assert agreed.windowsize == number
            case b"timeout":
                assert number == most == agreed.timeout
            case b"utimeout":
                assert number == most
                assert agreed.timeout == number / 1e6
            case b"tsize":
                assert number == (facts.size if facts.reading else most) == agreed.tsize
            case b"rollover":
                assert number == most == agreed.rollover
            case _:
                pytest.fail(f"{name!r} was granted")
    assert not granted.keys() >= {b"blksize", b"blksize2"}
    assert not granted.keys() >= {b"timeout", b"utimeout"}
    assert agreed.windowsize * agreed.blksize <= 4 << 20
    assert agreed.windowsize <= 32767


@given(ASKED, POLICIES, FACTS)
@example(pairs("windowsize=65535 blksize=8"), Policy(max_windowsize=65535), READ)
@example(pairs("windowsize=9000 blksize=64"), Policy(max_windowsize=65535), READ)
def test_our_client_takes_what_our_server_grants(asked: Pairs, policy: Policy, facts: Facts) -> None:
    """The client comes to the same terms from the OACK that the server sent (C046)."""
    agreed = negotiate(asked, policy, facts)
    assert agree(asked, agreed.options) == agreed


@pytest.mark.parametrize(
    ("asked", "oack"),
    [
        ("blksize=1428 tsize=0", "blksize=1428 tsize=77"),
        ("blksize=1428", "blksize=8"),
        ("windowsize=16", "windowsize=1"),
        ("BLKSIZE=600", "blksize=600"),
        ("blksize=600 tsize=0", "tsize=1 blksize=600"),
        ("blksize=600", ""),
        ("timeout=5", "timeout=5"),
        ("tsize=0", "tsize=5368709120"),
        ("rollover=1", "rollover=1"),
        ("windowsize=64 blksize=65464", "windowsize=64 blksize=65464"),
    ],
)
def test_a_client_accepts(asked: str, oack: str) -> None:
    """The client takes what it asked for or less, in any case and order (C003, C024, C046)."""
    terms = agree(pairs(asked), pairs(oack))
    granted = {name.decode().lower(): int(value) for name, value in pairs(oack)}
    assert terms.blksize == granted.get("blksize", 512)
    assert terms.windowsize == granted.get("windowsize", 1)
    assert terms.timeout == granted.get("timeout")
    assert terms.tsize == granted.get("tsize")
    assert terms.rollover == granted.get("rollover", 0)


@pytest.mark.parametrize(
    ("asked", "oack"),
    [
        ("", "blksize=600"),
        ("blksize=600", "tsize=5"),
        ("blksize=600", "blksize=601"),
        ("blksize=600", "blksize=7"),
        ("blksize=600", "blksize=0600x"),
        ("blksize=600", "blksize="),
        ("windowsize=4", "windowsize=5"),
        ("windowsize=4", "windowsize=0"),
        ("timeout=5", "timeout=4"),
        ("timeout=5", "timeout=6"),
        ("utimeout=200000", "utimeout=100000"),
        ("rollover=0", "rollover=1"),
        ("tsize=0", "tsize=-1"),
        ("multicast=1", "multicast=1"),
        ("blksize=x", "blksize=512"),
    ],
)
def test_a_client_refuses(asked: str, oack: str) -> None:
    """The client refuses what it did not ask, more than it asked, another timeout and what is no number (C046)."""
    with pytest.raises(OptionRefused):
        agree(pairs(asked), pairs(oack))
