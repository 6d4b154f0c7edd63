"""What real clients are told when they don't get what they want."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Atftp, Busybox, Client, Curl, Hpa, Server
from running import Daemon, serving

NOT_FOUND, DENIED, EXISTS = 68, 69, 73
"""What curl exits with for the ERROR codes 1, 2 and 6."""


@pytest.fixture(scope="module")
def reading(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon as it comes, with a canary beside its root."""
    root = tmp_path_factory.mktemp("reading") / "root"
    (root.parent / "canary").write_bytes(b"CANARY")
    with serving(root, engine) as daemon:
        (root / "kept").write_bytes(b"kept")
        yield daemon


@pytest.fixture(scope="module")
def creating(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon that takes new files."""
    with serving(tmp_path_factory.mktemp("creating") / "root", engine, "--uploads", "create") as daemon:
        (daemon.root / "kept").write_bytes(b"kept")
        yield daemon


def at(daemon: Daemon) -> Server:
    """Where it is."""
    return Server("127.0.0.1", daemon.port)


def test_a_missing_file(reading: Daemon, tmp_path: Path) -> None:
    """ERROR 1 (C031)."""
    assert Curl().get(at(reading), "missing", tmp_path / "got") == NOT_FOUND


@pytest.mark.parametrize("name", ["../canary", "/../canary", "kept/../../canary", "..%5ccanary", "kept/"])
def test_a_name_outside_the_root(name: str, reading: Daemon, tmp_path: Path) -> None:
    """ERROR 2, and nothing of the canary (S020)."""
    assert Curl().get(at(reading), name, tmp_path / "got") == DENIED
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("client", [Hpa(), Atftp(), Busybox()], ids=str)
@pytest.mark.parametrize("name", ["missing", "../canary"])
def test_no_client_gets_what_is_not_to_be_had(client: Client, name: str, reading: Daemon, tmp_path: Path) -> None:
    """Whatever it makes of the ERROR, it has no content (C031, S020)."""
    client.get(at(reading), name, tmp_path / "got")
    assert not (tmp_path / "got").exists() or (tmp_path / "got").read_bytes() == b""


@pytest.mark.parametrize("name", ["new", "kept", "../new"])
def test_uploads_are_denied_unless_allowed(name: str, reading: Daemon, tmp_path: Path) -> None:
    """As it comes, a daemon takes nothing (S016, C112)."""
    (tmp_path / "local").write_bytes(b"local")
    assert Curl().put(at(reading), tmp_path / "local", name) == DENIED
    assert [path.name for path in reading.root.iterdir()] == ["kept"]
    assert (reading.root / "kept").read_bytes() == b"kept"
    assert not (reading.root.parent / "new").exists()


@pytest.mark.parametrize("client", [Curl(), Hpa(), Atftp(), Busybox()], ids=str)
def test_a_file_that_exists_stays(client: Client, creating: Daemon, tmp_path: Path) -> None:
    """With ``create``, a name that is taken is ERROR 6 (C110)."""
    (tmp_path / "local").write_bytes(b"local")
    status = client.put(at(creating), tmp_path / "local", "kept")
    assert status == EXISTS or client.program != "curl"
    assert (creating.root / "kept").read_bytes() == b"kept"


def test_a_new_file_is_taken(creating: Daemon, tmp_path: Path) -> None:
    """With ``create``, a free name is stored, and can be read by its owner and group only (S025)."""
    (tmp_path / "local").write_bytes(b"local")
    assert Curl().put(at(creating), tmp_path / "local", "new") == 0
    assert (creating.root / "new").read_bytes() == b"local"
    assert (creating.root / "new").stat().st_mode & 0o137 == 0


def test_a_refusal_is_one_log_line(reading: Daemon, tmp_path: Path) -> None:
    """Who asked for what, and why it was refused."""
    Curl().get(at(reading), "looked-for", tmp_path / "got")
    reading.wait_for_line(r'read refused reason=not-found client=127\.0\.0\.1:\d+ .*name="looked-for"')
