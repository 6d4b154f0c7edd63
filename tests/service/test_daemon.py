"""The tree of services, in this process and on the real reactor: start, serve, stop, and fail in one line."""

import errno
import os
import signal
import socket
import threading
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from attrs import evolve
from running import ack, data, fetch, request, udp
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import TestCase

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.net.engines import ENGINES, PollEngine
from tftpd_tw.net.reactor_engine import ReactorEngine
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.service import opening
from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import Configuration, Filesystem, Monitoring, Network, Performance
from tftpd_tw.service.daemon import make_service
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.opening import OpenError, StartError
from tftpd_tw.service.storage import Storage
from tftpd_tw.service.transfers import Transfers
from tftpd_tw.service.treatment import make_terms
from tftpd_tw.service.value_types import (
    FIT_MTU,
    HTTP_OFF,
    BlockSize,
    Count,
    DrainTime,
    Engine,
    Folder,
    Host,
    HttpAddress,
    Port,
    Seconds,
    WindowSize,
)

real_bind = opening.bind_request_socket


class DaemonCase(TestCase):
    """A folder, and a configuration for it with ports that the kernel chooses."""

    timeout = 30
    engine = Engine("poll")

    def setUp(self) -> None:
        above = TemporaryDirectory()
        self.addCleanup(above.cleanup)
        self.root = Path(above.name) / "root"
        self.root.mkdir()
        self.configuration = Configuration(
            network=Network((Host("127.0.0.1"),), Port(0)),
            filesystem=Filesystem(root=Folder(str(self.root)), uploads=UploadPolicy.CREATE),
            performance=Performance(engine=self.engine),
            monitoring=Monitoring(HttpAddress("127.0.0.1", 0)),
        )
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def listening_on(self, host: str, port: int) -> None:
        """Change the request port."""
        self.configuration = evolve(self.configuration, network=Network((Host(host),), Port(port)))

    def start(self) -> MultiService:
        """As twistd does it; stopped at the end of the test if it is still running."""
        tree = make_service(self.configuration, reactor)
        tree.privilegedStartService()
        tree.startService()
        self.addCleanup(lambda: tree.stopService() if tree.running else None)
        return tree

    @property
    def port(self) -> int:
        """The UDP port that it got."""
        lines = [event for event in self.events if "serving" in (event.get("log_format") or "")]
        return int(lines[-1]["address"].rpartition(":")[2])

    def fetch(self, name: bytes) -> "Deferred[bytes]":
        """Read a file, from a thread that plays the client."""
        return deferToThread(fetch, "127.0.0.1", self.port, name)

    def refusal(self) -> str:
        """What it says instead of starting."""
        tree = make_service(self.configuration, reactor)
        with pytest.raises(OpenError) as caught:
            tree.privilegedStartService()
        line = str(caught.value.code)
        assert "\n" not in line
        return line


class TreeTests(DaemonCase):
    """What it is made of."""

    def test_names(self) -> None:
        """Each service can be found by its name."""
        tree = make_service(self.configuration, reactor)
        assert tree.name == "tftpd"
        assert [service.name for service in tree] == ["tftp", "sampling", "http", "control", "systemd"]
        assert tree.getServiceNamed("http").parent is tree

    def test_no_http(self) -> None:
        """Switched off, there is none."""
        configuration = evolve(self.configuration, monitoring=Monitoring(HTTP_OFF))
        assert "http" not in [service.name for service in make_service(configuration, reactor)]

    def test_terms(self) -> None:
        """Each setting of the section reaches the transfers."""
        plain = make_terms(Performance())
        assert plain.fit_mtu
        assert (plain.policy.max_blksize, plain.policy.max_windowsize) == (65464, 64)
        assert plain.patience == Patience(5.0, 5)
        terms = make_terms(Performance(BlockSize(1000), WindowSize(3), Seconds(0.5), Count(2)))
        assert not terms.fit_mtu
        assert (terms.policy.max_blksize, terms.policy.max_windowsize) == (1000, 3)
        assert terms.patience == Patience(0.5, 2)
        assert make_terms(Performance(FIT_MTU)).fit_mtu


class ServingTests(DaemonCase):
    """What it does."""

    async def test_it_serves_and_takes_files(self) -> None:
        """Both ways through the folder, with the storage's own threads."""
        (self.root / "file").write_bytes(b"content" * 1000)
        self.start()
        assert await self.fetch(b"file") == b"content" * 1000

        def upload() -> None:
            with udp() as sock:
                sock.sendto(request(2, b"new"), ("127.0.0.1", self.port))
                answer, peer = sock.recvfrom(1024)
                assert answer == ack(0)
                sock.sendto(data(1, b"uploaded"), peer)
                assert sock.recv(1024) == ack(1)

        await deferToThread(upload)
        assert (self.root / "new").read_bytes() == b"uploaded"

    async def test_stopping_lets_a_transfer_finish(self) -> None:
        """A download that runs is not cut off, and nobody new is let in (F22)."""
        (self.root / "file").write_bytes(b"content" * 100_000)
        tree = self.start()
        running = self.fetch(b"file")
        sessions = tree.getServiceNamed("tftp")
        while not sessions._transfers.active:
            await deferLater(reactor, 0)
        stopped = tree.stopService()
        assert not stopped.called
        assert await running == b"content" * 100000
        await stopped
        with udp() as sock:
            sock.connect(("127.0.0.1", self.port))
            sock.send(request(1, b"file"))
            with pytest.raises(ConnectionRefusedError):
                sock.recv(1024)

    async def test_stopping_ends_what_does_not_finish(self) -> None:
        """When the time is over the client is told so, and its upload leaves nothing (F22, C114)."""
        performance = evolve(self.configuration.performance, drain_timeout=DrainTime(0.1))
        self.configuration = evolve(self.configuration, performance=performance)
        tree = self.start()
        with udp() as sock:
            sock.sendto(request(2, b"half"), ("127.0.0.1", self.port))
            answer, peer = await deferToThread(sock.recvfrom, 1024)
            assert answer == ack(0)
            sock.sendto(data(1, b"x" * 512), peer)
            assert await deferToThread(sock.recv, 1024) == ack(1)
            await tree.stopService()
            packet = sock.recv(1024)
            while packet == ack(1):  # it may have been repeated
                packet = sock.recv(1024)
            assert packet == b"\x00\x05\x00\x00Server is stopping\x00"
        assert os.listdir(self.root) == []

    async def test_other_settings(self) -> None:
        """New requests get them, on new ports too, and old ports are closed; transfers go on (F21)."""
        (self.root / "file").write_bytes(b"content" * 1000)
        tree = self.start()
        tftp = tree.getServiceNamed("tftp")
        old = self.port
        with udp() as sock:
            sock.sendto(request(1, b"file"), ("127.0.0.1", old))
            first, peer = await deferToThread(sock.recvfrom, 1024)
            network = Network((Host("127.0.0.2"),), Port(0))
            performance = evolve(self.configuration.performance, block_size=BlockSize(100))
            await tftp.reload(evolve(self.configuration, network=network, performance=performance))
            sock.sendto(ack(1), peer)
            packet = await deferToThread(sock.recv, 1024)
            while packet == first:  # it may have been repeated
                packet = await deferToThread(sock.recv, 1024)
            assert packet.startswith(data(2, b""))
            sock.sendto(b"\0\5\0\0enough\0", peer)
        assert self.port != old
        with udp() as sock:
            sock.sendto(request(1, b"file", blksize=512), ("127.0.0.2", self.port))
            packet, peer = await deferToThread(sock.recvfrom, 1024)
            assert packet == b"\0\6blksize\x00100\0"
            sock.sendto(b"\0\5\0\0enough\0", peer)
        assert free("127.0.0.1", old)

    async def test_settings_that_cannot_be_taken(self) -> None:
        """Nothing changes, and a port that was opened for them is closed."""
        (self.root / "file").write_bytes(b"content")
        tree = self.start()
        tftp = tree.getServiceNamed("tftp")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.2", 0))
            new = sock.getsockname()[1]

        def refuse(_: object, __: object) -> None:
            raise OpenError("no")

        with patch.object(Transfers, "reload", refuse), pytest.raises(OpenError):
            await tftp.reload(evolve(self.configuration, network=Network((Host("127.0.0.2"),), Port(new))))
        assert free("127.0.0.2", new)
        assert await self.fetch(b"file") == b"content"
        await tree.stopService()
        with pytest.raises(OpenError, match="the daemon is stopping"):
            await tftp.reload(self.configuration)

    async def test_a_new_folder_whose_server_is_dead(self) -> None:
        """Transfers do not wait for it, and the daemon stops as ever (F21, F22)."""
        (self.root / "file").write_bytes(b"content" * 1000)
        tree = self.start()
        alive = threading.Event()
        self.addCleanup(alive.set)
        opened: Deferred[None] = Deferred()
        open_now = Storage.open

        def hang(storage: Storage, configuration: Configuration) -> Folders:
            alive.wait()
            folders = open_now(storage, configuration)
            reactor.callFromThread(opened.callback, None)
            return folders

        with patch.object(Storage, "open", hang):
            reload = Deferred.fromCoroutine(tree.getServiceNamed("tftp").reload(self.configuration))
            assert await self.fetch(b"file") == b"content" * 1000
            await tree.stopService()
            assert not reload.called
            alive.set()
            await opened
            with pytest.raises(OpenError, match="the daemon is stopping"):
                await reload

    async def test_signals_are_given_back(self) -> None:
        """After the end, and where there is no start."""
        tree = self.start()
        assert signal.getsignal(signal.SIGHUP) != signal.SIG_DFL
        stopped = tree.stopService()
        assert tree._signals.stopping
        await stopped
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL
        self.listening_on("192.0.2.1", 0)
        self.refusal()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


class ServingByTheReactorTests(ServingTests):
    """The same with the other engine."""

    engine = Engine("reactor")


class CannotStartTests(DaemonCase):
    """One line that says what failed, why, and what to do."""

    def test_a_port_that_is_taken(self) -> None:
        """It says how to find out by whom."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            port = other.getsockname()[1]
            self.listening_on("127.0.0.1", port)
            assert self.refusal() == (
                f"tftpd: cannot listen on UDP 127.0.0.1:{port}: Address already in use: another program has it;"
                f" stop that one (`ss -lpn 'sport = :{port}'` names it) or choose another with --port"
            )

    def test_an_http_port_that_is_taken(self) -> None:
        """The same, with the option that is the right one here."""
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]
            self.configuration = evolve(self.configuration, monitoring=Monitoring(HttpAddress("127.0.0.1", port)))
            tree = make_service(self.configuration, reactor)
            with pytest.raises(OpenError) as caught:
                tree.getServiceNamed("http").privilegedStartService()
        assert f"TCP 127.0.0.1:{port}: Address already in use" in str(caught.value.code)
        assert str(caught.value.code).endswith("choose another with --http")

    def test_a_port_that_is_not_permitted(self) -> None:
        """Who is not root is told what it takes."""
        self.listening_on("127.0.0.1", 69)
        with patch.object(opening, "bind_request_socket", side_effect=os_error(errno.EACCES)):
            line = self.refusal()
        assert "cannot listen on UDP 127.0.0.1:69: Permission denied" in line
        assert "ports below 1024 need root or CAP_NET_BIND_SERVICE" in line
        assert "twistd --uid" in line

    def test_an_address_of_another_host(self) -> None:
        """It says how to see one's own."""
        self.listening_on("192.0.2.1", 0)
        assert "this host has no such address; `ip address` lists" in self.refusal()

    def test_a_folder_that_cannot_be_opened(self) -> None:
        """Gone since the options were read."""
        self.root.rmdir()
        assert self.refusal() == f"tftpd: cannot serve the folder {self.root}: No such file or directory"

    def test_what_no_advice_is_known_for(self) -> None:
        """The system's own words."""
        self.listening_on("127.0.0.1", 69)
        with patch.object(opening, "bind_request_socket", side_effect=os_error(errno.ENOBUFS)):
            assert "No buffer space available" in self.refusal()

    def test_twistd_sees_it_in_the_background_too(self) -> None:
        """There it reports an Exception to the waiting foreground, and only that; but it is no traceback."""
        assert issubclass(OpenError, Exception)
        assert issubclass(OpenError, SystemExit)
        assert not issubclass(StartError, Exception)

    def test_an_http_address_that_makes_no_sense(self) -> None:
        """Even without an error number there is a line."""
        tree = make_service(self.configuration, reactor)
        service = tree.getServiceNamed("http")
        with (
            patch.object(reactor, "listenTCP", side_effect=CannotListenError("127.0.0.1", 0, ValueError("no"))),
            pytest.raises(OpenError) as caught,
        ):
            service.privilegedStartService()
        assert "unknown error" in str(caught.value.code)


class WithoutIpv6Tests(DaemonCase):
    """A host whose kernel has no IPv6."""

    async def test_every_ipv4_address_stands_in(self) -> None:
        """The default is what there is; asked for ``::`` it listens on ``0.0.0.0``."""
        (self.root / "file").write_bytes(b"content")
        self.listening_on("::", 0)

        def bind(host: str, port: int, **options: Any) -> socket.socket:
            if ":" in host:
                raise os_error(errno.EAFNOSUPPORT)
            return real_bind(host, port, **options)

        self.patch(opening, "bind_request_socket", bind)
        self.start()
        assert any("0.0.0.0:" in str(event.get("address")) for event in self.events)
        assert await self.fetch(b"file") == b"content"

    def test_one_that_was_asked_for_by_name_is_missed(self) -> None:
        """Nobody asks for ``::1`` and means IPv4."""
        self.listening_on("::1", 0)
        with patch.object(opening, "bind_request_socket", side_effect=os_error(errno.EAFNOSUPPORT)):
            self.refusal()

    def test_the_port_may_be_taken_there(self) -> None:
        """Then the line has the address that was tried."""
        self.listening_on("::", 69)
        errors = [os_error(errno.EAFNOSUPPORT), os_error(errno.EADDRINUSE)]
        with patch.object(opening, "bind_request_socket", side_effect=errors):
            assert "UDP 0.0.0.0:69: Address already in use" in self.refusal()


def free(host: str, port: int) -> bool:
    """Whether nobody has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def os_error(number: int) -> OSError:
    """As the system raises it."""
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("name", "kind"), [("auto", PollEngine), ("poll", PollEngine), ("reactor", ReactorEngine)]
)
def test_the_engine_is_chosen_by_name(tmp_path, name, kind):
    """``performance.engine`` says how sockets are waited for; the best that works is the default."""
    file = tmp_path / "tftpd.yaml"
    file.write_text(f"performance: {{engine: {name}}}\nfilesystem: {{root: .}}\n")
    sources = Sources()
    sources.add_file(str(file))
    engine = sources.configuration().performance.engine
    with closing(ENGINES[engine](reactor)) as made:
        assert type(made) is kind


def test_an_unknown_engine_is_a_mistake(tmp_path):
    """The names that there are are told."""
    file = tmp_path / "tftpd.yaml"
    file.write_text("performance: {engine: steam}\n")
    sources = Sources()
    sources.add_file(str(file))
    with pytest.raises(
        ConfigurationError, match=r"tftpd\.yaml:1: performance\.engine: expected one of auto, poll, reactor"
    ):
        sources.configuration()
