"""Options: what is asked and what is granted."""

from case import ATFTPD, DNSMASQ, HPA, Case, asking, read, upload, write

NONE = "DATA 512"
"""The file, without an OACK."""

REFUSED = "ERROR 8"
NOT_BY_DNSMASQ = {DNSMASQ: NONE}


def blksize(value: object, ours: str, *others: str, why: str = "C025") -> Case:
    """Others: what tftpd-hpa, atftpd and dnsmasq answer, if that is not the same."""
    named = dict(zip((HPA, ATFTPD, DNSMASQ), others, strict=True)) if others else {}
    different = {server: answer for server, answer in named.items() if answer != ours}
    text = "without a value" if value == "" else f"`{value}`"
    return Case(f"blksize {text}", asking("blksize", value), ours, different, why if different else "")


BLKSIZE = (
    *(blksize(size, f"OACK blksize={size}") for size in (8, 100, 512, 1428, 65464)),
    Case(
        "blksize `7`",
        asking("blksize", 7),
        NONE,
        {HPA: REFUSED, ATFTPD: REFUSED, DNSMASQ: "OACK blksize=7"},
        "C051",
        "What cannot be granted is left out, and the file comes as without it; nothing is refused for an option.",
    ),
    blksize(0, NONE, REFUSED, REFUSED, "OACK blksize=1", why="C051"),
    blksize(65465, "OACK blksize=65464", "OACK blksize=65464", REFUSED, "OACK blksize=65465", why="C052"),
    blksize(-5, NONE, "OACK blksize=65464", "OACK blksize=-5", "OACK blksize=66566"),
    blksize("", NONE, NONE, REFUSED, NONE, why="C018"),
    blksize("abc", NONE, NONE, REFUSED, "OACK blksize=1"),
    blksize("0600", "OACK blksize=600"),
    blksize("+600", NONE, *["OACK blksize=600"] * 3),
    blksize(" 600", NONE, *["OACK blksize=600"] * 3),
    blksize("600 ", NONE, NONE, "OACK blksize=600", "OACK blksize=600"),
    blksize("0x258", NONE, NONE, REFUSED, "OACK blksize=1"),
    blksize("6e2", NONE, NONE, REFUSED, "OACK blksize=6"),
    blksize("9" * 20, "OACK blksize=65464", NONE, f"OACK blksize={'9' * 20}", "OACK blksize=66566", why="C026"),
    blksize("9" * 40, NONE, NONE, f"OACK blksize={'9' * 40}", "OACK blksize=66566", why="C026"),
    Case(
        "BLKSIZE `600`",
        asking("BLKSIZE", 600),
        "OACK BLKSIZE=600",
        {ATFTPD: "OACK blksize=600", DNSMASQ: "OACK blksize=600"},
        "C003",
    ),
    Case(
        "blksize `600`, blksize `700`",
        asking("blksize", 600, b"blksize", b"700"),
        "OACK blksize=600",
        {HPA: "OACK blksize=600 blksize=700", ATFTPD: "OACK blksize=700", DNSMASQ: "OACK blksize=700"},
        "C020",
    ),
    Case(
        "blksize `600`, BLKSIZE `700`",
        asking("blksize", 600, b"BLKSIZE", b"700"),
        "OACK blksize=600",
        {HPA: "OACK BLKSIZE=700 blksize=600", ATFTPD: "OACK blksize=700", DNSMASQ: "OACK blksize=700"},
        "C020",
    ),
    Case(
        "blksize2 `1500`",
        asking("blksize2", 1500),
        "OACK blksize2=1024",
        {ATFTPD: NONE, DNSMASQ: NONE},
        "C056",
        "tftpd-hpa's options `blksize2`, `utimeout` and `rollover` are here as well.",
    ),
    Case(
        "blksize2 `1500`, blksize `1400`",
        asking("blksize2", 1500, b"blksize", b"1400"),
        "OACK blksize2=1024",
        {HPA: "OACK blksize2=1024 blksize=1400", ATFTPD: "OACK blksize=1400", DNSMASQ: "OACK blksize=1400"},
        "C056",
    ),
)

WINDOWSIZE = (
    Case(
        "windowsize `4`",
        asking("windowsize", 4),
        "OACK windowsize=4",
        {HPA: NONE, DNSMASQ: NONE},
        "C120",
        "UEFI and others ask for windows, which spare most of the round trips.",
    ),
    Case("windowsize `1`", asking("windowsize", 1), "OACK windowsize=1", {HPA: NONE, DNSMASQ: NONE}, "C122"),
    Case(
        "windowsize `65535`",
        asking("windowsize", 65535),
        "OACK windowsize=64",
        {HPA: NONE, ATFTPD: "OACK windowsize=65535", DNSMASQ: NONE},
        "C120",
        "Up to `performance.window_size` blocks are granted.",
    ),
    *(
        Case(f"windowsize `{value}`", asking("windowsize", value), NONE, {ATFTPD: REFUSED}, "C121")
        for value in ("0", "65536", "abc")
    ),
)

TIMEOUT = (
    Case(
        "timeout `1`",
        asking("timeout", 1),
        "OACK timeout=1",
        NOT_BY_DNSMASQ,
        "C060",
        "A client that asks for an interval gets it, also instead of a quicker one.",
    ),
    Case("timeout `255`", asking("timeout", 255), "OACK timeout=255", NOT_BY_DNSMASQ, "C060"),
    Case("timeout `0`", asking("timeout", 0), NONE, {HPA: REFUSED, ATFTPD: REFUSED}, "C061"),
    Case("timeout `256`", asking("timeout", 256), NONE, {HPA: REFUSED, ATFTPD: REFUSED}, "C061"),
    Case("timeout `abc`", asking("timeout", "abc"), NONE, {ATFTPD: REFUSED}, "C061"),
    Case("utimeout `1000`", asking("utimeout", 1000), NONE, {HPA: REFUSED}, "C064"),
    Case(
        "utimeout `1000000`",
        asking("utimeout", 1000000),
        "OACK utimeout=1000000",
        {ATFTPD: NONE, DNSMASQ: NONE},
        "C064",
    ),
    Case(
        "timeout `2`, utimeout `1000000`",
        asking("timeout", 2, b"utimeout", b"1000000"),
        "OACK timeout=2",
        {HPA: "OACK timeout=2 utimeout=1000000", DNSMASQ: NONE},
        "C064",
    ),
)

TSIZE = (
    Case("tsize `0`", asking("tsize", 0), "OACK tsize=1300"),
    Case("tsize `0` of an empty file", read(b"empty", b"tsize", b"0"), "OACK tsize=0"),
    Case("tsize `0` of a file that is not there", read(b"missing", b"tsize", b"0"), "ERROR 1"),
    Case("tsize `12345`", asking("tsize", 12345), "OACK tsize=1300", {HPA: "OACK tsize=12345"}, "C067"),
    Case(
        "tsize `-1`",
        asking("tsize", -1),
        NONE,
        {HPA: f"OACK tsize={2**64 - 1}", ATFTPD: "OACK tsize=-1", DNSMASQ: "OACK tsize=1300"},
        "C072",
    ),
    Case(
        "tsize `abc`",
        asking("tsize", "abc"),
        NONE,
        {ATFTPD: "OACK tsize=1300", DNSMASQ: "OACK tsize=1300"},
        "C072",
    ),
    Case("tsize without a value", asking("tsize", ""), NONE, {ATFTPD: "OACK tsize=1300"}, "C018"),
    Case(
        "tsize `0`, mode `netascii`",
        read(b"text", b"tsize", b"0", mode=b"netascii"),
        "DATA 9",
        {HPA: REFUSED, ATFTPD: "OACK tsize=0"},
        "C068",
        "The size in netascii is not known before the end, so none is promised.",
    ),
    upload(
        "an upload, tsize `100`",
        write(b"put-9", b"tsize", b"100"),
        "OACK tsize=100",
    ),
    upload(
        "an upload, tsize 2^62",
        write(b"put-10", b"tsize", b"%d" % 2**62),
        "ERROR 3",
        {HPA: f"OACK tsize={2**62}", ATFTPD: "OACK tsize=0"},
        "C070",
        "An upload that the disk has no room for is refused before it begins.",
    ),
    upload(
        "an upload, tsize 2^63",
        write(b"put-11", b"tsize", b"%d" % 2**63),
        "ACK 0",
        {HPA: f"OACK tsize={2**63}", ATFTPD: f"OACK tsize={2**63}"},
        "C072",
    ),
    upload(
        "an upload, tsize `-1`",
        write(b"put-12", b"tsize", b"-1"),
        "ACK 0",
        {HPA: f"OACK tsize={2**64 - 1}", ATFTPD: "OACK tsize=-1"},
        "C072",
    ),
)

OTHER_OPTIONS = (
    Case("rollover `0`", asking("rollover", 0), "OACK rollover=0", {ATFTPD: NONE, DNSMASQ: NONE}, "C083"),
    Case("rollover `2`", asking("rollover", 2), NONE, {HPA: "OACK rollover=2"}, "C083"),
    Case("an option that nobody knows", asking("colour", "blue"), NONE),
    Case(
        "an option that nobody knows, blksize `600`",
        asking("colour", "blue", b"blksize", b"600"),
        "OACK blksize=600",
    ),
    Case(
        "multicast without a value",
        asking("multicast", ""),
        NONE,
        {ATFTPD: "OACK multicast=239.255.0.0,1758,1"},
        "C036",
        "RFC 2090 is not served. Its clients get the file as others do.",
    ),
    Case(
        "foo without a value, blksize `600`",
        asking("foo", "", b"blksize", b"600"),
        "OACK blksize=600",
        {HPA: NONE, DNSMASQ: NONE},
        "C018",
        "atftp's client sends such an option; the next ones count all the same.",
    ),
    Case(
        "an option without a name, blksize `600`",
        asking("", 5, b"blksize", b"600"),
        "OACK blksize=600",
        {HPA: NONE, DNSMASQ: NONE},
        "C019",
    ),
    Case("msftwindow `31416`", asking("msftwindow", 31416), NONE),
    Case(
        "as UEFI asks: tsize, blksize, windowsize",
        asking("tsize", 0, b"blksize", b"1468", b"windowsize", b"4"),
        "OACK blksize=1468 tsize=1300 windowsize=4",
        {HPA: "OACK blksize=1468 tsize=1300", DNSMASQ: "OACK blksize=1468 tsize=1300"},
        "C120",
    ),
    Case(
        "as U-Boot asks: timeout, tsize, blksize",
        asking("timeout", 5, b"tsize", b"0", b"blksize", b"1468"),
        "OACK blksize=1468 timeout=5 tsize=1300",
        {DNSMASQ: "OACK blksize=1468 tsize=1300"},
        "C060",
    ),
    Case(
        "mode `netascii`, blksize `1024`",
        read(b"text", b"blksize", b"1024", mode=b"netascii"),
        "OACK blksize=1024",
    ),
    upload(
        "an upload, windowsize `4`",
        write(b"put-13", b"windowsize", b"4"),
        "OACK windowsize=4",
        {HPA: "ACK 0"},
        "C128",
    ),
    upload("an upload, an option that nobody knows", write(b"put-14", b"colour", b"blue"), "ACK 0"),
)
