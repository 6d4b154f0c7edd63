"""Hooks that run a command: real programs, in threads."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest
from lacking import lacking
from running import PATIENCE, soon

from tftpd_tw.telemetry.hook_command import IN_ENVIRONMENT, LONGEST_TEXT, Command, CommandRun
from tftpd_tw.telemetry.hook_queue import HookError

RECORD = {
    "version": 1,
    "client": "192.0.2.7",
    "mac": None,
    "direction": "read",
    "name": r"a b\x0a\"$(reboot)",
    "served": "/var/tftp/a b",
    "bytes": 1000,
    "outcome": "completed",
    "reason": "completed",
    "asked": {"blksize": "512"},
}
"""A part of one."""

Script = Callable[[str], CommandRun]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Makes a run of a script of a few lines, which is in the folder of the test."""

    def make(text: str, *arguments: str, head: str = "#!/bin/sh") -> CommandRun:
        file = tmp_path / "hook"
        file.write_text(f"{head}\ncd '{tmp_path}'\n{text}\n")
        file.chmod(0o755)
        return Command((str(file), *arguments)).prepare(RECORD)

    return make


class Running:
    """A run in a thread."""

    def __init__(self, run: CommandRun) -> None:
        self.error: HookError | None = None
        self._run = run
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def _go(self) -> None:
        try:
            self._run()
        except HookError as error:
            self.error = error

    def is_alive(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def ends(self) -> bool:
        """Whether it does not, after some time."""
        self._thread.join(PATIENCE)
        return not self.is_alive()


def why(run: CommandRun) -> str:
    """What goes wrong with it."""
    with pytest.raises(HookError) as caught:
        run()
    return str(caught.value)


def test_the_record(script: Script, tmp_path: Path) -> None:
    """It is on standard input, as one line of JSON; the arguments are what they are, for there is no shell."""
    script('cat > record; for each; do echo "$each"; done > arguments', "a b", "$HOME", "; exit 1")()
    line = (tmp_path / "record").read_text()
    assert json.loads(line) == RECORD
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert (tmp_path / "arguments").read_text() == "a b\n$HOME\n; exit 1\n"


def test_the_environment(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of the record beside our own; not what workers are given to find their modules (S03b)."""
    monkeypatch.setenv("OURS", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    script("env -0 > environment")()
    found = dict(pair.split("=", 1) for pair in (tmp_path / "environment").read_text().split("\0") if pair)
    assert {name: value for name, value in found.items() if name.startswith("TFTP_")} == {
        "TFTP_CLIENT": "192.0.2.7",
        "TFTP_MAC": "",
        "TFTP_DIRECTION": "read",
        "TFTP_NAME": r"a b\x0a\"$(reboot)",
        "TFTP_SERVED": "/var/tftp/a b",
        "TFTP_BYTES": "1000",
        "TFTP_OUTCOME": "completed",
        "TFTP_REASON": "completed",
    }
    assert found["OURS"] == "1"
    assert found["PATH"] == os.environ["PATH"]
    assert "PYTHONPATH" not in found


def test_the_variables_are_documented() -> None:
    """All of them, with their fields."""
    document = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
    found = re.findall(r"^\| `(TFTP_\w+)` \| `(\w+)` \|$", document, re.MULTILINE)
    assert found == [(f"TFTP_{name.upper()}", name) for name in IN_ENVIRONMENT]


def test_what_it_inherits(script: Script, tmp_path: Path) -> None:
    """No descriptor, not even one that may be inherited; no ignored signal; and a session of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, open(tmp_path / "ours", "w") as file:
        for descriptor in (sock.fileno(), file.fileno()):
            os.set_inheritable(descriptor, True)
        script(
            "ls -l /proc/$$/fd > fds; grep SigIgn: /proc/$$/status > ignored; cut -d' ' -f6 /proc/$$/stat > own"
        )()
    descriptors = (tmp_path / "fds").read_text()
    assert " 0 -> pipe:" in descriptors
    assert "socket:" not in descriptors
    assert "ours" not in descriptors
    ignored = int((tmp_path / "ignored").read_text().split()[1], 16)
    assert not ignored & 1 << signal.SIGPIPE - 1
    assert int((tmp_path / "own").read_text()) != os.getsid(0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exit 3", "it ended with status 3"),
        ("echo >&2; echo 'no \"route\"' >&2; echo more >&2; exit 1", r"it ended with status 1: no \"route\""),
        (r"printf '\033[2J\377' >&2; exit 1", r"it ended with status 1: \x1b[2J\xff"),
        ("kill -TERM $$", "it ended with signal 15"),
        ("kill -44 $$", "it ended with signal 44"),
        ("exec 2>&-; sleep 0.2; exit 4", "it ended with status 4"),
        ("echo a >&2; exec 2>&-; sleep 0.2; exit 4", "it ended with status 4: a"),
    ],
)
def test_how_it_fails(script: Script, text: str, expected: str) -> None:
    """With its status, and the first line that it says about it, escaped (S038)."""
    assert why(script(text)) == expected


def test_a_line_without_end(script: Script) -> None:
    """It is cut."""
    said = why(script("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1"))
    assert said.startswith("it ended with status 1: xxx")
    assert len(said) < LONGEST_TEXT


def test_what_cannot_be_started(script: Script, tmp_path: Path) -> None:
    """The system says why."""
    assert why(Command(("/no/such/program",)).prepare(RECORD)) == "it cannot be started: No such file or directory"
    assert why(Command((str(tmp_path),)).prepare(RECORD)) == "it cannot be started: Permission denied"
    assert why(script("true", head="")) == "it cannot be started: Exec format error"
    assert why(script("true", head="#!/no/such/shell")) == "it cannot be started: No such file or directory"
    (tmp_path / "hook").chmod(0o644)
    assert why(Command((str(tmp_path / "hook"),)).prepare(RECORD)) == "it cannot be started: Permission denied"


def test_what_reads_nothing(script: Script) -> None:
    """That is its own business."""
    script("exec <&-; exit 0")()


@pytest.mark.parametrize("stream", [1, 2])
def test_megabytes(script: Script, tmp_path: Path, stream: int) -> None:
    """Whatever it writes, nobody keeps it, and it does not wait for us to read it."""
    script(f"head -c 3000000 /dev/zero >&{stream}; echo all > done")()
    assert (tmp_path / "done").exists()


def test_what_it_leaves_running(script: Script, tmp_path: Path) -> None:
    """It is not waited for, although it has standard error open, and goes on."""
    os.mkfifo(tmp_path / "fifo")
    began = monotonic()
    script("(read line < fifo; echo $line > done) & exit 0")()
    assert monotonic() - began < PATIENCE / 2
    (tmp_path / "fifo").write_text("further\n")
    assert soon((tmp_path / "done").exists)


def test_stop(script: Script, tmp_path: Path) -> None:
    """It is killed, and so is what it has started."""
    os.mkfifo(tmp_path / "fifo")
    # Whoever has the FIFO open for reading is alive.
    run = script("trap '' TERM; sh -c 'exec 3<>fifo; echo > started; exec sleep 1000' & wait")
    running = Running(run)
    assert soon((tmp_path / "started").exists)
    os.close(os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK))
    run.stop()
    assert running.ends()
    assert str(running.error) == "it ended with signal 9"

    def has_ended() -> bool:
        try:
            os.close(os.open(tmp_path / "fifo", os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return True
        return False

    assert soon(has_ended)
    run.stop()  # of what is over, nothing happens


def test_stop_before_it_has_begun(script: Script) -> None:
    """It ends as soon as it does."""
    run = script("exec sleep 1000")
    run.stop()
    running = Running(run)
    assert running.ends()
    assert str(running.error) == "it ended with signal 9"


FILE_SERVER = """
import ctypes, os, select, sys
libc = ctypes.CDLL(None)
watch = libc.fanotify_init(4, os.O_RDONLY)  # FAN_CLASS_CONTENT
# FAN_MARK_ADD, FAN_OPEN_EXEC_PERM, AT_FDCWD
marked = libc.fanotify_mark(watch, 1, ctypes.c_uint64(0x40000), -100, os.fsencode(sys.argv[1]))
print("marked" if marked == 0 else "may not", flush=True)
select.select([watch], [], [], 20)
print("asked", flush=True)
select.select([sys.stdin], [], [], 20)
"""
"""Has the kernel ask it whether a program may be opened, and does not answer until its input ends or some time has
gone by; then it may.
"""


def test_a_program_on_a_dead_file_server(script: Script, tmp_path: Path) -> None:
    """It takes its time to be loaded, and nobody waits but its thread (F21). Once it comes, it is stopped."""
    run = script("exec sleep 1000")
    command = [sys.executable, "-c", FILE_SERVER, str(tmp_path / "hook")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        if server.stdout.readline() != "marked\n":
            lacking("the kernel asks nobody but root for permission to run a program")
        began = monotonic()
        running = Running(run)
        assert server.stdout.readline() == "asked\n"
        run.stop()
        assert monotonic() - began < 10
        assert running.is_alive()
        server.stdin.close()
        assert running.ends()
    assert str(running.error) == "it ended with signal 9"
