"""What these tests have in common."""

import sys
from pathlib import Path

import pytest
from fake_host import FakeHost

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A machine on which all is well."""
    return FakeHost(tmp_path)
