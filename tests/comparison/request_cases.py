"""Requests as such: modes, those that are cut short or too long, other opcodes."""

from case import ATFTPD, DNSMASQ, HPA, NOTHING, Case, everywhere, read, upload, write


def padded(size: int) -> bytes:
    """A read request of so many bytes, for the sake of an option that nobody knows."""
    return read(b"file", b"pad", b"x" * (size - len(read(b"file", b"pad", b""))))


MODES = (
    Case("a file", read(), "DATA 512"),
    Case("an empty file", read(b"empty"), "DATA 0"),
    Case("a file that is not there", read(b"missing"), "ERROR 1"),
    upload("an upload", write(b"put-1"), "ACK 0", note="dnsmasq takes none."),
    upload("an upload, the file is there", write(b"old"), "ACK 0"),
    Case("mode `OcTeT`", read(mode=b"OcTeT"), "DATA 512"),
    Case("mode `netascii`, 3 lines of 2 bytes", read(b"text", mode=b"netascii"), "DATA 9"),
    upload("mode `netascii`, an upload", write(b"put-2", mode=b"netascii"), "ACK 0"),
    Case(
        "mode `mail`",
        read(mode=b"mail"),
        "ERROR 4",
        {ATFTPD: "DATA 512"},
        "C012",
        "atftpd takes any word for octet.",
    ),
    Case("mode `mail`, an upload", write(b"put-3", mode=b"mail"), "ERROR 4", {ATFTPD: "ACK 0"}, "C012"),
    Case("mode `binary`", read(mode=b"binary"), "ERROR 4", {ATFTPD: "DATA 512"}, "C013"),
    Case("an empty mode", read(mode=b""), "ERROR 4", {ATFTPD: "DATA 512"}, "C013"),
    Case("a mode of 400 letters", read(mode=b"a" * 400), "ERROR 4", {ATFTPD: "DATA 512"}, "C013"),
    Case("mode `octet` and a space", read(mode=b"octet "), "ERROR 4", {ATFTPD: "DATA 512"}, "C013"),
)

CUT = (
    Case("no bytes", b"", NOTHING, {HPA: "ERROR 4"}, "C007"),
    Case("1 byte", b"\0", NOTHING, {HPA: "ERROR 4", ATFTPD: "ERROR 4"}, "C007"),
    Case("the opcode of a read alone", b"\0\1", "ERROR 4", {ATFTPD: "DATA 0"}, "C008"),
    Case("the opcode of a write alone", b"\0\2", "ERROR 4", {ATFTPD: "ACK 0"}, "C008"),
    Case("a name without its NUL", b"\0\1file", "ERROR 4", {ATFTPD: "DATA 0"}, "C005"),
    Case("a name and no mode", b"\0\1file\0", "ERROR 4", {ATFTPD: "DATA 512"}, "C005"),
    Case("an upload: a name and no mode", b"\0\2put-4\0", "ERROR 4", {ATFTPD: "ACK 0"}, "C005"),
    Case("a mode without its NUL", b"\0\1file\0octet", "ERROR 4", {ATFTPD: "DATA 0"}, "C004"),
    Case(
        "an upload: a mode without its NUL",
        b"\0\2put-5\0octet",
        "ERROR 4",
        {HPA: "ACK 0", ATFTPD: "ACK 0"},
        "C004",
    ),
    Case("an option without a value", read(b"file", b"blksize"), "DATA 512"),
    Case(
        "an option without its NUL",
        read() + b"blksize",
        "DATA 512",
        {ATFTPD: "DATA 0", DNSMASQ: "ERROR 4"},
        "C016",
    ),
    Case("a value without its NUL", read(b"file", b"blksize", b"600")[:-1], "ERROR 4", {ATFTPD: "DATA 0"}, "C017"),
    Case("three NULs more", read() + b"\0\0\0", "DATA 512"),
    Case(
        "four bytes 0xFF at the end",
        read() + b"\xff\xff\xff\xff",
        "DATA 512",
        {HPA: "ERROR 4", ATFTPD: "DATA 0", DNSMASQ: "ERROR 4"},
        "C016",
        "Some PXE ROMs append them. They are passed over.",
    ),
    Case("a request of 512 bytes", padded(512), "DATA 512"),
    Case(
        "a request of 513 bytes",
        padded(513),
        "ERROR 4",
        everywhere("DATA 512"),
        "C014",
        "RFC 2347 allows no more than 512 bytes.",
    ),
    Case(
        "a request of 900 bytes",
        padded(900),
        "ERROR 4",
        {HPA: "DATA 512", ATFTPD: "DATA 0", DNSMASQ: "DATA 512"},
        "C014",
    ),
    Case(
        "a request of 65507 bytes",
        padded(65507),
        "ERROR 4",
        {HPA: "DATA 512", ATFTPD: "DATA 0", DNSMASQ: "DATA 512"},
        "C014",
    ),
)

OPCODES = (
    *(
        Case(f"opcode 0x{opcode.hex()}", opcode + read()[2:], "ERROR 4", {HPA: NOTHING}, "C009")
        for opcode in (b"\0\0", b"\0\7", b"\1\0", b"\1\1", b"\xff\xff")
    ),
    *(
        Case(f"{what}, to the request port", packet, NOTHING, {ATFTPD: "ERROR 4", DNSMASQ: "ERROR 4"}, why, note)
        for what, packet, why, note in (
            ("DATA", b"\0\3\0\1some", "C010", ""),
            ("ACK", b"\0\4\0\0", "C010", ""),
            ("OACK", b"\0\6blksize\x00512\0", "C010", ""),
            (
                "ERROR",
                b"\0\5\0\1text\0",
                "C011",
                "Two servers that do so can be set to answer each other for ever.",
            ),
            ("ERROR of 3 bytes", b"\0\5\0", "C011", ""),
        )
    ),
)
