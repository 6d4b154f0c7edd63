"""Every test that opens real sockets runs with each engine; and signals do what they usually do."""

import signal

import pytest

# Whoever runs the tests in the background, or with nohup, has these ignored, and so would every daemon be started.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", params=["poll", "reactor"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name that ``performance.engine`` has for it. A daemon that several tests share is started once for
    each.
    """
    name: str = request.param
    return name
