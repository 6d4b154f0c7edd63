"""Files as trees of values with lines: YAML, and JSON with comments."""

import re
import tracemalloc
from pathlib import Path

import pytest

from tftpd_tw.service import config_file
from tftpd_tw.service.config_file import ConfigFile, ConfigurationError


@pytest.fixture
def json_file(tmp_path: Path) -> Path:
    """Where JSON may be written."""
    return tmp_path / "tftpd.json"


@pytest.fixture
def yaml_file(tmp_path: Path) -> Path:
    """Where YAML may be."""
    return tmp_path / "tftpd.yaml"


def refusal(file: Path) -> str:
    """The one line that it is refused with."""
    with pytest.raises(ConfigurationError) as caught:
        ConfigFile.read(str(file))
    [line] = caught.value.problems
    return line.removeprefix(str(file))


JSON = """{
\t"performance": {  // all about speed
    "block_size": 8192,   // "quoted" in a comment
    # a whole line
    "name": "http://x/#1 \\"//\\"",  # after a value
\t"none": null, "yes": true, "list": [1,
      2.5]
  }
}
// the end"""


def test_json_with_comments(json_file: Path) -> None:
    """Comments and tabs vanish outside of strings, and no line moves."""
    json_file.write_text(JSON)
    found = ConfigFile.read(str(json_file))
    assert found.tree == {
        "performance": {
            "block_size": 8192,
            "name": 'http://x/#1 "//"',
            "none": None,
            "yes": True,
            "list": [1, 2.5],
        }
    }
    assert found.lines[("performance", "block_size")] == 3
    assert found.lines[("performance", "name")] == 5
    assert found.lines[("performance", "list", 1)] == 7
    assert found.problems == []


def test_a_mistake_in_json(json_file: Path) -> None:
    """It is named what it is, with its line."""
    json_file.write_text('{\n  "a": 1 // no comma\n  "b": 2\n}\n')
    assert refusal(json_file).startswith(":3: not JSON: ")
    json_file.write_text('{\n  "a": "never\n  ends }\n')
    assert refusal(json_file).startswith(":4: not JSON: ")


def test_comments_of_json_are_none_of_yaml(yaml_file: Path) -> None:
    """There ``//`` is text."""
    yaml_file.write_text("a: {b: //x}\n")
    assert ConfigFile.read(str(yaml_file)).tree == {"a": {"b": "//x"}}


def test_every_repeated_key_is_told(yaml_file: Path) -> None:
    """At any depth, and all of them; what is beside them is read all the same."""
    yaml_file.write_text("a:\n  b: 1\n  c: 2\n  b: 3\nd: [{e: 1, e: 2}]\na: {}\n")
    found = ConfigFile.read(str(yaml_file))
    assert sorted(found.problems) == [
        (4, ("a", "b"), "is there twice, first in line 2"),
        (5, ("d", 0, "e"), "is there twice, first in line 5"),
        (6, ("a",), "is there twice, first in line 1"),
    ]
    assert found.tree["d"] == [{"e": 2}]


def test_keys_are_text(yaml_file: Path) -> None:
    """Whatever YAML would make of them."""
    yaml_file.write_text("clients:\n  on: 1\n  10: 2\n  2024-01-01: 3\n")
    found = ConfigFile.read(str(yaml_file))
    assert found.tree == {"clients": {"on": 1, "10": 2, "2024-01-01": 3}}
    assert found.lines[("clients", "on")] == 2


def test_aliases_in_a_circle(yaml_file: Path) -> None:
    """They end, with nothing where it closes."""
    yaml_file.write_text("a: &a [1, *a, {b: *a}]\n")
    assert ConfigFile.read(str(yaml_file)).tree == {"a": [1, None, {"b": None}]}


def levels(first: str, each: str) -> str:
    """A file of 30 levels, each of which has the one before it ten times."""
    lines = [f"l0: &l0 {first}"]
    for level in range(1, 30):
        ten = ", ".join([f"*l{level - 1}"] * 10)
        lines.append(f"l{level}: &l{level} {each.format(ten)}")
    return "\n".join(lines)


BOMBS = {
    "aliases": levels("[x]", "[{}]"),
    "merges": levels("{x: 1}", "{{<<: [{}]}}"),
    "a long list again and again": f"l: &l [{'1, ' * 1000}]\na: [{'*l, ' * 1000}]\n",
    "a long merge again and again": f"l: &l {{{', '.join(f'k{n}: 1' for n in range(1000))}}}\n"
    f"a: {{<<: [{'*l, ' * 1000}]}}\n",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_small_file_that_stands_for_a_large_one(text: str, yaml_file: Path) -> None:
    """It is refused, before it takes any memory."""
    yaml_file.write_text(text)
    tracemalloc.start()
    try:
        line = refusal(yaml_file)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert re.fullmatch(r":\d+: not YAML: more than 100000 values, with all that aliases stand for", line)
    assert most < 100 << 20


def test_aliases_count_for_what_they_stand_for(yaml_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly, at any depth: here all, two sections, a list with a value, and the two again."""
    yaml_file.write_text("a: {l: &l [x]}\nb: {l: *l}\n")
    for most in (7, 8):
        monkeypatch.setattr(config_file, "MOST_VALUES", most)
        ConfigFile.read(str(yaml_file))
    monkeypatch.setattr(config_file, "MOST_VALUES", 6)
    assert refusal(yaml_file).startswith(":1: not YAML: more than 6 values")


@pytest.mark.parametrize(
    "number",
    [
        "9" * 5000,
        "-" + "9" * 5000,
        "0x" + "f" * 5000,
        "0b" + "1" * 400_000,
        "1" + ":59" * 30_000,
        "9" * 5000 + ".0",
    ],
    ids=lambda number: number[:4],
)
def test_a_number_of_thousands_of_digits(number: str, yaml_file: Path) -> None:
    """It stays text, which is no number for those who expect one."""
    yaml_file.write_text(f"network: {{port: {number}}}\n")
    assert ConfigFile.read(str(yaml_file)).tree == {"network": {"port": number}}


@pytest.mark.parametrize("tag", ["int", "float", "bool", "timestamp"])
def test_a_tag_before_something_else(tag: str, yaml_file: Path) -> None:
    """That stays text as well."""
    yaml_file.write_text(f"network: {{port: !!{tag} abc}}\n")
    assert ConfigFile.read(str(yaml_file)).tree == {"network": {"port": "abc"}}


def test_characters_in_two_halves(json_file: Path) -> None:
    """JSON writes some characters as two escapes; a half alone stays one, and is refused where it is used."""
    json_file.write_text(
        r'{"a": ["\ud83d\ude00", "x\uD83D\uDE00y", "\\ud83d\ude00", "\ud83d", "\ude00\ud83d", "\u00e9\/"]}'
    )
    assert ConfigFile.read(str(json_file)).tree == {
        "a": ["\U0001f600", "x\U0001f600y", "\\ud83d\ude00", "\ud83d", "\ude00\ud83d", "\xe9/"]
    }


def test_a_merged_value_has_the_line_where_it_stands(yaml_file: Path) -> None:
    """And a key beside it goes first."""
    yaml_file.write_text("a: &a\n  x: 1\n  y: 2\nb:\n  <<: *a\n  x: 3\n")
    found = ConfigFile.read(str(yaml_file))
    assert found.tree["b"] == {"x": 3, "y": 2}
    assert (found.lines[("b", "x")], found.lines[("b", "y")]) == (6, 3)
    assert found.problems == []


@pytest.mark.parametrize("text", ["", "# a: 1\n", "---\n", "---\n# a: 1\n", "---\n...\n"])
def test_nothing_but_comments(text: str, yaml_file: Path) -> None:
    """It says nothing, which is no mistake."""
    yaml_file.write_text(text)
    assert ConfigFile.read(str(yaml_file)).tree == {}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: \x07\n", ":2: not YAML: the character U+0007 is not allowed"),
        ("a: 1\n---\nb: 1\n", ":2: not YAML: but found another document"),
        ("[" * 100_000, ": not YAML: nested too deep"),
        ("a: {<<: {[1]: 2}}\n", ":1: expected a name before the colon, got something else"),
        ("{a: 1}: 2\n", ":1: expected a name before the colon, got something else"),
        ("a: *b\n", ":1: not YAML: found undefined alias 'b'"),
        ('a: "\\U7FFFFFFF"\n', ": not YAML: chr() arg not in range(0x110000)"),
        ("a\n", ":1: expected sections such as 'network:', got something else"),
        (
            "a:\n\tb: 1\n",
            ":2: not YAML: found character '\\t' that cannot start any token; indent with spaces instead of tabs",
        ),
        (
            '{"a": {\n  "b": 1,  // one\n  "c": 2}}\n',
            ":3: not YAML: expected ',' or '}', but got ':'; // begins a comment only if the name of the file ends"
            " in .json",
        ),
        ("{a: 'http://x', b: 1, # one\nc: 2: 3}\n", ":2: not YAML: expected ',' or '}', but got ':'"),
    ],
)
def test_what_cannot_be_read(text: str, line: str, yaml_file: Path) -> None:
    """One line, never a traceback."""
    yaml_file.write_text(text)
    assert refusal(yaml_file) == line
