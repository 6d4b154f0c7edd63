"""A kind of value: how it is read from a file, written into one, and named when something else was found there.

What :attr:`Kind.read` gets is what YAML made of the text. The functions make the kinds that are needed often.
"""

import enum
import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from tftpd_tw.service.units import read_size, read_time, write_size, write_time


def _same(value: Any) -> Any:
    return value


@frozen
class Kind:
    """One kind of value."""

    expected: str
    """What it may be, for the user."""
    read: Callable[[Any], Any]
    """Raises ValueError or TypeError for what it may not be."""
    write: Callable[[Any], Any] = _same
    """The other way round."""
    text: bool = False
    """Whatever the command line has is text: ``--root 2024`` is a folder, not a number."""

    def structure(self, value: object, _: object = None) -> Any:
        """What ``value`` stands for.

        :raises ValueError: with a line for the user, if it may not be that
        """
        try:
            return self.read(value)
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise mistake(self.expected, value, f"{half!a} is half of a character") from None
        except ReasonError as error:
            raise mistake(self.expected, value, str(error)) from None
        except (TypeError, ValueError):
            raise mistake(self.expected, value) from None


class ReasonError(ValueError):
    """Why a value may not be what it is, for the user. If it says itself what was expected, it says all."""


def mistake(expected: str, value: object, reason: str = "") -> ValueError:
    """``expected ..., got ...``, and why that will not do if there is more to say."""
    reason = reason.replace(repr(value), shown(value))
    if reason.startswith("expected "):
        return ValueError(reason)
    return ValueError(f"expected {expected}, got {shown(value)}{f': {reason}' if reason else ''}")


def shown(value: object) -> str:
    """``value`` as its writer knows it, and not much of it."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "keys with values"
        case list() if value:
            return "a list"
        case str() if len(value) > 60:
            return f"{value[:60]!r}..."
        case str() | int() | float() | list():
            return repr(value)
    return str(value)


_DIGITS = re.compile("0|[1-9][0-9]*")
"""What would be a number, were it not in quotes."""


def number(what: str, least: int, most: int) -> Kind:
    """A whole number, from ``least`` to ``most``."""

    def read(value: Any) -> int:
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            raise ReasonError("a number has no quotes")
        if type(value) is not int or not least <= value <= most:
            raise ValueError
        return value

    return Kind(f"{what}, {least} to {most}", read)


def size(least: int, most: int) -> Kind:
    """Bytes, from ``least`` to ``most``."""
    return _quantity("bytes (or such as 64KiB, 1Gi, 512MB)", read_size, write_size, least, most)


def time(least: float, most: float) -> Kind:
    """Seconds, from ``least`` to ``most``."""
    return _quantity("seconds (or such as 500ms, 5m, 1h)", read_time, write_time, least, most)


def _quantity(
    what: str, read_any: Callable[[object], Any], write: Callable[[Any], Any], least: float, most: float
) -> Kind:
    def read(value: object) -> Any:
        quantity = read_any(value)
        if not least <= quantity <= most:
            raise ValueError
        return quantity

    return Kind(f"{what}, {write(least)} to {write(most)}", read, write)


def or_word(word: str, meaning: Any, kind: Kind) -> Kind:
    """``word``, which stands for ``meaning``, or what ``kind`` has."""
    return evolve(
        kind,
        expected=f"'{word}' or {kind.expected}",
        read=lambda value: meaning if value == word else kind.read(value),
        write=lambda value: word if value == meaning else kind.write(value),
    )


def one_of(words: Mapping[str, Any]) -> Kind:
    """One of ``words``, each of which stands for something."""

    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise ValueError
        return words[value]

    names = {meaning: word for word, meaning in words.items()}
    return Kind(f"one of {', '.join(words)}", read, names.__getitem__)


def one_of_enum(words: type[enum.Enum]) -> Kind:
    """The value of one of them."""
    return one_of({word.value: word for word in words})


def real(what: str, least: float, most: float) -> Kind:
    """A number, from ``least`` to ``most``."""

    def read(value: Any) -> float:
        if type(value) not in (int, float) or not least <= value <= most:
            raise ValueError
        return float(value)

    return Kind(f"{what}, {least:g} to {most:g}", read, lambda value: int(value) if value == int(value) else value)


def text(what: str, check: Callable[[str], object]) -> Kind:
    """Text that ``check`` raises nothing for; what it says is told the user."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise TypeError
        try:
            check(value)
        except UnicodeEncodeError:
            raise
        except ValueError as error:
            raise ReasonError(*error.args) from None
        return value

    return Kind(what, read, text=True)
