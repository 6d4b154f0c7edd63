"""What the reactor must not wait for while it serves: files, folders and names of a reload, and what hooks do.

A file server or a name server that is dead keeps whoever asks it waiting. So each such question has a thread of
its own, since those of the pool may all wait for the old folders; the end of the process does not wait for it, and
a reload is given up after :data:`PATIENCE`.
"""

import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tftpd_tw.backends.threads import shielded
from tftpd_tw.service.opening import OpenError

PATIENCE = 30.0
"""Seconds; ``tftpd-tw reload`` waits longer."""

T = TypeVar("T")


def run_apart(
    reactor: Any, function: Callable[[], T], unclaimed: Callable[[T], object] | None = None
) -> "Deferred[T]":
    """What ``function`` returns or raises; an OpenError if that takes too long.

    :param unclaimed: called with a result that comes later, to release what it holds
    """

    def too_late(_: object, seconds: float) -> NoReturn:
        raise OpenError(
            f"a file or folder of the settings did not come within {seconds:.0f} seconds; see to its file server"
        )

    done = in_own_thread(reactor, function, "tftpd-reload")
    return shielded(done, unclaimed).addTimeout(PATIENCE, reactor, too_late)


def in_own_thread(reactor: Any, function: Callable[[], T], name: str) -> "Deferred[T]":
    """What ``function`` returns or raises, in a thread of that ``name``, which the process does not wait for at
    its end. Fires later, also if there can be no further thread.
    """
    done: Deferred[T] = Deferred()

    def run() -> None:
        result: Any = None
        try:
            result = function()
        except BaseException:
            result = Failure()
        # With a Failure it fails.
        reactor.callFromThread(done.callback, result)

    try:
        threading.Thread(target=run, name=name, daemon=True).start()
    except RuntimeError:
        reactor.callLater(0, done.errback, Failure())
    return done
