"""Where the commands look for a daemon, and how they understand its figures."""

import argparse
import os
import socket
import subprocess
from pathlib import Path

import pytest
from answering import answering, page
from running import TWISTD

from tftpd_tw.cli import asking
from tftpd_tw.cli.asking import NoDaemonError, add_address, fetch, read_figures, the_address
from tftpd_tw.interfaces import Address
from tftpd_tw.telemetry.families import FAMILIES, Kind
from tftpd_tw.telemetry.figures import Histogram, parse

BUSY = """\
# TYPE tftp_connections_active gauge
tftp_connections_active {active}
# TYPE tftp_bytes_transferred_total counter
tftp_bytes_transferred_total{{direction="read"}} {read}
tftp_bytes_transferred_total{{direction="write"}} 7
# TYPE tftp_response_time_seconds histogram
tftp_response_time_seconds_bucket{{direction="read",le="0.1"}} {fast}
tftp_response_time_seconds_bucket{{direction="read",le="0.2"}} {all}
tftp_response_time_seconds_bucket{{direction="read",le="+Inf"}} {all}
tftp_response_time_seconds_count{{direction="read"}} {all}
tftp_response_time_seconds_sum{{direction="read"}} {sum}
"""
RESPONSE_TIME = "tftp_response_time_seconds"


def where(*arguments: str) -> Address:
    """The address that these options lead to."""
    parser = argparse.ArgumentParser()
    add_address(parser)
    return the_address(parser.parse_args(arguments))


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the usual settings would be."""
    file = tmp_path / "usual.yaml"
    monkeypatch.setattr(asking, "DEFAULT_FILE", str(file))
    return file


def test_every_family_is_understood() -> None:
    """By its name and kind, those without values too; a histogram has all its bounds."""
    figures = parse(page())
    for family in FAMILIES:
        series = figures.series[family.name]
        assert series.kind == family.kind.value
        if family.kind is Kind.HISTOGRAM:
            bounds = [float(text) for text in figures.histogram(family.name).buckets]
            assert bounds == [*map(float, family.bounds), float("inf")]
        assert len(series.values) == len(family.known)


def test_values_are_added_up() -> None:
    """Those that have the labels that were named."""
    figures = parse(BUSY.format(active=3, read=100, fast=2, all=4, sum=0.5))
    assert figures.value("tftp_bytes_transferred") == 107
    assert figures.value("tftp_bytes_transferred", direction="read") == 100
    assert figures.value("tftp_no_such") == 0
    response = figures.histogram(RESPONSE_TIME, direction="read")
    assert response == Histogram({"0.1": 2, "0.2": 4, "+Inf": 4}, 0.5)
    assert (response.count, response.mean) == (4, 0.125)
    assert figures.histogram(RESPONSE_TIME, direction="write").count == 0


def test_what_was_counted_since() -> None:
    """Counters and histograms less what they were; gauges as they are; what is new counts from nothing."""
    before = parse(BUSY.format(active=3, read=100, fast=2, all=4, sum=0.5))
    now = parse(
        BUSY.format(active=1, read=150, fast=2, all=5, sum=0.625)
        + '# TYPE tftp_errors_total counter\ntftp_errors_total{code="1"} 2\n'
    )
    since = now.since(before)
    assert since.value("tftp_connections_active") == 1
    assert since.value("tftp_bytes_transferred", direction="read") == 50
    assert since.value("tftp_bytes_transferred", direction="write") == 0
    assert since.value("tftp_errors") == 2
    assert since.histogram(RESPONSE_TIME) == Histogram({"0.1": 0, "0.2": 1, "+Inf": 1}, 0.125)


@pytest.mark.parametrize(
    ("buckets", "part", "value"),
    [
        ({"1.0": 10, "2.0": 10, "+Inf": 10}, 0.5, 0.5),
        ({"1.0": 0, "2.0": 10, "+Inf": 10}, 0.5, 1.5),
        ({"1.0": 5, "2.0": 10, "+Inf": 10}, 0.95, 1.9),
        ({"1.0": 5, "2.0": 5, "+Inf": 10}, 0.95, 2.0),
        ({"1.0": 0, "2.0": 0, "+Inf": 0}, 0.5, None),
        ({}, 0.5, None),
    ],
)
def test_quantiles(buckets: dict[str, float], part: float, value: float | None) -> None:
    """Estimated as Prometheus does."""
    found = Histogram(buckets).quantile(part)
    assert found == (None if value is None else pytest.approx(value))


def test_the_address(usual: Path, tmp_path: Path) -> None:
    """An option, a file that is named, the usual one, the default; loopback where the daemon is everywhere."""
    assert where() == Address("127.0.0.1", 9069)
    usual.write_text("monitoring: {http: '127.0.0.2:1'}\n")
    assert where() == Address("127.0.0.2", 1)
    other = tmp_path / "other.yaml"
    other.write_text("network: {prot: 1}\nmonitoring: {http: '0.0.0.0:2'}\n")
    assert where("--config", str(other)) == Address("127.0.0.1", 2)
    assert where("--http", "[::]:3") == Address("::1", 3)
    usual.write_text("network: {port: 6969}\n")
    assert where() == Address("127.0.0.1", 9069)


@pytest.mark.parametrize("text", ["network: [\n", "monitoring: {http: 'off'}\n", "monitoring: {http: here}\n"])
def test_usual_settings_that_do_not_tell(usual: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, since a daemon may have been started before that was written."""
    usual.write_text(text)
    assert where() == Address("127.0.0.1", 9069)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {usual}")
    assert line.endswith("; so 127.0.0.1:9069 is asked")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--http", "nowhere"], "argument --http: expected 'off' or ADDRESS:PORT, got 'nowhere'"),
        (["--http", "off"], "argument --http: is off, so there is nobody to ask"),
        (["--config", "no-such-file"], "argument -c/--config: no-such-file: No such file or directory"),
        (["--http", "127.0.0.1:1", "--http", "127.0.0.1:2", "--config", "/dev/null"], "not allowed with argument"),
    ],
)
def test_wrong_addresses(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what is wrong."""
    with pytest.raises(SystemExit) as caught:
        where(*arguments)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_a_proxy_is_not_asked() -> None:
    """It could not reach the daemon. urllib reads the environment when it is imported."""
    environment = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    with answering({"/healthz": (200, "ok\n"), "/metrics": (200, page())}) as address:
        asked = subprocess.run(
            [TWISTD.with_name("tftpd-tw"), "metrics", "--http", address],
            env={**environment, "http_proxy": "http://127.0.0.1:1"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert (asked.returncode, asked.stderr) == (0, "")


def test_an_answer_that_is_no_success() -> None:
    """Its status, and what it says."""
    with answering({"/healthz": (503, "nobody serves\n")}) as address:
        host, port = address.split(":")
        assert fetch(Address(host, int(port)), "/healthz") == (503, "nobody serves\n")


@pytest.mark.parametrize("answer", [(200, "<html>"), (200, "# TYPE a counter\na_total 1\n"), (500, page())])
def test_another_server(answer: tuple[int, str]) -> None:
    """It is told from a daemon."""
    with answering({"/metrics": answer}) as address:
        host, port = address.split(":")
        with pytest.raises(NoDaemonError, match=f"what answers at {address} is no tftpd-tw"):
            read_figures(Address(host, int(port)))


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it longer than that."""
    monkeypatch.setattr(asking, "PATIENCE", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = Address(*silent.getsockname())
        with pytest.raises(NoDaemonError, match=f"no answer from {address} within 0.1 seconds"):
            fetch(address, "/metrics")
