"""A configuration file as a tree of values, and the line of each.

YAML; a file whose name ends in ``.json`` is JSON, in which ``//`` and ``#`` begin a comment as they do in many
guides. Both are read by PyYAML, for which JSON is a way to write YAML.

A key that is there twice is a mistake, which neither format's readers usually tell; all such mistakes are
reported together with whatever else is wrong.

A small file stays small: aliases and merges of aliases and merges, which could stand for more than any memory
holds, are counted for what they stand for, and a number of thousands of digits stays text.
"""

import re
from typing import Any

import yaml
from attrs import define, field

from tftpd_tw.service.setting import Path

DEFAULT_FILE = "/etc/tftpd/tftpd.yaml"
"""Read when it is there and no other is named."""

MOST_VALUES = 100_000
"""In one file, where an alias counts for all that it stands for."""

_LONGEST_NUMBER = 100
"""Digits. To read more takes Python long, or is refused by it."""

_NOT_FOR_YAML = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|#[^\n]*|\t')
"""Strings, which stay; comments, and the tabs that YAML has no room for."""

_ESCAPES = re.compile(r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)", re.IGNORECASE)
"""In a string of JSON; the groups are the two halves of a character that does not fit into one."""


class ConfigurationError(Exception):
    """The configuration has mistakes; one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@define
class ConfigFile:
    """What a file says."""

    name: str
    tree: dict[str, Any] = field(factory=dict)
    lines: dict[Path, int] = field(factory=dict)
    """Of every key and item; but not of what is inside of an alias, where its own line has to do."""
    problems: list[tuple[int, Path, str]] = field(factory=list)
    """Mistakes in spite of which it could be read, each with its line."""

    @classmethod
    def read(cls, name: str) -> "ConfigFile":
        """The file ``name``.

        :raises ConfigurationError: it cannot be read, or is no mapping in YAML or JSON
        """
        try:
            with open(name, encoding="utf-8") as file:
                return cls.parse(name, file.read())
        except OSError as error:
            raise ConfigurationError([f"{name}: {error.strerror}"]) from None
        except UnicodeDecodeError as error:
            raise ConfigurationError([f"{name}: not UTF-8 text ({error.reason})"]) from None

    @classmethod
    def parse(cls, name: str, text: str) -> "ConfigFile":
        """What the file ``name`` says with ``text`` in it.

        :raises ConfigurationError: it is no mapping in YAML or JSON
        """
        language = "JSON" if name.lower().endswith(".json") else "YAML"
        found = cls(name)
        try:
            if language == "JSON":
                text = _NOT_FOR_YAML.sub(_as_yaml, text)
            found._build(_Loader(text))
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            reason = f"the character U+{error.character:04X} is not allowed"
            raise ConfigurationError([f"{name}:{line}: not {language}: {reason}"]) from None
        except yaml.MarkedYAMLError as error:
            where = f"{name}:{error.problem_mark.line + 1}" if error.problem_mark is not None else name
            problem = f"{error.problem}{_advice(language, text, str(error.problem))}"
            raise ConfigurationError([f"{where}: not {language}: {problem}"]) from None
        except (ValueError, OverflowError) as error:
            # An escape in quotes that stands for no character.
            raise ConfigurationError([f"{name}: not {language}: {error}"]) from None
        except RecursionError:
            raise ConfigurationError([f"{name}: not {language}: nested too deep"]) from None
        return found

    def _build(self, loader: "_Loader") -> None:
        node = loader.get_single_node()
        if node is None or (node.tag == _NULL and not node.value):
            return  # nothing but comments, after `---` or without it
        if not isinstance(node, yaml.MappingNode):
            line = node.start_mark.line + 1
            raise ConfigurationError(
                [f"{self.name}:{line}: expected sections such as 'network:', got something else"]
            )
        tree = self._value(loader, node, ())
        # A section all of whose keys are commented out is null.
        self.tree = {section: {} if values is None else values for section, values in tree.items()}

    def _value(self, loader: "_Loader", node: yaml.Node, path: Path) -> Any:
        """The value of ``node``. An alias has that of what it stands for, or None inside of that: so it cannot
        lead in a circle.
        """
        if node in loader.built:
            value, size = loader.built[node]
            loader.count(size, node)
            return value
        loader.built[node] = None, 1
        before = loader.counted
        loader.count(1, node)
        value = None
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(loader, node, path)
        elif isinstance(node, yaml.SequenceNode):
            value = []
            for index, item in enumerate(node.value):
                self.lines[*path, index] = item.start_mark.line + 1
                value.append(self._value(loader, item, (*path, index)))
        else:
            value = _scalar(loader, node)
        loader.built[node] = value, loader.counted - before
        return value

    def _mapping(self, loader: "_Loader", node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            self._check_name(key)
            if key.value in first:
                self.problems.append(
                    (line, (*path, key.value), f"is there twice, first in line {first[key.value]}")
                )
            first.setdefault(key.value, line)
        if any(key.tag == _MERGE for key, _ in node.value):
            loader.flatten_mapping(node)
        values = {}
        for key, value in node.value:
            self._check_name(key)
            # By its text: `on: 1` has the key "on", and not True.
            inner = (*path, key.value)
            self.lines[inner] = key.start_mark.line + 1
            values[key.value] = self._value(loader, value, inner)
        return values

    def _check_name(self, key: yaml.Node) -> None:
        if not isinstance(key, yaml.ScalarNode):
            line = key.start_mark.line + 1
            raise ConfigurationError([f"{self.name}:{line}: expected a name before the colon, got something else"])


_PLAIN_NUMBERS = {
    "tag:yaml.org,2002:int": re.compile(r"[-+]?(0|[1-9][0-9]*)$"),
    "tag:yaml.org,2002:float": re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"),
}
"""What is a number. YAML 1.1 has more, which nobody means: 010 would be eight, and 1:30 ninety. It stays text."""


class _Loader(yaml.SafeLoader):
    """PyYAML's, which counts, and knows fewer numbers."""

    yaml_implicit_resolvers = {
        first: [(tag, _PLAIN_NUMBERS.get(tag, pattern)) for tag, pattern in resolvers]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.counted = 0
        """Values so far, in all."""
        self.built: dict[yaml.Node, tuple[Any, int]] = {}
        """The value of each node, and how many values it is made of; while it is being built, None and 1."""

    def count(self, more: int, node: yaml.Node) -> None:
        """There are so many ``more`` values, at ``node``.

        :raises yaml.MarkedYAMLError: that is too much
        """
        self.counted += more
        if self.counted > MOST_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f"more than {MOST_VALUES} values, with all that aliases stand for",
                problem_mark=node.start_mark,
            )

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what is merged into ``node``. PyYAML calls it for each part, too, before it takes that."""
        super().flatten_mapping(node)
        self.count(len(node.value), node)


def _advice(language: str, text: str, problem: str) -> str:
    """What to do about a mistake that the parser describes in its own way only."""
    if "'\\t'" in problem:
        return "; indent with spaces instead of tabs"
    if language == "YAML" and re.search(r"(^|\s)//", text):
        return "; // begins a comment only if the name of the file ends in .json"
    return ""


def _as_yaml(match: re.Match[str]) -> str:
    """What stands in YAML for what :data:`_NOT_FOR_YAML` has found in JSON."""
    if match[1]:
        return _ESCAPES.sub(_whole, match[1])
    return " " if match[0] == "\t" else ""


def _whole(match: re.Match[str]) -> str:
    if not match[1]:
        return match[0]
    return f"\\U{0x10000 + ((int(match[1], 16) & 0x3FF) << 10) + (int(match[2], 16) & 0x3FF):08X}"


def _scalar(loader: _Loader, node: yaml.Node) -> Any:
    if len(node.value) > _LONGEST_NUMBER and node.tag in _PLAIN_NUMBERS:
        return node.value
    try:
        return loader.construct_object(node)
    except (ValueError, OverflowError, KeyError, AttributeError):
        return node.value  # a date such as 2024-99-99, or a tag such as !!bool before what is none


_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
