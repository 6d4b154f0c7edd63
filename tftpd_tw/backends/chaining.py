"""Going on with what a backend gives, whether it is there at once or later."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tftpd_tw.interfaces import Request
from tftpd_tw.policy.client_names import ClientNames
from tftpd_tw.protocol.errors import FileNotFound

T = TypeVar("T")
R = TypeVar("R")

Identify = Callable[[Request], "ClientNames | Deferred[ClientNames]"]
"""What a client is called; a Deferred if somebody has to be asked."""


def then(value: "T | Deferred[T]", go_on: "Callable[[T], R | Deferred[R]]") -> "R | Deferred[R]":
    """``go_on(value)``, once it is there. At once if it is."""
    later = _later(value)
    return go_on(value) if later is None else later.addCallback(go_on)  # type: ignore[arg-type]


def if_not_found(
    attempt: "Callable[[], T | Deferred[T]]", otherwise: "Callable[[FileNotFound], T | Deferred[T]]"
) -> "T | Deferred[T]":
    """What ``attempt()`` gives; if that raises or fails with :class:`FileNotFound`, what ``otherwise`` gives."""
    try:
        value = attempt()
    except FileNotFound as error:
        return otherwise(error)

    def failed(failure: Failure) -> Any:
        failure.trap(FileNotFound)
        return otherwise(failure.value)  # type: ignore[arg-type]

    later = _later(value)
    return value if later is None else later.addErrback(failed)


def _later(value: object) -> "Deferred[Any] | None":
    if isinstance(value, Deferred):
        return value
    return Deferred.fromCoroutine(value) if isinstance(value, Coroutine) else None
