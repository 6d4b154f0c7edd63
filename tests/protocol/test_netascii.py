"""netascii, as a codec and through the machines (rules C140 to C146, C136)."""

import pytest
from bench import Bench, server_of_read, server_of_write
from hypothesis import given
from hypothesis import strategies as st

from tftpd_tw.protocol.netascii import Decoder, encode
from tftpd_tw.protocol.packets import Mode

TEXTS = st.binary(max_size=200) | st.lists(st.sampled_from([b"\r", b"\n", b"\0", b"a", b"xyz"]), max_size=60).map(
    b"".join
)


@pytest.mark.parametrize(
    ("local", "wire"),
    [
        (b"a\nb\rc\r\nd", b"a\r\nb\r\0c\r\0\r\nd"),
        (b"", b""),
        (b"\n", b"\r\n"),
        (b"\r", b"\r\0"),
        (b"\0", b"\0"),
        (b"\r\0", b"\r\0\0"),
        (bytes(range(256)), bytes(range(10)) + b"\r\n\x0b\x0c\r\0" + bytes(range(14, 256))),
    ],
)
def test_line_ends_on_the_wire(local: bytes, wire: bytes) -> None:
    r"""\n is CR LF on the wire, \r is CR NUL, and everything else is itself, both ways (C140)."""
    assert encode(local) == wire
    assert Decoder().decode(wire, final=True) == local


@pytest.mark.parametrize(
    ("blocks", "stored"),
    [
        ([b"a\r\nb\r\0c"], b"a\nb\rc"),
        ([b"a\r", b"\nb"], b"a\nb"),
        ([b"a\r", b"\0b"], b"a\rb"),
        ([b"a\r", b"b"], b"a\rb"),
        ([b"a\r", b"\r", b"\n"], b"a\r\n"),
        ([b"a\r", b"", b"\n"], b"a\n"),
        ([b"a\rX"], b"a\rX"),
        ([b"a\r\0\nb"], b"a\r\nb"),
        ([b"a\r"], b"a\r"),
        ([b"a", b"\r", b""], b"a\r"),
    ],
)
def test_decoding_block_by_block(blocks: list[bytes], stored: bytes) -> None:
    """Pairs cut by a block's end are put together, and a lone CR is kept, at the end too (C143, C144)."""
    decoder = Decoder()
    pieces = [decoder.decode(block, final=at == len(blocks)) for at, block in enumerate(blocks, 1)]
    assert b"".join(pieces) == stored


@given(TEXTS, st.integers(1, 600), st.lists(st.integers(0, 50), max_size=20))
def test_decoding_undoes_encoding(text: bytes, blksize: int, cuts: list[int]) -> None:
    """Whatever the bytes, however they are cut before and after, they come back (C146)."""
    wire, at = b"", 0
    for cut in [*cuts, len(text)]:
        wire += encode(text[at : at + cut])
        at += cut
    decoder = Decoder()
    back = b"".join(decoder.decode(wire[i : i + blksize]) for i in range(0, len(wire), blksize))
    assert back + decoder.decode(b"", final=True) == text


@given(st.binary(max_size=200), st.integers(1, 50))
def test_decoding_does_not_depend_on_the_cut(wire: bytes, blksize: int) -> None:
    """Bytes that break the RFC decode the same, however they are cut into blocks (C144)."""
    decoder = Decoder()
    pieces = b"".join(decoder.decode(wire[i : i + blksize]) for i in range(0, len(wire), blksize))
    assert pieces + decoder.decode(b"", final=True) == Decoder().decode(wire, final=True)


def read_in_lockstep(bench: Bench) -> list[bytes]:
    """The payloads that a well-behaved client of a read gets."""
    bench.start()
    for number in range(1, 1000):
        if bench.outcome is not None:
            break
        bench.gets(f"A{number}")
    return [packet[4:] for packet in bench.end.sent]


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize(
    ("local", "payloads"),
    [
        pytest.param(b"x" * 511 + b"\n", [b"x" * 511 + b"\r", b"\n"], id="C141-LF"),
        pytest.param(b"x" * 511 + b"\r", [b"x" * 511 + b"\r", b"\0"], id="C141-NUL"),
        pytest.param(b"\n" * 256, [b"\r\n" * 256, b""], id="C142-one-block"),
        pytest.param(b"x" * 1022 + b"\n", [b"x" * 512, b"x" * 510 + b"\r\n", b""], id="C142-two-blocks"),
        pytest.param(b"", [b""], id="empty"),
    ],
)
def test_blocks_of_a_read(local: bytes, payloads: list[bytes], sized: bool) -> None:
    """A pair may be cut by a block's end; a multiple of blksize has an empty last block (C141, C142)."""
    bench = server_of_read(local, sized=sized, mode=Mode.NETASCII)
    assert read_in_lockstep(bench) == payloads
    assert bench.reason == "completed"


def test_a_repeated_block_is_the_same_bytes() -> None:
    """What goes out again is byte for byte what went out, whatever was read since (C145)."""
    bench = server_of_read(b"a\nb\r" * 2000, mode=Mode.NETASCII, blksize=10, windowsize=7, timeout=1, chunk=13)
    bench.start()
    bench.gets("A0", "A7")
    bench.wait(2)
    bench.gets("A9")
    bench.gets("A9")
    first: dict[bytes, bytes] = {}
    blocks = [packet for packet in bench.end.sent if packet[1] == 3]
    for packet in blocks:
        assert first.setdefault(packet[2:4], packet) == packet
    assert len(blocks) > len(first)
    wire = encode(b"a\nb\r" * 2000)
    assert b"".join(packet[4:] for packet in first.values()) == wire[: 10 * len(first)]


@pytest.mark.parametrize("windowsize", [1, 4])
def test_blocks_of_a_write(windowsize: int) -> None:
    """An upload is stored with local line ends, also where CR and LF are in two blocks (C143, C144, C136)."""
    wire = b"1234567\r\nline\r\0" + b"lone\rX\r"
    bench = server_of_write(wire, mode=Mode.NETASCII, blksize=8, windowsize=windowsize)
    bench.start()
    bench.gets("D1", "D2", "D3")
    assert bench.reason == "completed"
    assert bytes(bench.end.stored) == b"1234567\nline\rlone\rX\r"
