"""What a daemon remembers of one client: what that asked for, by name, how often, and what became of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import inf
from posixpath import dirname
from typing import Any

from attrs import evolve, field, frozen

from tftpd_tw.cli.asking import fit
from tftpd_tw.cli.told import PROPER_ENDS, Told, number, transfers
from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.protocol.errors import FileNotFound
from tftpd_tw.telemetry.report_fields import PATH_LENGTH

_MOST_SUGGESTIONS = 5


@frozen
class Asked:
    """One name, to be read or to be written."""

    requests: tuple[Told, ...]
    """The last one first; at least one."""

    @property
    def last(self) -> Told:
        """The last one."""
        return self.requests[0]

    @property
    def name(self) -> str:
        """Of the file."""
        return self.last.name

    @property
    def direction(self) -> str:
        """``read`` or ``write``."""
        return self.last.direction

    @property
    def count(self) -> int:
        """How often, with the requests that there is no record of but a number."""
        return sum(1 + told.more for told in self.requests)

    @property
    def served(self) -> bool:
        """Whether the last request was, or is being."""
        return was_served(self.last)


def was_served(told: Told) -> bool:
    """Whether the client has what it asked for, or is getting it."""
    return told.outcome in PROPER_ENDS if told.outcome else told.verified


@frozen
class Case:
    """All of one client."""

    client: str
    asked: tuple[Asked, ...]
    """By the last request for each: the last one first."""
    requests: tuple[Told, ...] = field(repr=False)
    """The last one first."""

    @classmethod
    def of(cls, client: str, answer: Mapping[str, Any], misses: Mapping[str, Any]) -> "Case":
        """What a daemon answers of its transfers, and of the misses of that client."""
        told_of = [*reversed(transfers(answer, "active")), *transfers(answer, "ended")]
        newest_first = _complete([told for told in told_of if told.client == client], misses)
        found: dict[tuple[str, str], list[Told]] = {}
        for told in newest_first:
            found.setdefault((told.direction, told.name), []).append(told)
        return cls(client, tuple(Asked(tuple(requests)) for requests in found.values()), tuple(newest_first))

    def about(self, names: Iterable[str]) -> "Case":
        """Those only that are called so."""
        wanted = set(names)
        asked = tuple(asked for asked in self.asked if asked.name in wanted)
        return Case(self.client, asked, tuple(told for told in self.requests if told.name in wanted))

    @property
    def last(self) -> Told | None:
        """The last request; None if there is none."""
        return self.requests[0] if self.requests else None

    @property
    def count(self) -> int:
        """How many requests there were."""
        return sum(asked.count for asked in self.asked)

    @property
    def silent(self) -> bool:
        """Whether it never answered what it was sent, though it was sent something."""
        sent = [told for told in self.requests if told.outcome not in (Outcome.REFUSED, Outcome.IGNORED)]
        return bool(sent) and not any(answered(told) for told in sent)

    def told(self, name: str) -> str:
        """What it is called on the wire, as ``mac`` or ``interface``; empty if that is not known."""
        return next((value for told in self.requests if (value := getattr(told, name))), "")

    def found_after(self, asked: Asked) -> Asked | None:
        """What it then had from the same folder after that name had not been there; None if nothing.

        Boot loaders try one name after the other until there is a file.
        """
        folder, missed = dirname(asked.name), asked.last.time
        if asked.last.reason != FileNotFound.reason or asked.direction == Direction.WRITE:
            return None
        if not folder or missed is None:
            return None
        return next(
            (
                other
                for other in self.asked
                if other.served
                and other.direction == asked.direction
                and dirname(other.name) == folder
                and (other.last.time or missed) >= missed
            ),
            None,
        )


def _complete(newest_first: list[Told], misses: Mapping[str, Any]) -> list[Told]:
    """With the refused requests that have no record yet: within a minute the same one has only one."""
    known: Counter[tuple[str, ...]] = Counter()
    for told in newest_first:
        known[_refusal(told)] += 1 + told.more
    values = misses.get("misses")
    counted = {
        _refusal(Told.of(value)): value
        for value in (values if isinstance(values, list) else [])
        if isinstance(value, Mapping)
    }
    found = []
    for told in newest_first:
        value = counted.pop(_refusal(told), {}) if told.outcome == Outcome.REFUSED else {}
        missing = int(number(value.get("count")) or 0) - known[_refusal(told)]
        found.append(evolve(told, more=told.more + missing, time=value.get("last")) if missing > 0 else told)
    return sorted(found, key=lambda told: -inf if told.time is None else -told.time)


def _refusal(told: Told) -> tuple[str, ...]:
    """What the daemon counts by."""
    return told.direction, told.name, told.reason


def answered(told: Told) -> bool:
    """Whether the client said anything after its request."""
    return told.outcome != Outcome.UNANSWERED and (told.verified if not told.outcome else True)


def suggestions(answer: Mapping[str, Any]) -> dict[tuple[str, str], Sequence[str]]:
    """Which files may be meant by names that are not there, by direction and name, as a daemon answers."""
    values = answer.get("misses")
    found: dict[tuple[str, str], Sequence[str]] = {}
    for value in values if isinstance(values, list) else []:
        told, names = Told.of(value), value.get("suggestions") if isinstance(value, Mapping) else None
        if isinstance(names, list):
            found[told.direction, told.name] = [fit(name, PATH_LENGTH) for name in names[:_MOST_SUGGESTIONS]]
    return found
