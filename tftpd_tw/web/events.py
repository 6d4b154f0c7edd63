"""The live part of the page: a frame a second to everybody who looks, as Server-Sent Events.

One loop makes each frame, once for all; it runs only while somebody looks. A browser that is slower than that
misses frames: nothing is written to a connection that has not taken what was written before. It gets all that it
has missed with the first frame that it can take, as far as that is still there.
"""

import json
from secrets import token_hex
from time import time
from typing import Any

from attrs import define, field
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from tftpd_tw.interfaces import Direction
from tftpd_tw.telemetry import families
from tftpd_tw.web.shown import SCHEMA, Serving

log = Logger()

INTERVAL = 1.0
"""Seconds from one frame to the next."""

MOST_ACTIVE = 100
"""Transfers in progress that a frame has; those that are longest in progress."""

MOST_ENDED = 200
"""Transfers that have ended that a frame has; the last of them."""

MOST_STREAMS = 20
"""Who looks at once; more are sent away."""


@implementer(IPushProducer)
@define(eq=False)
class _Stream:
    """Somebody who looks."""

    request: Any
    seen: int = 0
    """Transfers that had ended when the last frame was sent."""
    paused: bool = field(init=False, default=False)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's
        """The connection has enough."""
        self.paused = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's
        """It has taken it."""
        self.paused = False

    def stopProducing(self) -> None:
        """It is gone."""
        self.paused = True


class Events(Resource):
    """The stream."""

    isLeaf = True

    def __init__(self, clock: Any, serving: Serving) -> None:
        super().__init__()
        self._serving = serving
        self._instance = token_hex(8)  # of this run of the daemon: who looks can tell that it was started anew
        self._streams: list[_Stream] = []
        self._clock = clock
        self._loop: LoopingCall | None = None
        self._bytes: dict[str, float] = {}
        self._at: float | None = None
        self._latest: dict[str, Any] = {}

    def render_GET(self, request: Any) -> int | bytes:
        """Begin a stream."""
        if len(self._streams) >= MOST_STREAMS:
            request.setResponseCode(503)
            request.setHeader("content-type", "text/plain; charset=utf-8")
            return b"too many look already\n"
        request.setHeader("content-type", "text/event-stream")
        request.setHeader("cache-control", "no-store")
        if request.method == b"HEAD":
            return b""
        stream = _Stream(request)
        request.registerProducer(stream, True)
        request.notifyFinish().addBoth(lambda _: self._left(stream))
        self._streams.append(stream)
        if self._loop is None or not self._loop.running:
            self._at, self._latest = None, {}
            # Another one each time: that of before may still be waiting for its last frame, and would go on.
            self._loop = LoopingCall(self._frame)
            self._loop.clock = self._clock
            self._loop.start(INTERVAL).addErrback(lambda failure: log.failure("No more frames are made", failure))
        elif self._latest:
            self._send([stream])
        return NOT_DONE_YET

    def _left(self, stream: _Stream) -> None:
        self._streams.remove(stream)
        if not self._streams and self._loop is not None and self._loop.running:
            self._loop.stop()
            self._loop = None

    def _frame(self) -> Any:
        return self._serving.refresh().addCallback(lambda _: self._serving.look()).addCallback(self._looked)

    def _looked(self, _: object) -> None:
        self._latest = self._values()
        self._send([stream for stream in self._streams if not stream.paused])

    def _send(self, streams: list[_Stream]) -> None:
        board, made = self._serving.board, dict[int, bytes]()
        for stream in streams:
            if stream.seen not in made:
                ended = board.ended_since(stream.seen)[-MOST_ENDED:]
                values = {**self._latest, "ended": ended, "ended_count": board.count}
                made[stream.seen] = b"data: %b\n\n" % json.dumps(values).encode()
            frame = made[stream.seen]
            stream.seen = board.count
            stream.request.write(frame)

    def _values(self) -> dict[str, Any]:
        """What a frame has, whoever gets it, but for what has ended."""
        serving, totals = self._serving, self._serving.totals()
        active, now = serving.board.active, float(self._clock.seconds())
        moved = {way.value: float(totals.get(families.BYTES, way)) for way in Direction}
        passed = now - self._at if self._at is not None else 0.0
        rates = {
            way: round((moved[way] - self._bytes.get(way, 0.0)) / passed) if passed > 0 else 0 for way in moved
        }
        self._bytes, self._at = moved, now
        return {
            "schema": SCHEMA,
            "time": time(),
            "instance": self._instance,
            "healthy": serving.healthy,
            "active": active[:MOST_ACTIVE],
            "active_count": len(active),
            "unverified": int(totals.get(families.UNVERIFIED)),
            "opening": int(totals.get(families.OPENING)),
            "rates": rates,
        }
