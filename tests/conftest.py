"""Every test that opens real sockets runs with each engine."""

import pytest


@pytest.fixture(scope="module", params=["poll", "reactor"])
def engine(request: pytest.FixtureRequest) -> str:
    """The name that ``performance.engine`` has for it. A daemon that several tests share is started once for
    each.
    """
    name: str = request.param
    return name
