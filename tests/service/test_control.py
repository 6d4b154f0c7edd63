"""``tftpd-tw reload`` and the socket that it finds the daemon by."""

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from worker_kit import Events, lines

from tftpd_tw import cli
from tftpd_tw.protocol.text import escaped
from tftpd_tw.service import control
from tftpd_tw.service.control import MOST_PROBLEMS, ControlService, Peer, daemons
from tftpd_tw.service.reloading import Outcome

TABLE = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 10563 @tftpd-tw/4711
0000000000000000: 00000003 00000000 00000000 0001 03 10564 @tftpd-tw/4711
0000000000000000: 00000002 00000000 00010000 0001 01 10565 @tftpd-tw/12
0000000000000000: 00000002 00000000 00010000 0001 01 10566 /run/tftpd-tw/13
0000000000000000: 00000002 00000000 00010000 0001 01 10566 @tftpd-tw/test
0000000000000000: 00000002 00000000 00000000 0002 01 10567
"""


def test_daemons(tmp_path: Path) -> None:
    """Those that listen, each once; none where there is no such table."""
    table = tmp_path / "unix"
    table.write_text(TABLE)
    assert daemons(table) == [12, 4711]
    assert daemons(tmp_path / "none") == []


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """Somebody who has the name of a daemon that would be this process."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(control.address_of(os.getpid()))
        sock.listen()
        yield sock


def test_several(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One has to be chosen; and one that is not there is none."""
    ours, none = os.getpid(), (1 << 22) + 1
    monkeypatch.setattr(control, "daemons", lambda: [ours, none])
    assert cli.main(["reload"]) == 1
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == "tftpd-tw reload: there are several daemons; choose one with --pid:"
    assert lines == [f"  {ours}  {escaped(' '.join(sys.orig_argv).encode())}", f"  {none}  "]
    assert cli.main(["reload", "--pid", "1"]) == 1
    assert capsys.readouterr().err == "tftpd-tw reload: process 1 is no tftpd-tw daemon\n"


def test_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It says where it looked."""
    monkeypatch.setattr(control, "daemons", list)
    assert cli.main(["reload"]) == 1
    assert "there is no daemon on this host" in capsys.readouterr().err


def test_somebody_else(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel knows who has the name."""
    monkeypatch.setattr(control, "peer_of", lambda _: Peer(99, 0))
    assert cli.main(["reload", "--pid", str(os.getpid())]) == 1
    assert f"the name of daemon {os.getpid()} is taken by process 99" in capsys.readouterr().err


def test_one_that_does_not_answer(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is not waited for, for ever; and one that ends is not either."""
    monkeypatch.setattr(cli.reload, "PATIENCE", 0.05)
    assert cli.main(["reload", "--pid", str(os.getpid())]) == 1
    assert "no answer within 0 seconds" in capsys.readouterr().err
    listening.accept()[0].close()
    listening.settimeout(None)
    monkeypatch.setattr(cli.reload, "PATIENCE", 5)
    monkeypatch.setattr(cli.reload.control, "peer_of", lambda connection: closed(listening, connection))
    assert cli.main(["reload", "--pid", str(os.getpid())]) == 1
    assert "ended before it answered" in capsys.readouterr().err


def closed(listening: socket.socket, _: socket.socket) -> Peer:
    """The daemon goes away."""
    listening.accept()[0].close()
    return Peer(os.getpid(), 0)


class ServiceTests(TestCase):
    """The daemon's end, on the real reactor."""

    timeout = 30

    @pytest.fixture(autouse=True)
    def _kit(self, events: Events, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.events = events
        self.capsys = capsys
        # Apart from other daemons on this machine.
        monkeypatch.setattr(control, "PREFIX", f"tftpd-tw-test-{os.getpid()}/")

    def start(self, *answers: "Deferred[Outcome]") -> ControlService:
        """One that gives these answers, and is stopped at the end."""
        waiting = list(answers)
        service = ControlService(reactor, lambda: waiting.pop(0))
        service.startService()
        self.addCleanup(lambda: service.running and service.stopService())
        return service

    async def reload(self) -> "tuple[int, str, str]":
        """The command, in a thread: its status, and what it prints."""
        status: int = await deferToThread(cli.main, ["reload"])
        printed: Any = self.capsys.readouterr()
        return status, printed.out, printed.err

    async def test_it_is_taken(self) -> None:
        """The command finds the daemon by itself, and waits for it."""
        answer: Deferred[Outcome] = Deferred()
        self.start(answer)
        result = Deferred.fromCoroutine(self.reload())
        reactor.callLater(0.05, answer.callback, Outcome())  # type: ignore[attr-defined]
        assert await result == (0, f"reloaded (pid {os.getpid()})\n", "")

    async def test_what_takes_a_restart(self) -> None:
        """It is named."""
        self.start(succeed(Outcome(late=["performance.workers", "monitoring.http"])))
        line = (
            f"reloaded (pid {os.getpid()}), but for what takes a restart: performance.workers, monitoring.http\n"
        )
        assert await self.reload() == (0, line, "")

    async def test_it_is_not(self) -> None:
        """Each problem is a line, up to a number; the log has them all."""
        self.start(succeed(Outcome(["first", "second"])), succeed(Outcome(["x" * 200] * 1000)))
        assert await self.reload() == (1, "", "tftpd-tw reload: first\ntftpd-tw reload: second\n")
        _, _, text = await self.reload()
        assert len(text.splitlines()) == MOST_PROBLEMS

    async def test_whoever_may_not(self) -> None:
        """They are told who may."""
        self.start()
        self.patch(control, "peer_of", lambda _: Peer(os.getpid(), 4242))
        status, _, text = await self.reload()
        assert status == 1
        assert text == f"tftpd-tw reload: only root and uid {os.geteuid()} may have this daemon reload\n"

    async def test_one_that_does_not_wait(self) -> None:
        """Nobody minds."""
        answer: Deferred[Outcome] = Deferred()
        self.start(answer)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as impatient:
            impatient.connect(control.address_of(os.getpid()))
            await deferToThread(impatient.send, b"reload")
        answer.callback(Outcome())

    def test_a_name_that_is_taken(self) -> None:
        """The daemon starts all the same, and says what does not work."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.bind(control.address_of(os.getpid()))
            service = self.start()
        assert service.fileno() == -1
        assert lines(self.events, "`tftpd-tw") == [
            "`tftpd-tw reload` will not find this daemon, send SIGHUP: Address already in use"
        ]

    def test_it_is_closed(self) -> None:
        """The name is free when it has stopped."""
        self.start().stopService()
        assert os.getpid() not in daemons()

    def test_elsewhere(self) -> None:
        """Only Linux has such names."""
        self.patch(control.sys, "platform", "plan9")
        assert self.start().fileno() == -1
        assert os.getpid() not in daemons()
