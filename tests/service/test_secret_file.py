"""The file with the secret of the HTTP port."""

from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from tftpd_tw.service.opening import OpenError
from tftpd_tw.service.secret_file import LONGEST_SECRET, read_secret


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """One that only its owner may read."""
    path = tmp_path / "secret"
    path.touch(0o600)
    return path


@pytest.mark.parametrize(
    ("content", "secret"),
    [(b"abc\n", b"abc"), (b" \xc3\xa4 b\r\n", b"\xc3\xa4 b"), (b"x" * LONGEST_SECRET, b"x" * LONGEST_SECRET)],
)
def test_what_is_read(file: Path, content: bytes, secret: bytes) -> None:
    """Without the white space around it; and nothing is said."""
    file.write_bytes(content)
    with capturedLogs() as logged:
        assert read_secret(str(file)) == secret
    assert logged == []


def test_no_setting() -> None:
    """There is none."""
    assert read_secret(None) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "which is empty"),
        (b" \n", "which is empty"),
        (b"x" * (LONGEST_SECRET + 1), "nobody can show it"),
        (b"two\nlines", "nobody can show it"),
        (b"a\0b", "nobody can show it"),
    ],
)
def test_what_cannot_be_shown(file: Path, content: bytes, words: str) -> None:
    """It is refused at the start, rather than each time that somebody shows it."""
    file.write_bytes(content)
    with pytest.raises(OpenError, match=words):
        read_secret(str(file))


def test_a_file_that_is_not_there(file: Path) -> None:
    """It is named."""
    file.unlink()
    with pytest.raises(OpenError, match=f"cannot read the secret in {file}: No such file or directory"):
        read_secret(str(file))


def test_one_that_everybody_may_read(file: Path) -> None:
    """That is said, with what mends it."""
    file.write_bytes(b"abc\n")
    file.chmod(0o644)
    with capturedLogs() as logged:
        assert read_secret(str(file)) == b"abc"
    assert logged[0]["log_format"].format(**logged[0]) == (
        f"everybody on this host may read the secret in {file}; chmod 640 it"
    )
