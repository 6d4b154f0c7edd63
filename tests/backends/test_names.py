"""Names: what a client may call a file, and what that is under the root or in a log."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tftpd_tw.backends.names import name_of, normalise
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound, TFTPError
from tftpd_tw.protocol.text import escaped

awkward = st.lists(st.sampled_from([b"..", b".", b"/", b"\\", b"C:", b"a", b"%2e", b"\n", b"\xff"]))
names = st.binary(min_size=1, max_size=600) | awkward.map(b"".join)


@pytest.mark.parametrize(
    ("name", "components"),
    [
        (b"f1024", (b"f1024",)),
        (b"/f1024", (b"f1024",)),
        (b"//f1024", (b"f1024",)),
        (b"./f1024", (b"f1024",)),
        (b"a//b/./c", (b"a", b"b", b"c")),
        (b"\\boot\\f1024", (b"boot", b"f1024")),
        (b"C:\\boot\\f", (b"boot", b"f")),
        (b"c:f", (b"f",)),
        (b"\\\\host\\share\\x", (b"host", b"share", b"x")),
        (b"....//x", (b"....", b"x")),
        (b"..././x", (b"...", b"x")),
        (b"%2e%2e/x", (b"%2e%2e", b"x")),
        (b"..%2fx", (b"..%2fx",)),
        (b"..;/x", (b"..;", b"x")),
        (b"~root/x", (b"~root", b"x")),
        (b"f;mode=octet", (b"f;mode=octet",)),
        (b"f%00.txt", (b"f%00.txt",)),
        (b"-rf", (b"-rf",)),
        (b"a\nb", (b"a\nb",)),
        (b"\xff\xfe", (b"\xff\xfe",)),
        (b"1:f", (b"1:f",)),
        (b"a" * 255, (b"a" * 255,)),
    ],
)
def test_spellings_of_one_place(name, components):
    """C027, C029, C033, C034, S020: slashes, dots and drives are spelling; everything else is literal."""
    assert normalise(name) == components


@pytest.mark.parametrize(
    "name",
    [
        b"../x",
        b"..",
        b"a/..",
        b"a/../../x",
        b"./../x",
        b"..\\x",
        b"a\\..\\..\\x",
        b"a/..\\x",
        b"C:..\\x",
        b"/..",
        b"x/../f",
    ],
)
def test_upwards_is_refused(name):
    """S020: a component that leads upwards is refused in any spelling, even where it would stay inside."""
    with pytest.raises(AccessViolation):
        normalise(name)


@pytest.mark.parametrize(
    "name", [b"f/", b"dir//", b"f/.", b"f/./", b"f\\", b"/", b".", b"./", b"//", b"C:", b"C:\\", b""]
)
def test_directory_names_are_refused(name):
    """C006, C030: a name that ends like a directory's, or is none, is never a file."""
    with pytest.raises(AccessViolation):
        normalise(name)


@pytest.mark.parametrize("length", [256, 480])
def test_too_long_component_is_not_found(length):
    """C029: a component that no file system can hold names no file."""
    with pytest.raises(FileNotFound):
        normalise(b"sub/" + b"a" * length)


def test_nul_is_refused():
    """S020: a name that would be cut at its NUL is refused."""
    with pytest.raises(AccessViolation):
        normalise(b"f\0.txt")


@given(names)
@example(b"a" * 300)
def test_components_are_plain(name):
    """S020: whatever is asked for, what comes out are names of entries of a directory, or an error of ours."""
    try:
        components = normalise(name)
    except (AccessViolation, FileNotFound):
        return
    assert components
    for component in components:
        assert component not in (b"", b".", b"..")
        assert 1 <= len(component) <= 255
        assert not set(component) & set(b"/\\\0")


@given(st.binary(max_size=300), st.integers(3, 200))
def test_escaped_is_printable_and_short(name, limit):
    """C028, S038: nothing but printable ASCII, no bare quote, and never more than the limit."""
    shown = escaped(name, limit)
    assert len(shown) <= limit
    assert all(0x20 <= ord(character) < 0x7F for character in shown)
    bare = shown.replace("\\\\", "").replace('\\"', "").replace("\\'", "")
    assert '"' not in bare
    assert "'" not in bare


@given(names)
@example(b"/c:/f")
def test_back_to_a_name(name):
    """C033: the name that is made of components means these components, also if one looks like a drive."""
    try:
        components = normalise(name)
    except TFTPError:
        return
    assert normalise(name_of(components)) == components


@given(st.binary(max_size=30))
def test_escaped_loses_nothing(name):
    """C028: what is not cut can be read back, so two names never look the same."""
    assert escaped(name, 1000).encode("ascii").decode("unicode_escape").encode("latin-1") == name


@pytest.mark.parametrize(
    ("name", "limit", "shown"),
    [
        (b"plain/name-1.0", 128, "plain/name-1.0"),
        (b"a\r\nb\x1b\x01", 128, "a\\x0d\\x0ab\\x1b\\x01"),
        (b"\xff\\\"'", 128, "\\xff\\\\\\\"\\'"),
        (b"a" * 129, 128, "a" * 125 + "..."),
        (b"a" * 128, 128, "a" * 128),
        (b"ab\xff\xff", 9, "ab\\xff..."),
        (b"abc\xff\xff", 9, "abc..."),
    ],
)
def test_escaped_examples(name, limit, shown):
    """C028, S038: how names look in a log line, and that they are cut between two bytes of the name."""
    assert escaped(name, limit) == shown
