"""Bytes to packets and back (rules C002 to C020, C026 to C028, C093, C150)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftpd_tw.protocol import errors
from tftpd_tw.protocol.errors import ErrorCode, IllegalOperation, TFTPError
from tftpd_tw.protocol.packets import (
    MAX_REQUEST,
    Ack,
    Data,
    Error,
    Mode,
    Opcode,
    OptionAck,
    ReadRequest,
    WriteRequest,
    decode,
    encode_ack,
    encode_error,
    encode_failure,
    encode_oack,
    encode_request,
)
from tftpd_tw.protocol.text import escaped

RRQ = b"\0\1f1024\0octet\0"


@pytest.mark.parametrize("opcode", [Opcode.RRQ, Opcode.WRQ])
@pytest.mark.parametrize(
    ("word", "mode"),
    [(b"octet", Mode.OCTET), (b"OcTeT", Mode.OCTET), (b"netascii", Mode.NETASCII), (b"NETASCII", Mode.NETASCII)],
)
def test_mode_in_any_case_is_understood(opcode: Opcode, word: bytes, mode: Mode) -> None:
    """The case of the mode does not matter, in either direction (C002)."""
    kind = ReadRequest if opcode is Opcode.RRQ else WriteRequest
    assert decode(bytes([0, opcode]) + b"f\0" + word + b"\0") == kind(b"f", mode)


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(b"\0\1f1024\0octet", id="C004-mode-without-nul"),
        pytest.param(b"\0\1f1024\0octe", id="C004-mode-cut"),
        pytest.param(b"\0\1f1024\0", id="C005-no-mode"),
        pytest.param(b"\0\1f1024", id="C005-name-without-nul"),
        pytest.param(b"\0\1\0octet\0", id="C006-empty-name"),
        pytest.param(b"", id="C007-nothing"),
        pytest.param(b"\0", id="C007-one-byte"),
        pytest.param(b"\0\1", id="C008-RRQ-alone"),
        pytest.param(b"\0\2", id="C008-WRQ-alone"),
        pytest.param(b"\0\0f\0octet\0", id="C009-opcode-0"),
        pytest.param(b"\0\7f\0octet\0", id="C009-opcode-7"),
        pytest.param(b"\1\1f\0octet\0", id="C009-opcode-0x0101"),
        pytest.param(b"\xff\xfff\0octet\0", id="C009-opcode-0xffff"),
        pytest.param(b"\0\1f\0mail\0", id="C012-mail-RRQ"),
        pytest.param(b"\0\2root\0MAIL\0", id="C012-mail-WRQ"),
        pytest.param(b"\0\1f\0binary\0", id="C013-binary"),
        pytest.param(b"\0\1f\0ascii\0", id="C013-ascii"),
        pytest.param(b"\0\1f\0" + b"a" * 400 + b"\0", id="C013-400-letters"),
        pytest.param(b"\0\1f\0\0", id="C013-empty-mode"),
        pytest.param(RRQ + b"blksize\x00600", id="C017-value-without-nul"),
        pytest.param(RRQ + b"tsize\0000\0blksize\0006", id="C017-second-value-without-nul"),
        pytest.param(b"\0\3", id="C093-DATA-of-2"),
        pytest.param(b"\0\3\0", id="C093-DATA-of-3"),
        pytest.param(b"\0\4", id="C093-ACK-of-2"),
        pytest.param(b"\0\4\0", id="C093-ACK-of-3"),
    ],
)
def test_what_breaks_the_protocol_is_an_illegal_operation(datagram: bytes) -> None:
    """Each of these is refused as a whole, with code 4 if at all answered (C004 to C009, C012, C013, C017)."""
    with pytest.raises(IllegalOperation) as caught:
        decode(datagram)
    assert caught.value.code is ErrorCode.ILLEGAL_OPERATION


@pytest.mark.parametrize("length", [MAX_REQUEST - 1, MAX_REQUEST, MAX_REQUEST + 1, 900, 65507])
def test_a_request_has_at_most_512_bytes(length: int) -> None:
    """512 bytes are served, 513 are not (C014, C015)."""
    datagram = b"\0\1" + b"n" * (length - 9) + b"\0octet\0"
    assert len(datagram) == length
    if length <= 512:
        assert decode(datagram) == ReadRequest(b"n" * (length - 9), Mode.OCTET)
    else:
        with pytest.raises(IllegalOperation):
            decode(datagram)


@pytest.mark.parametrize(
    ("tail", "options"),
    [
        pytest.param(b"blksize\0", [], id="C016-dangling-name"),
        pytest.param(b"blksize", [], id="C016-dangling-name-without-nul"),
        pytest.param(b"tsize\x000\0blksize\0", [(b"tsize", b"0")], id="C016-dangling-second-name"),
        pytest.param(b"tsize\x000\0\xff\xff\xff", [(b"tsize", b"0")], id="C016-junk-tail"),
        pytest.param(
            b"multicast\0\0blksize\x00600\0", [(b"multicast", b""), (b"blksize", b"600")], id="C018-empty-value"
        ),
        pytest.param(b"blksize\0\0tsize\x000\0", [(b"blksize", b""), (b"tsize", b"0")], id="C018-empty-blksize"),
        pytest.param(b"\0x\0blksize\x00600\0", [(b"blksize", b"600")], id="C019-empty-name"),
        pytest.param(b"\0\0tsize\x000\0", [(b"tsize", b"0")], id="C019-empty-pair"),
        pytest.param(b"blksize\x00600\0blksize\x00700\0", [(b"blksize", b"600")], id="C020-twice"),
        pytest.param(b"blksize\x00600\0BLKSIZE\x00700\0", [(b"blksize", b"600")], id="C020-twice-other-case"),
        pytest.param(
            b"BlkSize\x00600\0tsize\x000\0", [(b"BlkSize", b"600"), (b"tsize", b"0")], id="C003-spelling"
        ),
        pytest.param(b"blksize\0" + b"9" * 400 + b"\0", [(b"blksize", b"9" * 400)], id="C026-400-digits"),
        pytest.param(b"msftwindow\x0031416\0", [(b"msftwindow", b"31416")], id="C038-unknown"),
    ],
)
def test_odd_options_leave_the_rest_of_the_request_intact(tail: bytes, options: list[tuple[bytes, bytes]]) -> None:
    """Options are read as far as they make sense, as they are spelled, once each (C003, C016, C018 to C020)."""
    assert decode(RRQ + tail) == ReadRequest(b"f1024", Mode.OCTET, tuple(options))


@pytest.mark.parametrize(
    "name",
    [b"\xff\xfe", b"caf\xe9", "café".encode(), b"a\r\nb", b"\x1b[2J", b"\x01", b"a" * 480, b"f;mode=netascii"],
)
def test_a_name_is_any_bytes(name: bytes) -> None:
    """A name is bytes without a NUL and is passed on as it came (C027, C028, C029, C035)."""
    assert decode(b"\0\1" + name + b"\0octet\0") == ReadRequest(name, Mode.OCTET)


@given(st.binary(max_size=300), st.integers(3, 200))
def test_a_name_is_shown_as_one_printable_line(name: bytes, limit: int) -> None:
    """What a log shows of a name is printable ASCII, and no more of it than asked for (C028)."""
    shown = escaped(name, limit)
    assert shown.isascii()
    assert shown.isprintable() or not shown
    assert len(shown) <= limit


@pytest.mark.parametrize(
    ("datagram", "packet"),
    [
        (b"\0\3\0\1", Data(1, b"")),
        (b"\0\3\xff\xff\0\0", Data(65535, b"\0\0")),
        (b"\0\4\0\7", Ack(7)),
        (b"\0\4\0\7\x10", Ack(7)),
        (b"\0\4\0\7 and more", Ack(7)),
        (b"\0\5\0\1gone\0", Error(1, b"gone")),
        (b"\0\5\0\1gone", Error(1, b"gone")),
        (b"\0\5\0\1gone\0junk\0", Error(1, b"gone")),
        (b"\0\5\xff\xff", Error(65535, b"")),
        (b"\0\5", Error(0, b"")),
        (b"\0\5\1", Error(0, b"")),
        (b"\0\6", OptionAck(())),
        (b"\0\6blksize\x00600\0", OptionAck(((b"blksize", b"600"),))),
    ],
)
def test_packets_of_a_transfer_are_read_leniently(datagram: bytes, packet: object) -> None:
    """ACKs may be longer (Windows), an ERROR is one however short or unterminated it is (C093)."""
    assert decode(datagram) == packet


WHOLE = [
    encode_request(Opcode.RRQ, b"boot/f", Mode.OCTET, ((b"blksize", b"1428"), (b"tsize", b"0"))),
    encode_request(Opcode.WRQ, b"f", Mode.NETASCII),
    b"\0\3\0\1some payload",
    encode_ack(258),
    encode_error(ErrorCode.DISK_FULL, "no room"),
    encode_oack(((b"blksize", b"1428"), (b"windowsize", b"4"))),
]


@pytest.mark.parametrize(("whole", "length"), [(whole, n) for whole in WHOLE for n in range(len(whole) + 1)])
def test_every_cut_packet_is_read_or_refused(whole: bytes, length: int) -> None:
    """A cut packet decodes to the same kind or is refused, and a request never without its mode (C093)."""
    try:
        packet = decode(whole[:length])
    except IllegalOperation:
        assert length < len(whole)
    else:
        assert type(packet) is type(decode(whole))
        if isinstance(packet, ReadRequest | WriteRequest):
            assert length >= whole.index(b"\0", whole.index(b"\0", 2) + 1) + 1


@given(
    st.binary(max_size=600)
    | st.builds(bytes.__add__, st.sampled_from([b"\0" + bytes([n]) for n in range(8)]), st.binary(max_size=520))
)
def test_decode_raises_nothing_else(datagram: bytes) -> None:
    """Whatever the bytes, decode gives a packet or raises IllegalOperation (C007, C009, C093)."""
    try:
        packet = decode(datagram)
    except IllegalOperation:
        return
    assert isinstance(packet, ReadRequest | WriteRequest | Data | Ack | Error | OptionAck)


FIELD = st.binary(max_size=12).map(lambda data: data.replace(b"\0", b"x"))
DISTINCT = st.lists(st.tuples(FIELD.filter(bool), FIELD), max_size=6, unique_by=lambda pair: pair[0].lower()).map(
    tuple
)


@given(st.sampled_from([Opcode.RRQ, Opcode.WRQ]), FIELD.filter(bool), st.sampled_from(Mode), DISTINCT)
def test_requests_survive_the_wire(
    opcode: Opcode, name: bytes, mode: Mode, options: tuple[tuple[bytes, bytes], ...]
) -> None:
    """What encode_request writes decode reads, with the options' order and spelling (C003, C024)."""
    kind = ReadRequest if opcode is Opcode.RRQ else WriteRequest
    assert decode(encode_request(opcode, name, mode, options)) == kind(name, mode, options)
    assert decode(encode_oack(options)) == OptionAck(options)


@pytest.mark.parametrize(
    ("name", "options"),
    [(b"", ()), (b"a\0b", ()), (b"f", ((b"x\0", b"1"),)), (b"f", ((b"x", b"\0"),)), (b"n" * 504, ())],
)
def test_no_request_is_sent_that_nobody_may_serve(name: bytes, options: tuple[tuple[bytes, bytes], ...]) -> None:
    """encode_request refuses an empty name, a NUL in a field, and more than 512 bytes (C006, C014)."""
    with pytest.raises(ValueError, match="request"):
        encode_request(Opcode.RRQ, name, Mode.OCTET, options)


ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TFTPError)]


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_says_its_code_and_a_fixed_text(kind: type[TFTPError]) -> None:
    """An ERROR is 00 05 00 cc, ASCII, one NUL, up to 128 bytes, and never the operator's words (C031, C150)."""
    packet = encode_failure(kind("/srv/tftp/secret: errno 13"))
    assert packet[:4] == bytes([0, 5, 0, kind.code])
    assert packet[4:-1].isascii()
    assert packet.count(b"\0", 4) == 1
    assert packet.endswith(b"\0")
    assert len(packet) <= 128
    assert b"secret" not in packet


@given(st.text())
def test_any_text_fits_into_an_error(text: str) -> None:
    """Whatever the text, the packet is ASCII with one NUL at the end and at most 128 bytes (C150)."""
    packet = encode_error(ErrorCode.UNDEFINED, text * 9)
    assert len(packet) <= 128
    assert packet[4:].isascii()
    assert packet.index(b"\0", 4) == len(packet) - 1
