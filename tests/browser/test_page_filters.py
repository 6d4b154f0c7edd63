"""The filters of the page, by mouse and by keyboard."""

import time

import sample_rack
from browser import Browser
from lookers import filtered, page
from running import Daemon
from selenium.webdriver.common.keys import Keys


def count(**wanted: str) -> int:
    """How many of the sample are so."""
    records = sample_rack.ended(200, time.time())
    return sum(all(text in str(record[name]) for name, text in wanted.items()) for record in records)


def test_filters(sample: Browser, daemon: Daemon) -> None:
    """By client, MAC, name and outcome, and all of them together; the address keeps them."""
    browser = sample
    assert filtered(browser) == "the last 200"
    assert filtered(browser, outcome="failed") == f"{count(outcome='failed')} of the last 200"
    assert set(browser.texts("#recent-table .why")) == {"failed: client-vanished", "failed: client-error:3"}
    assert browser.driver.current_url == page(daemon, "?outcome=failed")
    chosen = count(outcome="failed", name="initrd", client="10.20.12.3")
    assert 0 < chosen < count(outcome="failed")
    assert filtered(browser, name="initrd", client="10.20.12.3") == f"{chosen} of the last 200"
    address = browser.driver.current_url
    assert address == page(daemon, "?client=10.20.12.3&name=initrd&outcome=failed")
    browser.open(address)
    browser.wait_for_text("#recent-of", f"{chosen} of the last 200")
    assert all(text.startswith("10.20.12.3") for text in browser.texts("#recent-table .client"))
    clear = browser.find("#filters [type=reset]")
    clear.click()
    assert filtered(browser) == "the last 200"
    assert browser.driver.current_url == page(daemon)
    mac = "52:54:00:9C:13:"
    assert filtered(browser, client=mac) == f"{count(mac=mac.lower())} of the last 200"
    clear.click()
    assert filtered(browser, name="no such name") == "0 of the last 200"
    assert browser.texts("#recent-none") == ["None of the recent transfers is like that."]
    clear.click()
    good = count(outcome="completed") + count(outcome="size-probe")
    assert filtered(browser, outcome="all but") == f"{200 - good} of the last 200"


def test_links_are_filters(sample: Browser, daemon: Daemon) -> None:
    """A client's transfers are one click away, and so are those that failed; the page stays."""
    browser = sample
    browser.run("window.stays = true")
    browser.find("#problems-list li.failed a").click()
    browser.find("#recent-table .client").click()
    host = browser.texts("#recent-table .client")[0].partition(":")[0]
    assert browser.driver.current_url == page(daemon, f"?client={host}&outcome=failed")
    browser.find("#missing-rows a").click()
    assert "name=grub" in browser.driver.current_url
    assert browser.run("return stays")


def test_keyboard(sample: Browser) -> None:
    """All of it can be used without a mouse, and the focus is seen."""
    browser = sample
    browser.press(Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    browser.tab_to("#pause")
    browser.press(Keys.SPACE)
    browser.wait_for_text("#link", "paused since")
    browser.press(Keys.SPACE)
    browser.wait_for_text("#link", "live")
    browser.tab_to("#filters [name=client]")
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("10.20.12.", Keys.TAB, "initrd.img", Keys.TAB, "failed")
    chosen = count(outcome="failed", name="initrd.img")
    assert filtered(browser) == f"{chosen} of the last 200"
    browser.tab_to("#recent-table .why")
    browser.press(Keys.ENTER)
    assert browser.texts("#recent-table .details .meaning") != []
    assert browser.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    browser.press(Keys.SPACE)
    assert browser.texts("#recent-table .details .meaning") == []
    browser.tab_to("#filters [type=reset]", "#filters [name=outcome]")
    browser.press(Keys.ENTER)
    assert filtered(browser) == "the last 200"
    browser.tab_to("#recent-more", "tbody:last-child .why")
    browser.press(Keys.ENTER)
    assert len(browser.texts("#recent-table .why")) == 50
    browser.tab_to("summary", "#charts figure:last-child .plot")
    browser.press(Keys.ENTER)
    browser.wait("document.querySelector('details').open")
