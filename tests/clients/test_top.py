"""``tftpd-tw top`` on a terminal, with a daemon that comes and goes."""

import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from lacking import lacking
from on_terminal import OnTerminal, on_terminal
from running import ANY_PORT, IN_FOREGROUND, TWISTD, Daemon, ack, fetch, request, running, udp

TFTPD_TW = str(TWISTD.with_name("tftpd-tw"))
CONTENT = b"0123456789" * 100
TAKEN, GIVEN_BACK = r"\x1b\[\?1049h", r"\x1b\[\?1049l"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """One that has served a file and refused another, and is serving a third."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(CONTENT)
    (tmp_path / "tftpd.yaml").write_text(f"filesystem: {{root: {root}}}\nperformance: {{drain_timeout: 0}}\n")
    command = [*IN_FOREGROUND, "tftpd", "--config", "tftpd.yaml", *ANY_PORT]
    with running(command, tmp_path) as daemon, udp() as slow:
        assert fetch("127.0.0.1", daemon.port, b"file") == CONTENT
        with udp() as sock:
            sock.sendto(request(1, b"missing"), ("127.0.0.1", daemon.port))
            assert sock.recv(600).startswith(b"\0\5\0\1")
        slow.sendto(request(1, b"//file", tsize=0, blksize=500), ("127.0.0.1", daemon.port))
        _, peer = slow.recvfrom(600)
        for number in range(2):
            slow.sendto(ack(number), peer)
        daemon.wait_for_line("read refused")
        yield daemon


@pytest.fixture(params=["rich", "plain"])
def top(request: pytest.FixtureRequest, daemon: Daemon, tmp_path: Path) -> Iterator[OnTerminal]:
    """It, with rich and where that is not installed."""
    environment = {}
    if request.param == "rich":
        if find_spec("rich") is None:
            lacking("rich of the extra tools is not installed")
    else:
        (tmp_path / "rich.py").write_text("raise ImportError")
        environment["PYTHONPATH"] = str(tmp_path)
    with on_terminal([TFTPD_TW, "top", "--http", daemon.http], **environment) as shown:
        yield shown


def is_as_it_was(top: OnTerminal) -> bool:
    """Whether the terminal is given back, with a cursor and what was there before."""
    return top.modes == (True, True) and top.written.endswith("\033[?25h\033[?1049l")


def test_frames(daemon: Daemon, top: OnTerminal) -> None:
    """One a second, of the size of the terminal; `q` ends it."""
    top.see(TAKEN)
    lines = top.see_frame(
        r"^reads .* 1 active +0 unverified", r" //file ", r"missing +not-found", r" file +completed"
    )
    assert "50 %" in next(line for line in lines if "//file" in line)
    assert top.modes == (False, False)
    fetch("127.0.0.1", daemon.port, b"./file")
    top.see_frame(r"\./file +completed", columns=100, rows=30)
    top.resize(60, 8)
    top.see_frame("^reads", " //file ", r"\./file", columns=60, rows=8)
    top.resize(120, 30)
    assert max(map(len, top.see_frame("missing", columns=120))) > 60
    top.type(b"xq")
    assert top.end() == 0
    assert is_as_it_was(top)


@pytest.mark.parametrize(
    ("top", "number", "status"),
    [("rich", signal.SIGINT, 0), ("plain", signal.SIGTERM, 128 + 15), ("plain", signal.SIGHUP, 128 + 1)],
    indirect=["top"],
)
def test_signals(number: int, status: int, top: OnTerminal) -> None:
    """They end it, and the terminal is as it was."""
    top.see_frame("missing")
    if number == signal.SIGINT:
        top.type(b"\x03")
    else:
        top.process.send_signal(number)
    assert top.end() == status
    assert is_as_it_was(top)


def test_a_daemon_that_goes_and_comes(daemon: Daemon, top: OnTerminal, tmp_path: Path) -> None:
    """That is said, with what was there; the next one is found by itself."""
    top.see_frame("missing")
    daemon.end()
    top.see_frame("last seen", "no daemon answers at .*Connection refused", "trying again", "missing")
    command = [*IN_FOREGROUND, "tftpd", "--root", "root", "--port", "0", "--http", daemon.http]
    with running(command, tmp_path) as other:
        top.see_frame("no transfers yet")
        fetch("127.0.0.1", other.port, b"file")
        assert not any("missing" in line for line in top.see_frame("file +completed"))
        top.type(b"q")
        assert top.end() == 0


def test_a_terminal_that_cannot_move_its_cursor(daemon: Daemon) -> None:
    """It gets one frame, without any escape."""
    with on_terminal([TFTPD_TW, "top", "--http", daemon.http], TERM="dumb") as top:
        assert top.end() == 0
        assert "missing" in top.written
        assert "\033" not in top.written


def test_stopped_for_a_while(daemon: Daemon) -> None:
    """Ctrl-Z gives the terminal back, and `fg` takes it again."""
    script = f"set -m; {TFTPD_TW} top --http {daemon.http}; echo stopped now; read line; fg; echo over with $?"
    with on_terminal(["sh", "-c", script]) as shell:
        shell.see_frame("missing")
        shell.type(b"\x1a")
        shell.see(f"{GIVEN_BACK}(?s:.*)stopped now")
        assert shell.modes == (True, True)
        before = len(shell.written)
        shell.type(b"\n")
        shell.see(TAKEN, before)
        shell.see_frame("missing")
        assert shell.modes == (False, False)
        shell.type(b"q")
        shell.see("over with 0", before)
        assert shell.end() == 0
