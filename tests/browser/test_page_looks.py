"""How the page looks, to the eye and to a screen reader."""

import time
from itertools import pairwise

import pytest
import sample_rack
from browser import Browser

CONTRAST = """
const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function rgb(colour) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
function light(colour) {
  const parts = colour.slice(0, 3).map((part) => part / 255);
  const [r, g, b] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ground(node) {
  for (let each = node; each !== null; each = each.parentElement) {
    const colour = rgb(getComputedStyle(each).backgroundColor);
    if (colour[3] === 255) {
      return colour;
    }
  }
  return rgb("Canvas");
}
const poor = [];
let seenTexts = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (walker.currentNode.data.trim() && node.checkVisibility() && !node.closest("noscript, script, option")) {
    const style = getComputedStyle(node);
    const one = light(rgb(node.closest("svg") ? style.fill : style.color));
    const other = light(ground(node));
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    seenTexts += 1;
    if (contrast < 4.5) {
      poor.push(`${walker.currentNode.data.trim()}: ${contrast.toFixed(2)}`);
    }
  }
}
return [seenTexts, poor, ground(document.body)];
"""
"""Texts whose colour is too much like what is behind them, by WCAG's level AA."""


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(sample: Browser, dark: bool) -> None:
    """All text can be read, by day and by night."""
    browser = sample
    browser.emulate(dark=dark)
    browser.run(
        "document.getElementById('alarm').hidden = false; document.getElementById('alarm').textContent = 'Alarm';"
        "document.querySelectorAll('.why, summary').forEach((each) => each.click())"
    )
    for state in ("live", "connecting", "reconnecting", "stale", "paused"):
        browser.run("document.getElementById('link').dataset.state = arguments[0]", state)
        number, poor, ground = browser.run(CONTRAST)
        assert poor == []
    assert number > 500
    assert (sum(ground[:3]) < 200) == dark


def test_no_scrolling_sideways(sample: Browser) -> None:
    """However narrow the window is, and however long the names."""
    browser = sample
    frame = sample_rack.frame(time.time(), 12, 30, instance="another")
    long = "a" * 128
    for item in frame["active"] + frame["ended"]:
        item |= {"name": long, "served": f"/srv/{long * 8}", "client": "2001:db8:1234:5678:9abc:def0:1234:5678"}
        item |= {"asked": {long: long}}
    for record in frame["ended"]:
        record |= {"detail": long, "outcome": "refused", "reason": f"denied-by-rule:{long}"}
    browser.bring(frame)
    browser.run("document.querySelectorAll('.why, summary').forEach((each) => each.click())")
    for width in (1920, 1280, 800, 360, 320):
        browser.emulate(width=width, phone=width < 500)
        beyond = browser.run(
            "return [...document.querySelectorAll('main *')].filter((each) => each.checkVisibility() &&"
            " !each.closest('pre, svg, .unseen, .cards thead') &&"
            " each.getBoundingClientRect().right > arguments[0]).map((each) => each.outerHTML)",
            width,
        )
        assert beyond == []
        assert browser.run("return document.documentElement.scrollWidth") <= width


def test_a_long_reason_stays_behind_its_mark(sample: Browser) -> None:
    """Where it takes two lines, both begin at the same place."""
    sample.run("document.querySelector('.why').lastChild.data = 'unanswered: no-answer '.repeat(9)")
    lefts = sample.run(
        "const range = document.createRange(); range.selectNodeContents(document.querySelector('.why').lastChild);"
        "return [...range.getClientRects()].map((line) => Math.round(line.left))"
    )
    assert len(lefts) > 1
    assert len(set(lefts)) == 1


def test_structure(sample: Browser) -> None:
    """What a screen reader goes by: landmarks, headings in order, names of everything that can be used."""
    browser = sample
    found: list[str] = browser.run(
        "return [...document.querySelectorAll('h1, h2, h3')].map((each) => each.tagName)"
    )
    assert found.count("H1") == 1
    assert all(int(after[1]) <= int(before[1]) + 1 for before, after in pairwise(found))
    assert browser.run("return ['header', 'nav', 'main', 'footer'].every((each) => document.querySelector(each))")
    assert browser.run("return [...document.querySelectorAll('table')].every((each) => each.caption)")
    headers = browser.run(
        "return [...document.querySelectorAll('table')].map((table) => ["
        "[...table.querySelectorAll('th[scope=col]')].map((each) => each.textContent),"
        "[...table.querySelector('tbody tr').children].map((each) => each.dataset.label)])"
    )
    assert len(headers) == 3
    for heads, labels in headers:
        assert heads == labels
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    usable = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if node.get("role", {}).get("value")
        in ("button", "link", "searchbox", "combobox", "slider", "table", "region", "progressbar", "search")
    ]
    assert [role for role, name in usable if not name] == []
    assert {role for role, _ in usable} >= {"button", "link", "searchbox", "slider", "table", "progressbar"}
    live = browser.run("return [...document.querySelectorAll('[role=status], [role=alert], [aria-live]')]")
    assert [each.get_attribute("id") for each in live] == ["link", "alarm"]
