"""Which engine: the poll loop where it works, else the reactor itself."""

from collections.abc import Callable
from typing import Any

from tftpd_tw.net.poll_loop import PollLoop, can_poll
from tftpd_tw.net.reactor_engine import ReactorEngine


def _auto(reactor: Any) -> ReactorEngine:
    return _poll(reactor) if can_poll(reactor) else ReactorEngine(reactor)


def _poll(reactor: Any) -> ReactorEngine:
    return ReactorEngine(reactor, PollLoop(reactor))


ENGINES: dict[str, Callable[[Any], ReactorEngine]] = {"auto": _auto, "poll": _poll, "reactor": ReactorEngine}
"""By the name that ``performance.engine`` has for it; each makes one for a reactor."""
