"""Figures as values: they can be added up, and sent from one process to another.

The figures of a daemon with several workers are the sum of theirs; those of one process are the same value.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from operator import add
from typing import Any

import attrs
from attrs import Factory, define, field

RESPONSE_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the response-time histogram, in seconds."""


@define
class Histogram:
    """How many values fell below each of some bounds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default=Factory(lambda self: [0] * (len(self.bounds) + 1), takes_self=True))
    """One for each bound, not cumulative, and one for what is above."""
    total: float = 0.0

    def add(self, value: float) -> None:
        """Count ``value``."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def __add__(self, other: "Histogram") -> "Histogram":
        """Both together; they have the same bounds."""
        counts = list(map(add, self.counts, other.counts))
        return Histogram(self.bounds, counts, self.total + other.total)


@define
class Totals:
    """All figures at one moment. Label values are keys, in the order of the labels."""

    active: int = 0
    """Transfers in progress."""
    transfers: Counter[tuple[str, str]] = field(factory=Counter)
    """By direction and outcome; refused requests are among them."""
    byte_counts: Counter[str] = field(factory=Counter)
    """Bytes of payload, by direction; transfers in progress are among them."""
    errors: Counter[int] = field(factory=Counter)
    """ERROR packets sent, by code."""
    dropped: Counter[str] = field(factory=Counter)
    """Datagrams at the request port that were no request, and requests that a rule or a limit ignored, by
    reason."""
    retransmits: int = 0
    """Packets sent again."""
    burst_fallbacks: Counter[tuple[str, str]] = field(factory=Counter)
    """Transfers whose packets went through the kernel one by one, by direction and errno."""
    response_time: Histogram = field(factory=lambda: Histogram(RESPONSE_BOUNDS))
    """From a request to the first packet of the answer, in seconds."""

    def __add__(self, other: "Totals") -> "Totals":
        """Both together."""
        names = [one.name for one in attrs.fields(Totals)]
        return Totals(*(getattr(self, name) + getattr(other, name) for name in names))

    def ended(self) -> "Totals":
        """What remains of a process that is gone: all that it has counted, and nothing in progress."""
        return attrs.evolve(self, active=0)

    def snapshot(self) -> dict[str, Any]:
        """The same for JSON; :meth:`from_snapshot` reads it."""
        return {
            "active": self.active,
            "transfers": [[*key, count] for key, count in self.transfers.items()],
            "byte_counts": [[key, count] for key, count in self.byte_counts.items()],
            "errors": [[key, count] for key, count in self.errors.items()],
            "dropped": [[key, count] for key, count in self.dropped.items()],
            "retransmits": self.retransmits,
            "burst_fallbacks": [[*key, count] for key, count in self.burst_fallbacks.items()],
            "response_time": [self.response_time.counts, self.response_time.total],
        }

    @classmethod
    def from_snapshot(cls, values: Mapping[str, Any]) -> "Totals":
        """What :meth:`snapshot` gave.

        :raises ValueError: it is something else
        """
        try:
            counts, seconds = values["response_time"]
            if len(counts) != len(RESPONSE_BOUNDS) + 1:
                raise ValueError("another histogram")
            return cls(
                int(values["active"]),
                Counter({(direction, outcome): int(count) for direction, outcome, count in values["transfers"]}),
                Counter({str(key): int(count) for key, count in values["byte_counts"]}),
                Counter({int(key): int(count) for key, count in values["errors"]}),
                Counter({str(key): int(count) for key, count in values["dropped"]}),
                int(values["retransmits"]),
                Counter({(direction, name): int(count) for direction, name, count in values["burst_fallbacks"]}),
                Histogram(RESPONSE_BOUNDS, [int(count) for count in counts], float(seconds)),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no snapshot of figures: {error!r}") from error
