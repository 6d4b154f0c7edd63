r"""netascii (RFC 1350 section 1, RFC 764): text with CR LF line ends on the wire.

Local ``\n`` is CR LF on the wire, local ``\r`` is CR NUL. Encoding looks at one byte at a time and needs no
memory; decoding may find a CR at the end of a block whose other half is in the next, and keeps it.
A CR that is followed by anything else breaks the RFC; it is kept as it is, as other servers do.
"""


def encode(data: bytes) -> bytes:
    """``data`` as it goes over the wire."""
    return data.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")


class Decoder:
    """Turns the wire form back, however it was cut into blocks."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def decode(self, data: bytes, final: bool = False) -> bytes:
        """The local form of ``data``; with ``final``, a CR at the very end is given out too."""
        data = self._held + data
        self._held = b""
        if not final and data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        return data.replace(b"\r\n", b"\n").replace(b"\r\0", b"\r")
