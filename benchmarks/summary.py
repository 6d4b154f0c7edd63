"""From samples to figures: medians, ratios, and whether the goals are met. Pure."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from attrs import frozen

from benchmarks.cases import AT_LEAST, BARE, Case, Goal, Measure
from benchmarks.peers import OURS, OURS_2

Samples = Sequence[Mapping[str, Any]]
Summaries = Mapping[str, "Summary"]


@frozen
class Summary:
    """The medians of one server in one case; None for what was not measured."""

    rate: float | None = None
    at_most: bool = False
    """The rate is not reached: the time was over before half of the transfers were."""
    cpu: float | None = None
    """Seconds for each GB."""
    rest: float | None = None
    peak: float | None = None
    session: float | None = None
    """KiB for each session, from rest to peak."""
    retransmits: float | None = None
    failures: float | None = None
    spread: float | None = None
    """The slowest transfer divided by the median one."""
    first: float | None = None
    """The longest wait for a first packet, in seconds."""
    busy: float | None = None
    """Part of the time that the clients used their CPU."""
    granted: tuple[int, int] | None = None
    """blksize and windowsize."""
    rounds: int = 0
    problem: str = ""


def sample_rate(case: Case, sample: Mapping[str, Any]) -> tuple[float, bool]:
    """The rate of one measurement in the case's unit, and whether that is only an upper bound."""
    if case.unit == "transfers/s":
        return sample["transfers_per_s"], False
    if case.unit == "MB/s each":
        if 2 * sample["transfers"] > case.count:
            return case.size / 1e6 / sample["p50_s"], False
        return case.size / 1e6 / sample["seconds"], True
    if "transfers" in sample and not sample["transfers"] and not sample["late"]:
        return 0.0, False
    return sample["mb_per_s"], False


def summarize(case: Case, samples: Samples) -> Summary:
    """The medians over the rounds."""
    good = [sample for sample in samples if not sample.get("broken")]
    if not good:
        reasons = {sample.get("error", "the measurement broke") for sample in samples}
        return Summary(problem="; ".join(sorted(reasons)) or "not run")

    def middle(name: str) -> float | None:
        values = [sample[name] for sample in good if name in sample]
        return median(values) if values else None

    def per(name: str, other: str) -> float | None:
        values = [sample[name] / sample[other] for sample in good if name in sample and sample.get(other)]
        return median(values) if values else None

    rates = [sample_rate(case, sample) for sample in good]
    volumes = [sample["mb"] + sample.get("partial_mb", 0) for sample in good]
    costs = [1000 * sample["cpu_s"] / volume for sample, volume in zip(good, volumes, strict=True) if volume]
    rest, peak = (
        middle("rest_mb"),
        max((sample["peak_mb"] for sample in good if "peak_mb" in sample), default=None),
    )
    last = good[-1]
    problems = {sample["error"] for sample in good if sample.get("error")}
    return Summary(
        rate=median(value for value, _ in rates) or None,
        at_most=sum(bound for _, bound in rates) * 2 > len(rates),
        cpu=median(costs) if costs else None,
        rest=rest,
        peak=peak,
        session=None if rest is None or peak is None else max(0.0, peak - rest) * 1e6 / 1024 / case.clients,
        retransmits=middle("retransmits"),
        failures=max(
            (sample["failures"] + sample["mismatches"] for sample in good if "failures" in sample), default=None
        ),
        spread=per("max_s", "p50_s"),
        first=max((sample["first_max_s"] for sample in good if sample.get("transfers")), default=None),
        busy=per("client_cpu_s", "seconds"),
        granted=(last["blksize"], last["windowsize"]) if "blksize" in last else None,
        rounds=len(good),
        problem="; ".join(sorted(problems)),
    )


def ratio(measure: Measure, ours: Summary, other: Summary) -> float | None:
    """Ours divided by the other's."""
    a, b = getattr(ours, measure), getattr(other, measure)
    return a / b if a is not None and b else None


def counts(case: Case, summary: Summary) -> bool:
    """Whether a server can be the best: not one that drops clients (but a lossy line cuts the slow off)."""
    return bool(summary.rate) and (case.loss > 0 or (summary.failures or 0) <= case.count // 100)


def best_peer(case: Case, summaries: Summaries) -> str | None:
    """The fastest server that is not ours."""
    peers = [name for name, s in summaries.items() if name not in (OURS, OURS_2, BARE) and counts(case, s)]
    return max(peers, key=lambda name: summaries[name].rate or 0.0, default=None)


@frozen
class Verdict:
    """A goal and what came out."""

    goal: Goal
    other: str
    value: float | None

    @property
    def met(self) -> bool | None:
        """None where there is nothing to compare."""
        if self.value is None:
            return None
        if self.goal.measure in AT_LEAST:
            return self.value >= self.goal.bound
        return self.value <= self.goal.bound


def verdicts(case: Case, summaries: Summaries) -> list[Verdict]:
    """All goals of a case."""
    found = []
    subject = summaries.get(OURS_2 if OURS_2 in case.servers else OURS, Summary())
    for goal in case.goals:
        if goal.of is None:
            found.append(Verdict(goal, "", getattr(subject, goal.measure)))
            continue
        best = best_peer(case, summaries)
        for other in goal.of or (best or "best peer",):
            value = ratio(goal.measure, subject, summaries.get(other, Summary()))
            found.append(Verdict(goal, other, value))
    return found
