"""Rules, limits, rates, names and profiles, from the file to what a client gets."""

import errno
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from twisted.internet.defer import maybeDeferred

from tftpd_tw.backends import versions
from tftpd_tw.interfaces import Address, Outcome
from tftpd_tw.net.listener import Listener
from tftpd_tw.policy.limits import Limits
from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.folders import Folders, bases
from tftpd_tw.service.opening import OpenError
from tftpd_tw.service.sharing import share_of_worker
from tftpd_tw.service.treatment import make_bounds, make_server
from tftpd_tw.testing import CLIENT, SERVER, MemoryNetwork

OTHER = "198.51.100.7"

Settings = dict[str, dict[str, Any]]


class Served:
    """A server in memory, of real folders beneath ``top``; the settings take the way through a file.

    In their texts ``TOP`` stands for that folder.
    """

    def __init__(self, top: Path, settings: Settings) -> None:
        self.top = top
        (top / "root").mkdir(exist_ok=True)
        self.configuration = configured(top, settings)
        self.network = MemoryNetwork()
        self.network.clock.advance(1000.0)
        self.folders = Folders(self.configuration, maybeDeferred, self.network.clock, {})
        limits = Limits(make_bounds(self.configuration))
        engine, backend = self.network.host(SERVER), self.folders.backend
        observers = [self.network.records]
        self.listener = Listener(make_server(engine, backend, self.configuration, observers, limits))
        self.listener.listen(SERVER, 69)

    def file(self, name: str, text: str) -> Path:
        """One beneath the top folder."""
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def peer(self, host: str = CLIENT) -> Any:
        """A client of literal packets."""
        return self.network.host(host).raw()

    def read(self, name: str, host: str = CLIENT) -> str:
        """What a client gets for ``name``: the text, ``ERROR`` with its code, or nothing."""
        return said(self.peer(host).ask(request(1, name)))

    def write(self, name: str, content: bytes = b"new", host: str = CLIENT, **options: int) -> str:
        """The same of an upload of one block."""
        peer = self.peer(host)
        answer = said(peer.ask(request(2, name, **options)))
        return said(peer.ask(b"\0\3\0\1" + content, peer.received[-1][1])) if answer == "go on" else answer

    @property
    def reasons(self) -> list[str]:
        """Of the requests that were refused."""
        return [record.reason for record in self.network.records.refused]


def configured(top: Path, settings: Settings) -> Configuration:
    """What a file with these settings comes to."""
    settings = {**settings, "filesystem": {"root": f"{top}/root", **settings.get("filesystem", {})}}
    file = top / "tftpd.yaml"
    file.write_text(yaml.safe_dump(settings).replace("TOP", str(top)))
    sources = Sources()
    sources.add_file(str(file))
    configuration: Configuration = sources.configuration()
    return configuration


def request(opcode: int, name: str, **options: int) -> bytes:
    """RRQ or WRQ."""
    pairs = b"".join(b"%s\0%d\0" % (key.encode(), value) for key, value in options.items())
    return bytes([0, opcode]) + os.fsencode(name) + b"\0octet\0" + pairs


def said(answers: list[bytes]) -> str:
    """The first answer, in short."""
    if not answers:
        return ""
    match answers[0][1]:
        case 3:
            return answers[0][4:].decode()
        case 4:
            return "stored" if answers[0][3] else "go on"
        case 5:
            return f"ERROR {answers[0][3]}"
    return answers[0][2:-1].replace(b"\0", b" ").decode()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Makes :class:`Served` of sections given by name."""
    made: list[Served] = []

    def make(**settings: Any) -> Served:
        made.append(Served(tmp_path, settings))
        return made[-1]

    yield make
    for one in made:
        one.folders.close()


Serve = Callable[..., Served]

# Who may do what


def rule(action: str, **conditions: Any) -> dict[str, Any]:
    """One access rule."""
    return {"name": "a", "action": action, **conditions}


@pytest.mark.parametrize(
    ("security", "name", "host", "expected"),
    [
        ({"read_enabled": False}, "f", CLIENT, "ERROR 2"),
        ({"allowed_clients": ["198.51.100.0/24"]}, "f", CLIENT, ""),
        ({"allowed_clients": ["192.0.2.0/24"]}, "f", CLIENT, "f"),
        ({"denied_clients": ["192.0.2.0/24"]}, "f", CLIENT, ""),
        ({"denied_clients": ["::ffff:192.0.2.0/120"]}, "f", CLIENT, ""),
        ({"denied_clients": ["192.0.2.0/24"]}, "f", OTHER, "f"),
        ({"allowed_extensions": ["bin", ".img"]}, "f", CLIENT, "ERROR 2"),
        ({"allowed_extensions": ["bin", ".img"]}, "f.IMG", CLIENT, "image"),
        ({"allowed_extensions": [""]}, "f", CLIENT, "f"),
        ({"denied_patterns": ["*.img"]}, "f.IMG", CLIENT, "ERROR 2"),
        ({"denied_patterns": ["*.img"]}, "f", CLIENT, "f"),
        ({"rules": [rule("deny", paths=["f"])]}, "f", CLIENT, "ERROR 2"),
        ({"rules": [rule("silent", paths=["f"])]}, "f", CLIENT, ""),
        ({"rules": [rule("allow", paths=["f"]), rule("deny", name="b")]}, "f", CLIENT, "f"),
        ({"rules": [rule("allow", paths=["f"]), rule("deny", name="b")]}, "f.IMG", CLIENT, "ERROR 2"),
        ({"rules": [rule("deny", other_paths_than=["f"])]}, "f.IMG", CLIENT, "ERROR 2"),
        ({"rules": [rule("deny", clients=[OTHER])]}, "f", OTHER, "ERROR 2"),
        ({"rules": [rule("deny", clients=[OTHER])]}, "f", CLIENT, "f"),
        ({"rules": [rule("deny", other_clients_than=[OTHER])]}, "f", CLIENT, "ERROR 2"),
        ({"rules": [rule("deny", only="write")]}, "f", CLIENT, "f"),
        ({"rules": [rule("deny", only="read")]}, "f", CLIENT, "ERROR 2"),
    ],
)
def test_who_may_read(serve: Serve, security: dict[str, Any], name: str, host: str, expected: str) -> None:
    """Each key of ``security`` that decides on requests (S03a)."""
    one = serve(security=security)
    one.file("root/f", "f")
    one.file("root/f.IMG", "image")
    assert one.read(name, host) == expected


@pytest.mark.parametrize("security", [{"write_enabled": False}, {"rules": [rule("deny", only="write")]}])
def test_who_may_write(serve: Serve, security: dict[str, Any]) -> None:
    """Reads go on."""
    one = serve(security=security, filesystem={"uploads": "create"})
    one.file("root/f", "f")
    assert one.write("new") == "ERROR 2"
    assert one.read("f") == "f"


def test_the_log_names_the_rule(serve: Serve) -> None:
    """``denied-by-rule:<name>``, for the simple settings as well."""
    one = serve(security={"denied_patterns": ["*.key"], "rules": [rule("deny", paths=["g"])]})
    one.read("a.key")
    one.read("g")
    assert one.reasons == ["denied-by-rule:denied_patterns", "denied-by-rule:a"]


def test_rules_ignore_case_where_names_do(serve: Serve) -> None:
    """No spelling gets past them."""
    one = serve(security={"rules": [rule("deny", paths=["secret/"])]}, filesystem={"ignore_case": True})
    one.file("root/secret/k", "k")
    assert one.read("SECRET/k") == "ERROR 2"


# Limits


def test_max_connections(serve: Serve) -> None:
    """What is more gets no answer (S032)."""
    one = serve(performance={"max_connections": 2}, security={"unverified_share": 1})
    one.file("root/f", "f")
    assert [one.read("f", f"192.0.2.{last}") for last in (10, 11, 12)] == ["f", "f", ""]
    assert [why for _, why in one.network.records.ignored] == ["max-connections"]


def test_connections_per_client(serve: Serve) -> None:
    """Another client is not concerned."""
    one = serve(security={"connections_per_client": 1})
    one.file("root/f", "f")
    assert [one.read("f"), one.read("f"), one.read("f", OTHER)] == ["f", "", "f"]


def test_unverified_share(serve: Serve) -> None:
    """Of four places clients that have not answered may have two; then the oldest gives way."""
    one = serve(performance={"max_connections": 4}, security={"unverified_share": 0.5})
    one.file("root/f", "f")
    for last in (10, 11):
        one.read("f", f"192.0.2.{last}")
    one.network.clock.advance(0.2)
    assert one.read("f", "192.0.2.12") == "f"
    assert [record.reason for record in one.network.records.ended] == ["gave-way"]


def test_answers(serve: Serve) -> None:
    """An address that never answers gets so many packets, and then so many a second (S031)."""
    one = serve(security={"answers": 3, "answers_per_second": 0.1})
    assert [one.read("missing") for _ in range(4)] == ["ERROR 1", "", "", ""]
    one.network.clock.advance(10)
    assert one.read("missing") == "ERROR 1"


def test_answers_ipv6_prefix(serve: Serve) -> None:
    """Neighbours share what answers there are, or not."""
    for prefix, expected in ((64, ""), (128, "ERROR 1")):
        one = serve(security={"answers": 3, "answers_per_second": 0.1, "answers_ipv6_prefix": prefix})
        assert one.read("missing", "2001:db8::1") == "ERROR 1"
        assert one.read("missing", "2001:db8::2") == expected


def acknowledged(one: Served, seconds: float) -> int:
    """How many blocks a client in lockstep has after so many seconds, asking every 0.1 s."""
    peer = one.peer()
    answers, block = peer.ask(request(1, "f")), 0
    session = peer.received[-1][1]
    for _ in range(int(seconds * 10)):
        block = max([block, *(int.from_bytes(answer[2:4], "big") for answer in answers if answer[1] == 3)])
        answers = peer.ask(b"\0\4" + block.to_bytes(2, "big"), session, wait=0.1)
    return block


@pytest.mark.parametrize("key", ["rate_limit", "rate_limit_per_client", "rate_limit_total"])
def test_rates(serve: Serve, key: str) -> None:
    """A transfer is no faster than that, each key for itself."""
    one = serve(security={key: "1KiB"})
    one.file("root/f", "x" * 512 * 200)
    assert 16 <= acknowledged(one, 10) <= 24


def test_longest_transfer(serve: Serve) -> None:
    """A transfer that takes longer ends (S034)."""
    one = serve(security={"longest_transfer": "5s"})
    one.file("root/f", "x" * 512 * 200)
    acknowledged(one, 6)
    assert [(record.outcome, record.reason) for record in one.network.records.ended] == [
        (Outcome.FAILED, "lifetime-over")
    ]


def test_slowest_rate(serve: Serve) -> None:
    """A transfer that crawls for a minute ends (S034)."""
    one = serve(security={"slowest_rate": "1MB", "answers_per_second": 100})
    one.file("root/f", "x" * 512 * 2000)
    acknowledged(one, 61)
    assert [record.reason for record in one.network.records.ended] == ["too-slow"]


# Names


def test_several_roots_and_one_for_uploads(serve: Serve) -> None:
    """The first folder that has the file; uploads go to their own and are not seen elsewhere."""
    for name in ("common", "incoming"):
        (serve().top / name).mkdir()
    one = serve(filesystem={"fallback_roots": ["TOP/common"], "upload_root": "TOP/incoming", "uploads": "create"})
    one.file("root/a", "first")
    one.file("common/a", "second")
    one.file("common/b", "only")
    assert [one.read("a"), one.read("b"), one.read("c")] == ["first", "only", "ERROR 1"]
    assert one.write("up") == "stored"
    assert (one.top / "incoming/up").read_bytes() == b"new"
    assert bases(one.configuration) == tuple(f"{one.top}/{name}" for name in ("root", "common", "incoming"))


def test_a_tree_for_each_client(serve: Serve) -> None:
    """With the common one behind it."""
    (serve().top / "common").mkdir()
    one = serve(filesystem={"root": "TOP/root/{ip_hex}", "fallback_roots": ["TOP/common"]})
    one.file("common/cfg", "common")
    one.file("root/C6336407/cfg", "own")
    assert [one.read("cfg", OTHER), one.read("cfg")] == ["own", "common"]


def test_ignore_case(serve: Serve) -> None:
    """As Windows boot managers ask."""
    one = serve(filesystem={"ignore_case": True})
    one.file("root/Boot/BCD", "bcd")
    assert one.read("\\boot\\bcd") == "bcd"


def test_world_readable_only(serve: Serve) -> None:
    """What not everybody may read is refused."""
    one = serve(filesystem={"world_readable_only": True})
    one.file("root/open", "open").chmod(0o644)
    one.file("root/closed", "closed").chmod(0o640)
    assert [one.read("open"), one.read("closed")] == ["open", "ERROR 2"]


REWRITE = [
    {"match": "^tftpboot/", "replace": ""},
    {"match": "^old$", "abort": {"code": 1, "text": "gone for good"}},
    {"clients": [OTHER], "only": "read", "if_missing": True, "replace": "others/", "match": "^"},
    {"match": "^k$", "replace": "secret/k"},
]


def test_rewrite(serve: Serve) -> None:
    """Rules change names, in their order."""
    one = serve(filesystem={"rewrite": REWRITE})
    one.file("root/f", "f")
    one.file("root/others/g", "g")
    assert one.read("tftpboot/f") == "f"
    assert one.peer().ask(request(1, "old")) == [b"\0\5\0\1gone for good\0"]
    assert [one.read("g", OTHER), one.read("g")] == ["g", "ERROR 1"]


def test_access_rules_hold_for_rewritten_names(serve: Serve) -> None:
    """A rewrite does not lead past them."""
    one = serve(filesystem={"rewrite": REWRITE}, security={"denied_patterns": ["secret/"]})
    one.file("root/secret/k", "k")
    assert [one.read("secret/k"), one.read("k")] == ["ERROR 2", "ERROR 2"]


# Uploads


def test_versions(serve: Serve) -> None:
    """The last two of each name are kept."""
    one = serve(filesystem={"uploads": "versions", "versions": 2})
    for content in (b"1", b"2", b"3", b"4"):
        assert one.write("log", content) == "stored"
    assert sorted(path.read_bytes() for path in (one.top / "root").iterdir()) == [b"2", b"3", b"4"]
    assert one.read("log") == "4"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_file_size": 10}, ["ERROR 3", "stored"]),
        ({"quota": 10}, ["ERROR 3", "stored"]),
        ({"quota_per_client": 10}, ["ERROR 3", "stored"]),
        ({"reserve": "1Ti"}, ["ERROR 3", "ERROR 3"]),
        ({}, ["stored", "stored"]),
    ],
)
def test_room_for_uploads(serve: Serve, settings: dict[str, Any], expected: list[str]) -> None:
    """Of a file of 11 bytes, and of one of 3; what is announced is refused before any data (C070)."""
    one = serve(filesystem={"uploads": "create", **settings})
    announced = one.write("large", b"x" * 11, tsize=11)
    assert announced == ("ERROR 3" if expected[0] == "ERROR 3" else "tsize 11")
    assert [one.write("a", b"x" * 11), one.write("b", b"x" * 3)] == expected


def test_the_quota_of_a_client_holds_for_old_versions(serve: Serve) -> None:
    """They are its uploads too."""
    one = serve(filesystem={"uploads": "versions", "versions": 2, "quota_per_client": 20})
    assert [one.write("log", b"x" * 9) for _ in range(3)] == ["stored", "stored", "ERROR 3"]


def test_mode_and_owner(serve: Serve) -> None:
    """As they are set."""
    one = serve(
        filesystem={
            "uploads": "create",
            "upload_mode": "0664",
            "upload_owner": str(os.getuid()),
            "upload_group": str(os.getgid()),
        }
    )
    assert one.write("up") == "stored"
    status = (one.top / "root/up").stat()
    assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o664, os.getuid(), os.getgid())


def test_two_ways_to_one_folder(serve: Serve) -> None:
    """It has one quota."""
    top = serve().top
    (top / "other-way").symlink_to(top / "root")
    one = serve(
        filesystem={"uploads": "create", "quota_per_client": 10},
        clients=profile(paths=["other*"], root="TOP/other-way"),
    )
    assert one.write("a", b"1" * 6) == "stored"
    assert [one.write(f"other-{size}", b"1" * size) for size in (5, 4)] == ["ERROR 3", "stored"]


@pytest.mark.parametrize("fsync", [True, False])
def test_fsync(serve: Serve, fsync: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it nothing is synchronised."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(os, "fdatasync", synced.append)
    one = serve(filesystem={"uploads": "create", "fsync": fsync})
    assert one.write("up") == "stored"
    assert bool(synced) is fsync


def test_an_owner_that_nobody_is(serve: Serve) -> None:
    """One line says so."""
    with pytest.raises(OpenError, match=r"filesystem\.upload_owner: this system knows no 'nobody-at-all'"):
        serve(filesystem={"upload_owner": "nobody-at-all"})


def test_a_folder_that_is_not_there(serve: Serve) -> None:
    """One line says so, and nothing stays open."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OpenError, match=r"cannot serve the folder .*/missing: No such file or directory"):
        serve(filesystem={"fallback_roots": ["TOP/missing"]})
    assert len(os.listdir("/proc/self/fd")) == before


# Rules that ask whether there is a file


def ask_first(where: str, **settings: Any) -> dict[str, Any]:
    """The settings of the section ``filesystem``: what is ``where`` stays there, the rest goes to ``new``."""
    rewrite = [
        {"match": "^", "replace": f"{where}/", "then": "stop-if-found"},
        {"match": "^", "if_missing": True, "replace": "new/"},
    ]
    return {"uploads": "overwrite", "rewrite": rewrite, **settings}


@pytest.mark.parametrize("ignore_case", [False, True])
@pytest.mark.parametrize("security", [{}, {"read_enabled": False}, {"rules": [rule("deny", only="read")]}])
def test_a_write_asks_what_is_there(serve: Serve, security: dict[str, Any], ignore_case: bool) -> None:
    """Whether or not it could be read by that client, or by anybody."""
    one = serve(filesystem=ask_first("own", ignore_case=ignore_case, world_readable_only=True), security=security)
    own, top, new = one.file("root/own/a", ""), one.file("root/b", ""), one.top / "root/new"
    new.mkdir()
    for path in (own, top):
        path.chmod(0o600)
    names = "AB" if ignore_case else "ab"
    assert [one.write(name) for name in (*names, "c")] == ["stored"] * 3
    assert [path.read_text() for path in (own, top, new / "c")] == ["new"] * 3


def test_a_write_asks_where_it_goes(serve: Serve) -> None:
    """What is where others read makes no difference."""
    (serve().top / "up/new").mkdir(parents=True)
    one = serve(filesystem=ask_first("own", upload_root="TOP/up"))
    one.file("root/own/a", "old")
    one.file("root/b", "old")
    kept = one.file("up/c", "old")
    assert [one.write(name) for name in "abc"] == ["stored"] * 3
    assert sorted(path.name for path in (one.top / "up/new").iterdir()) == ["a", "b"]
    assert kept.read_text() == "new"


def test_a_read_asks_all_roots(serve: Serve) -> None:
    """What is there and forbidden is refused, and no rule puts another file in its place."""
    (serve().top / "more").mkdir()
    one = serve(
        filesystem=ask_first("own", fallback_roots=["TOP/more"]),
        security={"rules": [rule("deny", paths=["own/a"])]},
    )
    for name in ("root/own/a", "root/new/a", "more/own/b", "root/new/b", "more/c", "root/new/c", "root/new/d"):
        one.file(name, name)
    one.file("root/new/e", "e")
    (one.top / "root/own/e").mkdir()
    assert [one.read(name) for name in "abcde"] == ["ERROR 2", "more/own/b", "more/c", "root/new/d", "e"]


@pytest.mark.parametrize("ignore_case", [False, True])
def test_a_folder_that_cannot_be_opened(serve: Serve, monkeypatch: pytest.MonkeyPatch, ignore_case: bool) -> None:
    """One line says so, whatever opens it; and it is opened once."""
    opened: list[object] = []
    real = os.open

    def scarce(path: Any, *arguments: Any, **keywords: Any) -> int:
        if path == f"{real_top}/root":
            opened.append(path)
            if len(opened) == failing:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)
        return real(path, *arguments, **keywords)

    failing, real_top = 0, serve().top
    monkeypatch.setattr(os, "open", scarce)
    serve(filesystem={"ignore_case": ignore_case}).folders.close()
    assert len(opened) == 1
    failing = 2
    with pytest.raises(OpenError, match=r"cannot serve the folder .*/root: Too many open files"):
        serve(filesystem={"ignore_case": ignore_case})


# Profiles


def profile(**settings: Any) -> dict[str, Any]:
    """The settings of the section ``clients``."""
    return {"profiles": [{"name": "p", **settings}]}


ASKED = {"blksize": 1400, "windowsize": 16}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"clients": [OTHER]}, "blksize 1400 windowsize 16"),
        ({"clients": [OTHER], "block_size": 512}, "blksize 512 windowsize 16"),
        ({"clients": [OTHER], "window_size": 4}, "blksize 1400 windowsize 4"),
        ({"clients": [OTHER], "refused_options": ["windowsize"]}, "blksize 1400"),
        ({"clients": [OTHER], "refused_options": ["all"]}, "f"),
        ({"asked": [SERVER], "paths": ["*.x", "f"], "window_size": 4}, "blksize 1400 windowsize 4"),
        ({"clients": [CLIENT], "window_size": 4}, "blksize 1400 windowsize 16"),
        ({"asked": ["203.0.113.1"], "window_size": 4}, "blksize 1400 windowsize 16"),
        ({"paths": ["g"], "window_size": 4}, "blksize 1400 windowsize 16"),
    ],
)
def test_profiles(serve: Serve, settings: dict[str, Any], expected: str) -> None:
    """What a profile sets holds for whom it fits."""
    one = serve(clients=profile(**settings))
    one.file("root/f", "f")
    assert said(one.peer(OTHER).ask(request(1, "f", **ASKED))) == expected


def test_a_profile_by_interface(serve: Serve) -> None:
    """The terms and the root are those of the interface that the request came in by."""
    (serve().top / "inside").mkdir()
    one = serve(clients=profile(interfaces=["lo"], root="TOP/inside", refused_options=["all"]))
    one.file("root/f", "outside")
    one.file("inside/f", "inside")
    lo = socket.if_nametoindex("lo")
    for interface, expected in ((lo, "inside"), (0, "tsize 7"), (0x7FFFFFF0, "tsize 7")):
        peer = one.peer()
        one.listener.request_received(
            request(1, "f", tsize=0), peer.socket.address, Address(SERVER, 69), False, None, interface
        )
        assert said(peer.wait(0.05, 0)) == expected


def test_the_root_of_a_profile(serve: Serve) -> None:
    """Others keep theirs."""
    (serve().top / "phones").mkdir()
    one = serve(clients=profile(clients=[OTHER], root="TOP/phones"))
    one.file("root/f", "common")
    one.file("phones/f", "phones")
    assert [one.read("f", OTHER), one.read("f")] == ["phones", "common"]


@pytest.mark.parametrize(("upload_root", "place"), [(None, "phones"), ("TOP/up", "up"), ("TOP/root", "root")])
def test_uploads_with_a_profile(serve: Serve, upload_root: str | None, place: str) -> None:
    """They go where its files are, unless there is one place for all."""
    top = serve().top
    for folder in ("phones", "up"):
        (top / folder).mkdir()
    filesystem = {"uploads": "create", "upload_root": upload_root}
    one = serve(filesystem=filesystem, clients=profile(clients=[OTHER], root="TOP/phones"))
    assert [one.write("theirs", host=OTHER), one.write("mine")] == ["stored", "stored"]
    mine = place if upload_root else "root"
    assert (top / place / "theirs").exists()
    assert (top / mine / "mine").exists()


def test_the_timeout_of_a_profile(serve: Serve) -> None:
    """The silence after which a transfer is given up is six times that."""
    one = serve(clients=profile(clients=[OTHER], timeout=1))
    one.file("root/f", "f" * 512)
    for host in (OTHER, CLIENT):
        one.read("f", host)
    one.network.clock.pump([0.5] * 20)
    assert [record.request.client.host for record in one.network.records.ended] == [OTHER]


def test_the_first_profile_counts(serve: Serve) -> None:
    """And no other."""
    profiles = [{"name": "a", "clients": [OTHER], "block_size": 512}, {"name": "b", "window_size": 4}]
    one = serve(clients={"profiles": profiles})
    one.file("root/f", "f")
    got = [said(one.peer(host).ask(request(1, "f", **ASKED))) for host in (OTHER, CLIENT)]
    assert got == ["blksize 512 windowsize 16", "blksize 1400 windowsize 4"]


# What is wrong with the file


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"security": {"allowed_clients": ["300.1.2.3"]}},
            "security.allowed_clients[0]: expected an address or a network such as 192.0.2.0/24, got '300.1.2.3':"
            " Octet 300 (> 255) not permitted in '300.1.2.3'",
        ),
        (
            {"security": {"rules": [rule("deny"), rule("allow")]}},
            "security.rules[1].name: expected a name of its own, got 'a' again",
        ),
        ({"security": {"rules": [rule("refuse")]}}, "expected one of allow, deny, silent, got 'refuse'"),
        (
            {"filesystem": {"root": "/srv/{mad}"}},
            "{ip}, {ip_hex}, {mac} and {interface} may stand, got '/srv/{mad}'",
        ),
        ({"filesystem": {"rewrite": [{"match": "(", "replace": ""}]}}, "filesystem.rewrite[0].match: "),
        ({"filesystem": {"rewrite": [{"match": "a"}]}}, "the rule does nothing; give it 'replace'"),
        ({"filesystem": {"upload_mode": "0999"}}, "such as '0640', of no more than '0666', got '0999'"),
        ({"clients": profile(refused_options=["blocksize"])}, "expected one of all, blksize, "),
    ],
)
def test_mistakes(tmp_path: Path, settings: Settings, expected: str) -> None:
    """Each has its line, and says what was expected."""
    with pytest.raises(ConfigurationError) as caught:
        configured(tmp_path, settings)
    [problem] = caught.value.problems
    assert expected in problem
    assert problem.startswith(f"{tmp_path}/tftpd.yaml:")


# Workers


def test_the_share_of_a_worker(tmp_path: Path) -> None:
    """What is for all is divided; broadcasts are for the first."""
    settings: Settings = {
        "network": {"answer_broadcast": True},
        "performance": {"max_connections": 5},
        "cache": {"size": 3000},
        "security": {"rate_limit_total": 1000, "rate_limit": 10, "rate_limit_per_client": 20},
    }
    shares = [share_of_worker(configured(tmp_path, settings), number, 2) for number in (1, 2)]
    assert [share.network.answer_broadcast for share in shares] == [True, False]
    for share in shares:
        security = share.security
        assert share.performance.max_connections == 3
        assert share.cache.size == 1500
        assert (security.rate_limit_total, security.rate_limit, security.rate_limit_per_client) == (500, 10, 20)


# What a review found


def test_old_versions_are_as_closed_as_the_file(serve: Serve) -> None:
    """Who may not read a file may not read what it was."""
    rules = [rule("deny", paths=["*.key"], only="read")]
    one = serve(filesystem={"uploads": "versions"}, security={"rules": rules})
    assert [one.write("x.key", b"1"), one.write("x.key", b"2")] == ["stored", "stored"]
    assert (one.top / "root/x.key.~1~").read_bytes() == b"1"
    assert [one.read("x.key"), one.read("x.key.~1~")] == ["ERROR 2", "ERROR 2"]


def test_a_folder_that_others_keep_locked(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload fails rather than to wait for ever."""
    monkeypatch.setattr(versions, "LOCK_PAUSE", 0.0)
    one = serve(filesystem={"uploads": "versions"})
    assert one.write("f") == "stored"
    folder = os.open(one.top / "root", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        assert one.write("f") == "ERROR 0"
    finally:
        os.close(folder)
    assert one.write("f") == "stored"


def test_only_folders_that_take_uploads_are_cleaned(serve: Serve) -> None:
    """What lies in another one is not ours."""
    (serve().top / "mirror").mkdir()
    one = serve(filesystem={"uploads": "create", "fallback_roots": ["TOP/mirror"]})
    debris = one.file("mirror/.tftpd-tw-0011.part", "somebody's")
    mine = one.file("root/.tftpd-tw-0022.part", "ours")
    for path in (debris, mine):
        os.utime(path, (0, 0))
    one.folders.clean()
    assert (debris.exists(), mine.exists()) == (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "cache: &p {cache_size: 1MiB}\nperformance: *p\n",
        'security: {denied_patterns: ["\\udc80"]}\n',
        'security: {allowed_extensions: ["\\udc80"]}\n',
        'filesystem: {rewrite: [{label: "\\udc80", jump: a}]}\n',
        "filesystem: {upload_mode: 400}\n",
        "filesystem: {upload_mode: '0111'}\n",
        "filesystem: {upload_owner: 99999999999999999999}\n",
    ],
)
def test_mistakes_that_were_none(tmp_path: Path, text: str) -> None:
    """A line each, and no traceback."""
    file = tmp_path / "tftpd.yaml"
    file.write_text(text)
    sources = Sources()
    sources.add_file(str(file))
    with pytest.raises(ConfigurationError):
        sources.configuration()


def test_an_owner_may_be_a_number(tmp_path: Path) -> None:
    """Without quotes, too."""
    settings: Settings = {"filesystem": {"upload_owner": 1000}}
    assert configured(tmp_path, settings).filesystem.upload_owner == "1000"


@pytest.mark.parametrize("general", [False, True])
def test_a_profile_says_from_which_port(general: bool, serve: Serve) -> None:
    """The port that was asked, or one of the transfer's own, whatever that port has for others."""
    profiles = [{"name": "a", "clients": [OTHER], "single_port": not general}]
    served = serve(clients={"profiles": profiles})
    served.file("root/f", "content")
    served.listener.open(SERVER, 70, single_port=general)
    for host, stays in ((CLIENT, general), (OTHER, not general)):
        peer = served.peer(host)
        peer.ask(request(1, "f"), Address(SERVER, 70))
        assert (peer.received[-1][1].port == 70) == stays
