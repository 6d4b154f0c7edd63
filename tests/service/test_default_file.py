"""The file that is read without being named, and what is said of the folder that a file names."""

from pathlib import Path

import pytest

from tftpd_tw import tap
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.opening import StartError
from tftpd_tw.tap import Options


@pytest.fixture
def default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it would be; it is not there yet."""
    file = tmp_path / "etc.yaml"
    monkeypatch.setattr(tap, "DEFAULT_FILE", str(file))
    return file


def configured(*arguments: str) -> Configuration:
    """What the command line comes to."""
    options = Options()
    options.parseOptions(list(arguments))
    return options.configuration


def test_it_is_read_when_it_is_there(default_file: Path, tmp_path: Path) -> None:
    """And the command line goes before it."""
    default_file.write_text(f"filesystem: {{root: {tmp_path}}}\nperformance: {{timeout: 7, max_retries: 3}}\n")
    found = configured("--max-retries", "2")
    assert found.filesystem.root == str(tmp_path)
    assert (found.performance.timeout, found.performance.max_retries) == (7.0, 2)


def test_it_need_not_be_there(default_file: Path, tmp_path: Path) -> None:
    """Then all is as it comes."""
    assert not default_file.exists()
    assert configured("--root", str(tmp_path)).performance == Configuration().performance


def test_another_file_is_instead_of_it(default_file: Path, tmp_path: Path) -> None:
    """They are not put together."""
    default_file.write_text("performance: {timeout: 7}\n")
    other = tmp_path / "other.json"
    other.write_text('{"performance": {"max_retries": 3}} // no timeout\n')
    found = configured("--config", str(other), "--root", str(tmp_path)).performance
    assert (found.timeout, found.max_retries) == (5.0, 3)


def test_its_mistakes_are_told(default_file: Path, tmp_path: Path) -> None:
    """As those of any file; nothing starts."""
    default_file.write_text("performance: {timeout: never}\n")
    with pytest.raises(StartError, match=r"etc\.yaml:1: performance\.timeout: expected seconds"):
        configured("--root", str(tmp_path))


def test_a_folder_that_is_not_there_has_the_line_of_the_file(default_file: Path, tmp_path: Path) -> None:
    """Who wrote it there knows where to look."""
    default_file.write_text(f"filesystem:\n  root: {tmp_path}/no\n")
    with pytest.raises(StartError) as caught:
        configured()
    assert str(caught.value.code) == f"tftpd: {default_file}:2: filesystem.root: there is no folder {tmp_path}/no"
