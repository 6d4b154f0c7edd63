"""How many workers ``auto`` means."""

import os
from pathlib import Path

import pytest

from tftpd_tw.service import cpus
from tftpd_tw.service.configuration import Performance
from tftpd_tw.service.value_types import AUTO, Workers


@pytest.fixture(autouse=True)
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Control groups of a process in ``a/b``, on a machine with eight CPUs."""
    (tmp_path / "groups" / "a" / "b").mkdir(parents=True)
    (tmp_path / "own").write_text("1:cpu:/old\n0::/a/b\n")
    monkeypatch.setattr(cpus, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(cpus, "OWN_CGROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    return tmp_path / "groups"


def count() -> int:
    """For ``auto``."""
    return cpus.worker_count(Performance(workers=AUTO))


def test_a_number_is_that_number() -> None:
    """Whatever the machine."""
    assert cpus.worker_count(Performance()) == 1
    assert cpus.worker_count(Performance(workers=Workers(100))) == 100


def test_the_affinity_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """``taskset`` counts."""
    assert count() == 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 3})
    assert count() == 2
    assert cpus.cpus() == [3, 5]


def test_a_system_without_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that there are."""
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert count() == 3


@pytest.mark.parametrize(
    ("own", "above", "expected"),
    [
        ("200000 100000", "max 100000", 2),
        ("150000 100000", "max 100000", 2),
        ("10000 100000", "max 100000", 1),
        ("max 100000", "300000 100000", 3),
        ("400000 100000", "300000 100000", 3),
        ("max 100000", "max 100000", 8),
        ("nonsense", "", 8),
    ],
)
def test_a_quota(own: str, above: str, expected: int, groups: Path) -> None:
    """That of a container or unit, or of what it is in; rounded up."""
    (groups / "a" / "b" / "cpu.max").write_text(own)
    (groups / "cpu.max").write_text(above)
    assert count() == expected


def test_no_control_groups(groups: Path) -> None:
    """No quota."""
    groups.with_name("own").unlink()
    assert count() == 8
