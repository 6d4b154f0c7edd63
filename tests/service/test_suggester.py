"""Suggestions for what is served just now, and how long they are kept."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs

from tftpd_tw.service import suggester as suggester_module
from tftpd_tw.service.configuration import Configuration, Filesystem
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.suggester import KEPT, Suggester
from tftpd_tw.service.value_types import Folder, TreePath


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., Folders]]:
    """Opens folders."""
    made: list[Folders] = []

    def open_folders(*names: str) -> Folders:
        for name in names:
            (tmp_path / name).mkdir(exist_ok=True)
        first, *others = (str(tmp_path / name) for name in names)
        filesystem = Filesystem(Folder(first), fallback_roots=tuple(map(TreePath, others)))
        made.append(Folders(Configuration(filesystem=filesystem), execute, Clock(), {}))
        return made[-1]

    yield open_folders
    for folders in made:
        folders.close()


def suggested(suggester: Suggester, *names: str) -> Any:
    """What it says."""
    results: list[Any] = []
    suggester(names).addBoth(results.append)
    return results[0]


def test_of_all_folders(opened: Callable[..., Folders], tmp_path: Path) -> None:
    """For each name, those of any folder."""
    folders = opened("a", "b")
    (tmp_path / "a" / "one").write_bytes(b"")
    (tmp_path / "b" / "two").write_bytes(b"")
    suggester = Suggester(Clock(), lambda: folders, execute)
    assert suggested(suggester, "x/ONE", "x/TWO", "three") == [["one"], ["two"], []]
    assert suggested(suggester) == []


def test_how_long_they_are_kept(opened: Callable[..., Folders], tmp_path: Path) -> None:
    """A minute, or until other folders are served."""
    clock, folders = Clock(), opened("a")
    suggester = Suggester(clock, lambda: folders, execute)
    assert suggested(suggester, "x/one") == [[]]
    (tmp_path / "a" / "one").write_bytes(b"")
    clock.advance(KEPT / 2)
    assert suggested(suggester, "x/one") == [[]]
    clock.advance(KEPT / 2)
    assert suggested(suggester, "x/one") == [["one"]]
    folders = opened("b")
    assert suggested(suggester, "x/one") == [[]]


def test_a_tree_that_cannot_be_read(opened: Callable[..., Folders]) -> None:
    """There is nothing to suggest, and the log says why."""
    folders = opened("a")
    suggester = Suggester(Clock(), lambda: folders, lambda *_: fail(OSError("no disk")))
    with capturedLogs() as logged:
        assert suggested(suggester, "one", "two") == [[], []]
    assert (logged[0]["log_level"], logged[0]["error"]) == (LogLevel.warn, "no disk")


def test_one_question_at_a_time(opened: Callable[..., Folders], tmp_path: Path) -> None:
    """However many ask, one thread at most looks through the tree, and once."""
    folders = opened("a")
    (tmp_path / "a" / "one").write_bytes(b"")
    waiting: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def in_thread(function: Any, *arguments: Any) -> "Deferred[Any]":
        done: Deferred[Any] = Deferred()
        waiting.append((done, partial(function, *arguments)))
        return done

    suggester, results = Suggester(Clock(), lambda: folders, in_thread), list[Any]()
    for _ in range(5):
        suggester(["x/ONE"]).addCallback(results.append)
    looked = []
    while waiting:
        assert len(waiting) == 1
        done, work = waiting.pop()
        looked.append(work.func.__name__)
        done.callback(work())
    assert results == [[["one"]]] * 5
    assert looked == ["files_beneath", "look_for"]


def test_names_that_take_long(
    opened: Callable[..., Folders], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One question finds what there is time for, and the next ones the rest."""
    monkeypatch.setattr(suggester_module, "LONGEST", 0.0)
    folders = opened("a")
    for name in ("one", "two"):
        (tmp_path / "a" / name).write_bytes(b"")
    suggester = Suggester(Clock(), lambda: folders, execute)
    assert [suggested(suggester, "ONE", "TWO") for _ in range(2)] == [[["one"], []], [["one"], ["two"]]]
