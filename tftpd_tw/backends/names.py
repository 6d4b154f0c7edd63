r"""From the name in a request to the components of a path.

Clients spell one file in many ways: GRUB puts a slash before it, curl two, Windows boot managers send
backslashes, some a drive letter. All of these mean the same place under the root (rules C033, C034). What
could mean a place outside the root is refused, never repaired: taking ``..`` out of a name is how ``....//x``
became ``../x`` in servers that tried (S013). The rest is literal: ``%2e``, ``~`` and ``;mode=`` are just
characters.

This is the first of two fences. The second one is the kernel's, in :mod:`tftpd_tw.backends.confined`.
"""

from collections.abc import Iterable

from tftpd_tw.protocol.errors import AccessViolation, FileNotFound

LONGEST_COMPONENT = 255
"""NAME_MAX of every file system that matters, in bytes; a longer one cannot exist (C029)."""


def normalise(name: bytes) -> tuple[bytes, ...]:
    r"""The components of ``name`` under the root: ``C:\boot\.\f`` is ``(b"boot", b"f")``. Never empty.

    No component is empty, ``.`` or ``..``, holds a slash, a backslash or NUL, or is longer than 255 bytes.

    :raises AccessViolation: for a ``..`` anywhere, in any spelling (S020), a name that ends like a
        directory's (``f/``, ``f/.``, ``/``, ``.``; C030), and NUL, which a request cannot contain.
    :raises FileNotFound: for a component of more than 255 bytes (C029).
    """
    if b"\0" in name:
        raise AccessViolation("name holds NUL")
    path = name.replace(b"\\", b"/")
    if path[1:2] == b":" and path[:1].isalpha():
        path = path[2:]
    parts = path.split(b"/")
    if b".." in parts:
        raise AccessViolation("name leads upwards")
    if parts[-1] in (b"", b"."):
        raise AccessViolation("name is that of a directory")
    components = tuple([part for part in parts if part not in (b"", b".")])
    if max(map(len, components)) > LONGEST_COMPONENT:
        raise FileNotFound("a component of the name is too long")
    return components


def name_of(components: Iterable[bytes]) -> bytes:
    """A name that :func:`normalise` makes ``components`` of."""
    # The slash keeps a component such as "c:" from being taken for a drive.
    return b"/" + b"/".join(components)
