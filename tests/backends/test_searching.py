"""Files in several folders, of which some belong to one client."""

import pytest
from attrs import evolve
from backend_kit import Threads, at_once, failure_of, fetch, not_yet, read_request, result_of, store, write_request
from twisted.internet.defer import CancelledError, fail

from tftpd_tw.backends.assembling import assemble
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.memory import BytesReader
from tftpd_tw.backends.rewritten import RewritingBackend
from tftpd_tw.backends.searching import Place, SearchBackend
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Direction
from tftpd_tw.policy.client_names import ClientNames, Tree, names_by_address
from tftpd_tw.policy.rewrite_rules import RewriteRule
from tftpd_tw.policy.rewriting import Rewriting
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound, TFTPError

CLIENT = ClientNames(b"192.0.2.1", b"C0000201", b"52-54-00-00-00-01", None)


@pytest.fixture
def search(tmp_path):
    """Makes a backend for trees beneath the test's folder; everything is closed afterwards."""
    opened = []

    def make(*roots, uploads=None, identify=lambda _: CLIENT, run_blocking=at_once, rewriting=None):
        def open_base(path):
            directory = DirectoryBackend(path, run_blocking=run_blocking, uploads=UploadPolicy.OVERWRITE)
            opened.append(directory)
            return directory

        trees = [Tree.parse(f"{tmp_path}/{root}") for root in roots]
        where = Tree.parse(f"{tmp_path}/{uploads}") if uploads is not None else None
        return assemble(open_base, identify, trees, where, rewriting)

    make.opened = opened
    yield make
    for directory in opened:
        directory.close()


@pytest.fixture(autouse=True)
def folders(tmp_path):
    """Two folders for all, and one for a client."""
    for name in ("a/only-a", "a/both", "b/both", "b/only-b", "hosts/192.0.2.1/both", "hosts/192.0.2.2/secret"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def test_the_first_that_has_it(search):
    """Folders are searched in order."""
    backend = search("a", "b")
    assert fetch(backend, b"both") == b"a/both"
    assert fetch(backend, b"only-a") == b"a/only-a"
    assert fetch(backend, b"only-b") == b"b/only-b"
    assert fetch(search("b", "a"), b"both") == b"b/both"
    with pytest.raises(FileNotFound):
        fetch(backend, b"nowhere")


def test_only_not_found_leads_on(search, tmp_path):
    """What is there and cannot be had is not replaced by what another folder has (S022)."""
    (tmp_path / "a" / "only-b").mkdir()
    with pytest.raises(AccessViolation):
        fetch(search("a", "b"), b"only-b")
    (tmp_path / "a" / "only-b").rmdir()
    assert fetch(search("a", "b"), b"only-b") == b"b/only-b"


@pytest.mark.parametrize("tree", ["hosts/{ip}", "hosts/192.0.2.{interface}", "hosts/{ip}/nope"])
def test_a_tree_for_each_client(search, tree):
    """A client's own files come first, and everybody's where it has none, no tree, or is not known well enough."""
    backend = search(tree, "a")
    assert fetch(backend, b"both") == (b"hosts/192.0.2.1/both" if tree == "hosts/{ip}" else b"a/both")
    assert fetch(backend, b"only-a") == b"a/only-a"


@pytest.mark.parametrize("name", [b"../192.0.2.2/secret", b"..\\192.0.2.2\\secret", b"/../192.0.2.2/secret"])
def test_no_name_leads_to_another_client(search, name):
    """S020: what leads upwards is refused in a client's tree as anywhere."""
    with pytest.raises(AccessViolation):
        fetch(search("hosts/{ip}", "a"), name)


@pytest.mark.parametrize("name", [b"C:\\both", b"\\both", b"//./both", b"/both"])
def test_spellings(search, name):
    """C033, C034: slashes, backslashes and drives mean the client's tree."""
    assert fetch(search("hosts/{ip}"), name) == b"hosts/192.0.2.1/both"


def test_a_component_like_a_drive(search, tmp_path):
    """C034: only the beginning of a name can be a drive, not what stands behind a slash."""
    (tmp_path / "a" / "c:").mkdir()
    (tmp_path / "a" / "c:" / "x").write_bytes(b"x")
    assert fetch(search("a"), b"/c:/x") == b"x"


def test_not_known(search):
    """A client whose hardware address nobody knows has no tree of that name."""
    backend = search("hosts/{interface}")
    with pytest.raises(FileNotFound, match="the client's interface is not known"):
        fetch(backend, b"both")


def test_one_folder_is_opened_once(search):
    """Trees with the same base share its backend."""
    search("hosts/{ip}", "hosts/{mac}", "a", uploads="a")
    assert len(search.opened) == 2


def test_uploads_have_their_own_place(search, tmp_path):
    """Uploads go to one folder only, and are not read from there."""
    (tmp_path / "up").mkdir()
    backend = search("a", uploads="up")
    store(backend, b"both", b"new")
    assert (tmp_path / "up" / "both").read_bytes() == b"new"
    assert fetch(backend, b"both") == b"a/both"


def test_uploads_for_each_client(search, tmp_path):
    """Each client can have its own; one that has none is refused."""
    backend = search("a", uploads="hosts/{ip}")
    store(backend, b"new", b"x")
    assert (tmp_path / "hosts" / "192.0.2.1" / "new").read_bytes() == b"x"
    with pytest.raises(FileNotFound):
        store(search("a", uploads="hosts/{interface}"), b"new", b"x")


def test_no_uploads(search):
    """C112: without a place for them uploads are denied."""
    with pytest.raises(AccessViolation):
        store(search("a"), b"new", b"x")


@pytest.mark.parametrize(
    ("roots", "uploads", "rule", "times"),
    [
        (["hosts/{ip}", "hosts/{ip_hex}"], "hosts/{ip}", "{ip}", 0),
        (["hosts/{mac}", "a"], None, "{ip}", 1),
        (["a"], "hosts/{interface}", "{ip}", 1),
        (["a"], None, "{mac}", 1),
    ],
)
def test_who_is_asked(search, roots, uploads, rule, times):
    """The kernel is asked only where the address, which the request tells itself, is not enough."""
    asked = []

    def ask(request):
        asked.append(request)
        return CLIENT

    rules = Rewriting([RewriteRule("never", replace=rule)])
    backend = search(*roots, uploads=uploads, identify=ask, rewriting=rules)
    with pytest.raises(FileNotFound):
        fetch(backend, b"nowhere")
    assert len(asked) == times


def test_disk_and_kernel_are_waited_for(search, threads):
    """A client that is looked up later, and files that threads look for, lead to the same."""
    who = Threads()
    backend = search("hosts/{mac}", "b", identify=lambda _: who(lambda: CLIENT), run_blocking=threads)
    for directory in search.opened:
        directory.held.root.prompt = False
    opening = backend.open_read(read_request(b"only-b"))
    not_yet(opening)
    who.run()
    not_yet(opening)
    threads.run_one()
    not_yet(opening)
    threads.run()
    reader = result_of(opening)
    assert reader.size == 8
    reader.close()
    threads.run()


def test_cancelled(search, threads):
    """A client that gave up is not searched for any further."""
    backend = search("a", "b", run_blocking=threads)
    for directory in search.opened:
        directory.held.root.prompt = False
    opening = backend.open_read(read_request(b"only-b"))
    opening.cancel()
    assert failure_of(opening).check(CancelledError)
    threads.run()
    assert threads.jobs == []


def test_coroutines():
    """A backend in between may be an `async def`."""

    class Later:
        async def open_read(self, request):
            raise FileNotFound

    class Sure:
        async def open_read(self, request):
            return BytesReader(request.name)

    tree = Tree.parse("/srv")
    backend = SearchBackend([Place(tree, Later()), Place(tree, Sure())], None, names_by_address)
    assert fetch(backend, b"f") == b"/f"


class TestRewriting:
    """Names are rewritten before they are looked up."""

    def test_read_and_write(self, search, tmp_path):
        """Both directions."""
        rules = Rewriting([RewriteRule("^old/", replace=""), RewriteRule(only=Direction.WRITE, replace="up-")])
        backend = search("a", uploads="a", rewriting=rules)
        assert fetch(backend, b"old/both") == b"a/both"
        store(backend, b"old/x", b"x")
        assert (tmp_path / "a" / "up-x").read_bytes() == b"x"

    def test_rules_do_not_lead_out(self, search, tmp_path):
        """S020: what rules make of a name is checked as any other."""
        rules = Rewriting([RewriteRule("^x", replace="../b/")])
        with pytest.raises(AccessViolation):
            fetch(search("a", rewriting=rules), b"xonly-b")

    def test_nothing_left(self, search):
        """A name that vanishes is refused."""
        with pytest.raises(AccessViolation, match="leave nothing"):
            fetch(search("a", rewriting=Rewriting([RewriteRule("^.*$", replace="")])), b"f")

    @pytest.mark.parametrize("prompt", [True, False])
    def test_questions(self, search, prompt, threads):
        """Whether there is a file is known at once or later; nothing stays open for it."""
        rules = Rewriting(
            [
                RewriteRule(if_missing=True, replace="sub/"),
                RewriteRule("^sub/", if_missing=True, replace=""),
                RewriteRule("nope", if_missing=True, replace="only-a"),
            ]
        )
        backend = search("a", "b", rewriting=rules, run_blocking=threads, identify=names_by_address)
        for directory in search.opened:
            directory.held.root.prompt = prompt
        for asked, content in [(b"both", b"a/both"), (b"only-b", b"b/only-b"), (b"nope", b"a/only-a")]:
            opening = backend.open_read(read_request(asked))
            threads.run()
            reader = result_of(opening)
            reading = reader.read(0, 100)
            threads.run()
            assert bytes(result_of(reading)) == content
            reader.close()
            threads.run()

    def test_questions_of_an_upload(self, search, tmp_path):
        """An upload's rules ask what is there where it goes, and not what could be read."""
        rules = Rewriting([RewriteRule(if_missing=True, replace="new-")])
        backend = search("a", uploads="b", rewriting=rules)
        store(backend, b"both", b"1")
        store(backend, b"only-a", b"2")
        assert (tmp_path / "b" / "both").read_bytes() == b"1"
        assert (tmp_path / "b" / "new-only-a").read_bytes() == b"2"

    @pytest.mark.parametrize("later", [False, True])
    def test_a_failure_is_no_missing_file(self, search, later):
        """What is not foreseen is not taken for an answer, nor that it cannot be told now."""
        rewriting = Rewriting([RewriteRule(if_missing=True, replace="x")])
        for error in (ZeroDivisionError, TFTPError):

            def find(request, error=error):
                assert (request.direction, request.name) == (Direction.WRITE, b"f")
                if later:
                    return fail(error())
                raise error

            backend = RewritingBackend(search("a", uploads="a"), rewriting, names_by_address, find)
            with pytest.raises(error):
                result_of(backend.open_write(write_request(b"f")))


def test_the_request_stays_as_it_is(search):
    """What the log shows is what the client asked for."""
    request = write_request(b"both")
    copy = evolve(request)
    search("hosts/{ip}", uploads="a", rewriting=Rewriting([RewriteRule(replace="x")])).open_write(
        request
    ).addCallback(lambda writer: writer.cancel())
    assert request == copy
