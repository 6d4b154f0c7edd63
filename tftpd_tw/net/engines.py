"""Which engine: the poll loop where it works, else the reactor itself."""

from collections.abc import Callable
from typing import Any

from tftpd_tw.net.poll_loop import PollLoop, can_poll
from tftpd_tw.net.reactor_engine import ReactorEngine
from tftpd_tw.net.sockets import ANY_PORT


class PollEngine(ReactorEngine):
    """Sockets in a loop of our own inside ``reactor``."""

    def __init__(self, reactor: Any, ports: range = ANY_PORT) -> None:
        self._loop = PollLoop(reactor)
        super().__init__(reactor, ports, self._loop)

    def close(self) -> None:
        """Close the loop, and every socket that is still in it."""
        self._loop.close()


def _best(reactor: Any, ports: range = ANY_PORT) -> ReactorEngine:
    return PollEngine(reactor, ports) if can_poll(reactor) else ReactorEngine(reactor, ports)


ENGINES: dict[str, Callable[..., ReactorEngine]] = {"auto": _best, "poll": PollEngine, "reactor": ReactorEngine}
"""By the name that ``performance.engine`` has for it; each makes one for a reactor, and for
the ports that transfers get."""
