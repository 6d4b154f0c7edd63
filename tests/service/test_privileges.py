"""What takes root is refused at the start, where root will not be there when it is needed."""

import os
from pathlib import Path
from typing import Any

import pytest

from tftpd_tw.service import privileges
from tftpd_tw.service.opening import StartError
from tftpd_tw.service.privileges import CAP_CHOWN, capable
from tftpd_tw.tap import Options

OTHER = 4_000_000_001
"""A number of nobody here."""
NOBODY = 65534


class Twistd(dict[str, Any]):
    """Its options, as far as they matter."""

    def __init__(self, uid: int | None, gid: int | None = None) -> None:
        super().__init__(uid=uid, gid=gid)


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The capabilities of this process, of which there are none to begin with."""
    found: set[int] = set()
    monkeypatch.setattr(privileges, "capable", found.__contains__)
    return found


def start(tmp_path: Path, settings: str, uid: int | None = None, gid: int | None = None) -> list[str]:
    """What keeps the daemon from starting."""
    file = tmp_path / "tftpd.yaml"
    file.write_text(f"filesystem:\n  root: {tmp_path}\n  uploads: create\n{settings}")
    options = Options()
    options.parent = Twistd(uid, gid)  # type: ignore[assignment]
    try:
        options.parseOptions(["--config", str(file)])
    except StartError as error:
        return str(error.code).replace(str(file), "file").split("\n")
    return []


def test_to_become_another_takes_root(tmp_path: Path, able: set[int]) -> None:
    """It is said before anything is opened; to become oneself takes nothing."""
    assert start(tmp_path, "", OTHER, OTHER) == [
        f"tftpd: --uid: to become user {OTHER} takes root; start as root, or as that user without --uid",
        f"tftpd: --gid: to take the group {OTHER} takes root; start as root, or without --gid",
    ]
    assert start(tmp_path, "", os.getuid(), os.getgid()) == []
    able.update({privileges.CAP_SETUID, privileges.CAP_SETGID})
    assert start(tmp_path, "", OTHER, OTHER) == []


def test_an_owner_takes_root(tmp_path: Path, able: set[int]) -> None:
    """At the start, and at a reload too; but not the owner that uploads have anyway."""
    text = f"  upload_owner: {OTHER}\n"
    told = f"file:4: filesystem.upload_owner: to give uploads to {OTHER} needs root (CAP_CHOWN), which "
    assert start(tmp_path, text) == [f"tftpd: {told}the daemon does not have"]
    assert start(tmp_path, f"  upload_owner: {os.geteuid()}\n") == []
    able.add(CAP_CHOWN)
    assert start(tmp_path, text) == []


def test_owners_that_nobody_is(tmp_path: Path, able: set[int]) -> None:
    """Both are told, each with its line."""
    able.add(CAP_CHOWN)
    assert start(tmp_path, "  upload_owner: nobody-at-all\n  upload_group: no-such-group\n") == [
        "tftpd: file:4: filesystem.upload_owner: there is no user nobody-at-all",
        "tftpd: file:5: filesystem.upload_group: there is no group no-such-group",
    ]


def test_an_owner_when_root_is_given_up(tmp_path: Path, able: set[int]) -> None:
    """What the process can do now does not count; the owner may be whom it becomes."""
    able.update({CAP_CHOWN, privileges.CAP_SETUID, privileges.CAP_SETGID})
    assert start(tmp_path, f"  upload_owner: {OTHER}\n", NOBODY) == [
        f"tftpd: file:4: filesystem.upload_owner: to give uploads to {OTHER} needs root (CAP_CHOWN), which --uid"
        " gives up"
    ]
    assert start(tmp_path, f"  upload_owner: {NOBODY}\n", NOBODY) == []


def test_a_group_of_ones_own_takes_nothing(tmp_path: Path, able: set[int]) -> None:
    """Another one does."""
    assert start(tmp_path, f"  upload_group: {os.getegid()}\n") == []
    [line] = start(tmp_path, f"  upload_group: {OTHER}\n")
    assert line.startswith(f"tftpd: file:4: filesystem.upload_group: uploads of the group {OTHER}, in which ")
    assert line.endswith(" is not: this needs root (CAP_CHOWN), which the daemon does not have")
    able.update({privileges.CAP_SETUID, privileges.CAP_SETGID})
    assert start(tmp_path, f"  upload_group: {OTHER}\n", NOBODY, OTHER) == []


@pytest.mark.parametrize("off", ["  uploads: deny\n", "security: {write_enabled: false}\n"])
def test_nothing_is_needed_without_uploads(tmp_path: Path, able: set[int], off: str) -> None:
    """Then there is nothing to give away."""
    settings = f"  upload_owner: {OTHER}\n{off}"
    file = tmp_path / "tftpd.yaml"
    file.write_text(
        f"filesystem:\n  root: {tmp_path}\n" + ("" if "deny" in off else "  uploads: create\n") + settings
    )
    options = Options()
    options.parseOptions(["--config", str(file)])
    assert options.configuration.filesystem.upload_owner == str(OTHER)


def test_what_the_kernel_says(tmp_path: Path) -> None:
    """Whether this process can give a file away is what is found out about it."""
    (tmp_path / "file").touch()
    try:
        os.chown(tmp_path / "file", OTHER, -1)
        given = True
    except PermissionError:
        given = False
    assert capable(CAP_CHOWN) is given
    assert capable(63) is False
