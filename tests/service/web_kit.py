"""A daemon that is not there, for pages to show, and a browser that asks for them."""

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.web.test.requesthelper import DummyRequest

from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.history import History
from tftpd_tw.telemetry.totals import Totals
from tftpd_tw.web.shown import Shown, Suggest

REPORT = {
    "time": "2026-01-31T12:00:00.000Z",
    "client": "192.0.2.7",
    "direction": "read",
    "name": "boot/a",
    "outcome": "completed",
    "reason": "completed",
    "more": 0,
}
"""Some fields of one that has ended."""


class Asked(DummyRequest):
    """A request whose connection takes what the test says."""

    producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802 - Twisted's
        """Twisted's own has it produce for ever."""
        assert streaming
        self.producer = producer


@define(eq=False)
class FakeServing:
    """Shows what the test puts there. ``looks`` are what its board takes at each look."""

    board: Board = field(factory=lambda: Board(1000))
    history: History = field(factory=History)
    figures: Totals = field(factory=Totals)
    looks: list[dict[str, Any]] = field(factory=list)
    healthy: bool = True
    uptime: float = 12.0
    asked: list[str] = field(factory=list)
    waiting: "Deferred[None] | None" = None

    def totals(self) -> Totals:
        """The figures."""
        return self.figures

    def refresh(self) -> "Deferred[None]":
        """At once, unless the test has it wait."""
        self.asked.append("refresh")
        return self.waiting or succeed(None)

    def look(self) -> "Deferred[None]":
        """What is next."""
        self.asked.append("look")
        if self.looks:
            self.board.take(self.looks.pop(0))
        return succeed(None)

    def ended(self, *reports: dict[str, Any]) -> None:
        """Such have ended by the next look: :data:`REPORT`, with what is said instead."""
        self.looks.append(view(self.board.count + len(reports), [{**REPORT, **report} for report in reports]))


def no_suggestions(names: Any) -> "Deferred[list[list[str]]]":
    """Nothing is like them."""
    return succeed([[] for _ in names])


def shown(serving: FakeServing, suggest: Suggest = no_suggestions) -> Shown:
    """All that pages show."""
    return Shown(serving, serving.history, lambda: {"version": "1.2.3"}, suggest)


def view(count: int = 0, ended: Any = (), active: Any = ()) -> dict[str, Any]:
    """What a process says of its transfers; those that were refused were so as often as they say."""
    missed = [
        (
            each["direction"],
            each["name"],
            each["reason"],
            1 + each["more"],
            each["time"],
            each["client"],
            {each["client"]: (1 + each["more"], each["time"])},
        )
        for each in ended
        if each["outcome"] == "refused"
    ]
    return {"count": count, "ended": list(ended), "active": list(active), "missed": missed}


def ask(
    resource: Any, path: str, headers: dict[str, str] | None = None, method: str = "GET", **arguments: Any
) -> Any:
    """A request for ``path``, answered as far as it can be at once."""
    request: Any = Asked([part.encode() for part in path.strip("/").split("/")])
    request.method = method.encode()
    request.args = {
        name.encode(): [value.encode("latin-1") for value in ([values] if isinstance(values, str) else values)]
        for name, values in arguments.items()
    }
    for name, value in {"host": "localhost", **(headers or {})}.items():
        request.requestHeaders.setRawHeaders(name.encode(), [value.encode("latin-1")])
    found = resource
    while not found.isLeaf and request.postpath:
        found = found.getChildWithDefault(request.postpath.pop(0), request)
    request.render(found)
    return request


def body(request: Any) -> bytes:
    """What was answered."""
    return b"".join(request.written)
