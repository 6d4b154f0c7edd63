"""Whether there is a file, which is another question than who may have it.

Rules that change names may depend on it. They ask for the name as it is by then, before the rules of access are
asked about the name that it comes to; so neither those rules nor the file's permissions have a say here.
"""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from tftpd_tw.backends.chaining import then
from tftpd_tw.interfaces import Eventually, IBackend, Request
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound

Find = Callable[[Request], Eventually[None]]
"""As :meth:`IFinder.find`."""


class IFinder(IBackend):
    """A backend that can tell whether there is a file."""

    def find(request: Request) -> Eventually[None]:  # noqa: N805 - an interface
        """Look for a regular file where :meth:`open_read` or, for an upload, :meth:`open_write` would.

        :raises FileNotFound: there is none; also through the Deferred, as all of these
        :raises AccessViolation: what is there is none, or the name is none
        :raises TFTPError: it cannot be told
        """


def exists(find: Find, request: Request) -> "bool | Deferred[bool]":
    """Whether there is a file. Raises what says neither that there is one nor that there is none."""
    try:
        found = then(find(request), lambda _: True)
    except (FileNotFound, AccessViolation):
        return False
    return found.addErrback(_absent) if isinstance(found, Deferred) else found


def _absent(failure: Failure) -> bool:
    failure.trap(FileNotFound, AccessViolation)
    return False
