"""Names of files, for reading and for writing."""

from case import ATFTPD, DNSMASQ, HPA, NOTHING, OUTSIDE, ROOT, Case, everywhere, read, upload, write

A_FOLDER = {HPA: "ERROR 0", ATFTPD: "DATA 0", DNSMASQ: "ERROR 0"}
LIKE_A_FOLDER = {HPA: "ERROR 1", ATFTPD: "ERROR 1", DNSMASQ: "ERROR 0"}
UNKNOWN = "ERROR 1"

NAMES = (
    *(Case(f"`{name}`", read(name.encode()), "DATA 512") for name in ("/file", "//file", "./file")),
    Case(
        "`folder/../file`",
        read(b"folder/../file"),
        "ERROR 2",
        {HPA: "DATA 512"},
        "S020",
        "Menus that name files from their own folder on can lead to such names. `..` is refused even where it"
        " would stay inside; the first rule below takes it out.",
    ),
    Case("`../outside`", read(b"../outside"), "ERROR 2", {HPA: "ERROR 1"}, "S020"),
    Case("`/../outside`", read(b"/../outside"), "ERROR 2", {HPA: "ERROR 1"}, "S020"),
    Case("`..\\outside`", read(b"..\\outside"), "ERROR 2", {HPA: "ERROR 1", ATFTPD: "ERROR 1"}, "S020"),
    Case("`....//outside`", read(b"....//outside"), UNKNOWN),
    Case("`%2e%2e/outside`", read(b"%2e%2e/outside"), UNKNOWN),
    Case(
        "the path of the served folder, and `/file`",
        read(ROOT + b"/file"),
        UNKNOWN,
        {ATFTPD: "DATA 512", DNSMASQ: "DATA 512"},
        "C033",
        "Names begin at the served folder, as with tftpd-hpa's `--secure`. The second rule below is for clients"
        " that were told whole paths.",
    ),
    Case("the path of a file outside", read(OUTSIDE), UNKNOWN),
    Case("`~root/.profile`", read(b"~root/.profile"), UNKNOWN),
    Case(
        "`folder\\inner`",
        read(b"folder\\inner"),
        "DATA 5",
        {HPA: UNKNOWN, ATFTPD: UNKNOWN},
        "C034",
        "Windows boot managers ask like this. No mapping of names is needed.",
    ),
    Case("`C:\\folder\\inner`", read(b"C:\\folder\\inner"), "DATA 5", everywhere(UNKNOWN), "C034"),
    Case("`FILE`", read(b"FILE"), UNKNOWN),
    Case("a name with a space", read(b"with space"), "DATA 5"),
    Case("a name that begins with a dash", read(b"-rf"), "DATA 4"),
    Case("a name in Latin-1", read(b"caf\xe9"), "DATA 5"),
    Case("a name in UTF-8", read("café".encode()), "DATA 4"),
    Case("bytes 0xFF 0xFE", read(b"\xff\xfe"), UNKNOWN),
    Case("a line feed in a name", read(b"a\nb"), UNKNOWN),
    Case("an escape character in a name", read(b"\x1b[2J"), UNKNOWN),
    Case("`%s%n`", read(b"%s%n%s%n"), UNKNOWN),
    Case("`file;mode=netascii`", read(b"file;mode=netascii"), UNKNOWN),
    Case("a NUL in a name: `file`, NUL, `.txt`", read(b"file\0.txt"), "ERROR 4", {ATFTPD: "DATA 512"}, "C013"),
    Case("a name of 255 bytes", read(b"n" * 255), UNKNOWN),
    Case(
        "a name of 256 bytes",
        read(b"n" * 256),
        UNKNOWN,
        {HPA: "ERROR 0", DNSMASQ: "ERROR 0"},
        "C029",
        "Boot loaders go on to the next name after ERROR 1 and 2; U-Boot asks again and again after others.",
    ),
    Case("a name of 480 bytes", read(b"n" * 480), UNKNOWN, {HPA: "ERROR 0", DNSMASQ: "ERROR 0"}, "C029"),
    Case("an empty name", read(b""), "ERROR 4", {ATFTPD: "DATA 0"}, "C006"),
    Case(
        "`folder`",
        read(b"folder"),
        "ERROR 2",
        A_FOLDER,
        "C030",
        "A folder is never an empty file, and the code is one that boot loaders understand.",
    ),
    *(Case(f"`{name}`", read(name.encode()), "ERROR 2", A_FOLDER, "C030") for name in ("folder/", ".", "..", "/")),
    *(Case(f"`{name}`", read(name.encode()), "ERROR 2", LIKE_A_FOLDER, "C030") for name in ("file/", "file/.")),
    Case("a symlink inside the folder", read(b"link"), "DATA 512"),
    Case(
        "a symlink to a file outside",
        read(b"way-out"),
        "ERROR 2",
        {HPA: "ERROR 1", ATFTPD: "DATA 3", DNSMASQ: "DATA 3"},
        "S021",
        "Nothing outside is served. Name the other folder in `filesystem.fallback_roots`, or mount it into the"
        " served one.",
    ),
    Case(
        "a file with mode 0600; the servers are root",
        read(b"private"),
        "DATA 7",
        {DNSMASQ: "ERROR 2"},
        "C032",
        "What the daemon's user may read is served; `filesystem.world_readable_only` does as dnsmasq does.",
    ),
)

WRITES = (
    upload(
        "an upload into a folder that is not there",
        write(b"no/put-6"),
        "ERROR 1",
        {ATFTPD: "ACK 0"},
        "C116",
    ),
    upload("an upload into a folder", write(b"folder/put-7"), "ACK 0"),
    upload(
        "an upload to a folder",
        write(b"folder"),
        "ERROR 2",
        {HPA: "ERROR 0", ATFTPD: "ACK 0"},
        "C116",
    ),
    upload(
        "an upload to `../put-8`",
        write(b"../put-8"),
        "ERROR 2",
        {HPA: "ACK 0"},
        "S020",
    ),
    upload(
        "an upload to a symlink",
        write(b"old-link"),
        "ERROR 2",
        {HPA: "ACK 0", ATFTPD: "ACK 0"},
        "C116",
        "Uploads take the place of files, and write through no link.",
    ),
    upload(
        "an upload to a symlink to a file outside",
        write(b"way-out"),
        "ERROR 2",
        {HPA: "ACK 0", ATFTPD: "ACK 0"},
        "C116",
    ),
    Case("an upload to an empty name", write(b""), "ERROR 4", {ATFTPD: "ACK 0"}, "C006"),
)

LAST = (
    Case(
        "a FIFO",
        read(b"fifo"),
        "ERROR 2",
        everywhere(NOTHING),
        "C030",
        "The others wait for its other end, and dnsmasq serves nobody meanwhile.",
    ),
)
"""After these some servers say no more."""
