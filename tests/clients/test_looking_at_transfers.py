"""A running daemon's transfers, by ``tftpd-tw transfers``, ``top --once`` and ``explain``; it has a secret."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import ANY_PORT, IN_FOREGROUND, Daemon, ack, data, fetch_with, request, running, soon, udp

from tftpd_tw import cli

CONTENT = b"0123456789" * 100
SERVED, REFUSED, SILENT, MOVING, NOBODY = (f"127.0.0.{number}" for number in range(2, 7))
"""Clients: one that got a file, one that did not, one that never answers, one in the middle of a file, none."""

WORKERS = pytest.mark.parametrize("workers", [1, 2])


@pytest.fixture
def daemon(workers: int, tmp_path: Path) -> Iterator[Daemon]:
    """One that has such clients."""
    (tmp_path / "root" / "boot").mkdir(parents=True)
    (tmp_path / "root" / "boot" / "vmlinuz").write_bytes(CONTENT)
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "tftpd.yaml").write_text(
        f"filesystem: {{root: {tmp_path}/root}}\n"
        f"performance: {{workers: {workers}, drain_timeout: 0}}\n"
        f"monitoring: {{secret_file: {tmp_path}/secret}}\n"
        f"clients: {{profiles: [{{name: old-rom, clients: [{SERVED}], refused_options: [windowsize]}}]}}\n"
    )
    command = [*IN_FOREGROUND, "tftpd", "--config", "tftpd.yaml", *ANY_PORT]
    with running(command, tmp_path) as daemon, udp(SILENT) as silent, udp(MOVING) as moving:
        if workers > 1:
            assert soon(lambda: sum(" serves" in line for line in list(daemon.lines)) == workers), daemon.output
        server = ("127.0.0.1", daemon.port)
        with udp(SERVED) as sock:
            assert fetch_with(sock, server, b"boot/vmlinuz", blksize=1024, windowsize=4) == CONTENT
        with udp(REFUSED) as sock:
            sock.sendto(request(1, b"vmlinuz"), server)
            assert sock.recv(600).startswith(b"\0\5\0\1")
        silent.sendto(request(1, b"boot/vmlinuz", tsize=0), server)
        moving.sendto(request(1, b"boot/vmlinuz", tsize=0, blksize=500), server)
        _, peer = moving.recvfrom(600)
        for number in range(2):
            moving.sendto(ack(number), peer)
        while not moving.recv(600).startswith(data(2, b"")):
            pass
        assert silent.recv(600).startswith(b"\0\6")
        for outcome in ("completed", "refused"):
            daemon.wait_for_line(f"read {outcome}")
        yield daemon


class Look:
    """``tftpd-tw``, called in this process, since each start of another takes a while."""

    def __init__(self, daemon: Daemon, secret: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.daemon, self._secret, self._capsys = daemon, secret, capsys

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """The exit status, and what is printed on both outputs."""
        status = cli.main(arguments)
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    def say(self, *arguments: str) -> tuple[int, str]:
        """The exit status and the text, of a command that asks this daemon and complains of nothing."""
        where = ("--http", self.daemon.http, "--secret-file", str(self._secret))
        status, text, complaints = self.run(*arguments, *where)
        assert complaints == ""
        return status, text

    def json(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """The exit status and the document."""
        status, text = self.say(*arguments, "--json")
        assert text.count("\n") == 1
        return status, json.loads(text)


@pytest.fixture
def look(
    daemon: Daemon, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Look:
    """Runs commands."""
    monkeypatch.setenv("COLUMNS", "1000")
    return Look(daemon, tmp_path / "secret", capsys)


@WORKERS
def test_transfers(look: Look, workers: int) -> None:
    """Those that ended and those in progress, of all workers; some of them; as a table and in JSON."""
    status, text = look.say("transfers")
    assert status == 0
    rows = {line.split()[2]: " ".join(line.split()[3:]) for line in text.splitlines()[1:]}
    assert rows[SERVED].startswith("- read boot/vmlinuz completed 1.00 kB ")
    assert rows[REFUSED].startswith("- read vmlinuz refused: not-found - - ")
    assert rows[SILENT].startswith("- read boot/vmlinuz active, no answer yet 0 % of 1.00 kB - ")
    assert rows[MOVING].startswith("- read boot/vmlinuz active 50 % of 1.00 kB ")
    document = look.json("transfers")[1]
    assert [transfer["client"] for transfer in document["ended"]] == [REFUSED, SERVED]
    assert {transfer["client"] for transfer in document["active"]} == {SILENT, MOVING}
    assert {transfer["worker"] for transfer in document["ended"]} <= ({None} if workers == 1 else {1, 2})
    assert [transfer["client"] for transfer in look.json("transfers", "--failed")[1]["ended"]] == [REFUSED]
    document = look.json("transfers", "--active", "--client", MOVING)[1]
    assert (document["ended"], [transfer["client"] for transfer in document["active"]]) == ([], [MOVING])
    assert len(look.json("transfers", "--name", "boot/", "--last", "1")[1]["ended"]) == 1


@WORKERS
def test_top_once(look: Look, workers: int) -> None:
    """The same, at a glance."""
    status, text = look.say("top", "--once")
    assert status == 0
    assert "  2 active  1 unverified  1 not served in 60 s\n" in text
    assert f"{MOVING}  read  boot/vmlinuz  [##########..........]  50 %" in text
    assert "refused: not-found" in text


@WORKERS
def test_explain(look: Look, workers: int) -> None:
    """Each client, with the exit status; where a name leads by the settings that the daemon has."""
    status, text = look.say("explain", SERVED)
    assert status == 0
    assert "It was treated by the profile old-rom" in text
    assert "It asked for blksize 1024, windowsize 4, and was granted blksize 1024." in text
    status, text = look.say("explain", REFUSED)
    assert status == 1
    assert "Did you mean boot/vmlinuz?" in text
    assert f"> tftpd-tw explain {REFUSED} vmlinuz --http {look.daemon.http}" in text
    status, text = look.say("explain", REFUSED, "boot/vmlinuz")
    assert status == 4
    assert text.endswith("/root/boot/vmlinuz, 1000 bytes\n")
    status, text = look.say("explain", SILENT)
    assert status == 1
    assert "It has never answered what it was sent" in text
    assert look.say("explain", MOVING)[0] == 0
    status, text = look.say("explain", NOBODY)
    assert status == 4
    assert "remembers the last 2 (" in text
    status, document = look.json("explain", REFUSED, "vmlinuz")
    assert (status, document["served"], document["names"][0]["suggestions"]) == (1, False, ["boot/vmlinuz"])
    assert document["looked_up"]["lines"][-1].startswith("result    ERROR 1 (File not found)")


@pytest.mark.parametrize("workers", [1])
def test_the_secret(look: Look, tmp_path: Path) -> None:
    """Whoever has it sees; others get one line, and whether the daemon is there all the same."""
    commands = {"status": (), "metrics": (), "transfers": (), "top": ("--once",), "explain": (SERVED,)}
    settings = tmp_path / "looking.yaml"
    settings.write_text(f"monitoring: {{http: '{look.daemon.http}', secret_file: {tmp_path}/secret}}\n")
    wrong = tmp_path / "wrong"
    wrong.write_text("guess")
    for command, arguments in commands.items():
        assert look.run(command, *arguments, "--config", str(settings))[::2] == (0, "")
        for options, says in {
            ("--http", look.daemon.http): "--secret-file",
            ("--http", look.daemon.http, "--secret-file", str(wrong)): "has another secret",
        }.items():
            status, text, complaint = look.run(command, *arguments, *options)
            assert (status, text, complaint.count("\n")) == (3, "", 1)
            assert says in complaint
