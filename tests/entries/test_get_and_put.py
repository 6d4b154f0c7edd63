"""``tftpd-tw get`` and ``tftpd-tw put``, against a real daemon and against servers that misbehave."""

import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_kit import TFTPD_TW, answering_with, started, tftpd_tw
from running import ANY_PORT, IN_FOREGROUND, PATIENCE, Daemon, data, running, serving, soon
from terminals import terminal

from tftpd_tw import cli

SIZES = (0, 1, 1428, 32 * 1428, 1 << 20)
SUMMARY = re.compile(
    r"^(?P<file>.+): (?P<bytes>\d+) bytes in \d+\.\d{3} s, [0-9.]+ [kMG]?B/s, (?P<retransmits>\d+) retransmits,"
    r" (?P<agreed>.*)\n$"
)


def content(size: int) -> bytes:
    """The same bytes for the same size; no block is like another."""
    return random.Random(size).randbytes(size)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that takes new files, and replaces none."""
    root = tmp_path_factory.mktemp("served") / "root"
    with serving(root, "auto", "--uploads", "create") as daemon:
        for size in SIZES:
            (root / f"size-{size}").write_bytes(content(size))
        (root / "folder").mkdir()
        (root / "folder" / "file").write_bytes(b"in a folder")
        yield daemon


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One from which nobody gets more than a megabyte a second, and that takes uploads as slowly."""
    folder = tmp_path_factory.mktemp("slow")
    (folder / "root").mkdir()
    (folder / "tftpd.yaml").write_text(
        f"filesystem: {{root: {folder}/root, uploads: create}}\nsecurity: {{rate_limit: 1MB}}\n"
    )
    with running([*IN_FOREGROUND, "tftpd", "--config", "tftpd.yaml", *ANY_PORT], folder) as daemon:
        daemon.root = folder / "root"
        (daemon.root / "big").write_bytes(content(100 << 20))
        yield daemon


@pytest.fixture
def server(daemon: Daemon) -> str:
    """Where it is."""
    return f"127.0.0.1:{daemon.port}"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """An empty folder that a command runs in."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


# What is transferred


@pytest.mark.parametrize("size", SIZES)
def test_both_ways(size: int, daemon: Daemon, server: str, here: Path) -> None:
    """What is got is what the server has, and what is put is what it has then; a line says so."""
    got = tftpd_tw("get", server, f"size-{size}", cwd=here)
    assert (got.returncode, got.stderr) == (0, b"")
    assert (here / f"size-{size}").read_bytes() == content(size)
    told = SUMMARY.match(got.stdout.decode())
    assert told is not None, got.stdout
    assert (told["file"], told["bytes"]) == (f"size-{size}", str(size))
    assert told["agreed"] == "blksize 1428, windowsize 32"
    put = tftpd_tw("put", f"size-{size}", server, f"put-{size}", cwd=here)
    assert (put.returncode, put.stderr) == (0, b"")
    assert (daemon.root / f"put-{size}").read_bytes() == content(size)
    told = SUMMARY.match(put.stdout.decode())
    assert told is not None, put.stdout
    assert (told["file"], told["bytes"]) == (f"put-{size}", str(size))


def test_standard_output_and_input(daemon: Daemon, server: str, here: Path) -> None:
    """Nothing but the content is on standard output; the line is on the other one."""
    got = tftpd_tw("get", server, f"size-{1 << 20}", "-", cwd=here)
    assert (got.returncode, got.stdout) == (0, content(1 << 20))
    assert SUMMARY.match(got.stderr.decode())
    assert os.listdir(here) == []
    put = tftpd_tw("put", "-", server, "from-a-pipe", cwd=here, content=content(1 << 20))
    assert (put.returncode, put.stderr) == (0, b"")
    assert SUMMARY.match(put.stdout.decode())
    assert (daemon.root / "from-a-pipe").read_bytes() == content(1 << 20)


def test_a_file_as_standard_input(daemon: Daemon, server: str, here: Path) -> None:
    """From where it stands: all of it, whose size the server is told, or the rest."""
    (here / "file").write_bytes(b"0123456789")
    for skipped, name in ((0, "whole"), (4, "rest")):
        with open(here / "file", "rb") as file:
            os.lseek(file.fileno(), skipped, os.SEEK_SET)
            command = [TFTPD_TW, "put", "-", server, name]
            done = subprocess.run(command, cwd=here, stdin=file, capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        assert (daemon.root / name).read_bytes() == b"0123456789"[skipped:]
    lines = [line for line in daemon.lines if 'name="whole"' in line or 'name="rest"' in line]
    assert ["tsize=10" in line for line in lines] == [True, False]


def test_quiet(server: str, here: Path) -> None:
    """Nothing is said of a success; of a failure there is the line."""
    done = tftpd_tw("get", "--quiet", server, "folder/file", cwd=here)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    done = tftpd_tw("get", "-q", server, "none", cwd=here)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)


def test_names_of_files(server: str, here: Path) -> None:
    """The last part of NAME, or a folder that it goes into."""
    assert tftpd_tw("get", server, "folder/file", cwd=here).returncode == 0
    (here / "into").mkdir()
    done = tftpd_tw("get", server, "folder\\file", "into", cwd=here)
    assert done.stdout.startswith(b"into/file: 11 bytes")
    assert (here / "file").read_bytes() == (here / "into" / "file").read_bytes() == b"in a folder"
    assert tftpd_tw("put", "into/file", server, cwd=here).returncode == 0


@pytest.mark.parametrize("host", ["localhost:{}", "[::1]:{}", "127.0.0.1 --port {}", "::1 --port {}"])
def test_ways_to_name_the_server(host: str, daemon: Daemon, here: Path) -> None:
    """A name or an address, its port here or there (C154)."""
    where, *port = host.format(daemon.port).split()
    done = tftpd_tw("get", where, "folder/file", *port, cwd=here)
    assert done.returncode == 0, done.stderr
    assert (here / "file").read_bytes() == b"in a folder"


@pytest.mark.parametrize(
    ("options", "agreed"),
    [
        (["--block-size", "mtu"], "blksize 65464, windowsize 2"),
        (["--block-size", "1024", "--window-size", "5"], "blksize 1024, windowsize 5"),
        (["--block-size", "512", "--window-size", "1"], "no options"),
    ],
)
def test_what_is_agreed(options: list[str], agreed: str, server: str, here: Path) -> None:
    """What the options ask for, on a route that has room for it."""
    done = tftpd_tw("get", server, f"size-{1 << 20}", *options, cwd=here)
    told = SUMMARY.match(done.stdout.decode())
    assert told is not None
    assert told["agreed"] == agreed
    assert (here / f"size-{1 << 20}").read_bytes() == content(1 << 20)


# What is not


def complaint(done: "subprocess.CompletedProcess[bytes]") -> tuple[int, str]:
    """The exit status, and the only line that there may be."""
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1, done.stderr
    return done.returncode, done.stderr.decode().removesuffix("\n")


def test_refused(daemon: Daemon, server: str, here: Path) -> None:
    """Status 1, with the code and the text of the server's ERROR, and what to do."""
    (here / "none").write_bytes(b"old")
    assert complaint(tftpd_tw("get", server, "none", cwd=here)) == (
        1,
        f"tftpd-tw get: {server}: the server said ERROR 1: File not found; look at NAME: it is seen from the"
        " folder that is served, and its case may matter",
    )
    assert os.listdir(here) == ["none"]
    assert (here / "none").read_bytes() == b"old"
    assert complaint(tftpd_tw("put", "none", server, "size-0", cwd=here)) == (
        1,
        f"tftpd-tw put: {server}: the server said ERROR 6: File already exists; choose another NAME, or have it"
        " removed there",
    )
    assert (daemon.root / "size-0").read_bytes() == b""


def test_an_error_that_would_do_something_to_a_terminal(here: Path) -> None:
    """What a server says is escaped (S038)."""
    with answering_with(lambda _: [b"\0\5\0\0\x1b[2Jgone\n\0"]) as server:
        status, line = complaint(tftpd_tw("get", server, "file", cwd=here))
    assert status == 1
    assert r"the server said ERROR 0: \x1b[2Jgone\x0a; the log of the server may say why" in line


def test_options_that_were_not_asked_for(here: Path) -> None:
    """Status 1: the transfer failed here, for what the server did (C046)."""
    with answering_with(lambda _: [b"\0\6multicast\0yes\0"]) as server:
        status, line = complaint(tftpd_tw("get", server, "file", cwd=here))
    assert status == 1
    assert line.endswith("; try --block-size 512 --window-size 1, with which no options are asked for")
    assert os.listdir(here) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "server"],
        ["get", "server:0", "file"],
        ["get", "server:70", "file", "--port", "71"],
        ["get", "server", "file", "--block-size", "7"],
        ["get", "server", "file", "--no-such"],
        ["get", "server", "folder/"],
        ["get", "server", ".."],
        ["put", "file"],
        ["put", "-", "server"],
        ["put", "folder/", "server"],
        ["put", "file", "fe80::1"],
    ],
)
def test_wrong_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and the usage."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: tftpd-tw")


def test_a_name_that_does_not_fit(server: str, here: Path) -> None:
    """Status 2: no request can hold it (C014)."""
    status, line = complaint(tftpd_tw("get", server, "x" * 600, "file", cwd=here))
    assert (status, line) == (2, "tftpd-tw get: the request would take 644 bytes; TFTP allows 512")
    assert os.listdir(here) == []


def test_nobody_listens(here: Path) -> None:
    """Status 3, at once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        server = "{}:{}".format(*sock.getsockname())
    assert complaint(tftpd_tw("get", server, "file", cwd=here)) == (
        3,
        f"tftpd-tw get: {server}: no answer from the server: nobody listens on its port; does the server run, and"
        " on that port (see --port)?",
    )


def test_no_answer(here: Path) -> None:
    """Status 3, after the patience."""
    with answering_with(lambda _: []) as server:
        silent = tftpd_tw("get", server, "file", "--timeout", "100ms", "--retries", "1", cwd=here)
    status, line = complaint(silent)
    assert status == 3
    assert line.startswith(f"tftpd-tw get: {server}: no answer from the server within 0.2 seconds; is that the")
    assert os.listdir(here) == []


def test_a_name_that_nobody_knows(here: Path) -> None:
    """Status 3; ``.invalid`` is nobody's (RFC 2606)."""
    status, line = complaint(tftpd_tw("get", "nowhere.invalid", "file", cwd=here))
    assert status == 3
    assert line.startswith("tftpd-tw get: no address is known for 'nowhere.invalid': ")


def test_a_server_that_falls_silent(here: Path) -> None:
    """Status 3: it may be tried again. What has come is gone, and the old file is there."""
    (here / "file").write_bytes(b"old")
    block = bytes(1428)
    answers = [[b"\0\6blksize\x001428\0windowsize\x001\0"], [data(1, block)], [data(2, block)]]
    with answering_with(lambda _: answers.pop(0) if answers else []) as server:
        vanished = tftpd_tw("get", server, "file", "--timeout", "100ms", "--retries", "1", cwd=here)
    assert complaint(vanished) == (
        3,
        f"tftpd-tw get: {server}: the server stopped answering; try again; if it always ends there, with smaller"
        " packets: --block-size 512",
    )
    assert os.listdir(here) == ["file"]
    assert (here / "file").read_bytes() == b"old"


def test_files_that_cannot_be_written_or_read(server: str, here: Path) -> None:
    """Status 4, and the server is not asked; or it is told, if that comes later."""
    assert complaint(tftpd_tw("get", server, "folder/file", "none/file", cwd=here)) == (
        4,
        "tftpd-tw get: cannot write 'none/file': No such file or directory",
    )
    assert complaint(tftpd_tw("get", server, f"size-{1 << 20}", "/dev/full", cwd=here)) == (
        4,
        "tftpd-tw get: cannot write '/dev/full': No space left on device",
    )
    assert complaint(tftpd_tw("put", "none", server, cwd=here)) == (
        4,
        "tftpd-tw put: cannot read 'none': No such file or directory",
    )


def test_standard_input_that_cannot_be_read(server: str, here: Path) -> None:
    """Status 4."""
    command = f"{TFTPD_TW} put - {server} name 0> {os.devnull}"
    done = subprocess.run(command, shell=True, cwd=here, capture_output=True, timeout=PATIENCE)
    assert complaint(done) == (4, "tftpd-tw put: cannot read standard input: Bad file descriptor")


@pytest.mark.parametrize(
    ("redirected", "status", "line"),
    [
        ("get {} folder/file - >&-", 4, "tftpd-tw get: cannot write standard output: it is closed\n"),
        ("put - {} name <&-", 4, "tftpd-tw put: cannot read standard input: it is closed\n"),
        ("get {} folder/file >&-", 0, ""),
        ("get {} folder/file - 2>&-", 0, ""),
        ("get {} none 2>&-", 1, ""),
    ],
)
def test_outputs_that_are_closed(redirected: str, status: int, line: str, server: str, here: Path) -> None:
    """What is for them goes nowhere, and least of all to what has their number now."""
    command = f"{TFTPD_TW} {redirected.format(server)}"
    done = subprocess.run(command, shell=True, cwd=here, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (status, line)
    assert done.stdout == ("in a folder" if "2>&-" in redirected and status == 0 else "")


# Pipes that are slow, or closed before the end


def test_a_reader_who_has_seen_enough(slow: Daemon, here: Path) -> None:
    """Status 4, without a word; the server is told."""
    with started("get", f"127.0.0.1:{slow.port}", "big", "-", cwd=here) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(10) == content(100 << 20)[:10]
        process.stdout.close()
        assert process.wait(PATIENCE) == 4
        assert process.stderr.read() == b""
    slow.wait_for_line(r'read failed reason=client-error:0 .*name="big".*detail="Transfer was cancelled"')


def test_a_summary_that_nobody_reads(server: str, here: Path) -> None:
    """The file is there, and that is what counts."""
    command = f"({TFTPD_TW} get {server} folder/file; echo $? > status) | true"
    done = subprocess.run(command, shell=True, cwd=here, capture_output=True, timeout=PATIENCE)
    assert done.stderr == b""
    assert (here / "status").read_text() == "0\n"
    assert (here / "file").read_bytes() == b"in a folder"


def test_a_pager(tmp_path: Path, here: Path) -> None:
    """Whoever reads takes longer than server and client are patient, and gets all of it."""
    size = 4 << 20
    with serving(tmp_path / "root", "auto", "--timeout", "100ms", "--max-retries", "1") as daemon:
        (daemon.root / "file").write_bytes(content(size))
        patience = ("--timeout", "100ms", "--retries", "1")
        with started("get", f"127.0.0.1:{daemon.port}", "file", "-", *patience, cwd=here) as process:
            assert process.stdout is not None
            daemon.wait_for_line('read completed reason=completed .*name="file"')
            assert process.poll() is None
            assert process.stdout.read() == content(size)
            assert process.wait(PATIENCE) == 0


def test_a_writer_who_takes_his_time(daemon: Daemon, server: str, here: Path) -> None:
    """What comes later comes too."""
    with started("put", "-", server, "by-and-by", cwd=here, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        wait_for_threads(process)
        for part in (b"first", b"second"):
            process.stdin.write(part)
            process.stdin.flush()
        daemon.wait_until(lambda: daemon.metric("tftp_connections_active") == 1)
        process.stdin.write(b"third")
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
    assert (daemon.root / "by-and-by").read_bytes() == b"firstsecondthird"


# Ctrl-C


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(number: int, slow: Daemon, here: Path) -> None:
    """The status of a shell, and a line; the server is told, nothing is left, and the old file is untouched."""
    (here / "big").write_bytes(b"old")
    before = len(slow.lines)
    with started("get", f"127.0.0.1:{slow.port}", "big", cwd=here) as process:
        assert process.stderr is not None
        slow.wait_until(lambda: slow.metric("tftp_connections_active") == 1)
        slow.wait_until(lambda: slow.metric("tftp_connections_unverified") == 0)
        process.send_signal(number)
        assert process.wait(PATIENCE) == 128 + number
        assert process.stderr.read() == b"tftpd-tw get: interrupted\n"
    assert soon(lambda: 'detail="Transfer was cancelled"' in "\n".join(slow.lines[before:]))
    assert os.listdir(here) == ["big"]
    assert (here / "big").read_bytes() == b"old"


def test_an_upload_that_is_interrupted(slow: Daemon, here: Path) -> None:
    """The server keeps nothing of it: it is told, or finds nobody there any more."""
    with started("put", slow.root / "big", f"127.0.0.1:{slow.port}", "put", cwd=here) as process:
        slow.wait_until(lambda: slow.metric("tftp_connections_active") == 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
    slow.wait_for_line('write failed reason=client-(error:0|vanished) .*name="put"')
    assert sorted(os.listdir(slow.root)) == ["big"]


def wait_for_threads(process: "subprocess.Popen[bytes]") -> None:
    """Until it has one that waits for a pipe or a name server."""
    while len(os.listdir(f"/proc/{process.pid}/task")) < 2:
        assert process.poll() is None


def test_interrupted_where_nobody_answers(here: Path) -> None:
    """At once, whatever it waits for: a server, or its own standard input."""
    asked: list[bytes] = []

    def silently(packet: bytes) -> list[bytes]:
        asked.append(packet)
        return []

    with answering_with(silently) as server:
        with started("get", server, "file", cwd=here) as process:
            while not asked:
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
        with started("put", "-", server, "file", cwd=here, stdin=subprocess.PIPE) as process:
            wait_for_threads(process)
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
    assert os.listdir(here) == []


def test_ignored_signals_stay_ignored(slow: Daemon, here: Path) -> None:
    """Who started it so, as ``nohup`` does, had a reason."""
    command = ["sh", "-c", f"trap '' HUP; exec {TFTPD_TW} get 127.0.0.1:{slow.port} big"]
    with subprocess.Popen(command, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        slow.wait_until(lambda: slow.metric("tftp_connections_active") == 1)
        process.send_signal(signal.SIGHUP)
        read = 'tftp_bytes_transferred_total{direction="read"}'
        before = slow.metric(read)
        slow.wait_until(lambda: slow.metric(read) > before + 100_000)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 143


# The bar


def in_a_terminal(*command: str, until: str, here: Path, **environment: str) -> str:
    """What a command shows until it has shown that, and until it has ended by Ctrl-C."""
    with terminal(100) as screen:
        ends = {"stdin": screen.slave, "stdout": screen.slave, "stderr": screen.slave}
        with subprocess.Popen(
            command,
            cwd=here,
            env={**os.environ, "TERM": "xterm", **environment},
            **ends,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            screen.look(until)
            process.send_signal(signal.SIGINT)
            screen.look("interrupted")  # or it would wait for us
            assert process.wait(PATIENCE) == 130
        return screen.look()


def test_the_bar_of_rich(slow: Daemon, here: Path) -> None:
    """It is there while the transfer is, and then gone, so that the line is by itself."""
    shown = in_a_terminal(TFTPD_TW, "get", f"127.0.0.1:{slow.port}", "big", until="/104.9 MB", here=here)
    assert "\x1b[?25l" in shown
    assert shown.endswith("\x1b[2Ktftpd-tw get: interrupted\r\n")


def test_the_bar_without_rich(slow: Daemon, here: Path) -> None:
    """A plain line instead."""
    script = "import sys; sys.modules['rich'] = None; from tftpd_tw.cli import main; sys.exit(main())"
    command = (sys.executable, "-c", script, "get", f"127.0.0.1:{slow.port}", "big")
    shown = in_a_terminal(*command, until=" MB of 105 MB  ", here=here)
    assert "\x1b" not in shown
    last, line = shown.split("\r")[-3:-1]
    assert (last.strip(), line) == ("", "tftpd-tw get: interrupted")


def test_no_bar_over_the_content(slow: Daemon, here: Path) -> None:
    """Content that goes to the terminal has it for itself."""
    (slow.root / "text").write_bytes(b"some text\n" * 200_000)
    command = (TFTPD_TW, "get", f"127.0.0.1:{slow.port}", "text", "-")
    shown = in_a_terminal(*command, until="some text\r\n" * 50_000, here=here)
    assert shown.replace("some text\r\n", "").endswith("tftpd-tw get: interrupted\r\n")
    assert "%" not in shown
