"""Asking a running daemon by HTTP: where it is, and what it answers.

For the commands that look at a daemon and change nothing.
"""

import argparse
import os
import sys
from http.client import HTTPException, HTTPResponse
from time import monotonic
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from tftpd_tw.interfaces import Address
from tftpd_tw.service.config_file import ConfigFile, ConfigurationError
from tftpd_tw.service.config_reader import DEFAULT_FILE
from tftpd_tw.service.configuration import Monitoring
from tftpd_tw.service.kinds import KINDS
from tftpd_tw.service.value_types import HTTP_OFF, HttpAddress
from tftpd_tw.telemetry.figures import UPTIME, Figures, parse

PATIENCE = 5.0
"""Seconds for an answer; the daemon itself waits up to one for a worker that hangs."""

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Whom to ask when the daemon listens everywhere."""

_OPENER = build_opener(ProxyHandler({}))
"""Takes no notice of ``http_proxy``: no proxy has a way to this host's loopback."""


class NoDaemonError(Exception):
    """There is none that answers; in one line."""


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the daemon is; one of them at most, and both set ``address``."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--http",
        metavar="HOST:PORT",
        dest="address",
        type=_given,
        help=f"where the daemon answers [default: as {DEFAULT_FILE} says; {_written(Monitoring().http)} if it"
        " says nothing]",
    )
    either.add_argument(
        "-c", "--config", metavar="FILE", dest="address", type=_named_by, help="where these settings have it"
    )


def the_address(options: argparse.Namespace) -> Address:
    """Where to ask. If the usual settings do not tell, that gets a warning: the daemon may run in spite of it."""
    given: Address | None = options.address
    if given is not None:
        return given
    usual = reachable(Monitoring().http)
    if not os.path.exists(DEFAULT_FILE):
        return usual
    try:
        return _named_by(DEFAULT_FILE)
    except argparse.ArgumentTypeError as error:
        print(f"warning: {error}; so {usual} is asked", file=sys.stderr)  # noqa: T201
        return usual


def fetch(address: Address, path: str) -> tuple[int, str]:
    """The status of the answer, and its text.

    :raises NoDaemonError: there is none within :data:`PATIENCE`
    """
    until = monotonic() + PATIENCE
    request = Request(f"http://{address}{path}", headers={"Accept": "text/plain"})
    try:
        with _open(request) as answer:
            return answer.status or 0, _text(answer, until)
    except (HTTPException, ValueError):
        raise NoDaemonError(f"what answers at {address} is no tftpd-tw") from None
    except OSError as error:
        cause = error.reason if isinstance(error, URLError) else error
        if isinstance(cause, TimeoutError):
            raise NoDaemonError(f"no answer from {address} within {PATIENCE:g} seconds") from None
        why = getattr(cause, "strerror", None) or cause
        raise NoDaemonError(
            f"no daemon answers at {address}: {why}; it may not run, or have another --http"
        ) from None


def read_figures(address: Address) -> tuple[str, Figures]:
    """``/metrics`` as it is, and what it says.

    :raises NoDaemonError: there is no daemon that answers
    """
    status, text = fetch(address, "/metrics")
    try:
        figures = parse(text)
    except (ValueError, KeyError, IndexError):
        figures = Figures({})
    if status != 200 or UPTIME not in figures.series:
        raise NoDaemonError(f"what answers at {address} is no tftpd-tw")
    return text, figures


def _open(request: Request) -> HTTPResponse | HTTPError:
    try:
        answer: HTTPResponse = _OPENER.open(request, timeout=PATIENCE)
    except HTTPError as error:
        return error
    return answer


def _text(answer: HTTPResponse | HTTPError, until: float) -> str:
    """All of it; each part may come late, but not all of them."""
    parts = []
    while part := answer.read1(1 << 16):
        parts.append(part)
        if monotonic() > until:
            raise TimeoutError
    return b"".join(parts).decode()


def _given(text: str) -> Address:
    try:
        return reachable(KINDS[HttpAddress].structure(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _named_by(file: str) -> Address:
    """The address that ``file`` has. Nothing else of it is looked at: a mistake elsewhere, for which the daemon
    has refused a reload, is no reason not to ask it.
    """
    try:
        monitoring = ConfigFile.read(file).tree.get("monitoring")
        told = monitoring.get("http") if isinstance(monitoring, dict) else None
        return reachable(Monitoring().http if told is None else KINDS[HttpAddress].structure(told))
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(error.problems[0]) from None
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{file}: monitoring.http: {error}") from None


def reachable(http: HttpAddress) -> Address:
    """Where a daemon of this host is asked that has this setting.

    :raises ValueError: nowhere
    """
    if http == HTTP_OFF:
        raise ValueError("is off, so there is nobody to ask")
    return Address(_LOOPBACK.get(http.host, http.host), http.port)


def _written(http: HttpAddress) -> str:
    return str(Address(http.host, http.port))
