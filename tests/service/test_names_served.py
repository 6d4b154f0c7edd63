"""Names on the wire: what clients get when rules, folders and spelling lie between their words and the files."""

import pytest
from twisted.internet.defer import maybeDeferred

from tftpd_tw.backends.assembling import assemble
from tftpd_tw.backends.caseless import CaselessBackend
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Direction
from tftpd_tw.policy.client_names import ClientNames, Tree, names_by_address
from tftpd_tw.policy.rewrite_rules import Abort, Occurrences, RewriteRule, Then
from tftpd_tw.policy.rewriting import Rewriting
from tftpd_tw.protocol.errors import ErrorCode
from tftpd_tw.testing import REQUEST_PORT, MemoryNetwork

MACS = {"192.0.2.9": b"52-54-00-00-00-01", "192.0.2.10": None}

RULES = [
    RewriteRule(r"\\", replace="/", occurrences=Occurrences.ALL),
    RewriteRule("^/", replace=""),
    RewriteRule("^(pxelinux.0).*$", replace=r"\1"),
    RewriteRule("^secret/", abort=Abort(ErrorCode.FILE_NOT_FOUND, "not for {ip}")),
    RewriteRule(clients={"192.0.2.10"}, if_missing=True, replace="old/", then=Then.STOP_IF_FOUND),
    RewriteRule("^UPPER", only=Direction.READ, replace=r"\L\0"),
    RewriteRule("^", only=Direction.WRITE, replace="{ip_hex}-"),
    RewriteRule("^loop", replace="loop-x", then=Then.RESTART),
]


@pytest.fixture
def top(tmp_path):
    """What is served."""
    for name in ("common/Boot/BCD", "common/pxelinux.0", "common/upper", "common/old/kernel"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    own = tmp_path / "hosts" / "52-54-00-00-00-01"
    own.mkdir(parents=True)
    (own / "upper").write_bytes(b"own")
    (tmp_path / "up").mkdir()
    return tmp_path


@pytest.fixture
def ask(top):
    """Sends a request from some host; what it is answered first."""
    opened = []

    def open_base(path):
        directory = DirectoryBackend(path, run_blocking=maybeDeferred, uploads=UploadPolicy.CREATE)
        opened.append(directory)
        return CaselessBackend(directory, directory.held)

    def ask_kernel(request):
        names = names_by_address(request)
        return ClientNames(names.ip, names.ip_hex, MACS[request.client.host])

    roots = [Tree.parse(f"{top}/hosts/{{mac}}"), Tree.parse(f"{top}/common")]
    network = MemoryNetwork()
    listener = network.serve(assemble(open_base, ask_kernel, roots, Tree.parse(f"{top}/up"), Rewriting(RULES)))

    def ask(opcode, name, host="192.0.2.9"):
        peer = network.host(host).raw()
        received = peer.ask(bytes([0, opcode]) + name + b"\0octet\0", REQUEST_PORT, 0.05)
        if opcode == 2 and received and received[0][:2] == b"\0\4":
            peer.send(b"\0\3\0\1" + b"content", peer.tid)
            peer.wait(0.05)
        return received[0]

    yield ask
    for backend in opened:
        backend.close()
    listener.drain(0.0)
    network.clock.advance(60.0)


READS = {
    "any spelling": (rb"\boot\bcd", "192.0.2.9", b"common/Boot/BCD"),
    "junk behind the name": (b"pxelinux.0\xff", "192.0.2.9", b"common/pxelinux.0"),
    "lower case": (b"UPPER", "192.0.2.10", b"common/upper"),
    "a client's own file": (b"upper", "192.0.2.9", b"own"),
    "everybody's file": (b"upper", "192.0.2.10", b"common/upper"),
    "another place for one client": (b"kernel", "192.0.2.10", b"common/old/kernel"),
}


@pytest.mark.parametrize(("name", "host", "content"), READS.values(), ids=READS)
def test_reads(ask, name, host, content):
    """DATA has the file that the name means for this client."""
    assert ask(1, name, host) == b"\0\3\0\1" + content


ERRORS = {
    "refused by a rule": (1, b"secret/x", b"\0\1not for 192.0.2.9"),
    "not for this client": (1, b"kernel", b"\0\1File not found"),
    "upwards": (1, rb"..\x", b"\0\2Access violation"),
    "endless": (1, b"loop", b"\0\0Server error"),
    "refused upload": (2, b"secret/x", b"\0\1not for 192.0.2.9"),
}


@pytest.mark.parametrize(("opcode", "name", "answer"), ERRORS.values(), ids=ERRORS)
def test_errors(ask, opcode, name, answer):
    """ERROR has the code and the words that the rule or the search came to."""
    assert ask(opcode, name) == b"\0\5" + answer + b"\0"


def test_uploads(ask, top):
    """An upload is stored where uploads go, under the name that the rules for uploads make."""
    assert ask(2, b"UPPER") == b"\0\4\0\0"
    assert [(path.name, path.read_bytes()) for path in (top / "up").iterdir()] == [("C0000209-UPPER", b"content")]
