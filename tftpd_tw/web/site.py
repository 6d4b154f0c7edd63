"""The HTTP port: ``/metrics`` for Prometheus, ``/healthz`` for whatever watches the process, and the page for
people with what it is fed from.

``prometheus_client`` brings a resource of its own, but that renders in a thread, beside the reactor that changes
the figures, and imports the global reactor; its encoders are what is used of it here.
"""

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from twisted.web.http import SERVICE_UNAVAILABLE, HTTPFactory, Request
from twisted.web.resource import IResource, Resource

from tftpd_tw.web.api import make_api
from tftpd_tw.web.events import Events
from tftpd_tw.web.files import put_files
from tftpd_tw.web.guard import Closed, Guarded
from tftpd_tw.web.resources import Folder, Page, QuietSite, Refresh, nothing_to_fetch
from tftpd_tw.web.shown import Shown


def make_page(clock: Any, shown: Shown) -> Resource:
    """The page, and what it is fed from."""
    folder = Folder()
    put_files(folder)
    folder.putChild(b"api", make_api(shown))
    folder.putChild(b"events", Events(clock, shown.serving))
    return folder


def make_site(
    *collectors: Collector,
    refresh: Refresh = nothing_to_fetch,
    healthy: Callable[[], bool] = lambda: True,
    page: Resource | None = None,
    secret: bytes | None = None,
    private: bool = True,
) -> HTTPFactory:
    """The site that shows what ``collectors`` give, after ``refresh``; and whether the daemon is ``healthy``.

    :param page: made by :func:`make_page`
    :param secret: what has to be shown to see anything but whether it is healthy; None: nothing
    :param private: whether only this host reaches the port; if not, ``page`` is not shown without a secret
    """
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

    inside = page or Folder()
    front = Front(Closed() if secret is None and not private else Guarded(inside, secret))
    front.putChild(b"healthz", Page(health))
    (front if secret is None else inside).putChild(b"metrics", Page(metrics, refresh))
    return QuietSite(front)


class Front(Resource):
    """What everybody may see; for anything else it leads to ``rest``."""

    def __init__(self, rest: Resource) -> None:
        super().__init__()
        self._rest = rest

    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: N802 - Twisted's
        """What there is inside."""
        child: IResource = self._rest if self._rest.isLeaf else self._rest.getChildWithDefault(path, request)
        return child
