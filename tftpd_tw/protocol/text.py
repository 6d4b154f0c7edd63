"""Names and texts of strangers, made fit for a log line.

A file name in a request is any bytes but NUL: line feeds, terminal escapes, half of a UTF-8 character.
Nothing of that may reach a log or a terminal as it is (rules C028 and S038), so everything that is shown goes
through :func:`escaped`, which gives printable ASCII and no more of it than asked for.
"""

_SHOWN = [chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in range(256)]
for _special in "\\\"'":
    _SHOWN[ord(_special)] = "\\" + _special
"""What each of the 256 bytes looks like. Quotes are escaped since log lines put names in quotes."""

_AS_IT_IS = bytes(byte for byte in range(256) if _SHOWN[byte] == chr(byte))

_ELLIPSIS = "..."


def escaped(name: bytes, limit: int = 128) -> str:
    r"""``name`` as printable ASCII: ``b'a\n"b"'`` is shown as ``a\x0a\"b\"``.

    At most ``limit`` characters (3 or more) are returned. A longer one is cut between two bytes of the name,
    never inside an escape, and ends with ``...``.
    """
    if len(name) <= limit and not name.translate(None, _AS_IT_IS):
        return name.decode("ascii")  # nearly every name; a tenth of the time
    # No byte is shown as less than one character, so the rest of a 64 KiB name need not be looked at.
    pieces = [_SHOWN[byte] for byte in name[: limit + 1]]
    length = sum(map(len, pieces))
    if length <= limit:
        return "".join(pieces)
    while length > limit - len(_ELLIPSIS):
        length -= len(pieces.pop())
    return "".join(pieces) + _ELLIPSIS
