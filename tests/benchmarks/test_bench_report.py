"""What the benchmark makes of its measurements: medians, ratios, verdicts, tables. Nothing is measured here."""

import xml.etree.ElementTree as ElementTree

import pytest
from attrs import evolve

from benchmarks.cases import CASES, Case, Goal, cpu, lossy, quick, rate
from benchmarks.chart import chart
from benchmarks.meter import private_bytes
from benchmarks.peers import OURS, PEERS
from benchmarks.report import (
    BEGIN,
    END,
    Machine,
    case_table,
    goal_rows,
    inserted,
    number,
    python_rows,
    render,
    table,
)
from benchmarks.summary import Summary, best_peer, ratio, summarize, verdicts

CASE = Case(
    "windows", "one client, windowsize 16", 1_000_000, windowsize=16, goals=(rate(2), cpu(0.5, ("atftpd",)))
)
MACHINE = Machine(
    "2026-01-02", "6.1", "a CPU", 2, "3.11", "make bench", 5, "a group", {OURS: "1"}, {"tftpy": "no net"}
)


def sample(mb_per_s: float, **other: object) -> dict[str, object]:
    """What the load generator would print, for 1 MB in one transfer."""
    return {
        "mb": 1.0,
        "partial_mb": 0.0,
        "seconds": 1 / mb_per_s,
        "mb_per_s": mb_per_s,
        "transfers": 1,
        "transfers_per_s": mb_per_s,
        "failures": 0,
        "mismatches": 0,
        "retransmits": 0,
        "late": False,
        "p50_s": 0.5,
        "max_s": 1.0,
        "first_max_s": 0.1,
        "client_cpu_s": 0.1,
        "blksize": 1428,
        "windowsize": 16,
        "error": "",
        "cpu_s": 0.01,
        "rest_mb": 20.0,
        "peak_mb": 30.0,
        **other,
    }


def test_a_summary_is_the_median_of_the_rounds():
    """One slow round changes nothing."""
    summary = summarize(CASE, [sample(100), sample(5), sample(110)])
    assert (summary.rate, summary.rounds, summary.spread) == (100, 3, 2)


def test_cpu_is_for_each_gigabyte():
    """0.01 s for 1 MB, and half of it for twice the bytes."""
    assert summarize(CASE, [sample(1)]).cpu == pytest.approx(10)
    assert summarize(CASE, [sample(1, partial_mb=1.0)]).cpu == pytest.approx(5)


def test_the_worst_round_counts_for_memory_and_failures():
    """They are not averaged away; a wrong byte is a failure."""
    summary = summarize(CASE, [sample(1), sample(1, peak_mb=99.0, failures=1, mismatches=1)])
    assert (summary.peak, summary.failures) == (99, 2)


def test_memory_of_a_session():
    """What is above rest, shared by the sessions."""
    case = evolve(CASE, clients=1000)
    assert summarize(case, [sample(1, rest_mb=10.0, peak_mb=10.0 + 1024 * 1000 / 1e6)]).session == pytest.approx(1)


def test_broken_measurements_are_left_out():
    """And without any other there are no figures, but a reason."""
    assert summarize(CASE, [sample(7), {"broken": True}]).rate == 7
    assert summarize(CASE, [{"broken": True}]).problem == "the measurement broke"
    assert summarize(CASE, []).problem == "not run"


def test_a_refusal_is_no_rate():
    """No transfer ended and there was time: the server does not serve this."""
    summary = summarize(CASE, [sample(1, transfers=0, error="no such file")])
    assert (summary.rate, summary.problem) == (None, "no such file")


def test_a_lossy_case_takes_the_median_transfer():
    """When fewer than half were done in time, the rate is an upper bound."""
    case = lossy(5, 1)
    reached = summarize(case, [sample(1, transfers=8)])
    assert (reached.rate, reached.at_most) == (2, False)
    cut_off = summarize(case, [sample(1, transfers=4, seconds=40.0, late=True)])
    assert (cut_off.rate, cut_off.at_most) == (1 / 40, True)


def test_ratios():
    """Ours divided by theirs; none where one is missing."""
    assert ratio("rate", Summary(rate=3), Summary(rate=2)) == 1.5
    assert ratio("rate", Summary(rate=3), Summary()) is None
    assert ratio("cpu", Summary(), Summary(cpu=1)) is None


def test_the_best_peer_does_not_fail():
    """A server that drops its clients is not the fastest; nor are we a peer of our own."""
    summaries = {OURS: Summary(rate=9), "fast": Summary(rate=8, failures=5), "sound": Summary(rate=7, failures=0)}
    assert best_peer(CASE, summaries) == "sound"
    assert best_peer(CASE, {OURS: Summary(rate=9)}) is None


def test_verdicts():
    """Rates are at least, everything else at most, its bound."""
    summaries = {OURS: Summary(rate=20, cpu=2), "atftpd": Summary(rate=10, cpu=3)}
    assert [(found.value, found.met) for found in verdicts(CASE, summaries)] == [(2, True), (2 / 3, False)]
    assert [found.met for found in verdicts(CASE, {})] == [None, None]


def test_absolute_goals():
    """Some are not compared with anybody."""
    case = evolve(CASE, goals=(Goal("failures", 0), Goal("first", 1)))
    found = verdicts(case, {OURS: Summary(rate=1, failures=1, first=0.5)})
    assert [verdict.met for verdict in found] == [False, True]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0, "0"), (0.123, "0.12"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers(value: float | None, text: str):
    """Three figures are enough."""
    assert number(value) == text


def test_tables():
    """The first columns are to the left."""
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"


def test_a_case_has_a_row_for_each_server():
    """With our ratio to it, a mark at what was not granted, and bounds as bounds."""
    summaries = {
        OURS: Summary(rate=20, granted=(1428, 16)),
        "hpa": Summary(rate=10, granted=(1428, 1)),
        "slow": Summary(rate=1, at_most=True),
        "broken": Summary(problem="it ended"),
    }
    rows = [line.split(" | ") for line in case_table(CASE, summaries).splitlines()[2:]]
    assert rows[0][:4] == [f"| **{OURS}**", "1428 / 16", "20.0", "-"]
    assert rows[1][:4] == ["| hpa", "1428 / 1 †", "10.0", "2.00"]
    assert rows[2][2:4] == ["< 1.00", "> 20.0"]
    assert rows[3][:2] == ["| broken", "it ended"]


def test_goals_say_whether_they_are_met():
    """And a peer that was cut off gives a lower bound."""
    summaries = {OURS: Summary(rate=30), "fbtftp": Summary(rate=10, at_most=True)}
    case = evolve(CASE, goals=(rate(2), rate(4)))
    assert goal_rows(case, summaries) == [
        ["one client, windowsize 16", "rate / fbtftp", "≥ 2", "> 3.00", "yes"],
        ["one client, windowsize 16", "rate / fbtftp", "≥ 4", "> 3.00", "cut off before"],
    ]


def test_python_peers_are_judged_by_where_they_come_closest():
    """In every case, and more strictly where windows are large."""
    lockstep = evolve(CASE, title="lockstep", windowsize=1)
    results = [
        (lockstep, {OURS: Summary(rate=2), "tftpy": Summary(rate=1)}),
        (CASE, {OURS: Summary(rate=9), "tftpy": Summary(rate=3)}),
    ]
    assert [row[2:] for row in python_rows(results)] == [["≥ 1", "2.00", "yes"], ["≥ 4", "3.00", "no"]]


def test_the_report_names_the_machine_and_what_is_missing():
    """Nobody must guess where figures come from."""
    text = render(MACHINE, [(CASE, {OURS: Summary(rate=1)})], "img/x.svg")
    assert all(
        word in text for word in ("2026-01-02", "make bench", "a CPU, 2 CPUs", "tftpy (no net)", "(img/x.svg)")
    )


def test_figures_are_put_between_their_markers():
    """What people wrote stays, however often it is done."""
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = inserted(document, "new\n")
    assert once == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert inserted(once, "new\n") == once
    with pytest.raises(ValueError, match="has no"):
        inserted("no markers", "new")


def test_the_chart_is_svg():
    """One bar for each server that has a rate."""
    picture = chart([(CASE, {OURS: Summary(rate=2), "a<b": Summary(rate=1), "none": Summary()})], "today")
    tree = ElementTree.fromstring(picture)
    assert len(tree.findall("{http://www.w3.org/2000/svg}rect")) == 1 + 2


def test_private_memory():
    """What is shared is not counted."""
    assert (
        private_bytes("a-b\nRss: 9 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 2 kB\nShared_Clean: 5 kB\n") == 3 * 1024
    )


def test_names_are_unique_and_known():
    """Cases and peers are chosen by name, and goals name peers."""
    assert len({case.name for case in CASES}) == len(CASES)
    names = {peer.name for peer in PEERS}
    assert {other for case in CASES for goal in case.goals for other in goal.of or ()} <= names | {
        "bare loop of UDP_SEGMENT"
    }


def test_a_quick_case_is_small():
    """Nothing of it takes long."""
    assert all(quick(case).size * quick(case).clients <= 400_000_000 for case in CASES)
