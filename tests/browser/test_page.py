"""What the page shows of a daemon and its transfers."""

import re
import signal
from contextlib import ExitStack
from pathlib import Path

from browser import Browser
from lookers import BLOCK, BLOCKS, Client, a_root, ask, page
from running import ANY_PORT, IN_FOREGROUND, Daemon, running, soon, udp
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from tftpd_tw.telemetry.reasons import meaning_of


def test_a_transfer_that_is_running(browser: Browser, daemon: Daemon) -> None:
    """Its bar moves with what the client acknowledges, in the same row; then it is among the recent ones."""
    browser.open(page(daemon))
    browser.wait_for_text("#active-none", "No transfer is in progress.")
    with udp() as sock:
        client = Client.asking(sock, daemon)
        client.read(25)
        browser.wait_for_text("#active-rows .progress", "12.8 kB of 51.2 kB, 25 %")
        assert browser.run("return document.querySelector('progress').value") == 0.25
        [text] = browser.texts("#active-rows tr")
        host, port = sock.getsockname()
        assert f"{host}:{port}" in text
        assert "vmlinuz" in text
        assert "512 \N{MULTIPLICATION SIGN} 1" in text
        assert browser.texts("#active-count") == ["1"]
        assert browser.driver.title == "1 active \N{EN DASH} tftpd-tw"
        browser.run("window.row = document.querySelector('#active-rows tr')")
        client.read(75)
        browser.wait_for_text("#active-rows .progress", "38.4 kB of 51.2 kB, 75 %")
        assert browser.run("return document.querySelector('progress').value") == 0.75
        assert browser.run("return row.isConnected")
        client.read(BLOCKS + 1)
    browser.wait_for_text("#recent-table tbody", f"{host}:{port}")
    [row, *_] = browser.texts("#recent-table tbody.completed")
    assert "vmlinuz" in row
    assert "51.2 kB" in row
    browser.wait_for_text("#active-none", "No transfer is in progress.")
    assert browser.driver.title == "tftpd-tw"


def test_a_failure(browser: Browser, daemon: Daemon) -> None:
    """It is shown with its reason, with what that means and what to do, and with what the client said."""
    browser.open(page(daemon))
    with udp("127.0.0.3") as sock:
        client = Client.asking(sock, daemon, blksize=BLOCK)
        client.read(10)
        client.give_up(3, b"flash is full")
    browser.wait_for_text("#recent-table tbody.failed", "failed: client-error:3")
    assert "flash is full" in browser.texts("#recent-table tbody.failed")[0]
    meaning = meaning_of("client-error:3")
    assert meaning is not None
    assert meaning.meaning not in browser.texts("#recent-table")[0]
    browser.find("#recent-table tbody.failed .why").click()
    browser.wait_for_text("#recent-table tbody.failed .details", meaning.meaning)
    [details] = browser.texts("#recent-table tbody.failed .details")
    assert meaning.advice in details
    assert "tsize=0 blksize=512" in details
    assert str(daemon.root / "vmlinuz") in details
    browser.find("#recent-table tbody.failed .why").click()
    assert browser.texts("#recent-table tbody.failed .details") == []
    browser.wait_for_text("#problems-list li.failed", meaning.meaning)
    [problem] = browser.texts("#problems-list li.failed")
    assert problem.startswith("1\N{MULTIPLICATION SIGN}")
    assert "1 client, last 127.0.0.3 at " in problem
    assert meaning.advice in problem


def test_a_refused_upload(browser: Browser, daemon: Daemon) -> None:
    """It is told apart from a read that is refused for the same reason: what to do is not the same."""
    ask(daemon, b"../secret")
    ask(daemon, b"backup.cfg", opcode=2)
    browser.open(page(daemon))
    of_read, of_upload = meaning_of("denied"), meaning_of("denied", "write")
    assert of_read is not None
    assert of_upload is not None
    browser.wait_for_text("#problems-list li", "refused: denied (upload)")
    problems = browser.texts("#problems-list li")
    [upload] = [text for text in problems if "(upload)" in text]
    assert of_upload.advice.replace("`", "") in upload
    [read] = [text for text in problems if "refused: denied" in text and "(upload)" not in text]
    assert of_read.advice.replace("`", "") in read
    browser.find("#recent-table tbody.refused .why").click()  # the latest comes first
    browser.wait_for_text("#recent-table tbody.refused .details", of_upload.meaning)


def test_missing_names(browser: Browser, daemon: Daemon) -> None:
    """Those that are asked for most often first, with what may be meant."""
    ask(daemon, b"vmlinux", b"GRUB.CFG", b"vmlinux")
    ask(daemon, b"vmlinux", host="127.0.0.2")
    browser.open(page(daemon))
    browser.wait_for_text("#missing-rows tr", "vmlinux")
    rows = browser.texts("#missing-rows tr")
    assert "not-found, 2 clients" in rows[0]
    assert "Did you mean: vmlinuz" in rows[0]
    assert "127.0.0.2" in rows[0]
    [grub] = [row for row in rows if "GRUB.CFG" in row]
    assert "Did you mean: grub/grub.cfg" in grub
    # What is refused for another reason is not there to be found.
    ask(daemon, b"../vmlinux")
    browser.wait_for_text("#missing-rows tr", "../vmlinux")
    [denied] = [row for row in browser.texts("#missing-rows tr") if "../vmlinux" in row]
    assert "Did you mean" not in denied
    # Another one is there at once, and not when they are fetched next.
    ask(daemon, b"menu.ipx")
    browser.wait_for_text("#missing-rows tr", "Did you mean: menu.ipxe")


def test_the_daemon(browser: Browser, tmp_path: Path) -> None:
    """Its state, its versions and its settings; a reload that failed cannot be overlooked."""
    settings = tmp_path / "tftpd.yaml"
    settings.write_text(f"filesystem: {{root: {a_root(tmp_path)}}}\nperformance: {{workers: 2}}\n")
    command = [*IN_FOREGROUND, "tftpd", "--config", str(settings), *ANY_PORT]
    with ExitStack() as stack:
        daemon = stack.enter_context(running(command, tmp_path))
        assert soon(lambda: sum(" serves" in line for line in list(daemon.lines)) == 2), daemon.output
        stack.enter_context(browser.looking(page(daemon)))
        browser.wait_for_text("#workers", "2")
        browser.wait_for_text("#health", "serving")
        assert browser.texts("#reload")[0].startswith("taken ")
        assert browser.texts("#alarm") == []
        assert f"process {daemon.process.pid}" in browser.texts("#versions")[0]
        assert browser.texts("#settings-text") == []
        browser.find("summary").click()
        assert "workers: 2\n" in browser.texts("#settings-text")[0]
        settings.write_text("filesystem: {root: 7}\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_for_line("not reloaded")
        browser.find("#pause").click()  # to go on asks for everything
        browser.find("#pause").click()
        browser.wait_for_text("#alarm", "failed, and the settings before it are still used")
        assert browser.texts("#reload")[0].startswith("reload failed ")


def test_charts(sample: Browser) -> None:
    """Each has a scale with units, and says in words what is under the pointer, or where the arrow keys lead."""
    browser = sample
    assert browser.texts("figure h3") == [
        "Throughput",
        "Transfers in progress",
        "Failed and refused, per 10 s",
        "Packets sent again, per 10 s",
    ]
    axes = browser.run(
        "return [...document.querySelectorAll('svg')].map((each) =>"
        " [...each.querySelectorAll('[text-anchor=end]')].map((label) => label.textContent))"
    )
    assert axes == [["0 B/s", "60 MB/s", "120 MB/s"], ["0", "20", "40"], ["0", "3", "6"], ["0", "20", "40"]]
    plot = browser.find(".plot")

    def told() -> str:
        return str(plot.get_attribute("aria-valuetext"))

    whole = told()
    assert re.fullmatch(r"read 1\d\d MB/s, at most 118 MB/s; written 0 B/s, at most 1.\d+ MB/s", whole)
    assert browser.texts("figure .value")[0].split() == whole.replace(";", "").split()
    ActionChains(browser.driver, 0).move_to_element(plot).perform()
    assert re.search(r"\d\d:\d\d:\d\d; read \S+ \S*B/s; written \S+ \S*B/s$", told())
    ActionChains(browser.driver, 0).move_to_element(browser.find("h1")).perform()
    assert told() == whole
    browser.tab_to(".plot", "#recent-more")
    seen = [whole]
    for key in (Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.HOME, Keys.ARROW_RIGHT, Keys.END):
        browser.press(key)
        seen.append(told())
    assert len(set(seen)) == len(seen)
    assert [plot.get_attribute(f"aria-value{each}") for each in ("min", "max", "now")] == ["0", "359", "359"]
    browser.press(Keys.ESCAPE)
    assert told() == whole
