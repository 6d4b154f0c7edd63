"""docs/http.md: its fields are those that are answered."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from web_kit import ask, body, no_suggestions

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.status import status
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.history import History
from tftpd_tw.telemetry.reports import Reports
from tftpd_tw.telemetry.view import View
from tftpd_tw.testing import MemoryNetwork
from tftpd_tw.web.api import MISSES
from tftpd_tw.web.events import MOST_ACTIVE, MOST_ENDED, MOST_STREAMS
from tftpd_tw.web.shown import SCHEMA, Shown
from tftpd_tw.web.site import make_page, make_site

DOCS = Path(__file__).parents[2] / "docs"
DOCUMENT = (DOCS / "http.md").read_text()
COMMON = {"schema", "time"}


def section(heading: str, document: str = DOCUMENT) -> str:
    """The text below ``heading``."""
    [text] = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    return str(text)


def fields(text: str) -> set[str]:
    """Those in the tables of fields of a section."""
    tables = re.findall(r"^\| field \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return {name for table in tables for name in re.findall(r"^\| `([\w.]+)` \|", table, re.MULTILINE)}


def parameters(text: str) -> set[str]:
    """Those in the table of parameters."""
    tables = re.findall(r"^\| parameter \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return {name for table in tables for name in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)}


RECORD = set(re.findall(r"^\| `(\w+)` \|", section("A record", (DOCS / "records.md").read_text()), re.MULTILINE))


class Watching:
    """The site of a daemon with a transfer in progress, one that has ended and one that was refused."""

    def __init__(self) -> None:
        network = MemoryNetwork()
        accounting = Accounting(network.clock)
        view = View(network.clock, accounting, 10)
        network.serve(
            MemoryBackend({b"file": b"x" * 1000}),
            observers=[accounting, Reports(network.clock, [view], on_refused=view.refused)],
        )
        board = Board(10)
        serving = SimpleNamespace(
            board=board,
            healthy=True,
            uptime=1.0,
            totals=accounting.totals,
            refresh=lambda: succeed(None),
            look=lambda: succeed(board.look(view)),
        )
        reloader = SimpleNamespace(successful=True, at=1790000000.0, configuration=Configuration())
        crew = SimpleNamespace(serving=2, unresponsive=0, restarts=0)
        shown = Shown(serving, History(), lambda: status(serving, reloader, crew), no_suggestions)  # type: ignore[arg-type]
        network.get(b"file")
        peer = network.host("192.0.2.100").raw()
        peer.ask(b"\0\1missing\0octet\0")
        peer.ask(b"\0\1file\0octet\0")
        self.page = make_page(Clock(), shown)
        self.site = make_site(page=self.page).resource

    def asked(self, path: str, **arguments: str) -> Any:
        """What is answered."""
        text = body(ask(self.site, path, **arguments))
        return json.loads(text.removeprefix(b"data: "))


@pytest.fixture(scope="module")
def site() -> Watching:
    """It."""
    return Watching()


def flat(value: dict[str, Any]) -> Iterator[str]:
    """Names of fields, and of those of objects in them."""
    for name, inner in value.items():
        yield name
        if isinstance(inner, dict):
            yield from (f"{name}.{each}" for each in inner)


def test_common_fields() -> None:
    """Whatever has a schema has these two."""
    introduction = DOCUMENT.partition("\n## ")[0]
    assert fields(introduction) == COMMON
    assert f"| `schema` | {SCHEMA};" in introduction


def test_frames(site: Watching) -> None:
    """A frame of the stream."""
    text, frame = section("`/events`"), site.asked("/events")
    assert set(frame) - COMMON == fields(text)
    assert set(frame["rates"]) == {"read", "write"}
    assert f"the {MOST_ACTIVE} that are" in text
    assert f"the last {MOST_ENDED}," in text
    assert ("Twenty may look" in text) == (MOST_STREAMS == 20)
    assert frame["ended_count"] == frame["ended"][-1]["number"] == 2


def test_transfers(site: Watching) -> None:
    """Transfers in progress, and records."""
    text, found = section("`/api/transfers`"), site.asked("/api/transfers")
    assert set(found) - COMMON == fields(text)
    [active] = found["active"]
    mentioned = section("A transfer in progress")
    assert set(active) == fields(mentioned) | set(re.findall(r"`(\w+)`", mentioned.partition("\nand, as in")[2]))
    for record in found["ended"]:
        assert set(record) == fields(section("A record")) | RECORD
    assert parameters(text) == {"client", "name", "outcome", "last"}
    assert [each["name"] for each in site.asked("/api/transfers", outcome="refused")["ended"]] == ["missing"]


def test_misses(site: Watching) -> None:
    """Names that are missing."""
    text, found = section("`/api/misses`"), site.asked("/api/misses")
    [miss] = found["misses"]
    assert set(found) - COMMON | set(miss) == fields(text)
    assert parameters(text) == {"client", "last"}
    assert f"without it {MISSES} |" in text


def test_history(site: Watching) -> None:
    """Columns."""
    assert set(site.asked("/api/history")) - COMMON == fields(section("`/api/history`"))


def test_status(site: Watching) -> None:
    """The daemon."""
    assert set(flat(site.asked("/api/status"))) - COMMON == fields(section("`/api/status`"))


def test_reasons(site: Watching) -> None:
    """What they mean."""
    table = site.asked("/api/reasons")
    assert len(table) > 30
    assert all(set(row) == fields(section("`/api/reasons`")) for row in table)


def test_paths(site: Watching) -> None:
    """All that there are are in the table at the top, but for the files of the page."""
    listed = re.findall(r"^\| `(/[\w/]*)` \|", DOCUMENT.partition("\n## ")[0], re.MULTILINE)
    children = {name.decode(): child for name, child in site.page.children.items()}
    files = {name for name in children if "." in name}
    api = {f"/api/{name.decode()}" for name in children.pop("api").children}
    assert {*listed} == {"/metrics", "/healthz", *api, *(f"/{name}" for name in children.keys() - files)}
    for path in listed:
        assert ask(site.site, path).responseCode in (None, 200), path


def test_a_mistake(site: Watching) -> None:
    """It is told as documented."""
    assert set(site.asked("/api/transfers", last="x")) == {"error"}
