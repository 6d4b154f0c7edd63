"""What the pages show, as they need it of a daemon."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred

from tftpd_tw.telemetry.board import Board
from tftpd_tw.telemetry.history import History
from tftpd_tw.telemetry.totals import Totals

SCHEMA = 1
"""Of what the pages for machines answer; another number when something changes its name or meaning."""

Suggest = Callable[[Sequence[str]], "Deferred[list[list[str]]]"]
"""For names that are missing, those of files that may be meant. Never fails."""


class Serving(Protocol):
    """What serves: one process, or several workers."""

    board: Board
    """Its transfers, as of the last :meth:`look`."""

    @property
    def healthy(self) -> bool:
        """Whether anybody serves."""

    @property
    def uptime(self) -> float:
        """Seconds since it was started."""

    def totals(self) -> Totals:
        """Its figures, as of the last :meth:`refresh`."""

    def refresh(self) -> "Deferred[None]":
        """Fetch its figures; never fails."""

    def look(self) -> "Deferred[None]":
        """Have the board be up to date; never fails."""


@frozen
class Shown:
    """All of it."""

    serving: Serving
    history: History
    """Its last hour."""
    status: Callable[[], dict[str, Any]]
    """What there is to say of it beside its transfers, for JSON."""
    suggest: Suggest
