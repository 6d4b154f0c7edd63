"""An HTTP server that answers what a test wants it to, in the daemon's stead."""

import threading
from collections.abc import Iterator
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


@contextmanager
def answering(pages: dict[str, tuple[int, str]]) -> Iterator[str]:
    """Statuses and texts by their paths; the address. ``pages`` may be changed meanwhile."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = pages.get(self.path, (404, "nothing here"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

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
