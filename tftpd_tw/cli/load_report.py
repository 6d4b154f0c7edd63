"""What ``tftpd-tw bench`` prints of a load: a few lines for people, or a document for scripts."""

from array import array
from collections.abc import Iterator
from math import ceil
from typing import Any

from attrs import asdict, frozen

from tftpd_tw.cli.load import Plan, Tally
from tftpd_tw.service.units import duration, size

SCHEMA = 1
"""Of the document; it grows when something that was there changes its name or its meaning."""


@frozen
class Spread:
    """Of some values: which one half of them, 95 % and 99 % are not above, and the largest."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: "array[float]") -> "Spread | None":
        """None if there are none."""
        if not values:
            return None
        ordered = sorted(values)
        p50, p95, p99 = (ordered[ceil(len(ordered) * part / 100) - 1] for part in (50, 95, 99))
        return cls(p50, p95, p99, ordered[-1])


def lines(server: str, name: str, plan: Plan, tally: Tally) -> Iterator[str]:
    """For people."""
    clients = f"{plan.clients} client{'s' * (plan.clients != 1)}"
    yield f"{name} of {server}, {clients} at once, {duration(tally.seconds)}"
    yield ""
    cut_off = f", {tally.cut_off} cut off at the end" if tally.cut_off else ""
    yield f"rate           {size(_each_second(tally.byte_count, tally))}/s"
    yield (
        f"transfers      {tally.completed} completed, {_each_second(tally.completed, tally):.1f} per second;"
        f" {tally.failed} failed{cut_off}"
    )
    yield f"retransmits    {tally.retransmits}"
    if tally.agreed is not None:
        yield f"agreed         blocks of {tally.agreed.blksize} bytes, windows of {tally.agreed.windowsize}"
    yield f"client CPU     {100 * _each_second(tally.cpu_seconds, tally):.0f} % of one; near 100 it is the limit"
    yield ""
    yield f"{'':13}{'p50':>11}{'p95':>11}{'p99':>11}{'max':>11}"
    for title, values in (("response", tally.responses), ("transfer", tally.durations)):
        spread = Spread.of(values)
        cells = [None] * 4 if spread is None else [spread.p50, spread.p95, spread.p99, spread.max]
        yield f"{title:13}" + "".join(f"{'-' if cell is None else duration(cell):>11}" for cell in cells)
    if tally.failures:
        yield ""
        for reason, count in tally.failures.most_common():
            yield f"{count} failed: {tally.sentences[reason]}"


def document(server: str, name: str, plan: Plan, tally: Tally, interrupted: bool) -> dict[str, Any]:
    """For scripts: seconds and bytes; null where there is nothing to say."""

    def spread(values: "array[float]") -> dict[str, float] | None:
        found = Spread.of(values)
        return None if found is None else asdict(found)

    agreed = tally.agreed
    return {
        "schema": SCHEMA,
        "server": server,
        "name": name,
        "clients": plan.clients,
        "interrupted": interrupted,
        "seconds": tally.seconds,
        "bytes": tally.byte_count,
        "bytes_per_second": _each_second(tally.byte_count, tally),
        "completed": tally.completed,
        "completed_per_second": _each_second(tally.completed, tally),
        "failed": tally.failed,
        "failures": dict(tally.failures),
        "cut_off": tally.cut_off,
        "retransmits": tally.retransmits,
        "block_size": None if agreed is None else agreed.blksize,
        "window_size": None if agreed is None else agreed.windowsize,
        "response_seconds": spread(tally.responses),
        "transfer_seconds": spread(tally.durations),
        "client_cpu_seconds": tally.cpu_seconds,
    }


def _each_second(count: float, tally: Tally) -> float:
    return count / tally.seconds if tally.seconds > 0 else 0.0
