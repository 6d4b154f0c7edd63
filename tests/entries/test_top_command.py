"""``tftpd-tw top``: what it makes of frames, and how that is shown; the terminal itself is in tests/clients."""

import io
import re
import threading
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import pytest
from answering import answering
from lacking import lacking
from telling import NOW, active, ended, frame, refused, stream

from tftpd_tw import cli
from tftpd_tw.cli.asking import NoDaemonError, RunningDaemon
from tftpd_tw.cli.frames import followed, frames
from tftpd_tw.cli.picture import Picture
from tftpd_tw.cli.top_text import bar, left, lines
from tftpd_tw.interfaces import Address

HERE = Address("127.0.0.1", 9069)

BUSY = frame(
    ended(name="first"),
    refused("second", more=2),
    active=[active(1), active(2, name="initrd", size=None, verified=False, seconds=1.0)],
    active_count=2,
    unverified=1,
    rates={"read": 12_300_000, "write": 0},
)

pytestmark = pytest.mark.usefixtures("utc")


def picture(*frames: Any) -> Picture:
    """What they come to."""
    found = Picture(HERE)
    for each in frames:
        found.take(each)
    return found


def at(address: str) -> RunningDaemon:
    """The daemon there."""
    host, port = address.split(":")
    return RunningDaemon(Address(host, int(port)))


def top(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit status, and what it prints on both outputs."""
    status = cli.main(["top", *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_rates_are_those_of_now() -> None:
    """Since the frame before; of a transfer that is new, since its beginning."""
    first = picture(frame(active=[active(1)]))
    assert first.active[0].rate == 4_000_000
    first.take(frame(active=[active(1, bytes=5_000_000), active(2)], time=NOW + 2.0))
    assert [moving.rate for moving in first.active] == [500_000, 4_000_000]
    assert [moving.left for moving in first.active] == [6.0, 1.0]
    first.take(frame(active=[active(1, bytes=5_000_000)], time=NOW + 3.0))
    assert (first.active[0].rate, first.active[0].left) == (0.0, None)


def test_what_has_ended() -> None:
    """The last one first, from all frames; those that came before a daemon went away may be told again."""
    found = picture(frame(ended(name="1"), ended(name="2")), frame(ended(name="3")))
    assert [told.name for told in found.ended] == ["3", "2", "1"]
    found.fail("it is gone")
    assert [told.name for told in found.ended] == ["3", "2", "1"]
    found.take(frame(ended(name="2"), ended(name="3")))
    assert ([told.name for told in found.ended], found.problem) == (["3", "2"], "")


def test_those_of_several_workers() -> None:
    """By the time when they ended, whoever told of them first."""

    def at(second: int) -> Any:
        return ended(name=f"{second}", time=f"2026-09-21T14:13:0{second}.000Z")

    found = picture(frame(at(2), at(4), at(1)), frame(at(5), at(3)))
    assert [told.name for told in found.ended] == ["5", "4", "3", "2", "1"]
    assert [re.split("  +", line)[4] for line in list(lines(found))[4:]] == ["5", "4", "3", "2", "1"]


def test_what_was_not_served_lately() -> None:
    """With those that were not told one by one; not what is an hour ago."""
    old = {"time": "2026-09-21T13:13:10.000Z"}
    unanswered = ended(outcome="unanswered", reason="no-answer")
    found = picture(
        frame(refused("a", more=2), unanswered, ended(), ended(outcome="size-probe"), refused("b", **old))
    )
    assert found.failures == 4
    found.take(frame(time=NOW + 100.0))
    assert found.failures == 0


def test_frames_that_lack_everything() -> None:
    """A daemon of another version may have other ones."""
    found = picture({}, {"rates": 7, "active": "x", "ended": [None], "time": "x", "active_count": []})
    assert (found.active, found.active_count, len(found.ended), found.rates) == (
        [],
        0,
        1,
        {"read": 0.0, "write": 0.0},
    )
    assert list(lines(found, 80, 24))


def test_all_of_it() -> None:
    """How much, what is in progress, what has ended."""
    shown = [re.split("  +", line) for line in lines(picture(BUSY))]
    assert shown[0] == ["tftpd-tw at 127.0.0.1:9069, 14:13:20"]
    assert shown[1] == ["reads 12.3 MB/s", "writes 0 B/s", "2 active", "1 unverified", "3 not served in 60 s"]
    assert shown[3:6] == [
        ["client", "way", "name", "progress", "size", "rate", "left", "resent"],
        [
            *("192.0.2.7", "read", "boot/vmlinuz", "[##########..........]", "50 %"),
            "8.00 MB",
            "4.00 MB/s",
            "0:01",
            "0",
        ],
        ["192.0.2.7", "read", "initrd", "no answer yet", "4.00 MB", "4.00 MB/s", "-", "0"],
    ]
    assert [row[4:6] for row in shown[7:]] == [
        ["name", "outcome"],
        ["second", "refused: not-found, +2 more"],
        ["first", "completed"],
    ]


def test_troubles_are_said() -> None:
    """In full, whatever the width; with what was known before."""
    found = picture({**BUSY, "healthy": False})
    found.fail("no daemon answers at 127.0.0.1:9069: Connection refused; it may not run, or have another --http")
    shown = list(lines(found, 40, 24))
    assert shown[0] == "tftpd-tw at 127.0.0.1:9069, last seen..."
    assert " ".join(shown[2:7]).startswith(f"{found.problem}; trying again nobody serves: ")
    assert any("vmlinuz" in line for line in shown)


def test_nothing_yet() -> None:
    """That is said."""
    assert list(lines(picture(frame())))[2:] == ["", "no transfers yet"]


MANY = frame(
    *(ended(name=f"e{number}") for number in range(100)),
    active=[active(number, name=f"a{number}") for number in range(100)],
    active_count=250,
)


@pytest.mark.parametrize("frame", [MANY, {**MANY, "active": MANY["active"][:3], "active_count": 3}, BUSY])
@pytest.mark.parametrize("height", [3, 5, 10, 24, 60])
@pytest.mark.parametrize("width", [20, 80, 132])
def test_it_fits(frame: Any, width: int, height: int) -> None:
    """Down to a few lines; if there is room for anything of those that have ended, the last one is there."""
    shown = list(lines(picture(frame), width, height))
    if height >= 10:
        assert len(shown) <= height
        assert any(re.search(r"\be99\b|second", line) for line in shown) or width < 80
    if width >= 80:
        assert max(map(len, shown)) <= width
    if frame is MANY and height >= 10:
        [more] = [line for line in shown if line.startswith("and ")]
        assert more == f"and {250 - sum('%' in line for line in shown)} more"


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (None, "-"),
        (0.0, "[....................]   0 %"),
        (0.5, "[##########..........]  50 %"),
        (1.0, f"[{'#' * 20}] 100 %"),
    ],
)
def test_bars(part: float | None, text: str) -> None:
    """Of one length."""
    assert bar(part) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0, "0:00"), (9.6, "0:10"), (65.0, "1:05"), (600.0, "10:00"), (7325.0, "2:02:05"), (1e9, "-")],
)
def test_what_is_left(seconds: float | None, text: str) -> None:
    """Minutes and seconds, and hours."""
    assert left(seconds) == text


@pytest.mark.parametrize("arguments", [[], ["--once"]])
def test_once(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no terminal, or if that is wanted: as of the second frame, since the first has no rates."""
    second = frame(ended(name="third"), rates={"read": 7, "write": 0}, time=NOW + 1)
    with answering({"/events": stream(BUSY, second, frame(ended(name="fourth")))}) as address:
        status, text, complaints = top(capsys, "--http", address, *arguments)
    assert (status, complaints) == (0, "")
    assert "reads 7 B/s" in text
    assert "third" in text
    assert "second" in text
    assert "fourth" not in text
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ({}, "has no /events: it is no tftpd-tw, or an older one"),
        ({"/events": stream(frame(schema=3))}, "answers in schema 3, and 1 is understood"),
        ({"/events": stream("x")}, "is no tftpd-tw"),
        ({"/events": (200, "data: {}")}, "has ended the connection"),
        ({"/events": stream(BUSY)}, "has ended the connection"),
        ({"/events": (503, "too many look already\n\033[2J")}, r"shows nothing: too many look already\x0a\x1b[2J"),
        ({"/events": (200, "data: \udcff\n")}, "is no tftpd-tw"),
    ],
)
def test_no_daemon(pages: Any, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 3 and one line."""
    with answering(pages) as address:
        status, text, complaints = top(capsys, "--http", address, "--once")
        assert (status, text, complaints.count("\n")) == (3, "", 1)
        assert says in complaints
    assert top(capsys, "--http", address)[0] == 3


def test_following() -> None:
    """Frames, and why there are none; then it is asked again."""
    pages = {"/events": stream(BUSY)}
    with answering(pages) as address:
        found: list[Any] = []
        enough = threading.Event()

        def deliver(new: Any) -> None:
            found.append(new)
            if len(found) == 4:
                enough.set()

        with followed(at(address), deliver):
            assert enough.wait(30)
    assert found[0] == found[2] == BUSY
    assert all(isinstance(found[number], NoDaemonError) for number in (1, 3))


def test_one_frame_after_the_other() -> None:
    """Until there are no more."""
    with answering({"/events": stream(BUSY, frame())}) as address:
        following = frames(at(address))
        assert [next(following), next(following)] == [BUSY, frame()]
        with pytest.raises(NoDaemonError):
            next(following)


def test_with_rich() -> None:
    """It shows the same, with bars and colours."""
    if find_spec("rich") is None:
        lacking("rich of the extra tools is not installed")
    from rich.console import Console, Group

    from tftpd_tw.cli.rich_screen import parts

    drawn = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="standard")
    drawn.print(Group(*parts(picture(BUSY), 120, 30)))
    text = drawn.file.getvalue()

    def words(lines: Iterable[str]) -> list[list[str]]:
        return [line.split() for line in lines if "vmlinuz" not in line]

    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert words(plain.splitlines()) == words(lines(picture(BUSY), 120, 30))
    assert "50 %" in plain
    assert "\x1b[31mnot-found, +2 more" in text
    assert "\x1b[32mcompleted" in text
