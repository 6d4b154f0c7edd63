"""These tests use what the tests with real clients use to run and ask a daemon."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import globalLogPublisher
from worker_kit import Events, Reactor, Start

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.net.serving import Terms
from tftpd_tw.protocol.options import Policy
from tftpd_tw.service.configuration import Configuration, Filesystem, Network, Performance
from tftpd_tw.service.supervision import WorkersService
from tftpd_tw.service.value_types import Folder, Host, Port, Workers
from tftpd_tw.telemetry.reports import Reports
from tftpd_tw.telemetry.transfer_log import TransferLog
from tftpd_tw.testing import MemoryNetwork, RawPeer

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))


@pytest.fixture
def events() -> Iterator[Events]:
    """What is logged."""
    found: Events = []
    globalLogPublisher.addObserver(found.append)
    yield found
    globalLogPublisher.removeObserver(found.append)


@pytest.fixture
def reactor() -> Reactor:
    """No real one."""
    return Reactor()


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """Two addresses, two workers."""
    return Configuration(
        network=Network((Host("127.0.0.1"), Host("127.0.0.2")), Port(0), True),
        filesystem=Filesystem(Folder(str(tmp_path))),
        performance=Performance(workers=Workers(2)),
    )


@pytest.fixture
def start(reactor: Reactor, configuration: Configuration) -> Iterator[Start]:
    """Start the service; it is ended after the test, without its workers."""
    started: list[WorkersService] = []

    def start(configuration: Configuration = configuration) -> WorkersService:
        service = WorkersService(reactor, configuration, 2)
        started.append(service)
        service.privilegedStartService()
        service.startService()
        return service

    yield start
    for service in started:
        if service.running:
            stopped = service.stopService()
            for process in reactor.processes:
                if not process.over:
                    process.dies()
            assert stopped.called


@pytest.fixture
def network() -> MemoryNetwork:
    """A server with one file, whose transfers are logged."""
    network = MemoryNetwork()
    network.serve(
        MemoryBackend({b"file": b"x" * 1000}, writable=True),
        Terms(Policy(max_blksize=1428)),
        observers=[Reports(network.clock, [TransferLog()])],
    )
    return network


@pytest.fixture
def peer(network: MemoryNetwork) -> RawPeer:
    """A client of literal packets."""
    return network.host("192.0.2.100").raw()
