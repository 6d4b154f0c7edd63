"""One boot of a rack, told by everything that tells: the log, the figures, the pages for programs and the
commands.

They get what they tell from one place, and must agree on every number.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from browser import Browser
from running import PATIENCE, Daemon, ack, data, fetch, request, serving, soon, udp

from tftpd_tw.service import units

KERNEL = bytes(range(256)) * 40
TFTPD_TW = str(Path(sys.executable).with_name("tftpd-tw"))


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """One that has served: two files, of which one is asked for by a wrong name too, an upload, and a client that
    gives up; and that is in the middle of a transfer.
    """
    root = tmp_path / "root"
    workers = str(request.param)
    with serving(root, "auto", "--log-format", "json", "--workers", workers, "--uploads", "create") as daemon:
        (root / "kernel").write_bytes(KERNEL)
        (root / "menu.cfg").write_bytes(b"default linux\n")
        if request.param > 1:
            assert soon(lambda: daemon.output.count(" serves") == request.param), daemon.output
        with udp() as unfinished:
            boot(daemon, unfinished)
            yield daemon


def boot(daemon: Daemon, unfinished: Any) -> None:
    """What is told of afterwards."""
    server = ("127.0.0.1", daemon.port)
    assert fetch(*server, b"kernel", blksize=1024, tsize=0) == KERNEL
    assert fetch(*server, b"kernel", blksize=1400) == KERNEL
    assert fetch(*server, b"menu.cfg") == b"default linux\n"
    with udp() as client:
        for _ in range(1 + HELD_BACK):
            client.sendto(request(1, b"Menu.cfg"), server)
            assert client.recv(1024).startswith(b"\0\5\0\1")
    with udp() as client:
        client.sendto(request(2, b"dump"), server)
        packet, session = client.recvfrom(1024)
        assert packet == ack(0)
        client.sendto(data(1, b"crash"), session)
        assert client.recv(1024) == ack(1)
    with udp() as client:
        client.sendto(request(1, b"kernel"), server)
        _, session = client.recvfrom(1024)
        client.sendto(ack(1), session)
        client.recv(1024)
        client.sendto(b"\0\5\0\3disk \x1b[31mfull\0", session)
    unfinished.sendto(request(1, b"kernel", blksize=1000), server)
    _, session = unfinished.recvfrom(2048)
    for number in (0, 1, 2):
        unfinished.sendto(ack(number), session)
        unfinished.recv(2048)


ENDED = 6
"""Transfers and requests that are over, and have a record."""

HELD_BACK = 2
"""Requests for the same missing file that have none for a minute."""


def logged(daemon: Daemon) -> list[Any]:
    """The records in the log."""
    return [each for each in map(json.loads, list(daemon.lines)) if each["event"] == "transfer"]


def command(daemon: Daemon, *words: str) -> Any:
    """What a command prints as JSON."""
    done = subprocess.run(
        [TFTPD_TW, *words, "--http", daemon.http], capture_output=True, text=True, timeout=PATIENCE
    )
    return json.loads(done.stdout)


def the_story(records: list[Any]) -> Counter[tuple[Any, ...]]:
    """All that is told of transfers, in any order."""
    told = (
        "client",
        "port",
        "direction",
        "name",
        "served",
        "outcome",
        "reason",
        "detail",
        "size",
        "bytes",
        "blocks",
    )
    measured = ("retransmits", "seconds", "round_trip_ms", "rate", "mac", "interface", "time", "worker")
    return Counter(tuple(record[key] for key in (*told, *measured)) for record in records)


def read_page(browser: Browser, daemon: Daemon) -> Counter[tuple[Any, ...]]:
    """The recent transfers that the page shows: client, name and direction, outcome, bytes, packets sent again."""
    browser.open(f"http://{daemon.http}/")
    browser.wait_for_text("#recent-of", f"the last {ENDED}")
    rows: list[list[str]] = browser.run(
        "return [...document.querySelectorAll('#recent-table tbody tr:not(.details)')].map("
        "row => [...row.cells].map(cell => cell.textContent))"
    )
    return Counter((client, file, outcome, size, again) for _, client, file, outcome, size, _, _, again in rows)


def on_page(record: Any) -> tuple[Any, ...]:
    """What the page should have in those columns."""
    outcome, reason = record["outcome"], record["reason"]
    return (
        f"{record['client']}:{record['port']}",
        record["name"] + record["direction"],
        (outcome if outcome == reason else f"{outcome}: {reason}") + record["detail"],
        units.size(record["bytes"]),
        str(record["retransmits"]),
    )


SAID = ("outcome", "reason", "detail", "bytes", "blocks", "retransmits", "seconds", "rate")
"""What `explain` has of a transfer, among others."""


def test_everything_tells_the_same(daemon: Daemon, browser: Browser) -> None:
    """With the same numbers."""
    assert soon(lambda: len(logged(daemon)) == ENDED), daemon.output
    log = logged(daemon)

    # The log tells what the clients have seen.
    seen = Counter(
        (each["direction"], each["name"], each["outcome"], each["reason"], each["bytes"]) for each in log
    )
    assert seen == {
        ("read", "kernel", "completed", "completed", len(KERNEL)): 2,
        ("read", "menu.cfg", "completed", "completed", 14): 1,
        ("read", "Menu.cfg", "refused", "not-found", 0): 1,
        ("write", "dump", "completed", "completed", 5): 1,
        ("read", "kernel", "failed", "client-error:3", 512): 1,
    }
    assert {each["detail"] for each in log if each["outcome"] == "failed"} == {r"disk \x1b[31mfull"}

    # The page for programs has the same records.
    api = json.loads(daemon.get("/api/transfers"))
    assert the_story(api["ended"]) == the_story(log)
    [active] = api["active"]
    assert (active["name"], active["bytes"], active["size"]) == ("kernel", 2000, None)
    assert active["served"].endswith("/root/kernel")

    # So has the first frame of the live stream.
    with urlopen(f"http://{daemon.http}/events", timeout=PATIENCE) as stream:
        frame = json.loads(stream.readline().removeprefix(b"data: "))
    assert the_story(frame["ended"]) == the_story(log)
    assert [(each["id"], each["bytes"]) for each in frame["active"]] == [(active["id"], 2000)]

    # And the commands, of all transfers and of what one client asked for.
    assert the_story(command(daemon, "transfers", "--json")["ended"]) == the_story(log)
    told = command(daemon, "explain", "127.0.0.1", "--json")
    last = {}
    for each in log:
        last[each["direction"], each["name"]] = each
    asked = Counter((each["direction"], each["name"]) for each in [*log, active])
    asked["read", "Menu.cfg"] += HELD_BACK
    assert {(each["direction"], each["name"]): each["count"] for each in told["names"]} == asked
    for each in told["names"]:
        of_log = last[each["direction"], each["name"]]
        if each["name"] != "kernel":  # of which the last one is in progress
            assert {key: each["last"][key] for key in SAID} == {key: of_log[key] for key in SAID}

    # So does the page.
    assert read_page(browser, daemon) == Counter(map(on_page, log))
    browser.wait_for_text("#active-rows .progress", "2.00 kB")

    # The figures count them, and what is in progress too.
    figures = command(daemon, "metrics", "--format", "json")["families"]
    endings = {
        tuple(each["labels"][label] for label in ("direction", "outcome", "reason")): each["value"]
        for each in figures["tftp_transfer_endings"]["values"]
    }
    held_back = Counter({("read", "refused", "not-found"): HELD_BACK})
    assert endings == held_back + Counter((each["direction"], each["outcome"], each["reason"]) for each in log)
    moved = {each["labels"]["direction"]: each["value"] for each in figures["tftp_bytes_transferred"]["values"]}
    assert moved["read"] == sum(each["bytes"] for each in log if each["direction"] == "read") + active["bytes"]
    assert moved["write"] == 5
    assert daemon.metric("tftp_connections_active") == frame["active_count"] == 1
    for way in ("read", "write"):
        for outcome in ("completed", "failed", "refused"):
            sample = f'tftp_transfers_total{{direction="{way}",outcome="{outcome}"}}'
            ended = sum(count for (*which, _), count in endings.items() if which == [way, outcome])
            assert daemon.metric(sample) == ended

    # What is missing is known, and what may be meant.
    [miss] = json.loads(daemon.get("/api/misses"))["misses"]
    assert (miss["name"], miss["count"], miss["reason"]) == ("Menu.cfg", 1 + HELD_BACK, "not-found")
    assert miss["suggestions"] == ["menu.cfg"]

    # When the daemon ends, the log has told all of them.
    browser.leave()
    daemon.end()
    menu = [each for each in logged(daemon) if each["name"] == "Menu.cfg"]
    assert sum(1 + each["more"] for each in menu) == 1 + HELD_BACK
