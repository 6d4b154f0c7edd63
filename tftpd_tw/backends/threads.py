"""What comes back from a thread, for somebody who may have stopped waiting.

A thread cannot be cancelled: it goes on with its descriptor, and it brings back an open file, whether or not
the transfer still wants it. So nobody outside gets the thread's own Deferred; they get a :func:`shielded`
one.
"""

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


def shielded(work: "Deferred[T]", unclaimed: Callable[[T], object] | None = None) -> "Deferred[T]":
    """A Deferred with the result of ``work`` that can be cancelled without ``work`` noticing.

    ``unclaimed`` is called with a result that arrives after that, to release what it holds. A failure that
    arrives after that is dropped.
    """
    outer: Deferred[T] = Deferred()

    def succeeded(result: T) -> None:
        if outer.called and unclaimed is not None:
            unclaimed(result)
        outer.callback(result)  # Twisted ignores the first call after a cancel()

    def failed(failure: Failure) -> None:
        outer.errback(failure)

    work.addCallbacks(succeeded, failed)
    return outer
