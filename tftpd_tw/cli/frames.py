"""The live frames of a daemon, one a second, read by a thread, which asks again where there are none."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from tftpd_tw.cli.asking import NoDaemonError, RunningDaemon, fit, lacks, no_daemon, open_page, read_answer

PATH = "/events"

PAUSE = 1.0
"""Seconds before it is asked again."""

_LONGEST = 8 << 20
"""Bytes of a frame; those of a daemon have less than one hundredth of that."""

_DATA = b"data: "

News = dict[str, Any] | NoDaemonError
"""A frame, or why there is none."""


def frames(daemon: RunningDaemon) -> Iterator[dict[str, Any]]:
    """One after the other. The first one has what ended before it, the others what ended since the one before.

    :raises NoDaemonError: there are no more
    """
    try:
        with open_page(daemon, PATH) as answer:
            if answer.status == HTTPStatus.NOT_FOUND:
                raise lacks(daemon.address, PATH)
            if answer.status != HTTPStatus.OK:
                said = fit(answer.read(1000).decode("latin-1").strip())
                raise NoDaemonError(f"the daemon at {daemon.address} shows nothing: {said}")
            while (line := answer.readline(_LONGEST)).endswith(b"\n"):
                if line.startswith(_DATA):
                    yield read_answer(daemon.address, line[len(_DATA) :].decode())
    except (HTTPException, ValueError, OSError) as error:
        raise no_daemon(daemon.address, error) from None
    raise NoDaemonError(f"the daemon at {daemon.address} has ended the connection")


@contextmanager
def followed(daemon: RunningDaemon, deliver: Callable[[News], object]) -> Iterator[None]:
    """Have a thread call ``deliver`` with all that is new, for a while. After an error it goes on trying."""
    over = threading.Event()
    threading.Thread(target=_follow, args=(daemon, deliver, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _follow(daemon: RunningDaemon, deliver: Callable[[News], object], over: threading.Event) -> None:
    while True:
        try:
            for frame in frames(daemon):
                if over.is_set():
                    return
                deliver(frame)
        except NoDaemonError as error:
            deliver(error)
        if over.wait(PAUSE):
            return
