"""Transfers as a daemon tells of them, as values.

It may be of another version, or somebody else: what is not there, or not as it should be, is empty or None, and
all text is printable ASCII. The fields are those of ``docs/http.md``.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from attrs import field, frozen

from tftpd_tw.cli.asking import fit
from tftpd_tw.interfaces import Outcome
from tftpd_tw.telemetry.report_fields import PATH_LENGTH

PROPER_ENDS = frozenset({Outcome.COMPLETED, Outcome.SIZE_PROBE})
"""Outcomes with which the client has what it asked for."""

_LARGEST = 1e18


def _text(value: object) -> str:
    return "" if value is None else fit(value, PATH_LENGTH)


def number(value: object) -> float | None:
    """A number that can be: not negative, and of this world; else None."""
    # The comparison leaves out what is not a number, or not finite, too.
    plain = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST
    return value if plain else None  # type: ignore[return-value]


def _count(value: object) -> int:
    return int(number(value) or 0)


def _pairs(value: object) -> dict[str, str] | None:
    return {_text(name): _text(one) for name, one in value.items()} if isinstance(value, Mapping) else None


def _true(value: object) -> bool:
    return value is not False


def _seconds(value: object) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


@frozen
class Told:
    """One transfer, in progress or ended, or one request that none came of."""

    client: str = field(default="", converter=_text)
    mac: str = field(default="", converter=_text)
    interface: str = field(default="", converter=_text)
    direction: str = field(default="", converter=_text)
    name: str = field(default="", converter=_text)
    asked: dict[str, str] | None = field(default=None, converter=_pairs)
    agreed: dict[str, str] | None = field(default=None, converter=_pairs)
    size: float | None = field(default=None, converter=number)
    profile: str = field(default="", converter=_text)
    served: str = field(default="", converter=_text)
    bytes: int = field(default=0, converter=_count)
    blocks: int = field(default=0, converter=_count)
    retransmits: int = field(default=0, converter=_count)
    round_trip_ms: float | None = field(default=None, converter=number)
    seconds: float | None = field(default=None, converter=number)
    rate: float | None = field(default=None, converter=number)
    outcome: str = field(default="", converter=_text)
    """Empty while it is in progress."""
    reason: str = field(default="", converter=_text)
    detail: str = field(default="", converter=_text)
    more: int = field(default=0, converter=_count)
    time: float | None = field(default=None, converter=_seconds)
    """When it ended, in seconds since 1970."""
    id: str = field(default="", converter=_text)
    """Of one in progress."""
    verified: bool = field(default=True, converter=_true)
    """Whether its client has answered; as far as that is told of one in progress."""

    @classmethod
    def of(cls, value: object) -> "Told":
        """What a daemon says of one transfer."""
        fields = value if isinstance(value, Mapping) else {}
        return cls(**{name: fields[name] for name in _NAMES if name in fields})

    @property
    def done(self) -> float | None:
        """Which part of the file the client has, 0 to 1; None if that is not known."""
        return min(self.bytes / self.size, 1.0) if self.size else None


_NAMES = tuple(each.name for each in attrs.fields(Told))


def transfers(answer: Mapping[str, Any], key: str) -> list[Told]:
    """Those that stand in ``answer`` as ``key``."""
    values = answer.get(key)
    return [Told.of(value) for value in values] if isinstance(values, list) else []
