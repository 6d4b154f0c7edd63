"""``tftpd-tw doctor``: what it prints, for people and for programs, and its exit status."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import TWISTD, Daemon, serving, soon

from tftpd_tw import __version__, cli
from tftpd_tw.cli import doctor
from tftpd_tw.cli.findings_text import lines
from tftpd_tw.diagnosis import probe as probing
from tftpd_tw.diagnosis.download import Limit
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN, Finding, State
from tftpd_tw.net.client import TransferFailed
from tftpd_tw.protocol.events import Ended

TFTPD_TW = str(TWISTD.with_name("tftpd-tw"))

Run = Callable[..., tuple[int, str]]

FOUND = (
    Finding(OK, "clock", "12:00"),
    Finding(SKIP, "daemon", "none seen", "nobody answers"),
    Finding(WARN, "receive-buffer", "208KiB of 4MiB", "Room for " + "very " * 30 + "few.", ("sysctl -w a.b=1",)),
    Finding(
        FAIL, "folder", "there is no such folder", "It is needed.", ("mkdir -p /srv/tftp", "--root"), "/srv/tftp"
    ),
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Looks are remembered elsewhere, and a few packets will do."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(doctor, "DEFAULT_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.setattr(probing, "REQUESTS", 3)
    monkeypatch.setattr(probing, "FIRST", Limit(0.2, 1000))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The exit status, and what is printed."""

    def run(*arguments: str) -> tuple[int, str]:
        status = cli.main(["doctor", *arguments])
        return status, capsys.readouterr().out

    return run


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that serves a file."""
    root = tmp_path_factory.mktemp("served") / "root"
    root.mkdir()
    (root / "file").write_bytes(bytes(1 << 20))
    with serving(root, "auto") as daemon:
        yield daemon


def states(document: dict[str, object]) -> dict[str, State]:
    """Those of each check, the worst of several."""
    found: dict[str, State] = {}
    for each in document["findings"]:
        found[each["check"]] = max(found.get(each["check"], State.OK), State(each["state"]), key=list(State).index)
    return found


def test_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst is first, with what follows and what mends it; the rest has a line each; figures are aligned."""
    monkeypatch.setenv("COLUMNS", "60")
    text = list(lines(FOUND, coloured=False))
    assert text[:5] == [
        "FAIL  folder /srv/tftp  there is no such folder",
        "      It is needed.",
        "      > mkdir -p /srv/tftp",
        "      > --root",
        "",
    ]
    assert text[5] == "WARN  receive buffer    208KiB of 4MiB"
    rest = text.index("OK    clock             12:00")
    assert text[rest + 1 : rest + 3] == ["SKIP  daemon            none seen; nobody answers", ""]
    assert text[rest + 3].startswith("What `sysctl -w` sets is gone after a restart.")
    assert text[-1] == "1 FAIL, 1 WARN, 1 OK, 1 SKIP"
    assert max(map(len, text)) <= 60


def test_commands_are_never_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody copies them."""
    monkeypatch.setenv("COLUMNS", "40")
    command = "mount -o remount,noatime /a/rather/long/path/to/somewhere"
    finding = Finding(WARN, "x", "figure", "Reason.", (command,), "/a/very/long/name/of/what/it/is/about")
    text = list(lines([finding], coloured=False))
    assert f"      > {command}" in text
    assert text[0].endswith("about  figure")


def test_colours_are_an_addition() -> None:
    """Without them the text is the same."""
    plain, coloured = (list(lines(FOUND, coloured=on)) for on in (False, True))
    assert coloured[0] == "\033[31;1mFAIL\033[0m" + plain[0][4:]
    for code in ("31;1", "33;1", "32", "2"):
        coloured = [line.replace(f"\033[{code}m", "").replace("\033[0m", "") for line in coloured]
    assert coloured == plain


def test_nothing_found() -> None:
    """Says so."""
    assert list(lines([], coloured=False)) == ["0 FAIL, 0 WARN, 0 OK, 0 SKIP"]


def test_a_daemon_that_is_well(daemon: Daemon, run: Run) -> None:
    """With its settings it is found at its ports; one line has it all."""
    options = ("--root", str(daemon.root), "--port", str(daemon.port), "--http", daemon.http)
    status, text = run("--json", *options)
    assert text.count("\n") == 1
    document = json.loads(text)
    found = states(document)
    assert {found[check] for check in ("daemon", "reload", "request-port", "folder", "files")} == {State.OK}
    assert document["schema"] == 1
    assert document["version"] == __version__
    assert document["time"] > 1e9
    assert document["probe"] is None
    assert set(document) == {"schema", "version", "time", "state", "counts", "findings", "probe"}
    assert sum(document["counts"].values()) == len(document["findings"])
    for finding in document["findings"]:
        assert set(finding) == {"check", "about", "state", "figure", "reason", "remedies"}
    assert status == (1 if document["state"] == "fail" else 0)


def test_a_folder_that_is_not_there(run: Run, tmp_path: Path) -> None:
    """Status 1."""
    status, text = run("--root", str(tmp_path / "none"), "--port", "0", "--http", "off")
    assert status == 1
    assert text.startswith(f"FAIL  folder {tmp_path}/none")
    assert f"> mkdir -p {tmp_path}/none" in text


def test_a_settings_file(run: Run, tmp_path: Path) -> None:
    """Its mistakes fail, and options go before it."""
    file = tmp_path / "tftpd.yaml"
    file.write_text(f"filesystem: {{root: {tmp_path}}}\nnetwork: {{port: 6969}}\nmonitoring: {{http: off}}\n")
    _, text = run("--config", str(file), "--port", "6970", "--uploads", "create")
    assert re.search(rf"^OK    settings +{file}$", text, re.MULTILINE)
    assert "UDP [::]:6970" in text
    assert f"uploads {tmp_path}" in text
    file.write_text("network: {prot: 1}\n")
    status, text = run("--config", str(file))
    assert (status, f"{file}:1: network.prot: unknown key" in " ".join(text.split())) == (1, True)


def test_warnings_are_no_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 0."""
    monkeypatch.setattr(doctor, "examine", lambda case: [Finding(WARN, "x", "figure", "Reason.")])
    assert run("--http", "off") == (0, "WARN  x  figure\n      Reason.\n\n0 FAIL, 1 WARN, 0 OK, 0 SKIP\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--port", "x"), "--port: expected a port, 0 to 65535, got 'x'"),
        (("--name", "x"), "--name goes with --probe"),
        (("--probe", "host:x"), "--probe: expected a port, 1 to 65535, got 'x'"),
        (("--probe", "127.0.0.1:9", "--name", "x" * 600), "TFTP allows 512"),
        (("--nonsense",), "unrecognized arguments: --nonsense"),
    ],
)
def test_wrong_options(arguments: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", *arguments])
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err


def test_a_probe(daemon: Daemon, run: Run) -> None:
    """Without a file it is an ERROR that answers, and it is said how to know more."""
    status, text = run("--probe", f"127.0.0.1:{daemon.port}")
    assert status == 0
    assert "OK    answers   3 of 3, after " in text
    assert "SKIP  download  not tried; name a file that the server has with --name" in text
    assert "ERROR 1, File not" in text


def test_a_probe_with_a_file(daemon: Daemon, run: Run) -> None:
    """Which sizes are best, as text and in numbers."""

    def ended() -> float:
        outcomes = ("completed", "failed")  # the first one does not count, and may be cut off
        return sum(
            daemon.metric(f'tftp_transfers_total{{direction="read",outcome="{each}"}}') for each in outcomes
        )

    before = ended()
    status, text = run("--probe", f"127.0.0.1:{daemon.port}", "--name", "file", "--json")
    probe = json.loads(text)["probe"]
    assert (status, probe["answers"]) == (0, 3)
    sizes = [(one["blksize"], one["windowsize"]) for one in probe["downloads"]]
    assert sizes[:3] == [(512, 1), (1468, 1), (1468, 4)]
    assert {one["size"] for one in probe["downloads"]} == {1 << 20}
    assert probe["best"] in probe["downloads"]
    # The last acknowledgement may still be on its way.
    assert soon(lambda: ended() - before == len(probe["downloads"]) + 1)
    status, text = run("--probe", f"127.0.0.1:{daemon.port}", "--name", "file")
    assert "> tftpd-tw get --block-size " in text


def test_a_probe_of_nobody(daemon: Daemon, run: Run) -> None:
    """Status 1; the port is closed, or the host is not known."""
    status, text = run("--probe", "127.0.0.1:1")
    assert (status, text.split("\n")[0]) == (1, "FAIL  answers  port closed")
    status, text = run("--probe", "nothing.invalid", "--json")
    document = json.loads(text)
    assert (status, document["findings"][0]["check"], document["probe"]) == (1, "probe", None)


def test_texts_of_strangers(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server says is made fit for a terminal."""

    def fails(*arguments: object) -> None:
        raise TransferFailed(Ended("client-error", 2, b"\x1b[2J\xff"))

    monkeypatch.setattr(doctor, "probe", fails)
    status, text = run("--probe", "127.0.0.1", "--name", "x")
    assert (status, "the server said ERROR 2: \\x1b[2J\\xff." in text) == (1, True)


def test_whoever_reads_may_have_seen_enough(tmp_path: Path) -> None:
    """As ``head`` does."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [TFTPD_TW, "doctor", "--http", "off"],
            stdout=writing,
            stderr=subprocess.PIPE,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
            timeout=60,
        )
    finally:
        os.close(writing)
    assert (done.stderr, done.returncode in (0, 1)) == (b"", True)


def test_the_help_has_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever writes a script looks there; and all options of the daemon are there."""
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "The status is 1 if something is FAIL, else 0; 2 if the options are wrong." in text
    assert "--block-size VALUE" in text
