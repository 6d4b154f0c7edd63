"""Datagrams for fuzzing: what real clients send, and what becomes of it on a bad day. From fixed seeds."""

import random
from collections.abc import Iterator
from itertools import islice

from hypothesis import strategies as st
from net_kit import content, packet, rrq, wrq

REQUESTS = [
    rrq("ldlinux.c32", tsize=0, blksize=1408),
    rrq("pxelinux.cfg/01-52-54-00-12-34-56", tsize=0, blksize=1408),
    rrq("blob8m.bin", blksize=1432, tsize=0),
    rrq("/boot/grub/grub.cfg-01-52-54-00-12-34-56", blksize=1024, tsize=0),
    rrq("snponly.efi", tsize=0, blksize=1468, windowsize=4),
    rrq("snponly.efi", blksize=1468, windowsize=4),
    rrq("f", timeout=5, blksize=1468),
    rrq("f", timeout=5, blksize=512, windowsize=12),
    rrq("f", blksize=1428),
    rrq("f"),
    rrq("f", "netascii"),
    rrq("f", tsize=0, blksize=512, timeout=6),
    rrq("\\Boot\\BCD", tsize=0, blksize=1456, windowsize=64, msftwindow=31416),
    rrq("f", multicast="", tsize=0),
    rrq("f", blksize2=1500, utimeout=200000, rollover=1),
    rrq("f", blksize=65464, windowsize=65535),
    rrq("network-confg"),
    rrq("f") + b"\xff" * 40,
    wrq("new"),
    wrq("new", tsize=5000, blksize=1428, windowsize=8),
    wrq("new", "netascii", tsize=5000),
    wrq("router-confg", "OCTET"),
]
"""What clients ask; ``f`` and ``snponly.efi`` exist."""

OTHERS = [
    packet("A0"),
    packet("A1"),
    packet("A2"),
    packet("A65535"),
    packet("A1") + b"\x40",
    packet("D1/512"),
    packet("D1/0"),
    packet("D2/100"),
    b"\0\3\0\2" + content(1428),
    b"\0\5\0\0closed\0",
    b"\0\5\0\x08User aborted the transfer\0",
    b"\0\5\0\0TFTP Aborted\0",
    b"\0\6tsize\x001300\x00blksize\x001408\0",
    b"\0\6windowsize\x004\0",
]
"""What comes later in a transfer."""

CORPUS = REQUESTS + OTHERS

_BYTES = [0, 1, 2, 3, 4, 5, 6, 7, 0x20, 0x2E, 0x2F, 0x30, 0x39, 0x7F, 0x80, 0xFE, 0xFF]


def mutated(chance: random.Random, datagram: bytes) -> bytes:
    """The same, with up to five things wrong."""
    data = bytearray(datagram)
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(8):
            case 0:
                del data[at:]
            case 1:
                data[at : at + 1] = bytes([chance.choice(_BYTES)])
            case 2 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 3:
                data[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 4:
                del data[at : at + chance.randrange(1, 8)]
            case 5:
                data[at:at] = data[at : at + chance.randrange(1, 64)] * chance.randrange(1, 4)
            case 6:
                other = chance.choice(CORPUS)
                data[at:] = other[chance.randrange(len(other)) :]
            case 7:
                data[at:at] = b"%d\0" % (chance.getrandbits(chance.randrange(1, 80)))
    return bytes(data[:65507])


def datagrams(seed: int, count: int, corpus: list[bytes] = CORPUS) -> Iterator[bytes]:
    """So many datagrams: most of them real ones with mistakes, some right, some plain noise."""
    chance = random.Random(seed)

    def endless() -> Iterator[bytes]:
        while True:
            if chance.random() < 0.02:
                yield chance.randbytes(chance.choice((1, 2, 3, 4, 17, 512, 513, 2000)))
            else:
                yield mutated(chance, chance.choice(corpus))

    return islice(endless(), count)


_word = st.binary(max_size=40).map(lambda word: word.replace(b"\0", b""))
_number = st.integers(-1, 1 << 70).map(lambda number: b"%d" % number)
_mode = st.sampled_from([b"octet", b"netascii", b"OCTET", b"mail", b"", b"octet "])
_name = st.sampled_from([b"f", b"/f", b"none", b"../f", b""]) | _word
_option = st.sampled_from(
    [b"blksize", b"tsize", b"timeout", b"windowsize", b"rollover", b"utimeout", b"multicast"]
)
_options = st.lists(st.tuples(_option | _word, _number | _word), max_size=6)


def _request(opcode: int, name: bytes, mode: bytes, options: list[tuple[bytes, bytes]], tail: bytes) -> bytes:
    fields = [name, mode, *(field for pair in options for field in pair)]
    return bytes([0, opcode]) + b"".join(field + b"\0" for field in fields) + tail


any_datagram = st.one_of(
    st.binary(max_size=600),
    st.builds(_request, st.sampled_from([1, 2]), _name, _mode, _options, st.binary(max_size=3)),
    st.builds(
        lambda opcode, number, tail: bytes([0, opcode]) + number.to_bytes(2, "big") + tail,
        st.integers(3, 7),
        st.integers(0, 65535),
        st.binary(max_size=520),
    ),
    st.sampled_from(CORPUS),
)
"""Datagrams that hypothesis makes up, from whole requests to noise."""
