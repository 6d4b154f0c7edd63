"""What strangers can make of the page: nothing."""

import time

import sample_rack
from browser import Browser
from lookers import ask, page
from running import Daemon

HOSTILE = (
    b"<script>alert(1)</script>",
    b'"><img src=x onerror=alert(2)>',
    b"&lt;b&gt;&#x41;${alert(3)}{{alert(4)}}",
    b"javascript:alert(5)//\xe2\x80\xae\xe2\x81\xa6txt.exe",
    b"\x01\x07\x0a\x0d\x1b[31m\x7f\x9b\xff",
    b"x" * 500,
)
"""Names that somebody asks for who wants to see what comes of it. (A request has room for 500 bytes.)"""


def test_hostile_names(browser: Browser, daemon: Daemon) -> None:
    """S03c: they are text, wherever they are shown, and nothing runs."""
    browser.open(page(daemon))
    ask(daemon, *HOSTILE)
    browser.wait("document.querySelectorAll('#recent-table tbody.refused').length >= arguments[0]", len(HOSTILE))
    shown = browser.texts("#recent-table .name")
    assert "<script>alert(1)</script>" in shown
    assert r"\"><img src=x onerror=alert(2)>" in shown
    assert r"\x01\x07\x0a\x0d\x1b[31m\x7f\x9b\xff" in shown
    assert r"javascript:alert(5)//\xe2\x80\xae\xe2\x81\xa6txt.exe" in shown
    assert "x" * 125 + "..." in shown
    browser.wait_for_text("#missing-rows", "<script>alert(1)</script>")


def test_hostile_frames(sample: Browser) -> None:
    """The same if they came as they are: the daemon escapes names, but the page does not depend on it."""
    browser = sample
    raw = [name.decode(errors="replace") for name in HOSTILE] + ["\u202egnp.exe\u2066", "a\0b"]
    frame = sample_rack.frame(time.time(), len(raw), len(raw), instance="another")
    for name, *items in zip(raw, frame["active"], frame["ended"], strict=True):
        for item in items:
            item |= dict.fromkeys(("name", "client", "served", "detail", "mac", "profile", "interface"), name)
            item |= {"asked": {name: name}, "outcome": name, "reason": name}
    browser.bring(frame)
    browser.run("document.querySelectorAll('.why').forEach((each) => each.click())")
    assert (
        browser.run("return [...document.querySelectorAll('#active-rows .name')].map((e) => e.textContent)") == raw
    )
    strange = "main :is(script, img, iframe, object, b, form:not(#filters)), main [onerror], a[href^='javascript']"
    assert browser.run("return document.querySelectorAll(arguments[0]).length", strange) == 0
    # Each stands by itself: an override of the direction of letters does not reach beyond it.
    assert browser.run("return getComputedStyle(document.querySelector('.name')).unicodeBidi") == "isolate"


def test_the_policy(browser: Browser, daemon: Daemon) -> None:
    """S03c: if the page had a mistake, still no script would run but its own, and nobody else would be asked."""
    browser.open(page(daemon))
    browser.run(
        """
        document.body.innerHTML += '<img src=x onerror="window.ran = 1"><p style="color: red">';
        for (const script of [{ textContent: "window.ran = 2" }, { src: "data:text/javascript,ran=3" }]) {
          document.body.append(Object.assign(document.createElement("script"), script));
        }
        """
    )
    browser.wait("seen.events.length >= 4")
    assert not browser.run("return window.ran")
    fetched = browser.driver.execute_async_script(
        "fetch('http://127.0.0.1:1/').then(() => arguments[0]('ok'), () => arguments[0]('no'))"
    )
    assert fetched == "no"
    browser.leave()
    mishaps = browser.mishaps[:]
    browser.mishaps.clear()
    assert sum(each.startswith("violation: inline") for each in mishaps) == 3
    assert any("violation: data" in each for each in mishaps)
    assert any("violation: http://127.0.0.1:1/" in each for each in mishaps)


def test_nothing_from_elsewhere(browser: Browser, daemon: Daemon) -> None:
    """All that the page asks for, it asks its daemon for."""
    browser.requests()
    browser.open(page(daemon))
    browser.frames(2)
    browser.wait_for_text("#versions", "Twisted")
    asked = browser.requests()
    assert {each.rpartition("/")[2].partition("?")[0] for each in asked} >= {
        "",
        "page.css",
        "page.js",
        "charts.js",
        "icon.svg",
        "events",
        "status",
        "history",
        "misses",
        "reasons",
    }
    assert [each for each in asked if not each.startswith(page(daemon))] == []
