"""The figures as Markdown, and their place in a document. Pure."""

from collections.abc import Mapping, Sequence

from attrs import frozen

from benchmarks.cases import Case, Measure
from benchmarks.peers import OURS, OURS_2, PYTHON_PEERS
from benchmarks.summary import Summaries, Summary, best_peer, counts, ratio, verdicts

BEGIN = "<!-- figures: written by `make bench`, not by hand -->"
END = "<!-- end of the figures -->"
DASH = "-"

Results = Sequence[tuple[Case, Summaries]]

MEASURES: Mapping[Measure, str] = {
    "rate": "rate",
    "cpu": "CPU per GB",
    "failures": "failures",
    "spread": "slowest / median transfer",
    "first": "longest wait for a first packet, s",
    "rest": "MB at rest",
    "session": "KiB per session",
    "peak": "MB with all sessions",
}


@frozen
class Machine:
    """Where and how it was measured."""

    date: str
    kernel: str
    cpu: str
    cpus: int
    python: str
    command: str
    rounds: int
    method: str
    versions: Mapping[str, str]
    missing: Mapping[str, str]
    note: str = ""


def number(value: float | None) -> str:
    """Three figures, as people write them."""
    if value is None:
        return DASH
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def count(value: float | None) -> str:
    """A number of things."""
    return DASH if value is None else f"{value:,.0f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; the first columns are aligned left, the others right."""
    rule = ["---"] * left + ["---:"] * (len(head) - left)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def granted(case: Case, summary: Summary) -> str:
    """What the server agreed to, with a mark where that is less than was asked."""
    if summary.granted is None:
        return DASH
    blksize, windowsize = summary.granted
    mark = " †" if (blksize, windowsize) != (case.blksize, case.windowsize) else ""
    return f"{blksize} / {windowsize}{mark}"


def case_table(case: Case, summaries: Summaries) -> str:
    """One row for each server."""
    head = ["server", "granted", case.unit, "ours / its", "CPU s/GB", "peak MB", "retransmits", "failures"]
    head += ["slowest / median", "first packet, ms", "client busy"]
    ours, rows = summaries.get(OURS, Summary()), []
    for name, summary in summaries.items():
        if summary.rate is None:
            rows.append([name, summary.problem or "no transfer ended"] + [DASH] * (len(head) - 2))
            continue
        compared = None if name == OURS else ratio("rate", ours, summary)
        sign = {True: ("< ", "> "), False: ("", "")}[summary.at_most]
        rows.append(
            [
                f"**{name}**" if name in (OURS, OURS_2) else name,
                granted(case, summary),
                sign[0] + number(summary.rate),
                sign[1] + number(compared) if compared is not None else DASH,
                number(summary.cpu),
                number(summary.peak),
                count(summary.retransmits),
                count(summary.failures),
                number(summary.spread),
                DASH if summary.first is None else number(1000 * summary.first),
                DASH if summary.busy is None else f"{summary.busy:.0%}",
            ]
        )
    return table(head, rows, left=2)


def goal_rows(case: Case, summaries: Summaries) -> list[list[str]]:
    """One row for each goal."""
    rows = []
    for verdict in verdicts(case, summaries):
        goal = verdict.goal
        measure = MEASURES[goal.measure] + (f" / {verdict.other}" if verdict.other else "")
        sign = "≥" if goal.measure == "rate" else "≤"
        other = summaries.get(verdict.other, Summary())
        bound = "> " if goal.measure == "rate" and other.at_most and verdict.value is not None else ""
        answer = {None: "nothing to compare", True: "yes", False: "cut off before" if bound else "no"}[verdict.met]
        rows.append([case.title, measure, f"{sign} {goal.bound:g}", bound + number(verdict.value), answer])
    return rows


def python_rows(results: Results) -> list[list[str]]:
    """Each Python peer: the case in which it comes closest, everywhere and where it must be far behind."""
    rows = []
    for name in PYTHON_PEERS:
        for bound, crowded, text in ((1, False, "every case"), (4, True, "windowsize ≥ 16 or ≥ 100 clients")):
            least = min(
                (
                    (value, case.title)
                    for case, summaries in results
                    if name in summaries and (case.crowd or not crowded) and counts(case, summaries[name])
                    if (value := ratio("rate", summaries.get(OURS, Summary()), summaries[name])) is not None
                ),
                default=None,
            )
            if least is not None:
                answer = "yes" if least[0] >= bound else "no"
                where = f"{text}; closest: {least[1]}"
                rows.append([where, f"rate / {name}", f"≥ {bound}", number(least[0]), answer])
    return rows


def heading(machine: Machine) -> str:
    """The facts that the figures depend on."""
    servers = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    lines = [
        f"Measured {machine.date} by `{machine.command}`: the median of {machine.rounds} "
        + ("round" if machine.rounds == 1 else "rounds, interleaved"),
        "",
        f"* machine: {machine.cpu}, {machine.cpus} CPUs, Linux {machine.kernel}, Python {machine.python}",
        f"* servers: {servers}",
        f"* CPU of a server: {machine.method}",
    ]
    lines += [f"* left out: {name} ({reason})" for name, reason in machine.missing.items()]
    lines += [f"* {machine.note}"] if machine.note else []
    return "\n".join(lines)


def render(machine: Machine, results: Results, image: str = "") -> str:
    """The whole section."""
    goals = [row for case, summaries in results for row in goal_rows(case, summaries)] + python_rows(results)
    parts = [heading(machine)]
    if image:
        parts.append(f"![Rates of all servers, case by case]({image})")
    parts += ["### Goals", table(["case", "measure", "must be", "is", "met"], goals, left=2)]
    for case, summaries in results:
        parts.append(f"### {case.title[0].upper()}{case.title[1:]}")
        best = best_peer(case, summaries)
        if best is not None:
            parts.append(f"Best peer: {best}. Case `{case.name}`.")
        parts.append(case_table(case, summaries))
    return "\n\n".join(parts) + "\n"


def inserted(document: str, section: str) -> str:
    """The document with its section of figures replaced; ValueError where the markers are not there."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the document has no {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{section}\n{END}{after}"
