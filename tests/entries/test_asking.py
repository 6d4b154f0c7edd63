"""How the commands ask a daemon, and how they understand what it says."""

import base64
import os
import socket
import subprocess

import pytest
from answering import answering, page
from attrs import evolve
from running import TWISTD

from tftpd_tw.cli import asking
from tftpd_tw.cli.asking import (
    NoDaemonError,
    NotAllowedError,
    RunningDaemon,
    fetch,
    fetch_json,
    fit,
    read_figures,
)
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


def at(address: str, secret: bytes | None = None) -> RunningDaemon:
    """The daemon there."""
    host, port = address.split(":")
    return RunningDaemon(Address(host, int(port)), secret)


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
        assert fetch(at(address), "/healthz") == (503, "nobody serves\n")


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>"),
        (200, "# TYPE a counter\na_total 1\n"),
        (500, page()),
        (200, page() + "# \033[2J\n"),
        (401, "who are you?"),
        (403, "no"),
        (302, page(), {"Location": "/healthz"}),
        (200, "\udcff"),
    ],
)
def test_another_server(answer: tuple[int, str]) -> None:
    """It is told from a daemon, which sends nobody elsewhere, and whose figures do nothing to a terminal."""
    with (
        answering({"/metrics": answer, "/healthz": (200, page())}) as address,
        pytest.raises(NoDaemonError, match=f"what answers at {address} is no tftpd-tw"),
    ):
        read_figures(at(address))


def test_a_server_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it longer than that."""
    monkeypatch.setattr(asking, "PATIENCE", 0.1)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = Address(*silent.getsockname())
        with pytest.raises(NoDaemonError, match=f"no answer from {address} within 0.1 seconds"):
            fetch(RunningDaemon(address), "/metrics")


def test_a_server_that_does_not_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody keeps more of it than any daemon says."""
    monkeypatch.setattr(asking, "LARGEST", 1 << 16)
    with (
        answering({"/metrics": (200, "a" * (1 << 18))}) as address,
        pytest.raises(NoDaemonError, match="no tftpd"),
    ):
        fetch(at(address), "/metrics")


@pytest.mark.parametrize("secret", [b"s3cret", b"a:b", "\u20ac".encode(), b"\xff\0"])
def test_a_secret(secret: bytes) -> None:
    """It is shown as a password, whatever its bytes; without one nothing is."""
    asked: list[tuple[str, str | None]] = []
    with answering({"/healthz": (200, "ok\n")}, asked) as address:
        fetch(at(address), "/healthz")
        fetch(at(address, secret), "/healthz")
    assert asked[0] == ("/healthz", None)
    kind, _, shown = str(asked[1][1]).partition(" ")
    assert (kind, base64.b64decode(shown)) == ("Basic", b":" + secret)
    assert "s3cret" not in repr(at(address, b"s3cret"))


ASKS = (401, "This needs the secret", {"WWW-Authenticate": 'Basic realm="tftpd-tw", charset="UTF-8"'})
CLOSED = (403, "To see the page here, name a file with a secret as monitoring.secret_file")


@pytest.mark.parametrize(
    ("answer", "secret", "why", "says"),
    [
        (ASKS, None, "", "wants to see its secret: name the file that has it by --secret-file"),
        (ASKS, None, "cannot read the secret in x", "wants to see its secret: cannot read the secret in x"),
        (ASKS, b"x", "", "has another secret than the one that it was shown"),
        (CLOSED, None, "", r"others reach too, .* given a secret \(monitoring.secret_file\)"),
    ],
)
def test_a_daemon_that_does_not_let_us_look(
    answer: tuple[int, str], secret: bytes | None, why: str, says: str
) -> None:
    """One line says what to do."""
    with answering({"/metrics": answer}) as address, pytest.raises(NotAllowedError, match=says) as caught:
        read_figures(evolve(at(address, secret), no_secret=why))
    assert "\n" not in str(caught.value)


def test_json() -> None:
    """An object, asked for with parameters."""
    asked: list[tuple[str, str | None]] = []
    with answering({"/api/x": (200, '{"schema": 1, "new": 2}')}, asked) as address:
        found = fetch_json(at(address), "/api/x", name="a b&c", last=3, outcome=["failed", "refused"])
    assert found == {"schema": 1, "new": 2}
    assert asked[0][0] == "/api/x?name=a+b%26c&last=3&outcome=failed&outcome=refused"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((404, "nothing here"), "has no /api/x: it is no tftpd-tw, or an older one"),
        (
            (200, '{"schema": 2}'),
            "is of another version than this command: it answers in schema 2, and 1 is under",
        ),
        ((200, '{"schema": "\\u001b[2J"}'), r"answers in schema \\x1b\[2J, and 1"),
        ((400, '{"error": "last: no \\u0007"}'), r"does not understand: last: no \\x07"),
        ((200, "{}"), "is no tftpd-tw"),
        ((200, "[1]"), "is no tftpd-tw"),
        ((200, "not json"), "is no tftpd-tw"),
        ((200, "[" * 100_000), "is no tftpd-tw"),
        ((200, '{"schema": 1' + "0" * 5000 + "}"), "is no tftpd-tw"),
        ((500, "<html>"), "is no tftpd-tw"),
    ],
)
def test_answers_that_are_of_no_use(answer: tuple[int, str], says: str) -> None:
    """One line says why."""
    with answering({"/api/x": answer}) as address, pytest.raises(NoDaemonError, match=says) as caught:
        fetch_json(at(address), "/api/x")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (r"a\x0a", r"a\x0a"),
        ("\033[2J", r"\x1b[2J"),
        ("\u202e", r"\xe2\x80\xae"),
        ("\ud800", r"\\ud800"),
        ("a" * 200, "a" * 125 + "..."),
        (7, "7"),
        (None, "None"),
    ],
)
def test_what_is_fit_for_a_terminal(value: object, text: str) -> None:
    """Printable ASCII, of which what a daemon says is; not too much of it."""
    assert fit(value) == text
