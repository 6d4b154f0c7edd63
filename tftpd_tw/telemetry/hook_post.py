"""A hook that posts the record, as JSON, to a web server.

It is done in a thread, with the client of the standard library: that takes the reactor a tenth of the time of
``twisted.web.client.Agent``, knows TLS by itself, and where a name server does not answer, the end of the daemon
does not wait for it, as it does for the reactor's own threads. A redirection is not followed, no proxy is asked,
and what the server answers is not kept.
"""

import json
import socket
import ssl
import threading
from contextlib import suppress
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from attrs import define, field, frozen

from tftpd_tw import __version__
from tftpd_tw.protocol.text import escaped
from tftpd_tw.telemetry.hook_queue import HookError, Record

PORTS = {"http": 80, "https": 443}
"""By scheme, where an address names none."""

MOST_READ = 1 << 16
"""Bytes of an answer. A server that sends more finds the connection closed."""

HEADERS = {"Content-Type": "application/json", "User-Agent": f"tftpd-tw/{__version__}", "Connection": "close"}


@frozen
class Post:
    """Posts to a server."""

    url: str
    """It begins with http or https."""
    patience: float
    """Seconds that each of its addresses may take to connect, since stopping that is not possible. More than the
    hook may take.
    """

    def prepare(self, record: Record) -> "PostRun":
        """One time."""
        return PostRun(self, record)


@define(eq=False)
class PostRun:
    """One time."""

    _post: Post
    _record: Record
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _socket: socket.socket | None = field(init=False, default=None)
    _stopped: bool = field(init=False, default=False)

    def __call__(self) -> None:
        """Do it.

        :raises HookError: the server cannot be reached, or its answer has another status than 200 to 299
        """
        parts = urlsplit(self._post.url)
        # Without a port http.client would look for one in the host, and find one in an IPv6 address.
        host, port, patience = parts.hostname or "", parts.port or PORTS[parts.scheme], self._post.patience
        connection = (
            HTTPSConnection(host, port, timeout=patience, context=trusted())
            if parts.scheme == "https"
            else HTTPConnection(host, port, timeout=patience)
        )
        path = parts._replace(scheme="", netloc="", path=parts.path or "/").geturl()
        try:
            connection.connect()
            self._connected(connection.sock)
            connection.request("POST", path, json.dumps(self._record).encode(), HEADERS)
            with connection.getresponse() as answer:
                answer.read(MOST_READ)
        except (OSError, HTTPException) as error:
            raise HookError(_words(error)) from None
        finally:
            with self._lock:
                self._socket = None
            connection.close()
        if not 200 <= answer.status < 300:
            raise HookError(f"the server answered {answer.status} {escaped(answer.reason.encode())}".rstrip())

    def stop(self) -> None:
        """Break the connection. A name server or a connection that is waited for takes its time."""
        with self._lock:
            self._stopped = True
            self._break()

    def _connected(self, sock: socket.socket) -> None:
        with self._lock:
            self._socket = sock
            if self._stopped:
                self._break()

    def _break(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Of TLS too, without a word to the other end: another thread uses it.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


@cache
def trusted() -> ssl.SSLContext:
    """The authorities that the system trusts, which takes 50 ms to read."""
    return ssl.create_default_context()


def _words(error: OSError | HTTPException) -> str:
    words = (error.strerror or str(error)) if isinstance(error, OSError) else f"the answer makes no sense: {error}"
    return escaped(words.encode(errors="backslashreplace"), 300)
