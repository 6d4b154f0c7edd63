"""Globs: what they mean, and that no name makes them slow."""

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftpd_tw.policy.globs import LONGEST_GLOB, Globs

MEANS = [
    ("*.key", "a.key b/c.key x.key/inside", "key a.keys a.key.txt"),
    ("secret", "secret a/secret secret/f a/secret/b/f", "secrets a/secretly"),
    ("secret/", "secret/f a/secret/f", "secret a/secret"),
    ("/secret", "secret secret/f", "a/secret"),
    ("a/b", "a/b a/b/c", "x/a/b ab a/bc"),
    ("a/*/c", "a/b/c a/xx/c/d", "a/c a/b/b/c"),
    ("a/**/c", "a/c a/b/c a/b/b/c a/c/d", "c ab/c a/bc"),
    ("**/a/b", "a/b x/a/b x/y/a/b/c", "ab xa/b"),
    ("a/**", "a/b a/b/c", "a b ab/c"),
    ("**/a/**/b/**/c", "a/b/c x/a/x/b/x/c a/a/b/b/c/c", "a/c/b a/b x/b/a/c"),
    ("**", "a a/b .x", ""),
    ("*", "a a/b .x", ""),
    ("a/**/**/b", "a/b a/x/b", "a b"),
    (".*", ".x .ssh/id a/.b", "x a/b x."),
    ("??", "ab a/bc ab/x", "a abc"),
    ("[a-c]x", "ax bx z/cx", "dx Ax -x"),
    ("[!a-c]x", "dx -x", "ax bx x"),
    ("[]x]", "] x", "[]"),
    ("[*]", "*", "a"),
    ("[[]x", "[x", "x"),
    ("x.y", "x.y", "xay"),
    ("x+(y)|z", "x+(y)|z", "xy z"),
    ("a*b*c*d", "abcd axbxcxd a/abbccd", "abc axd"),
    ("01-??-*", "01-aa-bb", "01-aa"),
]


@pytest.mark.parametrize(("glob", "these", "not_those"), MEANS, ids=[row[0] for row in MEANS])
def test_what_a_glob_means(glob, these, not_those):
    """Stars stay within a component, a name alone is found at any depth, and a folder is all that is in it."""
    globs = Globs.compile([glob.encode()])
    assert [name for name in these.split() if not globs.match(name.encode())] == []
    assert [name for name in not_those.split() if globs.match(name.encode())] == []


def test_names_are_bytes():
    """Neither an encoding nor a line feed means anything."""
    globs = Globs.compile([b"\xff*", b"a?b"])
    assert globs.match(b"\xff\xfe")
    assert globs.match(b"a\nb")
    assert not Globs.compile([b"a"]).match(b"a\n")


def test_case():
    """Letters differ by case unless told otherwise, and then only those of ASCII are the same."""
    assert not Globs.compile([b"*.KEY"]).match(b"a.key")
    assert Globs.compile([b"*.KEY"], ignore_case=True).match(b"a.key")
    assert not Globs.compile([b"\xc4"], ignore_case=True).match(b"\xe4")


def test_several_and_none():
    """A set means what any of its globs means; an empty one means nothing."""
    globs = Globs.compile([b"a", b"b/c"])
    assert globs.match(b"x/a")
    assert globs.match(b"b/c")
    assert not globs.match(b"c")
    assert not Globs.compile([]).match(b"a")
    assert not Globs.compile([]).match(b"")


def test_extensions():
    """Only the last component counts, in any case; the empty extension is that of names without a dot."""
    globs = Globs.extensions([b".cfg", b"0", b""])
    for name in (b"a.cfg", b"x/A.CFG", b"pxelinux.0", b"vmlinuz", b"pxelinux.cfg/default", b"a.b.cfg"):
        assert globs.match(name), name
    for name in (b"a.cfgx", b"a.key", b"x.cfg/a.key", b".cfg", b"a.0.gz"):
        assert not globs.match(name), name


@pytest.mark.parametrize(
    "glob", ["", "/", "//", "a//b", ".", "../x", "a/./b", "[a", "a/[!", "[a/b]", "x" * (LONGEST_GLOB + 1)]
)
def test_what_is_no_glob(glob):
    """It is refused, and shown."""
    with pytest.raises(ValueError, match="expected"):
        Globs.compile([glob.encode()])


@pytest.mark.parametrize("text", ["a/b", "*.cfg", "*", "c?g", ".[ab]"])
def test_what_is_no_extension(text):
    """A folder is none, and no glob."""
    with pytest.raises(ValueError, match=rf"expected an extension as '\.cfg', got {re.escape(repr(text))}"):
        Globs.extensions([text.encode()])


def naive(pattern, path):
    """The same in the plainest words: try everything."""
    if not pattern:
        return True
    if pattern[0] == "**":
        return any(naive(pattern[1:], path[at:]) for at in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and naive(pattern[1:], path[1:])


COMPONENT = st.text("ab.*?", min_size=1, max_size=4).filter(
    lambda part: part not in (".", "..") and "**" not in part
)


@given(
    st.lists(COMPONENT | st.just("**"), min_size=2, max_size=6).filter(lambda parts: parts[-1] != "**"),
    st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=6),
)
def test_the_first_place_that_fits_is_as_good_as_any(pattern, path):
    """Keeping it never misses what trying everything would have found."""
    globs = Globs.compile(["/".join(pattern).encode()])
    assert globs.match("/".join(path).encode()) == naive(pattern, path)


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("*a*a*a*a*a*a*a*a*a*a*a*b", "a" * 255),
        ("*a?*a?*a?*a?*a?*a?*a?*a?*b", "a" * 255),
        ("**/a/**/a/**/a/**/a/**/a/**/b", "a/" * 250 + "a"),
        ("**/*a/**/*a/**/*a/**/*a/**/*a/**/*b", "a/" * 250 + "a"),
        ("**/*/*/*/*/*/*/*/*/*/*/b", "a/" * 250 + "a"),
        ("*".join("a" * 100) + "b", "a" * 500),
    ],
)
@pytest.mark.timeout(20)
def test_no_name_makes_a_glob_slow(glob, name):
    """A thousand of the worst take less than the test may; stars that tried all ways would never end."""
    globs = Globs.compile([glob.encode()])
    for _ in range(1000):
        assert not globs.match(name.encode())
