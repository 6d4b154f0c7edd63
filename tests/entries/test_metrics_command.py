"""``tftpd-tw metrics``: the figures in each of the formats."""

import json
import time

import pytest
from answering import Crew, answering, page

from tftpd_tw import cli
from tftpd_tw.cli.figures_text import View, lines
from tftpd_tw.interfaces import Address
from tftpd_tw.telemetry.families import FAMILIES, Kind
from tftpd_tw.telemetry.figures import parse

HERE = Address("127.0.0.1", 9069)

BOUNDS_ABOVE = ("0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf")
"""Of the response time, all but the first four."""


def metrics(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit status, and what it prints on both outputs."""
    status = cli.main(["metrics", *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def changed(text: str, **values: float) -> str:
    """``text`` with other values of figures; ``tftp_`` and labels are left out of their names."""
    rows = []
    for row in text.splitlines():
        name, _, value = row.rpartition(" ")
        short = name.removeprefix("tftp_").replace('{direction="read"', "{read").partition("}")[0]
        short = short.replace("{read", "_read").replace(',outcome="', "_").replace(',le="', "_").strip('"')
        rows.append(f"{name} {values.pop(short, value)}")
    assert not values
    return "\n".join(rows) + "\n"


BUSY = changed(
    page(crew=Crew()),
    server_uptime_seconds=100,
    connections_active=3,
    connections_unverified=1,
    connections_opening=2,
    bytes_transferred_total_read=5_000_000,
    transfers_total_read_completed=6,
    transfers_total_read_refused=2,
    **{"transfers_total_read_size-probe": 4},
    retransmits_total_read=9,
    process_cpu_seconds_total=25,
    process_resident_memory_bytes=45_600_000,
    process_open_descriptors=17,
    process_max_descriptors=1024,
    cache_hits_total=90,
    cache_misses_total=10,
    response_time_seconds_sum_read=0.08,
    **{f"response_time_seconds_bucket_read_{bound}": 8 for bound in BOUNDS_ABOVE},
) + (
    "# TYPE tftp_transfer_endings_total counter\n"
    'tftp_transfer_endings_total{direction="read",outcome="refused",reason="not-found"} 2\n'
    'tftp_transfer_endings_total{direction="read",outcome="completed",reason="completed"} 6\n'
)


def rows(view: View) -> dict[str, str]:
    """What the text says, by the first words of each row."""
    return {row[:18].strip(): " ".join(row[18:].split()) for row in list(lines(HERE, view))[1:]}


def test_the_text() -> None:
    """What to monitor, with units."""
    now = parse(BUSY)
    head, *_ = lines(HERE, View.of(now, None))
    assert "at 127.0.0.1:9069, up 1 min 40 s; figures since it was started" in head
    found = rows(View.of(now, None))
    assert found["transfer rate"] == "50.0 kB/s 0 B/s"
    assert found["transferred"] == "5.00 MB 0 B"
    assert found["errors"] == "2 0"
    assert found["error rate"] == "25.0 % -"
    assert found["retransmits"] == "9 0"
    assert found["response mean"] == "10.0 ms -"
    assert found["response p50"] == "7.50 ms -"
    assert found["response p95"] == "9.75 ms -"
    assert found["connections"] == "3 active, 1 of them unverified; 2 opening"
    assert found["error reasons"] == "not-found 2"
    assert found["CPU"] == "25.0 % of one"
    assert found["memory"] == "45.6 MB"
    assert found["descriptors"] == "17 of 1024"
    assert found["cache"] == "90 hits, 10 misses (90.0 % hits); holds 0 B, 0 open files"
    assert found["event loop lag"] == "mean -, p95 -"
    assert found["settings"].startswith("taken 2001-09-")
    assert found["workers"] == "2 serving, 0 unresponsive, 1 replaced"


def test_the_text_of_an_interval() -> None:
    """Rates and counts of the time between; what is so now as it is."""
    last = parse(BUSY)
    now = parse(
        changed(BUSY, server_uptime_seconds=102, bytes_transferred_total_read=7_000_000, connections_active=1)
    )
    view = View.of(now, last)
    assert "figures of the last 2.00 s" in next(lines(HERE, view))
    found = rows(view)
    assert found["transfer rate"] == "1.00 MB/s 0 B/s"
    assert found["retransmits"] == "0 0"
    assert found["connections"].startswith("1 active")
    assert found["cache"] == "0 hits, 0 misses; holds 0 B, 0 open files"
    assert "error reasons" not in found


def test_a_daemon_that_was_started_again() -> None:
    """What it counts began anew, so there is nothing to compare it with."""
    view = View.of(parse(changed(BUSY, server_uptime_seconds=1)), parse(BUSY))
    assert (view.whole, view.seconds) == (True, 1)


def test_a_daemon_of_another_version() -> None:
    """What it does not count is shown as nothing."""
    found = rows(View.of(parse("# TYPE tftp_server_uptime_seconds gauge\ntftp_server_uptime_seconds 5\n"), None))
    assert found["transfer rate"] == "0 B/s 0 B/s"
    assert found["response mean"] == "- -"
    assert "error reasons" not in found


def test_the_columns() -> None:
    """They are aligned, and fit a terminal."""
    text = list(lines(HERE, View.of(parse(BUSY), None)))
    table = text[2 : text.index("", 2)]
    assert {len(row) for row in table} == {44}
    assert max(map(len, text[1:])) < 80


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Every family with its kind, and with the labels and values that the daemon gave."""
    with answering({"/metrics": (200, BUSY)}) as address:
        status, text, complaints = metrics(capsys, "--format", "json", "--http", address)
    assert (status, complaints, text.count("\n")) == (0, "", 1)
    document = json.loads(text)
    assert document["schema"] == 1
    assert abs(document["time"] - time.time()) < 60
    for family in FAMILIES:
        assert document["families"][family.name]["type"] == family.kind.value
        for value in document["families"][family.name]["values"]:
            assert set(value["labels"]) == set(family.labels)
            assert ("buckets" in value) == (family.kind is Kind.HISTOGRAM)
    read, write = document["families"]["tftp_bytes_transferred"]["values"]
    assert read == {"labels": {"direction": "read"}, "value": 5_000_000}
    assert write == {"labels": {"direction": "write"}, "value": 0}
    response = document["families"]["tftp_response_time_seconds"]["values"][0]
    assert (response["count"], response["sum"], response["buckets"]["0.01"]) == (8, 0.08, 8)


def test_as_prometheus_gets_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Byte by byte."""
    with answering({"/metrics": (200, BUSY)}) as address:
        assert metrics(capsys, "--format", "prometheus", "--http", address) == (0, BUSY, "")


def test_watching(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Again after each interval, until Ctrl-C."""
    pages = {"/metrics": (200, BUSY)}
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        pages["/metrics"] = (200, changed(BUSY, server_uptime_seconds=102))
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    with answering(pages) as address:
        status, text, complaints = metrics(capsys, "--watch", "500ms", "--http", address)
    assert (status, complaints, slept) == (0, "", [0.5, 0.5])
    first, second = [row for row in text.splitlines() if row.startswith("tftpd-tw")]
    assert first.endswith("since it was started")
    assert second.endswith("of the last 2.00 s")


@pytest.mark.parametrize("interval", ["0", "-1", "nan", "soon", "99d"])
def test_wrong_intervals(interval: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is expected."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["metrics", f"--watch={interval}"])
    assert caught.value.code == 2
    assert "--watch: expected seconds" in capsys.readouterr().err.splitlines()[-1]


def test_no_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and status 3, as with the other commands."""
    with answering({}) as address:
        pass
    status, text, complaints = metrics(capsys, "--http", address)
    assert (status, text) == (3, "")
    assert complaints == (
        f"tftpd-tw metrics: no daemon answers at {address}: Connection refused;"
        " it may not run, or have another --http\n"
    )
