"""A network in memory with a server and a client on it, and how time passes there."""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred, ensureDeferred

from tftpd_tw.backends.memory import BytesReader, BytesWriter
from tftpd_tw.interfaces import IBackend, ITransferObserver
from tftpd_tw.net.client import Client, Wishes
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.testing.addresses import CLIENT, REQUEST_PORT, SERVER
from tftpd_tw.testing.hosts import MemoryHost
from tftpd_tw.testing.recording import RecordingObserver
from tftpd_tw.testing.wire import Wire

T = TypeVar("T")


@define(eq=False)
class MemoryNetwork(Wire):
    """A wire, and all that a test of a backend needs on it."""

    records: RecordingObserver = field(init=False, factory=RecordingObserver)
    """What the listeners of :meth:`serve` reported."""

    def host(self, address: str) -> MemoryHost:
        """The engine of the host with this address."""
        return MemoryHost(self, address)

    def serve(
        self,
        backend: IBackend,
        terms: Terms | None = None,
        *,
        answer_broadcasts: bool = False,
        single_port: bool = False,
        observers: Sequence[ITransferObserver] = (),
        **policy: Any,
    ) -> Listener:
        """A server of ``backend`` on port 69 of :data:`~tftpd_tw.testing.addresses.SERVER`, where all stays if
        ``single_port``; ``observers`` are told beside :attr:`records`, and ``policy`` is as in
        :class:`~tftpd_tw.net.serving.Server`.
        """
        server = Server(self.host(SERVER), backend, terms or Terms(), [self.records, *observers], **policy)
        listener = Listener(server, answer_broadcasts)
        listener.listen(SERVER, 69, single_port=single_port)
        return listener

    def client(self, *, mode: Mode = Mode.OCTET, **wishes: Any) -> Client:
        """A client on :data:`~tftpd_tw.testing.addresses.CLIENT` of the server of :meth:`serve`; ``wishes`` as in
        :class:`~tftpd_tw.net.client.Wishes`.
        """
        return Client(self.host(CLIENT), REQUEST_PORT, Wishes(**wishes), mode=mode)

    def get(self, name: bytes, *, mode: Mode = Mode.OCTET, **wishes: Any) -> bytes:
        """Read a file, to the end of the transfer.

        :raises tftpd_tw.net.client.TransferFailed: it did not complete
        """
        writer = BytesWriter()
        self.run(self.client(mode=mode, **wishes).get(name, writer))
        return writer.data

    def put(self, name: bytes, data: bytes, *, mode: Mode = Mode.OCTET, **wishes: Any) -> None:
        """Write a file, to the end of the transfer.

        :raises tftpd_tw.net.client.TransferFailed: it did not complete
        """
        self.run(self.client(mode=mode, **wishes).put(name, BytesReader(data)))

    def run(self, done: "Deferred[T] | Coroutine[Deferred[Any], Any, T]") -> T:
        """Let time pass until ``done`` has fired, or ended, and return its result or raise its failure.

        :raises AssertionError: nothing is left that could make it fire
        """
        results: list[Any] = []
        failures: list[BaseException] = []
        ensureDeferred(done).addCallbacks(results.append, lambda failure: failures.append(failure.value))
        while not results and not failures:
            assert self.step(), "nothing is left that could make it fire"
        if failures:
            raise failures[0]
        result: T = results[0]
        return result

    def run_until_idle(self, limit: float = 3600.0) -> None:
        """Let time pass until nothing is left to happen.

        :raises AssertionError: that takes more than ``limit`` simulated seconds
        """
        end = self.clock.seconds() + limit
        while self.step():
            assert self.clock.seconds() < end, f"still busy after {limit} seconds"

    def step(self) -> bool:
        """Move to the next thing that happens; False if there is none."""
        calls = self.clock.getDelayedCalls()
        if not calls:
            return False
        soonest = min(call.getTime() for call in calls)
        self.clock.advance(max(0.0, soonest - self.clock.seconds()))
        return True
