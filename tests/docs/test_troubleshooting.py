"""What the troubleshooting pages say, tried: settings are accepted, commands run, names and figures are real."""

import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from lacking import need
from pages import ROOT, TROUBLESHOOTING, Snippet, commands, snippets
from running import PATIENCE, Daemon, fetch, request, serving, soon, udp

from tftpd_tw.service.config_reader import Sources, dotted
from tftpd_tw.service.config_warnings import without_effect
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.setting import settings
from tftpd_tw.telemetry.families import FAMILIES

BIN = Path(sys.executable).parent

# Settings


@pytest.mark.parametrize("snippet", snippets("json", "yaml"), ids=lambda snippet: snippet.name)
def test_settings(snippet: Snippet, tmp_path: Path) -> None:
    """Each piece is a file that is accepted as it stands, comments and all, and has an effect."""
    file = tmp_path / f"tftpd.{snippet.language}"
    file.write_text(snippet.text)
    sources = Sources()
    sources.add_file(str(file))
    assert list(without_effect(sources.configuration())) == []


# Commands

RUN = {"tftpd-tw", "ss", "ip", "nstat", "df", "ps", "top", "dd", "rm", "cat", "ulimit", "curl", "watch"}
"""Programs that are run as the pages have it."""

NOT_RUN = {
    "sudo": "changes the machine; of sysctl the names are looked up",
    "ping": "not on every machine, and the loopback interface needs no test",
    "mtr": "not on every machine",
    "iperf3": "needs its other half at the server",
    "iftop": "for people to look at",
    "iostat": "not on every machine",
    "ethtool": "needs a network card",
    "taskset": "would pin what the pattern finds, which may be somebody else's",
    "py-spy": "not on every machine",
    "perf": "not on every machine",
    "strace": "not on every machine",
    "tcpdump": "not on every machine",
    "jq": "not on every machine",
}
"""Programs whose lines are only read."""

PLACES = {"SERVER": "127.0.0.1:{port}", "FILE": "file", "192.0.2.7": "127.0.0.1", "/var/tftp": "{root}"}
"""What stands for something else in the pages, and what for in these tests."""

ASKING = ("metrics", "status", "transfers", "explain", "top", "doctor")
"""Commands of ours that ask a daemon."""


MAY_SAY_NO = ("doctor", "explain", "grep", "ulimit")
"""What ends with 1 where this machine has a fault, the client did not get its file, nothing was found, or not so
much is allowed.
"""


def programs(command: str) -> list[str]:
    """Those that a line names, the first of each part of a pipe."""
    words = ["|", *shlex.split(command)]
    return [word for before, word in pairwise(words) if before == "|"]


def test_every_program_is_known() -> None:
    """Whoever writes of another one says whether it is run."""
    first = {programs(command)[0] for command in commands()}
    assert first == RUN | set(NOT_RUN)


@pytest.mark.parametrize("snippet", snippets("bash"), ids=lambda snippet: snippet.name)
def test_syntax(snippet: Snippet) -> None:
    """A shell can read each of them."""
    done = subprocess.run(["bash", "-n"], input=snippet.text, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")


def test_kernel_settings_exist() -> None:
    """Each sysctl is one of this kernel's, or would be without a container around it."""
    names = [name for command in commands() for name in re.findall(r"sysctl -w ([\w.-]+)=", command)]
    assert len(names) == 5
    for name in names:
        known = Path("/proc/sys", name.replace(".", "/")).exists()
        assert known or name.startswith("net.core."), name  # which only the machine's own network has


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that has something to tell of the client 127.0.0.1."""
    root = tmp_path_factory.mktemp("docs") / "root"
    root.mkdir()
    (root / "file").write_bytes(bytes(range(256)) * 400)
    (root / "pxelinux.0").write_bytes(b"loader")
    settings = root.parent / "tftpd.yaml"
    settings.write_text(f"filesystem: {{root: {root}}}\n")
    with serving(root, "auto") as daemon:
        for name in (b"file", b"pxelinux.0"):
            fetch("127.0.0.1", daemon.port, name, blksize=1428)
        with udp() as client:
            client.sendto(request(1, b"File"), ("127.0.0.1", daemon.port))
            assert client.recv(1024).startswith(b"\0\5\0\1")
        assert soon(lambda: daemon.output.count("[tftpd_tw.transfers#info]") == 3)
        yield daemon


def here(command: str, daemon: Daemon) -> str:
    """``command`` about that daemon."""
    for written, meant in PLACES.items():
        command = command.replace(written, meant.format(port=daemon.port, root=daemon.root))
    words = command.split()
    if "tftpd-tw" in words and (name := words[words.index("tftpd-tw") + 1]) in ASKING and "--probe" not in words:
        command = command.replace(f"tftpd-tw {name}", f"tftpd-tw {name} --http {daemon.http}", 1)
    if words[:2] in (["tftpd-tw", "check"], ["tftpd-tw", "map"]):
        command += " -c tftpd.yaml" if words[1] == "map" else " tftpd.yaml"
    return command


def runs() -> list[str]:
    """Lines that are run, but for those that go on until somebody ends them."""
    endless = ("watch ", "tftpd-tw top", "tftpd-tw metrics --watch")
    return [line for line in commands() if programs(line)[0] in RUN and not line.startswith(endless)]


@pytest.mark.parametrize("command", runs())
def test_commands(command: str, daemon: Daemon) -> None:
    """Each runs as it stands, and has something to say."""
    for program in programs(command):
        if program in ("ss", "ip", "nstat"):
            need(program, "iproute2")
        elif program in ("ps", "top"):
            need(program, "procps")
        elif program == "curl":
            need(program, "curl")
    if "oflag=" in command or "iflag=direct" in command:
        command = command.replace("iflag=direct", "")  # not on every file system of a test
    if "explain" in command:
        # The last thousand transfers are remembered, and `tftpd-tw bench` has brought more.
        fetch("127.0.0.1", daemon.port, b"pxelinux.0")
    pattern = r"\$\(pgrep.*?\)"
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "100", "TERM": "dumb"}
    done = subprocess.run(
        ["bash", "-c", re.sub(pattern, str(daemon.process.pid), here(command, daemon))],
        cwd=daemon.root.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    assert "usage:" not in done.stderr
    assert done.stdout or done.stderr or ">" in command or programs(command)[0] in ("rm", "ulimit")
    assert done.returncode == 0 or any(word in command for word in MAY_SAY_NO), done.stderr


def test_what_was_exported(daemon: Daemon) -> None:
    """`metrics --format json > metrics.json` leaves JSON in that file."""
    [command] = [line for line in commands() if line.endswith("> metrics.json")]
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    subprocess.run(
        here(command, daemon), shell=True, check=True, cwd=daemon.root.parent, env=environment, timeout=PATIENCE
    )
    found = json.loads((daemon.root.parent / "metrics.json").read_text())
    assert found["families"]["tftp_transfers"]["values"]


@pytest.mark.parametrize(
    "command",
    [line for line in commands() if line.startswith(("watch ", "tftpd-tw top", "tftpd-tw metrics --watch"))],
)
def test_what_goes_on(command: str, daemon: Daemon) -> None:
    """On a terminal it shows the figures, and goes on until it is ended."""
    if command.startswith("watch"):
        need("watch", "procps")
    near, far = pty.openpty()
    environment = {
        **os.environ,
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "TERM": "xterm",
        "LINES": "50",
        "COLUMNS": "120",
    }
    process = subprocess.Popen(
        ["bash", "-c", f"exec {here(command, daemon)}"], stdin=far, stdout=far, stderr=far, env=environment
    )
    os.close(far)
    try:
        shown = b""
        while b"transfer rate" not in shown and b"127.0.0.1" not in shown:
            shown += os.read(near, 1 << 16)
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(PATIENCE)
        os.close(near)


def test_our_processes_are_found(daemon: Daemon) -> None:
    """The patterns for pgrep fit the daemon, however it was started, and its workers; and not this test."""
    if shutil.which("pgrep") is None:
        need("pgrep", "procps")
    patterns = {pattern for command in commands() for pattern in re.findall(r"\$\((pgrep .*?)\)", command)}
    assert len(patterns) == 2
    for pattern in patterns:
        done = subprocess.run(
            ["bash", "-c", pattern.replace(" -o", "")], capture_output=True, text=True, timeout=PATIENCE
        )
        assert str(daemon.process.pid) in re.split(r"[,\n]", done.stdout)
        expression = re.findall(r"'(.*)'", pattern)[0]
        for line in (
            "/usr/bin/python3 /usr/bin/tftpd-tw serve --root /x",
            "python3 /usr/bin/twistd -n tftpd --root /x",
        ):
            assert re.search(expression, line)


# Names and figures

TEXTS = {page: page.read_text() for page in TROUBLESHOOTING}


def test_settings_that_are_named() -> None:
    """`section.key` is a setting."""
    known = {dotted(setting.path) for setting in settings(Configuration)}
    sections = "|".join({name.partition(".")[0] for name in known})
    named = {name for text in TEXTS.values() for name in re.findall(rf"`((?:{sections})\.[a-z_]+)\b", text)}
    assert named
    assert named <= known


def test_metrics_that_are_named() -> None:
    """Each is one that the daemon has, and each of the table that of `tftpd-tw metrics` too."""
    known = {family.name for family in FAMILIES}
    named = {name for text in TEXTS.values() for name in re.findall(r"`(tftp_[a-z_]+?)(?:_total)?[`{]", text)}
    assert named
    assert named <= known


def test_rows_of_metrics(daemon: Daemon) -> None:
    """What the table says that `tftpd-tw metrics` calls it is there."""
    table = TEXTS[TROUBLESHOOTING[0]].partition("| what | `tftpd-tw metrics` |")[2].partition("\n\n")[0]
    rows = {name for row in table.splitlines() for name in re.findall(r"`([a-zA-Z ]+)`", row)}
    assert len(rows) >= 9
    done = subprocess.run(
        [BIN / "tftpd-tw", "metrics", "--http", daemon.http], capture_output=True, text=True, timeout=PATIENCE
    )
    assert [row for row in rows if row not in done.stdout] == []


def test_figures_are_measured() -> None:
    """Each is in what the benchmarks have written."""
    measured = (ROOT / "docs" / "performance.md").read_text().partition("## Figures")[2]
    rows = set(re.findall(r"(?<![\d.,])\d[\d.,]*\d", measured))
    text = TEXTS[TROUBLESHOOTING[0]]
    figures = re.findall(r"([\d.,]*\d) (?:MB/s|MB at|MB in all|KiB more|s of CPU|s in windows)", text)
    assert len(figures) >= 10
    computed = {"1.4", "91"}  # by the formula above them
    assert set(figures) - computed <= rows
    assert round(1428 / 0.001 / 1e6, 1) == 1.4
    assert round(1428 * 64 / 0.001 / 1e6) == 91


@pytest.mark.parametrize("page", TROUBLESHOOTING, ids=lambda page: page.stem)
def test_links(page: Path) -> None:
    """They lead somewhere."""
    headings = {
        re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", TEXTS[page], re.MULTILINE)
    }
    links: list[Any] = re.findall(r"\]\(([^)]+)\)", TEXTS[page])
    assert links
    for link in links:
        if link.startswith("#"):
            assert link[1:] in headings
        else:
            assert (page.parent / link).exists(), link
