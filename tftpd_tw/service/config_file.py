"""A configuration file as a tree of values, and the line of each.

YAML; a file whose name ends in ``.json`` is JSON, in which ``//`` and ``#`` begin a comment as they do in many
guides. Both are read by PyYAML, for which JSON is a way to write YAML.

A key that is there twice is a mistake, which neither format's readers usually tell; all such mistakes are
reported together with whatever else is wrong.
"""

import re
from typing import Any

import yaml
from attrs import define, field

Path = tuple[str | int, ...]
"""Where a value stands in the tree: ``("network", "addresses", 0)``."""

_NOT_FOR_YAML = re.compile(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|#[^\n]*|\t')
"""Strings, which stay; comments, and the tabs that YAML has no room for."""


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
        language = "JSON" if name.endswith(".json") else "YAML"
        found = cls(name)
        try:
            with open(name, encoding="utf-8") as file:
                text = file.read()
            if language == "JSON":
                text = _NOT_FOR_YAML.sub(lambda match: match[1] or (" " if match[0] == "\t" else ""), text)
            found._build(yaml.SafeLoader(text))
        except OSError as error:
            raise ConfigurationError([f"{name}: {error.strerror}"]) from None
        except UnicodeDecodeError as error:
            raise ConfigurationError([f"{name}: not UTF-8 text ({error.reason})"]) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            reason = f"the character U+{error.character:04X} is not allowed"
            raise ConfigurationError([f"{name}:{line}: not {language}: {reason}"]) from None
        except yaml.MarkedYAMLError as error:
            where = f"{name}:{error.problem_mark.line + 1}" if error.problem_mark is not None else name
            raise ConfigurationError([f"{where}: not {language}: {error.problem}"]) from None
        except (ValueError, OverflowError) as error:
            # An escape in quotes that stands for no character.
            raise ConfigurationError([f"{name}: not {language}: {error}"]) from None
        except RecursionError:
            raise ConfigurationError([f"{name}: not {language}: nested too deep"]) from None
        return found

    def _build(self, loader: yaml.SafeLoader) -> None:
        node = loader.get_single_node()
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            line = node.start_mark.line + 1
            raise ConfigurationError(
                [f"{self.name}:{line}: expected sections such as 'network:', got something else"]
            )
        tree = self._value(loader, node, (), {})
        # A section all of whose keys are commented out is null.
        self.tree = {section: {} if values is None else values for section, values in tree.items()}

    def _value(self, loader: yaml.SafeLoader, node: yaml.Node, path: Path, built: dict[yaml.Node, Any]) -> Any:
        """The value of ``node``; ``built`` has those of nodes before, or None while one is being built, so that an
        alias can neither lead in a circle nor make a small file large.
        """
        if node in built:
            return built[node]
        built[node] = None
        if isinstance(node, yaml.MappingNode):
            built[node] = self._mapping(loader, node, path, built)
        elif isinstance(node, yaml.SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self.lines[*path, index] = item.start_mark.line + 1
                items.append(self._value(loader, item, (*path, index), built))
            built[node] = items
        else:
            built[node] = _scalar(loader, node)
        return built[node]

    def _mapping(
        self, loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path, built: dict[yaml.Node, Any]
    ) -> dict[str, Any]:
        first: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigurationError(
                    [f"{self.name}:{line}: expected a name before the colon, got something else"]
                )
            if key.value in first:
                self.problems.append(
                    (line, (*path, key.value), f"is there twice, first in line {first[key.value]}")
                )
            first.setdefault(key.value, line)
        loader.flatten_mapping(node)
        values = {}
        for key, value in node.value:
            # By its text: `on: 1` has the key "on", and not True.
            inner = (*path, key.value)
            self.lines[inner] = key.start_mark.line + 1
            values[key.value] = self._value(loader, value, inner, built)
        return values


def _scalar(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    try:
        return loader.construct_object(node)
    except (ValueError, OverflowError):
        return node.value  # a date such as 2024-99-99
