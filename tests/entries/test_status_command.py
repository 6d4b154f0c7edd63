"""``tftpd-tw status``: a few sentences, and an exit status for scripts."""

import json
from collections.abc import Callable

import pytest
from answering import Crew, answering, page

import tftpd_tw
from tftpd_tw import cli

Status = Callable[..., tuple[int, str, str]]
WELL = (200, "ok\n")


@pytest.fixture
def status(capsys: pytest.CaptureFixture[str]) -> Status:
    """Asks; the exit status, and what is printed on both outputs."""

    def ask(*arguments: str) -> tuple[int, str, str]:
        number = cli.main(["status", *arguments])
        printed = capsys.readouterr()
        return number, printed.out, printed.err

    return ask


def test_a_daemon_that_is_well(status: Status) -> None:
    """Status 0."""
    with answering({"/healthz": WELL, "/metrics": (200, page())}) as address:
        number, text, complaints = status("--http", address)
    assert (number, complaints) == (0, "")
    first, second = text.splitlines()
    assert first == f"tftpd-tw {tftpd_tw.__version__} at {address} is well."
    assert second.startswith("Up since ")
    assert "; serves; 0 active transfers; settings taken 2001-09-" in second


@pytest.mark.parametrize(
    ("health", "text", "problem"),
    [
        ((503, "nobody serves\n"), page(crew=Crew(serving=0)), "nobody serves"),
        (WELL, page(reloaded=False), "the reload of 2001-09-"),
        (WELL, page(crew=Crew(unresponsive=1)), "workers that do not respond: 1"),
    ],
)
def test_daemons_that_are_not(health: tuple[int, str], text: str, problem: str, status: Status) -> None:
    """Status 1, and what it is."""
    with answering({"/healthz": health, "/metrics": (200, text)}) as address:
        number, printed, complaints = status("--http", address)
        assert (number, complaints) == (1, "")
        assert f" is not well: {problem}" in printed
        number, printed, _ = status("--json", "--http", address)
    document = json.loads(printed)
    assert (number, document["state"], len(document["problems"])) == (1, "unhealthy", 1)
    assert document["problems"][0].startswith(problem)


def test_one_is_no_more_than_one(status: Status) -> None:
    """Of workers and of transfers."""
    text = page(crew=Crew(serving=1)).replace("tftp_connections_active 0.0", "tftp_connections_active 1.0")
    with answering({"/healthz": WELL, "/metrics": (200, text)}) as address:
        assert "; 1 worker serves; 1 active transfer; settings " in status("--http", address)[1]


def test_json(status: Status) -> None:
    """All that is known, with workers if there are some."""
    with answering({"/healthz": WELL, "/metrics": (200, page(crew=Crew()))}) as address:
        number, text, _ = status("--json", "--http", address)
    document = json.loads(text)
    assert document.pop("up_since") > 1e9
    assert (number, document) == (
        0,
        {
            "schema": 1,
            "state": "healthy",
            "problems": [],
            "address": address,
            "version": tftpd_tw.__version__,
            "serving": True,
            "active": 0,
            "reload_succeeded": True,
            "reload_at": 1e9,
            "workers": {"serving": 2, "unresponsive": 0, "replaced": 1},
        },
    )


def test_no_daemon(status: Status) -> None:
    """Status 3 and one line, or a document that has it."""
    with answering({}) as address:
        assert status("--http", address) == (3, "", f"tftpd-tw status: what answers at {address} is no tftpd-tw\n")
    number, text, complaints = status("--http", address)
    assert (number, text, complaints.count("\n")) == (3, "", 1)
    assert f"no daemon answers at {address}: Connection refused" in complaints
    number, text, complaints = status("--json", "--http", address)
    assert (number, complaints, json.loads(text)["state"]) == (3, "", "not-running")


def test_a_daemon_that_does_not_let_us_look(status: Status) -> None:
    """Status 3 too: nobody knows whether it is well, but it is there."""
    asks = (401, "", {"WWW-Authenticate": 'Basic realm="tftpd-tw"'})
    with answering({"/healthz": WELL, "/metrics": asks}) as address:
        number, text, complaints = status("--http", address)
        assert (number, text, complaints.count("\n")) == (3, "", 1)
        assert "--secret-file" in complaints
        number, text, complaints = status("--json", "--http", address)
    assert (number, complaints, json.loads(text)["state"]) == (3, "", "not-allowed")


def test_the_help_has_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes a script looks there."""
    with pytest.raises(SystemExit):
        cli.main(["status", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for part in ("0 if it is", "1 if it answers, but nobody serves", "3 if it does not run", "2 if the options"):
        assert part in text
