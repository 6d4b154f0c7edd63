"""How far a transfer is, on a terminal."""

import io
import re
import sys
import threading
from time import monotonic

import pytest
from terminals import Terminal, terminal

from tftpd_tw.cli import progress
from tftpd_tw.cli.plain_progress import PlainPainter, Position, plain_line
from tftpd_tw.cli.progress import shown

HALF = Position(50_000_000, 100_000_000)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits."""
    monkeypatch.setattr(progress, "FIRST_AFTER", 0.0)
    monkeypatch.setattr(progress, "INTERVAL", 0.01)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not installed."""
    monkeypatch.setitem(sys.modules, "rich", None)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.delitem(sys.modules, "tftpd_tw.cli.rich_progress", raising=False)


@pytest.mark.parametrize(
    ("position", "seconds", "line"),
    [
        (Position(0, None), 0.0, "f  0 B  0 B/s"),
        (Position(0, 1000), 1.0, "f    0 % [....................]  0 B of 1.00 kB  0 B/s"),
        (HALF, 5.0, "f   50 % [##########..........]  50.0 MB of 100 MB  10.0 MB/s  0:05"),
        (Position(1000, 100_000), 1.0, "f    1 % [....................]  1.00 kB of 100 kB  1.00 kB/s  1:39"),
        (Position(100_000, 100_000), 2.0, "f  100 % [####################]  100 kB of 100 kB  50.0 kB/s  0:00"),
        (Position(200, 100), 2.0, "f  100 % [####################]  200 B of 100 B  100 B/s  0:00"),
        (Position(5000, None), 2.0, "f  5.00 kB  2.50 kB/s"),
        (Position(0, 0), 2.0, "f  0 B  0 B/s"),
    ],
)
def test_the_plain_line(position: Position, seconds: float, line: str) -> None:
    """What is known of it: a part, a bar, bytes, a rate, the time that is left."""
    assert plain_line("f", position, seconds) == line


def test_lines_replace_each_other() -> None:
    """A shorter one leaves nothing of a longer one, and in the end nothing is left; no line is a second one."""
    out = io.StringIO()
    painter = PlainPainter("f", out, monotonic())
    painter.paint(Position(123_456, 1_000_000))
    painter.paint(Position(1, None))
    painter.clear()
    _, first, second, blank, end = out.getvalue().split("\r")
    assert first.startswith("f   12 %")
    assert second.startswith("f  1 B  ")
    assert len(second) >= len(first.rstrip())
    assert blank.strip() == end == ""
    assert "\n" not in out.getvalue()


def drawn(on: Terminal, *, until: str, label: str = "ipxe/boot.ipxe", position: Position = HALF) -> str:
    """What is shown of a transfer that lasts until ``until`` is."""
    with shown(label, lambda: position, on.file):
        on.look(until)
    return on.look()


def visible(text: str) -> str:
    """Without the sequences that move and colour."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def test_with_rich() -> None:
    """Its bar, in colour, and it is gone in the end, with the cursor back."""
    with terminal() as screen:
        text = drawn(screen, until="50%")
    assert "\x1b[" in text
    line = next(line for line in re.split(r"[\r\n]+", visible(text)) if "50%" in line)
    assert line.startswith("ipxe/boot.ipxe ")
    assert "50.0/100.0 MB" in line
    assert len(line) <= 80
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert text.endswith("\x1b[2K")


def test_a_name_that_looks_like_markup() -> None:
    """It is shown as it is."""
    with terminal() as screen:
        assert "[red]file" in visible(drawn(screen, until="50%", label="[red]file"))


def test_a_size_that_is_not_known() -> None:
    """Then there are the bytes."""
    with terminal() as screen:
        assert "5.0/? kB" in visible(drawn(screen, until="5.0", position=Position(5000, None)))


@pytest.mark.usefixtures("without_rich")
def test_without_rich() -> None:
    """A line without any sequence, and it is gone in the end."""
    with terminal() as screen:
        text = drawn(screen, until=" 50 % [##########..........]  50.0 MB of 100 MB")
    assert "\x1b" not in text
    assert "\n" not in text
    assert text.split("\r")[-2].strip() == text.split("\r")[-1] == ""


def test_a_terminal_that_cannot_move_its_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the plain line, rich or not."""
    monkeypatch.setenv("TERM", "dumb")
    with terminal() as screen:
        assert "\x1b" not in drawn(screen, until=" 50 % [##########")


@pytest.mark.usefixtures("without_rich")
@pytest.mark.parametrize("columns", [20, 41])
def test_a_narrow_terminal(columns: int) -> None:
    """The line is cut, so that it stays one."""
    with terminal(columns) as screen:
        text = drawn(screen, until="ipxe/boot.ipxe")
    assert max(len(line) for line in text.split("\r")) < columns


@pytest.mark.usefixtures("without_rich")
def test_a_long_name() -> None:
    """It is cut, so that there is room for the rest."""
    with terminal() as screen:
        text = drawn(screen, until="%", label="x" * 100)
    assert f"{'x' * 21}...   50 %" in text


def test_no_terminal() -> None:
    """A file or a pipe gets nothing, and nobody is asked."""
    before = set(threading.enumerate())  # other tests of this process have threads too
    out = io.StringIO()
    for stream in (out, None):
        with shown("f", lambda: pytest.fail("asked"), stream):
            assert set(threading.enumerate()) <= before
    assert out.getvalue() == ""


def test_what_is_over_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It shows nothing."""
    monkeypatch.setattr(progress, "FIRST_AFTER", 30.0)
    with terminal() as screen:
        with shown("f", lambda: HALF, screen.file):
            pass
        assert screen.look() == ""


@pytest.mark.usefixtures("without_rich")
def test_a_terminal_that_was_closed() -> None:
    """Nothing is shown, and nobody hears of it."""
    written = threading.Event()

    class Closed(io.StringIO):
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> int:
            written.set()
            raise OSError(5, "Input/output error")

    with shown("f", lambda: HALF, Closed()):
        assert written.wait(30)


@pytest.mark.usefixtures("without_rich")
def test_a_terminal_that_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever draws waits for it; the transfer does not, nor for long in the end."""
    monkeypatch.setattr(progress, "_GOODBYE", 0.05)
    go_on, stuck = threading.Event(), threading.Event()

    class Stopped(io.StringIO):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return -1

        def write(self, text: str) -> int:
            stuck.set()
            assert go_on.wait(30)
            return len(text)

    before = set(threading.enumerate())
    with shown("f", lambda: HALF, Stopped()):
        assert stuck.wait(30)
    [thread] = set(threading.enumerate()) - before
    go_on.set()
    thread.join(30)
    assert not thread.is_alive()
