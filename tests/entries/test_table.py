"""A table in terminals of any width."""

import pytest

from tftpd_tw.cli.table import Column, cut, lay_out

COLUMNS = (
    Column("id"),
    Column("name", shortest=6, tail=True),
    Column("why", shortest=8),
    Column("size", right=True, rank=1),
    Column("more", rank=2),
)
ROWS = [
    ("1", "boot/grub/menu.lst", "not-found", "-", "x"),
    ("22", "vmlinuz", "client-vanished", "12 MB", "y"),
]


def lines(width: int | None) -> list[str]:
    """The table."""
    return list(lay_out(COLUMNS, ROWS, width).lines(ROWS))


def test_all_of_it() -> None:
    """Without a width, or with one that does."""
    assert lines(None) == [
        "id  name                why               size  more",
        "1   boot/grub/menu.lst  not-found            -  x",
        "22  vmlinuz             client-vanished  12 MB  y",
    ]
    assert lines(52) == lines(None)


def test_what_is_cut() -> None:
    """The widest first: of a name the end stays, of others the beginning."""
    assert lines(42) == [
        "id  name         why            size  more",
        "1   ...menu.lst  not-found         -  x",
        "22  vmlinuz      client-va...  12 MB  y",
    ]


@pytest.mark.parametrize("width", range(1, 60))
def test_any_width(width: int) -> None:
    """Lines are no wider, down to what cannot be cut; columns of the highest rank go first."""
    layout = lay_out(COLUMNS, ROWS, width)
    found = lines(width)
    assert max(map(len, found)) <= max(width, 2 + 2 + 6 + 2 + 8)
    assert layout.left_out in ([], ["more"], ["size", "more"])
    if layout.left_out:
        assert max(map(len, lines(width + 40))) > width


def test_no_rows() -> None:
    """The titles alone."""
    assert list(lay_out(COLUMNS, []).lines([])) == ["id  name  why  size  more"]


@pytest.mark.parametrize(
    ("room", "head", "tail"),
    [
        (10, "0123456789", "0123456789"),
        (9, "012345...", "...456789"),
        (4, "0...", "...9"),
        (3, "...", "..."),
        (1, ".", "."),
    ],
)
def test_cutting(room: int, head: str, tail: str) -> None:
    """What is left says that something is missing."""
    assert (cut("0123456789", room), cut("0123456789", room, tail=True)) == (head, tail)
