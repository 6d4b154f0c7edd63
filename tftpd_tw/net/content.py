"""Calling a backend's objects, which may fail in any way that Python code can fail."""

from types import CoroutineType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from tftpd_tw.interfaces import IReader, IWriter
from tftpd_tw.protocol.errors import TFTPError

log = Logger()


def pending(result: Any) -> "Deferred[Any] | None":
    """The Deferred that ``result`` is, or that a coroutine becomes; None if it is the answer itself."""
    # Not isinstance: the abstract base of Deferred makes it cost 0.5 us, three times a transfer.
    if Deferred in type(result).__mro__:
        deferred: Deferred[Any] = result
        return deferred
    return Deferred.fromCoroutine(result) if isinstance(result, CoroutineType) else None


def as_error(error: BaseException | None, failure: Failure | None = None) -> TFTPError:
    """What to tell the client of ``error``; anything but a TFTPError is a bug, and logged with its traceback.

    Call it from the ``except`` clause, or with the Deferred's ``failure``.
    """
    if isinstance(error, TFTPError):
        return error
    log.failure("The backend failed", failure)
    wrapped = TFTPError(f"{type(error).__name__}: {error}")
    wrapped.__cause__ = error
    return wrapped


def release(content: IReader | IWriter, *, stored: bool = False) -> None:
    """Give ``content`` back: closed, or cancelled if it is an upload that is not ``stored``. Never raises."""
    handle: Any = content
    try:
        # Told by the method, since nothing makes a backend declare what it provides.
        if hasattr(handle, "finish"):
            later = None if stored else pending(handle.cancel())
        else:
            later = pending(handle.close())
    except Exception:
        log.failure("The backend failed to clean up")
        return
    if later is not None:
        later.addErrback(lambda failure: log.failure("The backend failed to clean up", failure))
