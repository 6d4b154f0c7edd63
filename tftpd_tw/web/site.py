"""``/metrics`` for Prometheus and ``/healthz`` for whatever watches the process.

``prometheus_client`` brings a resource of its own, but that renders in a thread, beside the reactor that changes
the figures, and imports the global reactor; its encoders are what is used of it here.
"""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from twisted.web.http import SERVICE_UNAVAILABLE, HTTPFactory, Request
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Site

Render = Callable[[Request], bytes]

Refresh = Callable[[], "Deferred[None]"]
"""Fetches what a page is about to show; does not fail."""


def _nothing_to_fetch() -> "Deferred[None]":
    return succeed(None)


class Page(Resource):
    """What ``render`` returns, after ``refresh``."""

    isLeaf = True

    def __init__(self, render: Render, refresh: Refresh = _nothing_to_fetch) -> None:
        super().__init__()
        self._render = render
        self._refresh = refresh

    def render_GET(self, request: Any) -> int:
        """Called for HEAD too, for which Twisted leaves out what is written."""
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)

        def answer(_: None) -> None:
            if not gone:
                body = self._render(request)
                request.setHeader("content-length", str(len(body)))
                request.write(body)
                request.finish()

        self._refresh().addCallback(answer).addErrback(lambda failure: request.processingFailed(failure))
        return NOT_DONE_YET


class Root(Resource):
    """The top; what is not put there is not found."""

    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: N802 - Twisted's
        """Twisted's own page for it is deprecated."""
        return notFound()


class QuietSite(Site):
    """A scrape every few seconds is not worth a log line."""

    noisy = False

    def log(self, request: Request) -> None:
        """Write nothing."""


def make_site(
    *collectors: Collector, refresh: Refresh = _nothing_to_fetch, healthy: Callable[[], bool] = lambda: True
) -> HTTPFactory:
    """The site that shows what ``collectors`` give, after ``refresh``; and whether the daemon is ``healthy``."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)

    def metrics(request: Request) -> bytes:
        encode, content_type = choose_encoder(request.getHeader("accept") or "")
        request.setHeader("content-type", content_type)
        return encode(registry)

    def health(request: Request) -> bytes:
        request.setHeader("content-type", "text/plain; charset=utf-8")
        if healthy():
            return b"ok\n"
        request.setResponseCode(SERVICE_UNAVAILABLE)
        return b"nobody serves\n"

    root = Root()
    root.putChild(b"metrics", Page(metrics, refresh))
    root.putChild(b"healthz", Page(health))
    return QuietSite(root)
