"""What the pages of the HTTP port have in common."""

import json
from collections.abc import Callable, Set
from itertools import repeat
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.python.failure import Failure
from twisted.web.http import BAD_REQUEST, Request
from twisted.web.pages import notFound
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Site

Render = Callable[[Request], "bytes | Deferred[bytes]"]

Refresh = Callable[[], "Deferred[None]"]
"""Fetches what a page is about to show; does not fail."""


def nothing_to_fetch() -> "Deferred[None]":
    """All is there."""
    return succeed(None)


class Page(Resource):
    """What ``render`` returns, after ``refresh``."""

    isLeaf = True

    def __init__(self, render: Render, refresh: Refresh = nothing_to_fetch) -> None:
        super().__init__()
        self._render = render
        self._refresh = refresh

    def render_GET(self, request: Any) -> int:
        """Called for HEAD too, for which Twisted leaves out what is written."""
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)

        def answer(body: bytes) -> None:
            if not gone:
                request.setHeader("content-length", str(len(body)))
                request.setHeader("x-content-type-options", "nosniff")
                request.write(body)
                request.finish()

        refreshed = self._refresh().addCallback(lambda _: b"" if gone else self._render(request))
        refreshed.addCallback(answer).addErrback(lambda failure: request.processingFailed(failure))
        return NOT_DONE_YET


class JSONPage(Page):
    """The value that ``make`` gives for a request, as JSON; a ValueError that it raises is what is wrong with the
    request, in words. So is a parameter that is none of ``parameters``.
    """

    def __init__(
        self,
        make: Callable[[Request], "Any | Deferred[Any]"],
        refresh: Refresh = nothing_to_fetch,
        parameters: Set[str] = frozenset(),
    ) -> None:
        def checked(request: Request) -> "Any | Deferred[Any]":
            for name in map(bytes.decode, request.args or {}, repeat("latin-1")):
                if name not in parameters:
                    known = f"it knows {', '.join(sorted(parameters))}" if parameters else "it knows none"
                    raise ValueError(f"{name!r} is no parameter of this page; {known}")
            return make(request)

        def render(request: Request) -> "Deferred[bytes]":
            def wrong(failure: Failure) -> dict[str, str]:
                failure.trap(ValueError)
                request.setResponseCode(BAD_REQUEST)
                return {"error": failure.getErrorMessage()}

            request.setHeader("content-type", "application/json")
            request.setHeader("cache-control", "no-store")
            made = maybeDeferred(checked, request).addErrback(wrong)
            return made.addCallback(lambda value: json.dumps(value).encode() + b"\n")

        super().__init__(render, refresh)


class Folder(Resource):
    """What is put there, and for anything else a page that says that there is nothing."""

    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: N802 - Twisted's
        """Twisted's own page for it is deprecated."""
        return notFound()

    def render_GET(self, request: Request) -> Any:
        """There is nothing at its own name either."""
        return notFound().render(request)


class QuietSite(Site):
    """A scrape every few seconds is not worth a log line."""

    noisy = False

    def logPrefix(self) -> str:
        """Who says that it starts on a port."""
        return "HTTP"

    def log(self, request: Request) -> None:
        """Write nothing."""
