"""What a test needs and this machine may not have."""

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skip the test, and say for want of what. Where all tests are to be run, on CI, that is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and on CI no test may be skipped for that")
    pytest.skip(what)


def need(program: str, package: str) -> str:
    """Where that program is; the test cannot do without it."""
    path = shutil.which(program)
    if path is None:
        lacking(f"{program} of the package {package} is not installed")
    return path
