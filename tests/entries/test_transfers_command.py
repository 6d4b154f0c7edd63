"""``tftpd-tw transfers``: a table for people, JSON for programs."""

import json
import re
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from answering import answering
from telling import NOW, active, ended, refused, told

from tftpd_tw import cli
from tftpd_tw.cli import transfers as command
from tftpd_tw.cli.told import Told
from tftpd_tw.cli.transfers_text import became, progress

Transfers = Callable[..., tuple[int, str, str]]

SOME = told(
    refused("pxelinux.cfg/C0A80001", more=3, time="2026-09-21T14:13:18.000Z", mac=None),
    ended(),
    active=[active(seconds=5.0)],
)


@pytest.fixture
def transfers(utc: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Transfers:
    """Asks; the exit status, and what is printed on both outputs."""
    monkeypatch.setattr(command, "time", SimpleNamespace(time=lambda: NOW))

    def ask(*arguments: str) -> tuple[int, str, str]:
        number = cli.main(["transfers", *arguments])
        printed = capsys.readouterr()
        return number, printed.out, printed.err

    return ask


def on_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Standard output is one from now on."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))


def test_the_table(transfers: Transfers) -> None:
    """The last one at the bottom, and below it what is in progress. Without a terminal nothing is cut."""
    with answering({"/api/transfers": SOME}) as address:
        number, text, complaints = transfers("--http", address)
    assert (number, complaints) == (0, "")
    rows = [re.split("  +", line) for line in text.splitlines()]
    mac, name = "52:54:00:12:34:56", "boot/vmlinuz"
    size, rate = "8.00 MB", "4.00 MB/s"
    assert rows == [
        ["time", "client", "MAC", "way", "name", "outcome", "size", "rate", "resent", "took"],
        ["2026-09-21 14:13:10", "192.0.2.7", mac, "read", name, "completed", size, rate, "0", "2.00 s"],
        [
            *("2026-09-21 14:13:18", "192.0.2.7", "-", "read", "pxelinux.cfg/C0A80001"),
            *("refused: not-found, +3 more", "-", "-", "0", "1.00 ms"),
        ],
        ["2026-09-21 14:13:15", "192.0.2.7", "-", "read", name, "active", "50 % of 8.00 MB", rate, "0", "5.00 s"],
    ]
    assert len(set(map(len, text.splitlines()))) == 1


@pytest.mark.parametrize("columns", [60, 80, 100, 132, 200])
def test_on_a_terminal(columns: int, transfers: Transfers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines fit, times are short, and it is said what is left out."""
    on_terminal(monkeypatch, columns)
    with answering({"/api/transfers": SOME}) as address:
        _, text, _ = transfers("--http", address)
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[1].startswith("14:13:10  192.0.2.7  ")
    assert ("MAC" in lines[0]) == (columns > 130)
    assert ("no room for: MAC" in lines[-1]) == (columns < 130)
    assert "not-found" in text


def test_days(transfers: Transfers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless all are of today, a terminal shows them too."""
    on_terminal(monkeypatch, 200)
    with answering({"/api/transfers": told(ended(), ended(time="2026-09-20T23:59:59.000Z"))}) as address:
        _, text, _ = transfers("--http", address)
    assert [line.split("  ")[0] for line in text.splitlines()[1:]] == [
        "2026-09-20 23:59:59",
        "2026-09-21 14:13:10",
    ]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], {"last": ["20"]}),
        (["--last", "5"], {"last": ["5"]}),
        (["--last", "0"], {}),
        (["--active"], {"last": ["0"]}),
        (
            ["--failed", "--last", "7"],
            {"last": ["7"], "outcome": ["failed", "refused", "unanswered", "ignored"]},
        ),
        (["--client", "::ffff:192.0.2.7"], {"last": ["20"], "client": ["192.0.2.7"]}),
        (["--client", "fe80::1%eth0"], {"last": ["20"], "client": ["fe80::1%eth0"]}),
        (["--name", "boot"], {"last": ["20"], "name": ["boot"]}),
        (["--name", "\\Boot\\é"], {"last": ["20"], "name": [r"\\Boot\\\xc3\xa9"]}),
    ],
)
def test_what_is_asked_for(arguments: list[str], asked: dict[str, list[str]], transfers: Transfers) -> None:
    """The daemon chooses; a name is asked for as it shows names."""
    seen: list[tuple[str, Any]] = []
    with answering({"/api/transfers": SOME}, seen) as address:
        assert transfers("--http", address, *arguments)[0] == 0
    [(path, _)] = seen
    assert parse_qs(urlsplit(path).query) == asked


def test_active_only(transfers: Transfers) -> None:
    """Whatever the daemon says."""
    with answering({"/api/transfers": SOME}) as address:
        assert len(transfers("--http", address, "--active")[1].splitlines()) == 2
        document = json.loads(transfers("--http", address, "--active", "--json")[1])
    assert (len(document["active"]), document["ended"]) == (1, [])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Nothing is in progress, and nothing has ended yet."),
        (["--active"], "Nothing is in progress."),
        (["--failed"], "The daemon remembers no such transfers."),
        (["--client", "192.0.2.9"], "The daemon remembers no such transfers."),
    ],
)
def test_none(arguments: list[str], says: str, transfers: Transfers) -> None:
    """That is no failure."""
    with answering({"/api/transfers": told()}) as address:
        assert transfers("--http", address, *arguments) == (0, f"{says}\n", "")


def test_json(transfers: Transfers) -> None:
    """One line, with all that the daemon says of each."""
    with answering({"/api/transfers": SOME}) as address:
        number, text, complaints = transfers("--http", address, "--json")
    assert (number, complaints, text.count("\n")) == (0, "", 1)
    document = json.loads(text)
    assert set(document) == {"schema", "time", "active", "ended"}
    assert (document["schema"], document["ended"][1], document["active"]) == (1, ended(), [active(seconds=5.0)])


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({}, "has no /api/transfers: it is no tftpd-tw, or an older one"),
        ({"/api/transfers": told(schema=2)}, "it answers in schema 2, and 1 is understood"),
        ({"/api/transfers": (200, "<html>")}, "is no tftpd-tw"),
    ],
)
def test_no_daemon(pages: Any, says: str, transfers: Transfers) -> None:
    """Status 3 and one line."""
    with answering(pages) as address:
        number, text, complaints = transfers("--http", address)
        assert (number, text, complaints.count("\n")) == (3, "", 1)
        assert complaints.startswith("tftpd-tw transfers: ")
        assert says in complaints
    assert transfers("--http", address)[0] == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--active", "--failed"], "--failed: not allowed with argument --active"),
        (["--active", "--last", "3"], "--last is about those that have ended"),
        (["--last", "-1"], "--last: expected transfers, 0 to 1000000, got '-1'"),
        (["--client", "nobody"], "--client: expected an IPv4 or IPv6 address, got 'nobody'"),
    ],
)
def test_wrong_options(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["transfers", *arguments])
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


def test_a_daemon_that_says_strange_things(transfers: Transfers) -> None:
    """It is shown as far as it goes, and does nothing to a terminal."""
    strange = told({"name": "\033[2J\n", "time": "never"}, {}, 7, active=[{"name": 1}], more={"deep": []})
    with answering({"/api/transfers": strange}) as address:
        number, text, complaints = transfers("--http", address)
    assert (number, complaints, len(text.splitlines())) == (0, "", 5)
    assert r"\x1b[2J\x0a" in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("value", "full", "brief"),
    [
        (ended(), "completed", "completed"),
        (ended(reason="last-ack-missing"), "completed: last-ack-missing", "last-ack-missing"),
        (ended(outcome="ignored", reason="denied-by-rule:x", more=4), "ignored: denied-by-rule:x, +4 more", None),
        (ended(outcome="failed", reason=""), "failed", "failed"),
        (active(), "active", "active"),
        (active(verified=False), "active, no answer yet", "active, no answer yet"),
    ],
)
def test_what_became_of_it(value: Any, full: str, brief: str | None) -> None:
    """The outcome and the reason; where there is less room the reason alone."""
    assert became(Told.of(value), brief=False) == full
    assert became(Told.of(value), brief=True) == (brief or full.removeprefix("ignored: "))


@pytest.mark.parametrize(
    ("value", "full", "brief"),
    [
        (ended(), "8.00 MB", "8.00 MB"),
        (ended(bytes=0, size=0), "0 B", "0 B"),
        (ended(outcome="size-probe", bytes=0), "-", "-"),
        (ended(outcome="failed", bytes=2_000_000), "25 % of 8.00 MB", "25 %"),
        (ended(outcome="failed", bytes=2_000_000, size=None), "2.00 MB", "2.00 MB"),
        (active(size=None), "4.00 MB", "4.00 MB"),
    ],
)
def test_how_much(value: Any, full: str, brief: str) -> None:
    """Bytes, or the part of them that there is so far."""
    assert (progress(Told.of(value), brief=False), progress(Told.of(value), brief=True)) == (full, brief)


def test_the_help_has_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes a script looks there."""
    with pytest.raises(SystemExit):
        cli.main(["transfers", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for part in ("The status is 0;", "3 if there is no daemon", "2 if the options"):
        assert part in text
