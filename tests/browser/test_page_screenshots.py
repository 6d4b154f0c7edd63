"""Pictures of the page for the README: `make screenshots` has them written to docs/img."""

import os
import subprocess
from pathlib import Path

import pytest
from browser import Browser
from lacking import need

LARGEST = 150_000
"""Bytes of one."""


@pytest.mark.parametrize(
    ("name", "dark", "width", "height"),
    [("page-light", False, 1280, 1080), ("page-dark", True, 1280, 1080), ("page-phone", False, 390, 1080)],
)
def test_screenshot(sample: Browser, tmp_path: Path, name: str, dark: bool, width: int, height: int) -> None:
    """It can be made, and is no larger than it has to be."""
    folder = os.environ.get("SCREENSHOTS")
    picture = Path(folder or tmp_path) / f"{name}.png"
    sample.emulate(dark=dark, width=width, height=height, phone=width < 500)
    sample.wait("document.querySelector('.plot svg').clientWidth <= document.querySelector('.plot').clientWidth")
    assert sample.driver.save_screenshot(str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    if folder:
        command = [need("pngquant", "pngquant"), "--force", "--ext=.png", "--speed=1", "96", str(picture)]
        subprocess.run(command, check=True, timeout=60)
        assert picture.stat().st_size < LARGEST
