"""From a YAML file and the command line to a :class:`~tftpd_tw.service.configuration.Configuration`.

Both become one tree of values, the command line on top, which is then checked in one go: every mistake is
reported, each with where it stands (``tftpd.yaml:7`` or ``--port``), what was expected, and for an unknown key
the nearest known one.
"""

import difflib
from collections.abc import Iterator
from typing import Any

import attrs
import yaml
from attrs import define, field
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from tftpd_tw.service.configuration import PARSERS, Configuration

Path = tuple[str | int, ...]
"""Where a value stands in the tree: ``("network", "addresses", 0)``."""

Setting = tuple[str, str]
"""A section and a key."""


_DEEPEST = 3


class ConfigurationError(Exception):
    """The configuration has mistakes; one line for each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@define
class Sources:
    """Values from all sides, and where each came from."""

    tree: dict[str, Any] = field(factory=dict)
    places: dict[Path, str] = field(factory=dict)

    def add_file(self, name: str) -> None:
        """Read the YAML file ``name``.

        :raises ConfigurationError: it cannot be read or is no YAML mapping
        """
        try:
            with open(name, encoding="utf-8") as file:
                node = yaml.compose(file, yaml.SafeLoader)
            lines = list(_lines(node, ())) if node is not None else []
            tree = yaml.SafeLoader("").construct_document(node) if node is not None else {}
        except OSError as error:
            raise ConfigurationError([f"{name}: {error.strerror}"]) from None
        except UnicodeDecodeError as error:
            raise ConfigurationError([f"{name}: not UTF-8 text ({error.reason})"]) from None
        except yaml.YAMLError as error:
            raise ConfigurationError([_syntax_error(name, error)]) from None
        except ValueError as error:
            # A date such as 2024-99-99.
            raise ConfigurationError([f"{name}: {error}"]) from None
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            raise ConfigurationError([f"{name}:1: expected sections such as 'network:', got something else"])
        # A section all of whose keys are commented out is null.
        self.tree = {section: {} if values is None else values for section, values in tree.items()}
        twice = []
        for path, line in lines:
            if path in self.places:
                twice.append(f"{name}:{line}: {_dotted(path)}: is there twice, first in line {self._line(path)}")
            else:
                self.places[path] = f"{name}:{line}"
        if twice:
            raise ConfigurationError(twice)

    def add_option(self, option: str, path: Setting, text: str, *, literal: bool = False) -> None:
        """Set ``path`` to what ``text`` would be in the file, or to ``text`` itself."""
        try:
            value = text if literal else yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):
            value = text
        self._put(option, path, value if isinstance(value, int | float | bool) else text)

    def add_option_item(self, option: str, path: Setting, text: str) -> None:
        """Append to the list at ``path``, which replaces one of the file."""
        section, key = path
        items = self.tree[section][key] if self.places.get(path) == option else []
        self._put(option, path, [*items, text])

    def _line(self, path: Path) -> str:
        return self.places[path].rpartition(":")[2]

    def _put(self, option: str, path: Setting, value: Any) -> None:
        section, key = path
        values = self.tree.get(section) or {}
        if not isinstance(values, dict):
            return  # a mistake of the file, which will be reported as such
        self.tree[section] = {**values, key: value}
        self.places = {place: where for place, where in self.places.items() if place[: len(path)] != path}
        self.places[path] = option

    def configuration(self) -> Configuration:
        """Check everything.

        :raises ConfigurationError: with every mistake there is
        """
        try:
            return _converter.structure(self.tree, Configuration)
        except ClassValidationError as error:
            found = list(_problems(error, (), Configuration))
            raise ConfigurationError([self._located(path, text) for path, text in found]) from None

    def _located(self, path: Path, text: str) -> str:
        for length in range(len(path), 0, -1):
            place = self.places.get(path[:length])
            if place is not None:
                shown = "" if place.startswith("--") else f" {_dotted(path)}:"
                return f"{place}:{shown} {text}"
        return f"{_dotted(path)}: {text}"


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)
    for kind, parse in PARSERS.items():
        converter.register_structure_hook(kind, lambda value, _, parse=parse: parse(value))

    def several(value: object, kind: Any) -> Any:
        if not isinstance(value, list) or not value:
            raise ValueError(f"expected a list with at least one item, got {value!r}")
        return tuple(converter.structure(value, list[kind.__args__[0]]))

    converter.register_structure_hook_func(lambda kind: getattr(kind, "__origin__", None) is tuple, several)
    return converter


_converter = _make_converter()


def _problems(error: BaseException, path: Path, kind: Any) -> Iterator[tuple[Path, str]]:
    """Every mistake in what cattrs raised, with its place in the tree."""
    if isinstance(error, ClassValidationError):
        kind = error.cl
        noted, others = error.group_exceptions()
        for inner, note in noted:
            yield from _problems(inner, (*path, note.name), note.type)
        for inner in others:
            yield from _problems(inner, path, kind)
    elif isinstance(error, IterableValidationError):
        for inner, place in error.group_exceptions()[0]:
            yield from _problems(inner, (*path, place.index), place.type)
    elif isinstance(error, ForbiddenExtraKeysError):
        known = [attribute.name for attribute in attrs.fields(kind)]
        for key in sorted(error.extra_fields, key=str):
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
            yield (*path, key), f"unknown key; {hint}"
    elif isinstance(error, ValueError):
        yield path, str(error)
    else:
        yield path, f"expected {'a list' if path and not attrs.has(kind) else 'a section with keys'}"


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    """The line of every value below ``node``; no setting is deeper than an item of a list."""
    if len(path) > _DEEPEST:
        return  # an alias may even contain itself
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, key.value)
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*path, index), value.start_mark.line + 1
            yield from _lines(value, (*path, index))


def _syntax_error(name: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{name}:{mark.line + 1}" if mark is not None else name
    return f"{where}: not YAML: {getattr(error, 'problem', None) or 'cannot be read'}"


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text
