"""The name in a request as rules and profiles compare it with their globs."""

from collections.abc import Callable, Sequence

from tftpd_tw.protocol.errors import TFTPError

Normalise = Callable[[bytes], Sequence[bytes]]
"""From a name in a request to the components of a path; :func:`tftpd_tw.backends.names.normalise`. It raises a
:class:`TFTPError` for a name that is that of no file.
"""


def path_of(name: bytes, normalise: Normalise) -> bytes | None:
    """The components of ``name``, joined by slashes; None if it is that of no file."""
    try:
        return b"/".join(normalise(name))
    except TFTPError:
        return None
