"""What an operator allows uploads, and which files he serves, as a client sees it."""

import pytest
from net_kit import World, content, rrq, words, wrq
from twisted.internet.defer import maybeDeferred

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.quota import Quota
from tftpd_tw.backends.storing import Storing
from tftpd_tw.backends.uploading import UploadPolicy


@pytest.fixture
def serve(tmp_path):
    """Makes servers of an empty folder."""
    backends = []

    def serve(uploads=UploadPolicy.OVERWRITE, **settings):
        backend = DirectoryBackend(tmp_path, run_blocking=maybeDeferred, uploads=uploads, **settings)
        backends.append(backend)
        return World(backend)

    yield serve
    for backend in backends:
        backend.close()


def upload(world, name, length):
    """Upload so many bytes in blocks of 512; what the server says, in the end."""
    said = world.ask(wrq(name))
    for block in range(1, length // 512 + 2):
        if said.startswith("E"):
            break
        said = world.tell(b"\0\3" + block.to_bytes(2, "big") + content(length)[(block - 1) * 512 : block * 512])
    world.quiet(60)
    return said


def reasons(world):
    """Why requests and transfers did not end well."""
    records = (*world.records.refused, *world.records.ended)
    return [record.reason for record in records if record.reason != "completed"]


def test_a_file_that_is_too_large(serve, tmp_path):
    """C070, C071: ERROR 3, in place of the OACK where the size is announced."""
    world = serve(max_upload=1000)
    assert world.ask(wrq("f", tsize=1001)) == "E3"
    assert upload(world, "f", 1001) == "E3"
    assert upload(world, "f", 1000) == "A2"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_quota_for_all(serve):
    """S028: ERROR 3, for whoever comes."""
    world = serve(quota=Quota(total=1000))
    assert upload(world, "f", 600) == "A2"
    assert world.ask(wrq("g", tsize=401)) == "E3"
    assert words(world.another("192.0.2.9").ask(wrq("g", tsize=401))) == "E3"
    assert upload(world, "g", 401) == "E3"
    assert upload(world, "g", 400) == "A1"
    assert reasons(world) == ["disk-full"] * 3


def test_a_quota_for_each_client(serve):
    """S028: another client still has its own."""
    world = serve(quota=Quota(client=1000))
    assert upload(world, "f", 600) == "A2"
    assert world.ask(wrq("g", tsize=401)) == "E3"
    assert words(world.another("192.0.2.9").ask(wrq("g", tsize=401))) == "OA(tsize=401)"


def test_a_reserve(serve):
    """S028: nothing may be uploaded where less is free than must stay so."""
    assert serve(storing=Storing(reserve=1 << 60)).ask(wrq("f")) == "E3"


def test_versions(serve, tmp_path):
    """Each upload replaces the file and keeps the old one, which can be read but not written."""
    world = serve(UploadPolicy.VERSIONS, storing=Storing(versions=2))
    for length in (100, 200, 300, 400):
        assert upload(world, "f", length) == "A1"
    assert sorted((path.name, path.stat().st_size) for path in tmp_path.iterdir()) == [
        ("f", 400),
        ("f.~2~", 200),
        ("f.~3~", 300),
    ]
    assert world.ask(rrq("f.~3~")) == "D1/300"
    assert world.ask(wrq("f.~3~")) == "E2"


def test_files_that_not_everybody_may_read(serve, tmp_path):
    """S01b, S025: ERROR 2."""
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f").chmod(0o640)
    world = serve(world_readable_only=True)
    assert world.ask(rrq("f")) == "E2"
    (tmp_path / "f").chmod(0o644)
    assert world.ask(rrq("f")) == "D1/1"
