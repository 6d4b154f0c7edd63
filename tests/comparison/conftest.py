"""The folder that all servers serve."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """With a file, folder, link and FIFO for each case, and a file beside it that is nobody's business."""
    # pytest keeps its folders to the user who runs it; a server may be another.
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    (tmp_path / "outside").write_bytes(b"out")
    root = tmp_path / "root"
    root.mkdir()
    files = {
        b"ready": b"ready",
        b"file": b"x" * 1300,
        b"empty": b"",
        b"text": b"a\nb\nc\n",
        b"old": b"old",
        b"old-too": b"old",
        b"with space": b"space",
        b"-rf": b"dash",
        b"caf\xe9": b"latin",
        "café".encode(): b"utf8",
        b"private": b"private",
        b"folder/inner": b"inner",
    }
    (root / "folder").mkdir()
    for name, content in files.items():
        file = root / os.fsdecode(name)
        file.write_bytes(content)
        file.chmod(0o600 if name == b"private" else 0o666)
    (root / "link").symlink_to("file")
    (root / "old-link").symlink_to("old-too")
    (root / "way-out").symlink_to("../outside")
    os.mkfifo(root / "fifo")
    return root
