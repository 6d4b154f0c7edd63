"""A setting, and what its users are told of it.

The model of the configuration is made of attrs classes whose fields are declared with :func:`setting` (a value,
or a list or map of values or of further classes) and :func:`section`. What these are told is kept with the
field: ``--help``, the example file, the reference page and the reader of the file all take it from there, so that
each thing is said once.
"""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

import attrs
from attrs import field, frozen

_KEY = "tftpd_tw.about"

Path = tuple[str | int, ...]
"""Where a value stands among the settings: ``("network", "addresses", 0)``."""


@frozen
class About:
    """What a field is told."""

    doc: str
    """Sentences for the user. Unit and range come from the kind of the value, the default from the field."""
    option: str = ""
    """What it is called on the command line, without dashes; empty if it is not there."""
    example: Any = None
    """What the example file has where there is no default."""
    other_name: tuple[str, str] | None = None
    """A section and a key that mean the same."""
    not_empty: bool = False
    """It is a list or map that must have something in it."""
    restart: bool = False
    """A change takes effect when the daemon is started again, and not by a reload."""


@frozen
class Setting:
    """One key of one section."""

    section: str
    key: str
    kind: Any
    """The type of the value."""
    default: Any
    about: About

    @property
    def path(self) -> tuple[str, str]:
        """Where it stands in the file."""
        return self.section, self.key


def setting(
    default: Any,
    doc: str,
    *,
    option: str = "",
    example: Any = None,
    other_name: tuple[str, str] | None = None,
    not_empty: bool = False,
    restart: bool = False,
) -> Any:
    """A field of a section; see :class:`About`. Without a default (``attrs.NOTHING``) it must be given."""
    about = About(doc, option, example, other_name, not_empty, restart)
    return field(default=default, metadata={_KEY: about})


def section(model: type, doc: str) -> Any:
    """A field for a section; without it the file leaves everything in it at its default."""
    return field(factory=model, metadata={_KEY: About(doc)})


def about(attribute: "attrs.Attribute[Any]") -> About:
    """What ``attribute`` was told; says nothing if that is nothing."""
    found = attribute.metadata.get(_KEY)
    return found if isinstance(found, About) else About("")


def settings(model: type) -> Iterator[Setting]:
    """All settings of a model of sections, in order."""
    for part in attrs.fields(model):
        for attribute in attrs.fields(part.type):
            yield Setting(part.name, attribute.name, attribute.type, attribute.default, about(attribute))


def item_kind(kind: Any) -> Any:
    """The type of the items of a list, or of the values of a map; None if ``kind`` is neither."""
    if is_map(kind):
        return get_args(kind)[1]
    return get_args(kind)[0] if is_list(kind) else None


def is_list(kind: Any) -> bool:
    """Whether it is ``tuple[X, ...]``."""
    return get_origin(kind) is tuple


def is_map(kind: Any) -> bool:
    """Whether it is ``Mapping[str, X]``."""
    return get_origin(kind) is Mapping


def without_none(kind: Any) -> Any:
    """X for ``X | None``; anything else as it is."""
    if get_origin(kind) in (UnionType, Union):
        [kind] = [part for part in get_args(kind) if part is not type(None)]
    return kind
