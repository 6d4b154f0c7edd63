"""Asking a running daemon by HTTP: for its figures, for what it answers as JSON, and what its silence means.

For the commands that look at a daemon and change nothing. Whoever answers may be another server, or a daemon of
another version; each is one line to the user.
"""

import base64
import json
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from time import monotonic
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from attrs import field, frozen

from tftpd_tw.cli.exit_statuses import NO_ANSWER, CommandError
from tftpd_tw.interfaces import Address
from tftpd_tw.protocol.text import escaped
from tftpd_tw.telemetry.figures import UPTIME, Figures, parse

PATIENCE = 5.0
"""Seconds for an answer; the daemon itself waits up to one for a worker that hangs."""

LARGEST = 64 << 20
"""Bytes of an answer; none of a daemon's is nearly as large."""

SCHEMA = 1
"""Of the JSON that is understood."""


class _Stay(HTTPRedirectHandler):
    """Goes nowhere else, and least of all with the secret: no daemon sends anybody anywhere."""

    def redirect_request(self, *_: object) -> None:
        """Leave it at that answer."""


_OPENER = build_opener(ProxyHandler({}), _Stay)
"""Takes no notice of ``http_proxy``: no proxy has a way to this host's loopback."""


class NoDaemonError(CommandError):
    """There is none that answers; in one line."""

    def __init__(self, line: str) -> None:
        super().__init__(NO_ANSWER, line)


class NotAllowedError(NoDaemonError):
    """There is one, and it wants to see a secret that we do not have."""


@frozen
class RunningDaemon:
    """Where a daemon is asked, and what it is shown."""

    address: Address
    secret: bytes | None = field(default=None, repr=False)
    """What it may want to see."""
    file: str = ""
    """The settings that say so; empty if it was not a file that said it."""
    no_secret: str = ""
    """Why the secret that its settings name is not known; empty if it is, or they name none."""


def open_page(daemon: RunningDaemon, path: str) -> HTTPResponse | HTTPError:
    """The answer, whatever its status, before its text is read.

    :raises NotAllowedError: it is that we may not look
    :raises OSError: there is none within :data:`PATIENCE`
    :raises HTTPException: no HTTP server answers
    """
    headers = {"Accept": "text/plain"}
    if daemon.secret is not None:
        # A bearer token would do for most secrets, but not for any bytes.
        headers["Authorization"] = f"Basic {base64.b64encode(b':' + daemon.secret).decode()}"
    request = Request(f"http://{daemon.address}{path}", headers=headers)
    try:
        answer: HTTPResponse = _OPENER.open(request, timeout=PATIENCE)
    except HTTPError as error:
        if why := _not_allowed(daemon, error):
            error.close()
            raise NotAllowedError(why) from None
        return error
    return answer


def fetch(daemon: RunningDaemon, path: str) -> tuple[int, str]:
    """The status of the answer, and its text.

    :raises NoDaemonError: there is none within :data:`PATIENCE`, or not for us
    """
    until = monotonic() + PATIENCE
    try:
        with open_page(daemon, path) as answer:
            return answer.status or 0, _text(answer, until)
    except (HTTPException, ValueError, OSError) as error:
        raise no_daemon(daemon.address, error) from None


def fetch_json(daemon: RunningDaemon, path: str, **parameters: "str | int | list[str]") -> dict[str, Any]:
    """The object that the daemon answers; each of a list of values is a parameter.

    :raises NoDaemonError: there is none that can be understood
    """
    question = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
    status, text = fetch(daemon, path + question)
    if status == HTTPStatus.NOT_FOUND:
        raise lacks(daemon.address, path)
    if status == HTTPStatus.BAD_REQUEST and "error" in (found := _object(text)):
        raise NoDaemonError(f"the daemon at {daemon.address} does not understand: {fit(found['error'])}")
    return read_answer(daemon.address, text)


def read_answer(address: Address, text: str) -> dict[str, Any]:
    """The object that is ``text``, which the daemon at ``address`` has sent.

    :raises NoDaemonError: no daemon says such a thing, or one of another version
    """
    found = _object(text)
    if "schema" not in found:
        raise _stranger(address)
    if found["schema"] != SCHEMA:
        raise NoDaemonError(
            f"the daemon at {address} is of another version than this command: it answers in schema"
            f" {fit(found['schema'])}, and {SCHEMA} is understood"
        )
    return found


def _object(text: str) -> dict[str, Any]:
    """What ``text`` is in JSON; empty if it is no object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_figures(daemon: RunningDaemon) -> tuple[str, Figures]:
    """``/metrics`` as it is, and what it says.

    :raises NoDaemonError: there is no daemon that answers
    """
    status, text = fetch(daemon, "/metrics")
    try:
        figures = parse(text)
    except (ValueError, KeyError, IndexError):
        figures = Figures({})
    # No daemon's page does anything to a terminal.
    if status != HTTPStatus.OK or UPTIME not in figures.series or not text.replace("\n", "").isprintable():
        raise _stranger(daemon.address)
    return text, figures


def fit(value: object, limit: int = 128) -> str:
    """``value`` as printable ASCII, no longer than that. What a daemon says is so, but who knows who answers."""
    text = value if isinstance(value, str) else str(value)
    if len(text) <= limit and text.isascii() and text.isprintable():
        return text
    return escaped(text[: limit + 1].encode(errors="backslashreplace"), limit)


def lacks(address: Address, path: str) -> NoDaemonError:
    """It means that, if nothing is there."""
    return NoDaemonError(f"what answers at {address} has no {path}: it is no tftpd-tw, or an older one")


def no_daemon(address: Address, error: Exception) -> NoDaemonError:
    """What it means that all that came of asking was ``error``."""
    if not isinstance(error, OSError):
        return _stranger(address)
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return NoDaemonError(f"no answer from {address} within {PATIENCE:g} seconds")
    why = getattr(cause, "strerror", None) or cause
    return NoDaemonError(f"no daemon answers at {address}: {why}; it may not run, or have another --http")


def _stranger(address: Address) -> NoDaemonError:
    return NoDaemonError(f"what answers at {address} is no tftpd-tw")


def _not_allowed(daemon: RunningDaemon, error: HTTPError) -> str:
    """What there is to do, if that is what ``error`` means."""
    address = daemon.address
    if error.code == HTTPStatus.FORBIDDEN and b"monitoring.secret_file" in error.read(1000):
        return (
            f"{address} is an address that others reach too, so the daemon shows no transfers there, unless it is"
            " given a secret (monitoring.secret_file)"
        )
    if error.code != HTTPStatus.UNAUTHORIZED or "tftpd-tw" not in error.headers.get("WWW-Authenticate", ""):
        return ""
    if daemon.secret is not None:
        return f"the daemon at {address} has another secret than the one that it was shown"
    how = daemon.no_secret or "name the file that has it by --secret-file"
    return f"the daemon at {address} wants to see its secret: {how}"


def _text(answer: HTTPResponse | HTTPError, until: float) -> str:
    """All of it; each part may come late, but not all of them.

    :raises ValueError: it is no text, or more than a daemon says
    """
    parts, length = list[bytes](), 0
    while part := answer.read1(1 << 16):
        parts.append(part)
        length += len(part)
        if length > LARGEST:
            raise ValueError("too much")
        if monotonic() > until:
            raise TimeoutError
    return b"".join(parts).decode()
