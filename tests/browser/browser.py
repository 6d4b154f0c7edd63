"""A real browser without a window: Debian's chromium, driven by its chromedriver."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lacking import need
from running import PATIENCE
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

POLL = 0.02
"""Seconds between two looks at the page."""

MOST_TABS = 60
"""Stops until something is out of reach."""

_SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)

_WITNESS = """
window.seen = { frames: 0, events: [] };
addEventListener("securitypolicyviolation", (event) => seen.events.push(`violation: ${event.blockedURI}`));
addEventListener("error", (event) => seen.events.push(`error: ${event.message}`));
addEventListener("unhandledrejection", (event) => seen.events.push(`rejected: ${event.reason}`));
for (const name of ["alert", "confirm", "prompt"]) {
  window[name] = () => seen.events.push(name);
}
window.EventSource = class extends EventSource {
  constructor(...all) {
    super(...all);
    seen.source = this;
    this.addEventListener("message", () => { seen.frames += 1; });
  }
};
"""
"""What a page does not know of: it counts the frames, and sees what must not happen."""


class Browser:
    """One window."""

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = need("chromium", "chromium")
        for switch in (*_SWITCHES, f"--user-data-dir={folder}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, Service(need("chromedriver", "chromium-driver")))
        self.mishaps: list[str] = []
        """What no page should do, and has done; and what the console says."""
        self.run_before(_WITNESS)

    def close(self) -> None:
        """End it."""
        self.driver.quit()

    def run_before(self, script: str) -> str:
        """Have ``script`` run in every page before its own; a name for it."""
        name: str = self._cdp("Page.addScriptToEvaluateOnNewDocument", source=script)["identifier"]
        return name

    @contextmanager
    def told(self, script: str) -> Iterator[None]:
        """The same, for a while."""
        name = self.run_before(script)
        try:
            yield
        finally:
            self._cdp("Page.removeScriptToEvaluateOnNewDocument", identifier=name)

    def hide(self) -> None:
        """Have nobody look at it, until :meth:`show`."""
        self.driver.minimize_window()
        self.wait("document.hidden")

    def show(self) -> None:
        """Have somebody look."""
        self.driver.set_window_rect(0, 0, 1280, 900)
        self.wait("!document.hidden")

    def emulate(self, *, dark: bool = False, width: int = 1280, height: int = 900, phone: bool = False) -> None:
        """What the reader has set, and how large the window is."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._cdp("Emulation.setEmulatedMedia", features=[scheme])
        self._cdp(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )

    def open(self, address: str) -> None:
        """Load a page, and wait for its first frame."""
        self.driver.get(address)
        self.wait("document.getElementById('link').dataset.state === 'live'")

    def run(self, script: str, *arguments: Any) -> Any:
        """What ``script`` returns."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, expression: str, *arguments: Any) -> Any:
        """The value of ``expression``, as soon as it is something."""

        def look(driver: Any) -> Any:
            return driver.execute_script(f"return {expression}", *arguments)

        return WebDriverWait(self.driver, PATIENCE, POLL).until(look, f"never true: {expression}")

    def find(self, selector: str) -> WebElement:
        """The first element like that."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """What is to be read in all elements like that which are shown."""
        found: list[str] = self.run(
            "return [...document.querySelectorAll(arguments[0])].filter((each) => each.checkVisibility())"
            ".map((each) => each.innerText.trim())",
            selector,
        )
        return found

    def wait_for_text(self, selector: str, text: str) -> None:
        """Until some element like ``selector`` has ``text`` in it."""
        self.wait(
            "[...document.querySelectorAll(arguments[0])]"
            ".some((each) => each.checkVisibility() && each.innerText.includes(arguments[1]))",
            selector,
            text,
        )

    def press(self, *keys: str) -> None:
        """Type, wherever the focus is."""
        webdriver.ActionChains(self.driver, 0).send_keys(*keys).perform()

    def tab_to(self, selector: str, start: str = "") -> None:
        """Press the tabulator until an element like ``selector`` has the focus.

        :param start: what has it at first; empty: what has it now
        """
        if start:
            self.run("document.querySelector(arguments[0]).focus()", start)
        for _ in range(MOST_TABS):
            self.press(Keys.TAB)
            if self.run("return document.activeElement.matches(arguments[0])", selector):
                return
        raise AssertionError(f"the tabulator does not lead to {selector}")

    def frames(self, count: int) -> None:
        """Wait for so many more of them."""
        before = self.run("return seen.frames")
        self.wait("seen.frames >= arguments[0]", before + count)

    def bring(self, frame: Any) -> float:
        """Have the page show ``frame`` as if it came just now; the milliseconds that it took, layout included."""
        took: float = self.run(
            """
            const event = new MessageEvent("message", { data: arguments[0] });
            const began = performance.now();
            seen.source.onmessage(event);
            document.body.getBoundingClientRect();
            return performance.now() - began;
            """,
            json.dumps(frame),
        )
        return took

    def leave(self) -> None:
        """Show nothing any more, and have what happened in :attr:`mishaps`."""
        self.mishaps += self.run("return window.seen?.events ?? []")
        self.mishaps += [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]
        self.driver.get("about:blank")

    @contextmanager
    def looking(self, address: str) -> Iterator[None]:
        """Load a page, and leave it before whoever serves it is gone."""
        self.open(address)
        yield
        self.leave()

    def requests(self) -> Sequence[str]:
        """The addresses that were asked for since that was asked last."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated"):
                parameters = message["params"]
                found.append(str(parameters.get("request", parameters)["url"]))
        return found

    def _cdp(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)
