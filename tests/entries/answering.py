"""An HTTP server that answers what a test wants it to, in the daemon's stead."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from prometheus_client import CollectorRegistry, generate_latest
from twisted.internet.task import Clock

from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.prometheus import BuildCollector, ReloadCollector, TransferCollector, WorkerCollector


class Crew:
    """Workers, of which one has been replaced."""

    def __init__(self, serving: int = 2, unresponsive: int = 0) -> None:
        self.serving, self.unresponsive, self.restarts = serving, unresponsive, 1


class Reloads:
    """The settings were read once, in 2001."""

    at = 1e9

    def __init__(self, successful: bool) -> None:
        self.successful = successful
        self.counts = {"success": 0, "failure": 0}


def page(*, reloaded: bool = True, crew: Crew | None = None) -> str:
    """What the daemon's own collectors say before anything happened."""
    registry = CollectorRegistry()
    registry.register(TransferCollector(Accounting(Clock())))
    registry.register(ReloadCollector(Reloads(reloaded)))
    registry.register(BuildCollector())
    if crew is not None:
        registry.register(WorkerCollector(crew))
    return generate_latest(registry).decode()


Pages = Mapping[str, tuple[int, str] | tuple[int, str, dict[str, str]]]
"""Statuses, texts and headers by their paths."""


@contextmanager
def answering(pages: Pages, asked: list[tuple[str, str | None]] | None = None) -> Iterator[str]:
    """Answers with ``pages``, which may be changed meanwhile, whatever the parameters; the address.

    :param asked: gets each path, with its parameters, and what was shown with it
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if asked is not None:
                asked.append((self.path, self.headers["Authorization"]))
            status, text, *headers = pages.get(self.path.partition("?")[0], (404, "nothing here"))
            self.send_response(status)
            for name, value in headers[0].items() if headers else ():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode("utf-8", "surrogateescape"))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
