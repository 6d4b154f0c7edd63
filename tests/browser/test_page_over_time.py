"""The page while time goes by: daemons come and go, transfers are many, nobody looks."""

import resource
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import sample_rack
from browser import Browser
from lookers import Client, a_root, ask, filtered, page
from running import ANY_PORT, IN_FOREGROUND, PATIENCE, Daemon, running, serving, udp

from tftpd_tw.web.events import MOST_ACTIVE, MOST_ENDED, MOST_STREAMS

FRAME_BUDGET = 150.0
"""Milliseconds for the largest frame there is and its layout; far more than it takes on a machine that is idle."""


def test_a_daemon_that_is_started_anew(browser: Browser, tmp_path: Path) -> None:
    """The page says that it waits, comes back by itself, and shows what the new one knows and nothing else."""
    root = a_root(tmp_path)
    with serving(root, "auto") as daemon:
        ports = ("--port", str(daemon.port), "--http", daemon.http)
        ask(daemon, b"before")
        browser.open(page(daemon))
        browser.wait_for_text("#recent-table", "before")
    browser.wait("['reconnecting', 'stale'].includes(document.getElementById('link').dataset.state)")
    assert "before" in browser.texts("#recent-table")[0]
    with serving(root, "auto", *ports) as daemon:
        browser.wait("document.getElementById('link').dataset.state === 'live'")
        ask(daemon, b"after")
        browser.wait_for_text("#recent-table", "after")
        assert "before" not in browser.texts("#recent-table")[0]
        browser.wait("!document.getElementById('missing-rows').textContent.includes('before')")
        browser.leave()
    browser.mishaps[:] = [each for each in browser.mishaps if "net::ERR_" not in each]


def test_stale_figures(browser: Browser, daemon: Daemon) -> None:
    """A daemon that hangs is not taken for one that has nothing to do."""
    browser.open(page(daemon))
    daemon.process.send_signal(signal.SIGSTOP)
    try:
        browser.run("const now = Date.now; Date.now = () => now() + 10000")
        browser.wait_for_text("#link", "stale since ")
    finally:
        daemon.process.send_signal(signal.SIGCONT)
    browser.wait_for_text("#link", "live")


def test_what_was_missed(browser: Browser, daemon: Daemon) -> None:
    """What ended while nobody looked is there when somebody does, also if it is more than a frame has."""
    browser.open(page(daemon))
    browser.find("#pause").click()
    browser.wait_for_text("#link", "paused since")
    before = browser.run("return seen.frames")
    names = [b"missed-%d" % number for number in range(MOST_ENDED + 50)]
    for number in range(10):  # an address gets so many answers at once
        ask(daemon, *names[number::10], host=f"127.0.2.{number + 1}")
    assert browser.run("return seen.frames") == before
    browser.find("#pause").click()
    browser.find("#filters [name=name]").send_keys("missed-")
    browser.wait_for_text("#recent-of", f"{len(names)} of the last ")


def test_a_page_that_nobody_looks_at(browser: Browser, daemon: Daemon) -> None:
    """It has no stream, until somebody looks again."""
    browser.open(page(daemon))
    browser.hide()
    before = browser.run("return seen.frames")
    assert browser.run("return seen.source.readyState") == browser.run("return EventSource.CLOSED")
    browser.show()
    browser.wait("seen.frames > arguments[0]", before)
    browser.wait_for_text("#link", "live")


def later_frame(active: int, number: int) -> dict[str, Any]:
    """One after others with as many transfers, each ten minutes later."""
    frame = sample_rack.frame(time.time() + 600 * number, active, MOST_ENDED)
    for item in frame["active"]:
        item |= {"bytes": item["bytes"] + number, "seconds": item["seconds"] + number}
    for record in frame["ended"]:
        record["number"] += MOST_ENDED * number
    return {**frame, "ended_count": MOST_ENDED * (number + 1)}


def test_memory(sample: Browser) -> None:
    """However many transfers end, a thousand are kept, and few are in the document."""
    browser = sample
    for number in range(20):
        browser.bring(later_frame(0, number))
    assert filtered(browser) == "the last 1,000"
    assert browser.run("return document.querySelectorAll('#recent-table tbody').length") == 25
    assert browser.run("return document.querySelectorAll('*').length") < 2000


def test_who_reads_is_not_disturbed(sample: Browser) -> None:
    """What somebody has opened stays, also if it would have left the table, and so does the focus."""
    browser = sample
    why = browser.find("#recent-table tbody:nth-of-type(3) .why")
    why.click()
    [told] = browser.texts("#recent-table .details")
    browser.bring(later_frame(12, 1))
    assert browser.texts("#recent-table .details") == [told]
    assert browser.run("return document.activeElement === arguments[0]", why)
    assert len(browser.texts("#recent-table .why")) == 26


def test_too_many_look(browser: Browser, daemon: Daemon) -> None:
    """Who comes then is told so, and is served once there is room."""
    with ExitStack() as stack:
        for _ in range(MOST_STREAMS):
            stream = stack.enter_context(urlopen(f"{page(daemon)}events", timeout=PATIENCE))
            assert stream.readline().startswith(b"data: ")
        browser.driver.get(page(daemon))
        browser.wait_for_text("#link", "connecting: too many look at once")
        assert browser.texts("#active-none, #recent-none, #problems-none") == []
    browser.wait_for_text("#link", "live")
    browser.leave()
    browser.mishaps[:] = [each for each in browser.mishaps if "503 (Service Unavailable)" not in each]


def test_a_large_frame(sample: Browser) -> None:
    """It is shown in a moment: rows stay, and nothing is built anew."""
    browser = sample
    browser.bring(later_frame(1000, 0))
    assert browser.texts("#active-others") == ["and 900 more transfers that began later"]
    browser.find("#active-more").click()
    assert len(browser.texts("#active-rows tr")) == MOST_ACTIVE
    browser.run("window.rows = [...document.querySelectorAll('#active-rows tr')]")
    took = [browser.bring(later_frame(1000, number)) for number in range(1, 6)]
    assert browser.run("return rows.every((row) => row.isConnected)")
    assert min(took) < FRAME_BUDGET, took


@contextmanager
def many_descriptors(number: int) -> Iterator[None]:
    """Room for so many, here and in what is started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_sessions(browser: Browser, tmp_path: Path) -> None:
    """Frames keep coming, one a second, while a thousand clients have fallen silent in the middle of a file."""
    thousand = 1000
    settings = tmp_path / "tftpd.yaml"
    settings.write_text(f"filesystem: {{root: {a_root(tmp_path)}}}\nperformance: {{drain_timeout: 0s}}\n")
    with (
        many_descriptors(4096),
        running([*IN_FOREGROUND, "tftpd", "--config", str(settings), *ANY_PORT], tmp_path) as daemon,
        browser.looking(page(daemon)),
        ExitStack() as sockets,
    ):
        for number in range(thousand):
            sock = sockets.enter_context(udp(f"127.0.1.{1 + number % 200}"))
            Client.asking(sock, daemon).read(1)
        browser.wait_for_text("#active-count", "1,000")
        assert browser.texts("#active-others") == ["and 900 more transfers that began later"]
        assert browser.texts("#waiting") == ["0 unverified, 0 opening"]
        browser.run(
            "window.times = []; seen.source.addEventListener('message', (event) =>"
            " times.push(JSON.parse(event.data).time))"
        )
        browser.frames(3)
        times: list[float] = browser.run("return times")
        assert min(after - before for before, after in pairwise(times)) < 1.5, times
        assert browser.texts("#link") == ["live"]
