"""Sizes and times as people write them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftpd_tw.service.units import duration, read_size, read_time, size, write_size, write_time


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (0, 0),
        (65536, 65536),
        ("65536", 65536),
        ("64KiB", 65536),
        ("64 KiB", 65536),
        ("64kib", 65536),
        ("1Gi", 1 << 30),
        ("4GiB", 4 << 30),
        ("512MB", 512_000_000),
        ("1.5Ki", 1536),
        ("3kB", 3000),
        ("2TiB", 2 << 40),
        ("9007199254740993", 9007199254740993),
        ("10B", 10),
    ],
)
def test_sizes(text: object, size: int) -> None:
    """Powers of 1024 have an i; what has none is decimal."""
    assert read_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "KiB", "64K", "1M", "-1", "1e6", "0.3KiB", "64 KiBs", "٣", True, 1.5, None, [1]]
)
def test_what_is_no_size(text: object) -> None:
    """A lone K or M could mean either."""
    with pytest.raises(ValueError, match=r"."):
        read_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (5, 5.0),
        (0.5, 0.5),
        ("5", 5.0),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("2 d", 172800.0),
    ],
)
def test_times(text: object, seconds: float) -> None:
    """Bare numbers are seconds."""
    assert read_time(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5w", "1h30m", "-1s", True, None, {}])
def test_what_is_no_time(text: object) -> None:
    """Not guessed at."""
    with pytest.raises(ValueError, match=r"."):
        read_time(text)


@given(st.integers(0, 1 << 50))
def test_a_size_comes_back(size: int) -> None:
    """What is written is read as the same."""
    assert read_size(write_size(size)) == size


@given(st.one_of(st.floats(0, 1e7), st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000)))
def test_a_time_comes_back(seconds: float) -> None:
    """The same for times."""
    assert math.isclose(read_time(write_time(seconds)), seconds, rel_tol=0, abs_tol=0)


@pytest.mark.parametrize(
    ("size", "text"), [(0, 0), (1000, 1000), (65536, "64KiB"), (1536, 1536), (8 << 20, "8MiB")]
)
def test_a_size_is_shown_short(size: int, text: object) -> None:
    """In the largest unit that fits exactly."""
    assert write_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.0, "5s"), (0.5, "500ms"), (3600.0, "1h"), (90.0, "90s"), (0.0, 0)]
)
def test_a_time_is_shown_short(seconds: float, text: object) -> None:
    """The same for times."""
    assert write_time(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (12_345_678, "12.3 MB"),
        (5e12, "5.00 TB"),
        (999_999, "1.00 MB"),
    ],
)
def test_a_size_is_shown_rounded(count: float, text: str) -> None:
    """Three digits and a unit."""
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00041, "0.41 ms"),
        (0.5, "500 ms"),
        (1, "1.00 s"),
        (59.9, "59.9 s"),
        (61, "1 min 1 s"),
        (7260, "2 h 1 min"),
        (3 * 86400 + 3700, "3 days 1 h"),
    ],
)
def test_a_time_is_shown_rounded(seconds: float, text: str) -> None:
    """Two units at most."""
    assert duration(seconds) == text
