"""These tests use what the tests with real clients use to run and ask a daemon."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))


@pytest.fixture
def utc() -> Iterator[None]:
    """Local time is that."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()
