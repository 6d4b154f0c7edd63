"""`tftpd-tw map`: why a name leads to a file, or to none."""

import os

import pytest
import yaml

from tftpd_tw.backends.assembling import assemble
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.cli import main
from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.policy.client_names import Tree, names_by_address
from tftpd_tw.policy.rewrite_rules import Abort, RewriteRule
from tftpd_tw.policy.rewriting import Rewriting
from tftpd_tw.protocol.errors import ErrorCode
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service.explaining import at_once, explain
from tftpd_tw.service.looking_up import local_address


@pytest.fixture
def top(tmp_path):
    """Files for all, a folder for one client, one for uploads."""
    for name in ("common/boot/bcd", "hosts/192.0.2.9/own"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"12345")
    (tmp_path / "up").mkdir()
    return tmp_path


@pytest.fixture
def explained(top):
    """Explains what becomes of a name, with rules."""
    directories = []

    def explained(rules, name, direction=Direction.READ):
        def open_base(path):
            directories.append(DirectoryBackend(path, run_blocking=at_once))
            return directories[-1]

        roots = [Tree.parse(f"{top}/hosts/{{ip}}"), Tree.parse(f"{top}/common")]
        backend = assemble(open_base, names_by_address, roots, None, Rewriting(rules))
        client, local = Address("192.0.2.9", 2000), Address("192.0.2.1", 69)
        explanation = explain(backend, Request(direction, name, Mode.OCTET, (), client, local))
        return explanation.served, [line.replace(str(top), "") for line in explanation.lines]

    yield explained
    for directory in directories:
        directory.close()


RULES = [
    RewriteRule(r"\\", replace="/"),
    RewriteRule("^/", replace=""),
    RewriteRule("nope", if_missing=True, replace="own"),
    RewriteRule("^secret", abort=Abort(ErrorCode.FILE_NOT_FOUND, "no")),
]


def test_rules_and_folders(explained):
    """Each rule says what it did, each folder whether it has the file, and the last line what comes of it."""
    assert explained(RULES, rb"\boot/bcd") == (
        True,
        [
            r"rule 1    \\boot/bcd -> /boot/bcd: replaced",
            "rule 2    /boot/bcd -> boot/bcd: replaced",
            "rule 3    no match",
            "rule 4    no match",
            "folder    /hosts/{ip}: 192.0.2.9/boot/bcd: No such file or directory",
            "folder    /common: found",
            "result    /common/boot/bcd, 5 bytes",
        ],
    )


def test_a_clients_own_file(explained):
    """Which file results is told with the client's folder."""
    served, lines = explained(RULES, b"nope")
    assert served
    assert lines[2:] == [
        "rule 3    nope -> own: replaced",
        "rule 4    no match",
        "folder    /hosts/{ip}: found",
        "result    /hosts/192.0.2.9/own, 5 bytes",
    ]


def test_why_not(explained):
    """What the client is told, and what it is not told."""
    assert explained([], b"x") == (
        False,
        [
            "folder    /hosts/{ip}: 192.0.2.9/x: No such file or directory",
            "folder    /common: x: No such file or directory",
            "result    ERROR 1 (File not found): x: No such file or directory",
        ],
    )
    assert explained(RULES[3:], b"secret") == (
        False,
        [
            "rule 1    refused with code 1",
            "result    ERROR 1 (no): rewrite rule 1 refuses secret",
        ],
    )


def test_what_may_not_be_had(explained, top):
    """The search ends with a file that is refused."""
    (top / "hosts" / "192.0.2.9" / "boot" / "bcd").mkdir(parents=True)
    assert explained([], b"boot/bcd") == (
        False,
        [
            "folder    /hosts/{ip}: not a regular file",
            "result    ERROR 2 (Access violation): not a regular file",
        ],
    )


def test_hostile_names(explained):
    """S038: what is shown is printable, whatever the name."""
    _, lines = explained([RewriteRule("x", replace="y")], b"x\x1b[2J\n\xff")
    assert lines[0] == r"rule 1    x\x1b[2J\x0a\xff -> y\x1b[2J\x0a\xff: replaced"
    assert all(line.isprintable() for line in lines)


CARDS = {"here": "lo", "there": "eth7"}


class TestCommand:
    """The command line."""

    def run(self, capsys, top, *arguments):
        status = main(["map", "--client", "192.0.2.9", "--root", f"{top}/hosts/{{mac}}", *arguments])
        return status, capsys.readouterr().out.replace(str(top), "").splitlines()

    def test_read(self, capsys, top):
        """A client's files are found in any spelling, if that is wanted."""
        common = ["--root", f"{top}/common"]
        status, lines = self.run(capsys, top, r"\Boot\BCD", *common, "--ignore-case")
        assert (status, lines) == (
            0,
            [
                "folder    /hosts/{mac}: the client's mac is not known",
                "folder    /common: found",
                "result    /common/boot/bcd, 5 bytes",
            ],
        )
        status, lines = self.run(capsys, top, r"\Boot\BCD", *common)
        assert status == 1
        assert lines[-1] == "result    ERROR 1 (File not found): Boot/BCD: No such file or directory"

    @pytest.mark.parametrize(
        ("arguments", "why"), [([], "No such file or directory"), (["--ignore-case"], "not there in any spelling")]
    )
    def test_one_folder(self, capsys, top, arguments, why):
        """It is said where a name is looked for, there too."""
        status = main(["map", "--client", "192.0.2.9", "--root", f"{top}/common", "no\x1b", *arguments])
        lines = capsys.readouterr().out.replace(str(top), "").splitlines()
        shown = rf"no\x1b: {why}"
        assert (status, lines) == (
            1,
            [f"folder    /common: {shown}", f"result    ERROR 1 (File not found): {shown}"],
        )

    def test_what_if(self, capsys, top):
        """One can try what a client with some hardware address would get."""
        (top / "hosts" / "52-54-00-00-00-ab").mkdir()
        (top / "hosts" / "52-54-00-00-00-ab" / "f").write_bytes(b"")
        status, lines = self.run(capsys, top, "f", "--mac", "52:54:00:00:00:AB")
        assert (status, lines[-1]) == (0, "result    /hosts/52-54-00-00-00-ab/f, 0 bytes")

    def test_profiles_by_interface(self, capsys, top):
        """The interface is that of the route to the client, or one that is given, which need not be here."""
        profiles = [{"name": name, "interfaces": [card], "root": f"{top}/common"} for name, card in CARDS.items()]
        (top / "settings.yaml").write_text(yaml.safe_dump({"clients": {"profiles": profiles}}))
        settings = ("-c", f"{top}/settings.yaml")
        told = [
            self.run(capsys, top, "boot/bcd", *settings, *arguments)[1]
            for arguments in (("--client", "127.0.0.1"), ("--interface", "eth7"), ("--interface", "eth8"))
        ]
        found = ["result    /common/boot/bcd, 5 bytes"]
        assert told[:2] == [["profile   here", *found], ["profile   there", *found]]
        assert told[2][0] == "profile   none fits"

    def test_an_ipv4_address_in_ipv6_clothes(self, capsys, top):
        """It is the IPv4 address, for folders and for rules (C155)."""
        (top / "settings.yaml").write_text(
            "security: {rules: [{name: lab, action: allow, clients: [192.0.2.0/24]}]}\n"
        )
        (top / "hosts" / "192.0.2.9").mkdir(exist_ok=True)
        (top / "hosts" / "192.0.2.9" / "mine").write_bytes(b"")
        arguments = ["map", "--root", f"{top}/hosts/{{ip}}", "-c", f"{top}/settings.yaml", "mine", "--client"]
        told = []
        for client in ("192.0.2.9", "::ffff:192.0.2.9", "::ffff:c000:209"):
            status = main([*arguments, client])
            told.append((status, capsys.readouterr().out))
        assert told[0] == told[1] == told[2]
        assert told[0][0] == 0
        assert "access    lab: allow" in told[0][1]

    def test_write(self, capsys, top):
        """An upload's place is told, and nothing is left there."""
        assert self.run(capsys, top, "x", "--write") == (
            1,
            ["result    ERROR 2 (Access violation): uploads are not allowed"],
        )
        before = os.listdir("/proc/self/fd")
        status, lines = self.run(capsys, top, "x", "--write", "--upload-root", f"{top}/up")
        assert os.listdir("/proc/self/fd") == before
        assert (status, lines) == (0, ["result    an upload may be stored as /up/x"])
        assert list((top / "up").iterdir()) == []

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["--client", "nobody"], "expected an IPv4 or IPv6 address, got 'nobody'"),
            (["--mac", "5:4"], "expected an address as 52:54:00:12:34:56, got '5:4'"),
            (["--root", "/{serial}"], "unknown placeholder {serial}"),
            (["--nope"], "unrecognized arguments: --nope"),
        ],
    )
    def test_mistakes(self, capsys, top, arguments, words):
        """What is wrong is said in a line."""
        with pytest.raises(SystemExit) as caught:
            self.run(capsys, top, "f", *arguments)
        assert caught.value.code == 2
        assert words in capsys.readouterr().err

    def test_no_folder(self, capsys, top):
        """A folder that is not there is named."""
        with pytest.raises(
            SystemExit, match=f"tftpd: cannot serve the folder {top}/nope: No such file or directory"
        ):
            self.run(capsys, top, "f", "--root", f"{top}/nope")

    def test_local_address(self):
        """The address that a client would ask is the one that the routes lead from."""
        assert local_address(Address("127.0.0.1", 0)) == Address("127.0.0.1", 69)
        assert local_address(Address("::1", 0)) == Address("::1", 69)
