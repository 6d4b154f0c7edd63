"""A worker: one of several processes that serve, over sockets that the daemon has opened.

``python -m tftpd_tw.service.worker`` is started by :mod:`~tftpd_tw.service.supervision`, and by nobody else. It
ends, letting transfers finish, on SIGTERM and when the pipe from the daemon closes, which it does whatever the
daemon dies of. What the terminal sends to all, SIGINT and SIGHUP, is the daemon's to act upon.
"""

import itertools
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.protocol import connectionDone
from twisted.internet.stdio import StandardIO
from twisted.logger import ILogObserver, LogEvent, Logger, globalLogBeginner
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.folders import bases
from tftpd_tw.service.log_lines import LogLines
from tftpd_tw.service.messages import (
    FIRST_FOLDER,
    LONGEST_LINE,
    PASSAGE,
    REPLIES,
    Assignment,
    Change,
    Message,
    encode,
    pack_event,
    pack_places,
)
from tftpd_tw.service.opening import OpenError, Place
from tftpd_tw.service.process import prepare_process
from tftpd_tw.service.signals import waking
from tftpd_tw.service.storage import Storage
from tftpd_tw.service.transfers import Transfers
from tftpd_tw.telemetry.accounting import Accounting
from tftpd_tw.telemetry.families import DROPPED

log = Logger("tftpd_tw.service.worker")

MOST_HELD = 10_000
"""Lines of the log that are kept while the daemon does not read, as when it is late for a moment."""


@implementer(ILogObserver)
class Worker(LineOnlyReceiver):
    """The worker's end of the pipes; the first line is what to do. As a log observer it sends what is logged."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST_LINE
    transport: Any

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._accounting = Accounting(reactor)
        self._number = 0
        self._storage: Storage | None = None
        self._folders: Sequence[int] = ()
        self._transfers: Transfers | None = None
        self._changing = DeferredLock()
        self._ending = False
        self._finished = False
        self._connected = False
        self._paused = False
        self._held: deque[Message] = deque()
        self._lost = 0
        self._lines = LogLines()
        self.status = 0
        """With which the process will end."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's
        """The pipes are there."""
        self._connected = True
        self.transport.registerProducer(self, True)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's
        """The daemon says what to do, or asks."""
        if self._transfers is not None:
            self._told(json.loads(line))
        elif not self._ending:
            try:
                self._begin(Assignment.from_line(line))
            except OpenError as error:
                self._fail(str(error))
            except Exception:
                log.failure("The worker cannot start")
                self._fail("it cannot start")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The daemon is gone, or all is said."""
        self._connected = False
        if self._finished:
            self._reactor.stop()
        else:
            self.end()

    def end(self) -> None:
        """Let transfers finish, and end the process. May be called again."""
        if not self._ending:
            self._ending = True
            done: Deferred[None] = self._transfers.stop() if self._transfers is not None else succeed(None)
            done.addErrback(lambda failure: log.failure("Could not stop", failure)).addCallback(self._finish)
        if self._transfers is not None and not self._finished:
            # Each time: a service manager may have sent the signal before the daemon does, which waits to hear it.
            self._say_staying()

    def __call__(self, event: LogEvent) -> None:
        """The daemon's log is the log."""
        if not self._lines.wants(event):
            return
        if not self._paused:
            self._send(pack_event(event, with_report=self._lines.are_json))
        elif len(self._held) < MOST_HELD:
            self._held.append(pack_event(event, with_report=self._lines.are_json))
        else:
            self._lost += 1

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's
        """The daemon does not read. So many lines wait for it; transfers matter more than the rest of the log."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's
        """It does again."""
        self._paused = False
        while self._held and not self._paused:
            self._send(self._held.popleft())
        if not self._paused and (lost := self._lost):
            self._lost = 0
            log.warn("{count} log lines were lost while the daemon did not read them", count=lost)

    def stopProducing(self) -> None:
        """It has closed its end."""
        self._paused = True

    def _begin(self, assignment: Assignment) -> None:
        self._number = assignment.number
        if assignment.cpu is not None:
            os.sched_setaffinity(0, {assignment.cpu})
        configuration = assignment.configuration
        self._lines.use(configuration.logging)
        first = FIRST_FOLDER + len(bases(configuration))
        paths = self._take_folders(configuration, range(FIRST_FOLDER, first))
        self._storage = storage = Storage(self._reactor, configuration, paths)
        self._transfers = Transfers(
            self._reactor, configuration, storage, self._accounting, self._say_staying, self._number
        )
        self._transfers.start()
        self._listen(itertools.count(first), assignment.places)
        self._send({"ready": True})

    def _told(self, message: Message) -> None:
        if message.get("ask") == "view":
            self._send({"view": self._serving.view.since(message["seen"])})
        elif "ask" in message:
            self._send({"figures": self._figures()})
        elif "change" in message:
            # One after the other: each says whether it was made.
            changed = self._changing.run(Deferred.fromCoroutine, self._change(Change.from_message(message)))
            changed.addCallback(self._say_changed)
        elif "hurry" in message:
            self.end()
            self._serving.hurry()

    async def _change(self, change: Change) -> str:
        """Why it cannot be made; empty if it was."""
        self._take_passed(change)
        try:
            await self._serving.reload(change.configuration)
        except OpenError as error:
            # One that ends stops nobody.
            return "" if self._ending else error.text
        except Exception:
            log.failure("The settings cannot be changed")
            return f"worker {self._number} has an error; see above"
        self._serving.keep(change.places)
        self._lines.use(change.configuration.logging)
        return ""

    def _say_changed(self, why_not: str) -> None:
        self._send({"changed": why_not, **pack_places(self._serving.staying)})

    def _take_passed(self, change: Change) -> None:
        """Folders and sockets that the daemon has opened for ``change``."""
        count = change.new_folders + change.new_sockets
        if not count:
            return
        with socket.socket(fileno=os.dup(PASSAGE)) as passage:
            descriptors = socket.recv_fds(passage, 1, count)[1]
        folders, sockets = descriptors[: change.new_folders], descriptors[change.new_folders :]
        if folders:
            assert self._storage is not None
            self._storage.paths = self._take_folders(change.configuration, folders)
        self._listen(sockets, change.places[len(change.places) - len(sockets) :])

    def _take_folders(self, configuration: Configuration, descriptors: Sequence[int]) -> dict[str, str]:
        """Paths of the folders that the daemon has opened, whatever is now at their own; none where there is no
        ``/proc``. Those before are closed, as far as nobody has opened them.
        """
        for descriptor in self._folders:
            os.close(descriptor)
        self._folders = descriptors
        passed = zip(bases(configuration), [f"/proc/self/fd/{number}" for number in descriptors], strict=True)
        return {base: path for base, path in passed if os.path.isdir(path)}

    def _listen(self, descriptors: Iterable[int], places: Sequence[Place]) -> None:
        for place, descriptor in zip(places, descriptors, strict=False):
            os.set_inheritable(descriptor, False)
            sock = socket.socket(fileno=descriptor)
            if self._ending:
                sock.close()
            else:
                self._serving.listen(sock, place)

    @property
    def _serving(self) -> Transfers:
        assert self._transfers is not None
        return self._transfers

    def _figures(self) -> dict[str, Any]:
        totals = self._accounting.totals()
        if self._number > 1:
            # Each worker gets every broadcast; the first one counts them.
            totals.values[DROPPED].pop(("broadcast",), None)
        return totals.snapshot()

    def _say_staying(self) -> None:
        self._send(pack_places(self._serving.staying))

    def _send(self, message: Message) -> None:
        if self._connected:
            self.transport.write(encode(message))

    def _fail(self, text: str) -> None:
        log.critical("{text}", text=text)
        self.status = 1
        self.end()

    def _finish(self, _: object) -> None:
        self._finished = True
        if self._connected:
            # Once all is written; connectionLost() follows.
            self.transport.unregisterProducer()
            self.transport.loseConnection()
        else:
            self._reactor.stop()


def main() -> None:
    """Run until the daemon has had enough."""
    from twisted.internet import reactor as installed

    reactor: Any = installed

    for number in (signal.SIGINT, signal.SIGHUP):
        # Not SIG_IGN, which a hook would inherit.
        signal.signal(number, lambda *_: None)
    prepare_process(reactor)
    worker = Worker(reactor)
    signal.signal(signal.SIGTERM, lambda *_: reactor.callFromThread(worker.end))
    StandardIO(worker, stdin=0, stdout=REPLIES)  # type: ignore[call-arg]
    globalLogBeginner.beginLoggingTo([worker])
    with waking(reactor):
        reactor.run(installSignalHandlers=False)
    sys.exit(worker.status)


if __name__ == "__main__":
    main()
