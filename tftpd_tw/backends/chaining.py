"""Going on with what a backend gives, whether it is there at once or later."""

from collections.abc import Callable, Coroutine
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tftpd_tw.interfaces import Eventually, Request
from tftpd_tw.policy.client_names import ClientNames
from tftpd_tw.protocol.errors import FileNotFound

T = TypeVar("T")
R = TypeVar("R")

Identify = Callable[[Request], "ClientNames | Deferred[ClientNames]"]
"""What a client is called; a Deferred if somebody has to be asked."""


def then(value: Eventually[T], go_on: Callable[[T], Eventually[R]]) -> "R | Deferred[R]":
    """``go_on(value)``, once it is there. At once if it is."""
    value = _begun(value)
    if isinstance(value, Deferred):
        return value.addCallback(lambda result: _begun(go_on(result)))
    return _begun(go_on(value))


def if_not_found(
    attempt: Callable[[], Eventually[T]], otherwise: Callable[[], Eventually[T]]
) -> "T | Deferred[T]":
    """What ``attempt()`` gives; if that raises or fails with :class:`FileNotFound`, what ``otherwise()`` gives."""

    def failed(failure: Failure) -> "T | Deferred[T]":
        failure.trap(FileNotFound)
        return _begun(otherwise())

    try:
        value = _begun(attempt())
    except FileNotFound:
        return _begun(otherwise())
    return value.addErrback(failed) if isinstance(value, Deferred) else value  # type: ignore[call-overload]


def _begun(value: Eventually[T]) -> "T | Deferred[T]":
    """``value``; a backend's method may be an ``async def``, whose work has to be begun."""
    return Deferred.fromCoroutine(value) if isinstance(value, Coroutine) else value
