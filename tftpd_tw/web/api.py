"""What the page and the commands ask for, as JSON: ``docs/http.md`` has paths, parameters and answers."""

from collections.abc import Callable
from time import time
from typing import Any

from attrs import asdict
from twisted.internet.defer import Deferred
from twisted.web.http import Request
from twisted.web.resource import Resource

from tftpd_tw.interfaces import Outcome
from tftpd_tw.protocol.errors import FileNotFound
from tftpd_tw.telemetry.history import INTERVAL
from tftpd_tw.telemetry.reasons import MEANINGS
from tftpd_tw.web.resources import Folder, JSONPage
from tftpd_tw.web.shown import SCHEMA, Shown

RECORDS = 1000
"""Transfers that have ended that are shown, unless more are asked for."""

MISSES = 50
"""Names that are shown of those that are missing, unless more are asked for."""


def make_api(shown: Shown) -> Resource:
    """The pages below ``/api``."""
    serving = shown.serving

    def transfers(request: Request) -> dict[str, Any]:
        board, chosen = serving.board, _chosen(request)
        return {
            "schema": SCHEMA,
            "time": time(),
            "active": list(filter(chosen, board.active)),
            "ended": list(filter(chosen, board.ended))[: _number(request, b"last", RECORDS)],
        }

    def misses(request: Request) -> "Deferred[dict[str, Any]]":
        most = _number(request, b"last", MISSES) or 0
        ranked = serving.board.misses.ranked(most, _clients(request))

        missing = [miss["name"] for miss in ranked if miss["reason"] == FileNotFound.reason]

        def answer(suggestions: list[list[str]]) -> dict[str, Any]:
            known = dict(zip(missing, suggestions, strict=True))
            found = [{**miss, "suggestions": known.get(miss["name"], [])} for miss in ranked]
            return {"schema": SCHEMA, "time": time(), "misses": found}

        return shown.suggest(missing).addCallback(answer)

    def history(_: Request) -> dict[str, Any]:
        return {"schema": SCHEMA, "time": time(), "interval": INTERVAL, **shown.history.columns()}

    def status(_: Request) -> dict[str, Any]:
        return {"schema": SCHEMA, "time": time(), **shown.status()}

    api = Folder()
    api.putChild(b"transfers", JSONPage(transfers, serving.look, {"client", "name", "outcome", "last"}))
    api.putChild(b"misses", JSONPage(misses, serving.look, {"client", "last"}))
    api.putChild(b"history", JSONPage(history))
    api.putChild(b"status", JSONPage(status, serving.refresh))
    api.putChild(b"reasons", JSONPage(lambda _: [asdict(meaning) for meaning in MEANINGS]))
    return api


def _chosen(request: Request) -> Callable[[dict[str, Any]], bool]:
    """Whether a transfer is one of those that are asked for.

    :raises ValueError: an outcome that there is not
    """
    arguments = request.args or {}
    clients = _clients(request)
    names = [name.decode("latin-1") for name in arguments.get(b"name", ())]
    outcomes = {outcome.decode("latin-1") for outcome in arguments.get(b"outcome", ())}
    if unknown := outcomes - set(Outcome):
        raise ValueError(f"outcome: expected one of {', '.join(Outcome)}, got {unknown.pop()!r}")

    def chosen(transfer: dict[str, Any]) -> bool:
        return (
            (not clients or transfer["client"] in clients)
            and all(name in transfer["name"] for name in names)
            and (not outcomes or transfer.get("outcome") in outcomes)
        )

    return chosen


def _clients(request: Request) -> set[str]:
    """The addresses of those that are asked for; none: all."""
    return {client.decode("latin-1") for client in (request.args or {}).get(b"client", ())}


def _number(request: Request, name: bytes, default: int | None = None) -> int | None:
    """A number that is a parameter.

    :raises ValueError: it is no number
    """
    given = (request.args or {}).get(name)
    if given is None:
        return default
    text = given[-1]
    if not text.isdigit():
        raise ValueError(f"{name.decode()}: expected a number, got {text.decode('latin-1')!r}")
    return int(text)
