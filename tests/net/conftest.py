"""What must hold after each test of the network floor."""

from collections.abc import Iterator

import pytest
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase


@pytest.fixture(autouse=True)
def logged(request: pytest.FixtureRequest) -> Iterator[list[Failure]]:
    """The failures that were logged. A test that expects some takes them out; trial's cases see to it
    themselves.
    """
    failures: list[Failure] = []

    def keep(event: dict[str, object]) -> None:
        if isinstance(failure := event.get("log_failure"), Failure):
            failures.append(failure)

    globalLogPublisher.addObserver(keep)
    yield failures
    globalLogPublisher.removeObserver(keep)
    if request.cls is None or not issubclass(request.cls, SynchronousTestCase):
        assert failures == []
