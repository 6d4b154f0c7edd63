"""The page at ``/`` in a real browser, fed by a real daemon.

A transfer that has to be at some point is driven packet by packet. What takes a rack or an hour to come about is
told to the page in the daemon's place (:mod:`sample_rack`).
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))

import sample_rack
from browser import Browser
from lookers import a_root, page
from running import Daemon, serving

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: "list[pytest.Item]") -> None:
    """Mark them."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all."""
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture
def browser(window: Browser) -> Iterator[Browser]:
    """The browser, which shows nothing yet; and nothing happens in it that should not."""
    window.emulate()
    window.mishaps.clear()
    yield window
    window.leave()
    assert window.mishaps == []


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that several tests ask for something."""
    with serving(a_root(tmp_path_factory.mktemp("page")), "auto") as daemon:
        yield daemon


@pytest.fixture
def sample(browser: Browser, daemon: Daemon) -> Iterator[Browser]:
    """The browser with the page of a rack that boots."""
    with browser.told(sample_rack.stub(time.time())):
        browser.open(page(daemon))
        browser.wait_for_text("#charts", "in all")
        yield browser
