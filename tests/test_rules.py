"""Every rule that a number stands for is explained, and every rule of the protocol has a test that names it.

``docs/protocol.md`` explains the rules of the protocol (C) and the facts of the platform (K), ``docs/trust.md``
the threats (S) and the faults (F), each in a table with the number in its first column.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve()
PROJECT = HERE.parent.parent
DOCUMENTS = {"protocol.md": "CK", "trust.md": "SF"}
"""Each with the letters of the numbers that it explains."""

NUMBER = r"C\d{3}|S\d{2}[0-9a-f]|F\d{2}|K[1-9]"
NAMED = re.compile(rf"\b({NUMBER})(?: to ({NUMBER}))?\b")
ROW = re.compile(rf"^\| ({NUMBER}) \|(.*)\|$", re.MULTILINE)


def rows(document: str) -> list[tuple[str, list[str]]]:
    """The numbers that a document explains, in its order, and the other cells of their rows."""
    text = (PROJECT / "docs" / document).read_text()
    return [(number, [cell.strip() for cell in cells.split(" | ")]) for number, cells in ROW.findall(text)]


EXPLAINED = [number for document in DOCUMENTS for number, _ in rows(document)]


def sources(folder: str) -> list[Path]:
    """The Python files beneath ``folder``, without this one, whose numbers prove nothing."""
    return [path for path in sorted((PROJECT / folder).rglob("*.py")) if path != HERE]


def named(text: str) -> Iterator[str]:
    """The numbers in ``text``: ``C040 to C044`` names its two ends and the rules between them."""
    for first, last in NAMED.findall(text):
        yield first
        if last:
            yield last
            yield from (number for number in EXPLAINED if first < number < last)


NAMED_BY_TESTS = frozenset(number for path in sources("tests") for number in named(path.read_text()))


@pytest.mark.parametrize("rule", sorted(number for number in EXPLAINED if number[0] == "C"))
def test_every_rule_of_the_protocol_has_a_test(rule: str) -> None:
    """Some test says of itself that it is about this rule."""
    assert rule in NAMED_BY_TESTS


@pytest.mark.parametrize("folder", ["tftpd_tw", "tests"])
def test_every_number_is_explained(folder: str) -> None:
    """Whoever reads a number in the code finds it in the documents."""
    unknown = {
        f"{path.relative_to(PROJECT)}: {number}"
        for path in sources(folder)
        for number in named(path.read_text())
        if number not in EXPLAINED
    }
    assert sorted(unknown) == []


def test_every_number_has_one_row() -> None:
    """No number is explained twice."""
    assert [number for number, count in Counter(EXPLAINED).items() if count > 1] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_rows_are_complete(document: str) -> None:
    """Each row has its number, in its own document, two filled cells, and a level if it is a rule."""
    table = rows(document)
    assert table
    for number, cells in table:
        assert number[0] in DOCUMENTS[document], number
        assert len(cells) == 2, number
        assert all(cells), number
        if number[0] == "C":
            assert re.search(r"(^|, )[MSOP]$", cells[0]), number


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_only_what_is_explained(document: str) -> None:
    """One row may point at another, but not at nothing."""
    text = (PROJECT / "docs" / document).read_text()
    assert sorted(set(named(text)) - set(EXPLAINED)) == []
