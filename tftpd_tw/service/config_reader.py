"""From a file and the command line to a :class:`~tftpd_tw.service.configuration.Configuration`.

Both become one tree of values, the command line on top, which is then checked in one go: every mistake is
reported, each with where it stands (``tftpd.yaml:7`` or ``--port``), what was expected, and for an unknown key
the nearest known one.

The model may have lists and maps, of values or of classes with fields of their own, as deep as it likes; what is
wrong inside of them has its own line too.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import attrs
import yaml
from attrs import define, field, frozen
from cattrs import Converter
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import make_dict_structure_fn, override

from tftpd_tw.service.config_checks import mistakes
from tftpd_tw.service.config_file import ConfigFile, ConfigurationError
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.kind import mistake, shown
from tftpd_tw.service.kinds import KINDS, expected
from tftpd_tw.service.setting import Path, Setting, about, is_list, is_map, item_kind, settings


@frozen
class _Place:
    """Where a value was given."""

    source: str
    """The file, or the option with its dashes."""
    line: int = 0
    """Of the file; 0 for an option."""

    def told(self, path: Path, text: str) -> str:
        return f"{self.source}:{self.line}: {dotted(path)}: {text}" if self.line else f"{self.source}: {text}"


@define
class Sources:
    """Values from all sides, and where each came from."""

    model: type = Configuration
    _tree: dict[str, Any] = field(factory=dict, init=False)
    _places: dict[Path, _Place] = field(factory=dict, init=False)
    _names: dict[Path, Path] = field(factory=dict, init=False)
    """By which other name a setting was given."""
    _problems: list[tuple[int, str]] = field(factory=list, init=False)
    """Those found while reading, with their lines."""

    def add_file(self, name: str) -> None:
        """Read the YAML or JSON file ``name``, before any option is added.

        :raises ConfigurationError: it cannot be read, or is no mapping in YAML or JSON
        """
        self.add_parsed(ConfigFile.read(name))

    def add_parsed(self, file: ConfigFile) -> None:
        """Take what ``file`` says, likewise."""
        self._tree = file.tree
        self._places = {path: _Place(file.name, line) for path, line in file.lines.items()}
        for line, path, text in file.problems:
            self._problems.append((line, _Place(file.name, line).told(path, text)))
        for setting in settings(self.model):
            if setting.about.other_name is not None:
                self._rename(setting.about.other_name, setting)

    def add_option(self, option: str, setting: Setting, text: str) -> None:
        """Set ``setting`` to what ``text`` would be in the file; for a list, append it to those before it, which
        replace the file's.
        """
        values = self._tree.get(setting.section) or {}
        if not isinstance(values, dict):
            return  # a mistake of the file, which will be reported as such
        several, place = is_list(setting.kind), _Place(option)
        value: Any = _typed(text, item_kind(setting.kind) if several else setting.kind)
        if several:
            before = values[setting.key] if self._places.get(setting.path) == place else []
            value = [*before, value]
        self._tree[setting.section] = {**values, setting.key: value}
        length = len(setting.path)
        self._places = {path: old for path, old in self._places.items() if path[:length] != setting.path}
        self._places[setting.path] = place
        self._names.pop(setting.path, None)

    def configuration(self) -> Any:
        """Check everything; the result is of the type :attr:`model`.

        :raises ConfigurationError: with every mistake there is, in the order of their lines
        """
        found: list[tuple[Path, str]] = []
        configuration: Any = None
        try:
            configuration = _converter.structure(self._tree, self.model)
            if isinstance(configuration, Configuration):
                found += mistakes(configuration)
        except ClassValidationError as error:
            found += self._found(error, (), self.model)
            found += self._found_besides([path for path, _ in found])
        problems = [*self._problems, *(self._located(path, text) for path, text in found)]
        if problems:
            # Options, which have no line, come last.
            problems.sort(key=lambda problem: problem[0] or float("inf"))
            raise ConfigurationError([text for _, text in problems])
        return configuration

    def told(self, path: Path, text: str) -> str:
        """``text`` about the value at ``path``, with where that was given."""
        return self._located(path, text)[1]

    def _located(self, path: Path, text: str) -> tuple[int, str]:
        for length in range(len(path), 0, -1):
            place = self._places.get(path[:length])
            if place is not None:
                return place.line, place.told(self._names.get(path, path), text)
        return 0, f"{dotted(path)}: {text}"

    def _rename(self, other: tuple[str, str], setting: Setting) -> None:
        """Put what stands at ``other`` where ``setting`` is."""
        section, key = other
        values = self._tree.get(section)
        if not isinstance(values, dict) or key not in values:
            return
        self._tree[section] = {name: value for name, value in values.items() if name != key}
        value, place = values[key], self._place(other)
        target = self._tree.get(setting.section, {})
        if not isinstance(target, dict):
            return  # a mistake, which will be reported as such
        if setting.key not in target:
            self._tree[setting.section] = {**target, setting.key: value}
            self._places[setting.path] = place
            self._names[setting.path] = other
        elif _meaning(theirs := target[setting.key], setting) not in (None, _meaning(value, setting)):
            here = self._place(setting.path)
            text = (
                f"expected {shown(theirs)} as for {dotted(setting.path)} in line {here.line},"
                f" of which it is another name, got {shown(value)}"
            )
            self._problems.append((place.line, place.told(other, text)))

    def _place(self, path: Path) -> _Place:
        """Where it was given, or what it is in: a YAML alias has no lines of its own."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return self._places[path[:length]]
        return _Place("")

    def _found(self, error: BaseException, path: Path, kind: Any) -> Iterator[tuple[Path, str]]:
        """Every mistake in what cattrs raised, with its place in the tree."""
        match error:
            case ClassValidationError():
                noted, others = error.group_exceptions()
                for inner, note in noted:
                    yield from self._found(inner, (*path, note.name), note.type)
                for inner in others:
                    yield from self._found(inner, path, error.cl)
            case IterableValidationError():
                for inner, place in error.group_exceptions()[0]:
                    yield from self._found(inner, (*path, place.index), place.type)
            case ForbiddenExtraKeysError():
                for key in error.extra_fields:
                    yield (*path, key), f"unknown key; {self._advice(key, path, kind)}"
            case KeyError():
                yield path, f"expected {expected(kind)}, got nothing"
            case _:
                yield path, str(error)

    def _found_besides(self, wrong: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """The mistakes of those that no value has by itself, in what is left without the values that are wrong."""
        tree = {section: dict(values) for section, values in self._tree.items() if isinstance(values, dict)}
        entries: dict[Path, set[int]] = {}
        for path in wrong:
            match path:
                case (str(section), str(key), int(index), *_):
                    entries.setdefault((section, key), set()).add(index)
                case (str(section), str(key), *_):
                    tree.get(section, {}).pop(key, None)
                case _:
                    tree.pop(str(path[0]), None)
        # What the entries of lists that are left were numbered.
        left: dict[Path, list[int]] = {}
        for place, gone in entries.items():
            values = tree.get(str(place[0]), {})
            if place[1] in values:
                left[place] = [index for index in range(len(values[place[1]])) if index not in gone]
                values[place[1]] = [values[place[1]][index] for index in left[place]]
        configuration: Any = None
        try:
            configuration = _converter.structure(tree, self.model)
        except ClassValidationError:
            return
        if not isinstance(configuration, Configuration):
            return
        for path, text in mistakes(configuration):
            numbers = left.get(path[:2])
            if numbers is None:
                yield path, text
            elif path[-1] != "jump":  # its label may be one of those that are left out
                yield (*path[:2], numbers[cast(int, path[2])], *path[3:]), text

    def _advice(self, key: str, path: Path, kind: Any) -> str:
        known = [part.name for part in attrs.fields(kind)]
        others = [name for setting in settings(self.model) if (name := setting.about.other_name) is not None]
        everywhere = [*(setting.path for setting in settings(self.model)), *others]
        near = difflib.get_close_matches(key, [*known, *(name[1] for name in others if name[:1] == path)], 1)
        homes = [dotted(place) for place in everywhere if place[1] == key]
        # Beside the sections, a key that one of them has is that, and no section that is called like it.
        meant = [*near, *homes] if path else [*homes, *near]
        if meant:
            return f"did you mean {meant[0]!r}?"
        return f"known are {', '.join(known)}"


def dotted(path: Path) -> str:
    """``path`` as users write it: ``network.addresses[0]``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _typed(text: str, kind: Any) -> Any:
    """What a file would make of ``text``."""
    if KINDS[kind].text:
        return text
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    return value if isinstance(value, int | float | bool) else text


def _meaning(value: object, setting: Setting) -> object:
    """None if it may not be that, which is told elsewhere."""
    try:
        return KINDS[setting.kind].structure(value)
    except ValueError:
        return None


def _make_converter() -> Converter:
    converter = Converter(forbid_extra_keys=True, detailed_validation=True)

    def make_class_hook(model: type) -> Any:
        not_empty = {
            part.name: override(struct_hook=structure_not_empty)
            for part in attrs.fields(model)
            if about(part).not_empty
        }
        structure: Any = make_dict_structure_fn(model, converter, **cast("dict[str, Any]", not_empty))

        def structure_class(value: object, _: object) -> Any:
            if not isinstance(value, Mapping):
                raise mistake("keys with values", value)
            return structure(value, model)

        return structure_class

    def structure_not_empty(value: object, kind: Any) -> Any:
        if value in ([], {}):
            raise ValueError(f"expected at least one, got {value}")
        return converter.structure(value, kind)

    def structure_list(value: object, kind: Any) -> Any:
        if not isinstance(value, list):
            raise mistake("a list such as [a, b]", value)
        items: Any = list[item_kind(kind)]  # type: ignore[misc]
        return tuple(converter.structure(value, items))

    def structure_map(value: object, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise mistake("names with values", value)
        items: Any = dict[str, item_kind(kind)]  # type: ignore[misc]
        return converter.structure(value, items)

    converter.register_structure_hook_factory(attrs.has, make_class_hook)
    converter.register_structure_hook_func(is_list, structure_list)
    converter.register_structure_hook_func(is_map, structure_map)
    for kind, how in KINDS.items():
        converter.register_structure_hook(kind, how.structure)
    return converter


_converter = _make_converter()
