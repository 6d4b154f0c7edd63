"""These tests use what the tests with real clients use to run and ask a daemon."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))
