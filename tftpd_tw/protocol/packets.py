"""The packets of RFC 1350 and RFC 2347: bytes to values and back.

::

    RRQ, WRQ    | 01 or 02 | name | 0 | mode | 0 | option | 0 | value | 0 | ...
    DATA        | 03 | block | 0 to blksize bytes |
    ACK         | 04 | block |
    ERROR       | 05 | code | text | 0 |
    OACK        | 06 | option | 0 | value | 0 | ...

:func:`decode` never raises anything but :class:`~tftpd_tw.protocol.errors.IllegalOperation`, whatever the
bytes. The transfer machines read DATA and ACK straight from the datagram and build no object for a block.
"""

import enum
from collections.abc import Iterable
from struct import Struct

from attrs import frozen

from tftpd_tw.protocol.errors import ErrorCode, IllegalOperation, TFTPError

MAX_REQUEST = 512
"""The longest request that is served, in bytes (RFC 2347 section 2; rule C014)."""

MAX_ERROR_TEXT = 120
"""Bytes of text in an ERROR that is sent: the whole packet stays under 128 (rule C150)."""

HEADER_SIZE = 4
"""Bytes before the payload of DATA, and all of an ACK."""

_HEADER = Struct("!HH")

Options = tuple[tuple[bytes, bytes], ...]
"""Option names and values as they were on the wire, in the order of the packet."""


class Opcode(enum.IntEnum):
    """The first two bytes of a packet."""

    RRQ = 1
    WRQ = 2
    DATA = 3
    ACK = 4
    ERROR = 5
    OACK = 6


class Mode(bytes, enum.Enum):
    """The transfer modes that are served; ``mail`` is refused (RFC 1123 section 4.2.2.1)."""

    OCTET = b"octet"
    NETASCII = b"netascii"


_MODES = {mode.value: mode for mode in Mode}


@frozen
class ReadRequest:
    """RRQ: the client wants the file."""

    name: bytes
    mode: Mode
    options: Options = ()


@frozen
class WriteRequest:
    """WRQ: the client has the file."""

    name: bytes
    mode: Mode
    options: Options = ()


@frozen
class Data:
    """One block."""

    block: int
    payload: bytes


@frozen
class Ack:
    """All blocks up to this one have arrived."""

    block: int


@frozen
class Error:
    """The end of a transfer that failed, or of one that a client only probed."""

    code: int
    text: bytes


@frozen
class OptionAck:
    """The options that the server agreed to (RFC 2347)."""

    options: Options


Packet = ReadRequest | WriteRequest | Data | Ack | Error | OptionAck


def decode(datagram: bytes) -> Packet:
    """The packet in ``datagram``.

    :raises IllegalOperation: it is none, or a request that must be refused with code 4
    """
    if len(datagram) < 2:
        raise IllegalOperation("shorter than an opcode")
    opcode = int.from_bytes(datagram[:2], "big")
    if opcode in (Opcode.RRQ, Opcode.WRQ):
        return _decode_request(opcode, datagram)
    if opcode == Opcode.OACK:
        return OptionAck(_pairs(datagram[2:]))
    if opcode == Opcode.ERROR and len(datagram) < HEADER_SIZE:
        return Error(ErrorCode.UNDEFINED, b"")  # however short, it means the end (C093)
    if opcode not in (Opcode.DATA, Opcode.ACK, Opcode.ERROR):
        raise IllegalOperation(f"unknown opcode {opcode}")
    if len(datagram) < HEADER_SIZE:
        raise IllegalOperation(f"{Opcode(opcode).name} cut short")
    _, number = _HEADER.unpack_from(datagram)
    if opcode == Opcode.DATA:
        return Data(number, datagram[HEADER_SIZE:])
    if opcode == Opcode.ACK:
        # Longer ACKs exist: Windows appends its next window size.
        return Ack(number)
    return Error(number, datagram[HEADER_SIZE:].partition(b"\0")[0])


def _decode_request(opcode: int, datagram: bytes) -> ReadRequest | WriteRequest:
    if len(datagram) > MAX_REQUEST:
        raise IllegalOperation(f"request of {len(datagram)} bytes, at most {MAX_REQUEST} are allowed")
    name, end_of_name, rest = datagram[2:].partition(b"\0")
    word, end_of_mode, rest = rest.partition(b"\0")
    if not end_of_name or not end_of_mode:
        raise IllegalOperation("request without a complete name and mode")
    if not name:
        raise IllegalOperation("request with an empty name")
    mode = _MODES.get(word.lower())
    if mode is None:
        raise IllegalOperation(f"mode {word[:32]!r} is not served")
    kind = ReadRequest if opcode == Opcode.RRQ else WriteRequest
    return kind(name, mode, _pairs(rest))


def _pairs(data: bytes) -> Options:
    """Option pairs; the first of a name counts, whatever its case (RFC 2347: once only; rule C020)."""
    words = data.split(b"\0")
    unterminated = words.pop()
    if unterminated and len(words) % 2:
        raise IllegalOperation("the last option value has no end")
    pairs: dict[bytes, tuple[bytes, bytes]] = {}
    # A name without a value at the end, and a pair without a name, are passed over (C016, C019).
    for name, value in zip(words[::2], words[1::2], strict=False):
        if name:
            pairs.setdefault(name.lower(), (name, value))
    return tuple(pairs.values())


def encode_request(opcode: Opcode, name: bytes, mode: Mode, options: Options = ()) -> bytes:
    """RRQ or WRQ.

    :raises ValueError: a NUL inside a field, an empty name, or more than 512 bytes in all
    """
    fields = [name, mode.value, *_flat(options)]
    if not name or any(b"\0" in field for field in fields):
        raise ValueError("a request needs a name, and none of its fields may hold a NUL byte")
    packet = _HEADER.pack(0, opcode)[2:] + b"".join(field + b"\0" for field in fields)
    if len(packet) > MAX_REQUEST:
        raise ValueError(f"the request would take {len(packet)} bytes; TFTP allows {MAX_REQUEST}")
    return packet


def encode_oack(options: Options) -> bytes:
    """OACK."""
    return b"\0\6" + b"".join([b"%b\0%b\0" % pair for pair in options])


def encode_ack(wire_block: int) -> bytes:
    """ACK."""
    return _HEADER.pack(Opcode.ACK, wire_block)


def encode_error(code: ErrorCode, text: str) -> bytes:
    """ERROR: ASCII text, cut to :data:`MAX_ERROR_TEXT`, and one NUL."""
    body = text.encode("ascii", "replace").replace(b"\0", b"?")[:MAX_ERROR_TEXT]
    return _HEADER.pack(Opcode.ERROR, code) + body + b"\0"


def encode_failure(error: TFTPError) -> bytes:
    """The ERROR that tells a client of ``error``: its code and fixed text, never its message."""
    return encode_error(error.code, error.wire_text)


header = _HEADER.pack
"""``header(opcode, wire_block)``: an ACK, or the four bytes before a payload; a bare C call on the hot path."""


def _flat(options: Options) -> Iterable[bytes]:
    for pair in options:
        yield from pair
