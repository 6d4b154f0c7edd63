"""Many clients at once that read one file and throw it away, and what they see of the server.

Each client begins its next transfer when the last one has ended, until there were enough of them or the time is
over. What is under way then is cut off: its bytes count, but it has neither completed nor failed. Where nothing
works any more nobody goes on: when as many transfers as there are clients have failed one after the other, and
nothing is coming, that is the end too.
"""

from array import array
from collections import Counter
from time import process_time

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred, FirstError, gatherResults
from twisted.internet.task import deferLater
from zope.interface import implementer

from tftpd_tw.interfaces import Buffer, Direction, IWriter
from tftpd_tw.net.client import Client, Transfer, TransferFailed
from tftpd_tw.protocol.errors import Cancelled
from tftpd_tw.protocol.options import Agreed

LEAST_IN_VAIN = 3
"""Transfers that have to fail one after the other where there are fewer clients: one may always be lost."""

PAUSE = 0.1
"""Seconds until a client whose transfer failed tries again, so that a server that refuses is not flooded."""


@frozen
class Plan:
    """How much of it."""

    clients: int
    transfers: int | None
    """In all; None: as many as there is time for."""
    seconds: float | None
    """None: as long as they take."""


@define
class Tally:
    """What was counted and measured."""

    completed: int = 0
    cut_off: int = 0
    failures: Counter[str] = field(factory=Counter)
    """By reason."""
    sentences: dict[str, str] = field(factory=dict)
    """The same for people: what the first failure of each reason said."""
    byte_count: int = 0
    retransmits: int = 0
    agreed: Agreed | None = None
    """The terms of the first transfer that completed."""
    responses: "array[float]" = field(factory=lambda: array("d"))
    """Seconds from each request to its first answer, a refusal included."""
    durations: "array[float]" = field(factory=lambda: array("d"))
    """Seconds from the request to the end, of those that completed."""
    seconds: float = 0.0
    """How long it took in all."""
    cpu_seconds: float = 0.0
    """What the clients took of a CPU."""

    @property
    def failed(self) -> int:
        """How many."""
        return self.failures.total()


@implementer(IWriter)
class Nowhere:
    """Content that nobody wants."""

    def write(self, data: Buffer) -> None:
        """Forget it."""

    def finish(self) -> None:
        """That was all."""

    def cancel(self) -> None:
        """Not even that."""


NOWHERE = Nowhere()


@define(eq=False)
class Load:
    """It, from its start to its end."""

    _client: Client
    _name: bytes
    _plan: Plan
    tally: Tally = field(init=False, factory=Tally)
    _begun: int = field(init=False, default=0)
    _in_vain: int = field(init=False, default=0)
    """Failures since something completed."""
    _over: bool = field(init=False, default=False)
    _cancelled: bool = field(init=False, default=False)
    _under_way: set[Transfer] = field(init=False, factory=set)

    async def run(self) -> None:
        """All of it.

        :raises ValueError: the name does not fit into a request
        :raises CancelledError: it was cancelled; what there is by then is in the tally
        """
        clock = self._client.engine.clock
        began, cpu_began = clock.seconds(), process_time()
        alarm = clock.callLater(self._plan.seconds, self.end) if self._plan.seconds is not None else None
        try:
            clients = [Deferred.fromCoroutine(self._one()) for _ in range(self._plan.clients)]
            await gatherResults(clients, consumeErrors=True)
        except FirstError as error:
            error.subFailure.raiseException()
        finally:
            if alarm is not None and alarm.active():
                alarm.cancel()
            self.tally.seconds, self.tally.cpu_seconds = clock.seconds() - began, process_time() - cpu_began
        if self._cancelled:
            raise CancelledError

    def end(self) -> None:
        """Begin nothing more, and cut off what is under way."""
        self._over = True
        for transfer in list(self._under_way):
            transfer.done.cancel()

    async def _one(self) -> None:
        """A client."""
        while not self._over and self._begun != self._plan.transfers:
            self._begun += 1
            transfer = self._client.begin(Direction.READ, self._name, NOWHERE)
            self._under_way.add(transfer)
            try:
                done = await transfer.done
            except TransferFailed as error:
                self._ended(transfer)
                await self._failed(error)
            else:
                self._ended(transfer)
                self._in_vain = 0
                self.tally.completed += 1
                self.tally.durations.append(done.seconds)
                self.tally.agreed = self.tally.agreed or done.agreed

    def _ended(self, transfer: Transfer) -> None:
        self._under_way.remove(transfer)
        tally = self.tally
        tally.byte_count += transfer.byte_count
        tally.retransmits += transfer.retransmits
        if transfer.response_seconds is not None:
            tally.responses.append(transfer.response_seconds)

    async def _failed(self, error: TransferFailed) -> None:
        tally = self.tally
        if error.reason == Cancelled.reason:
            tally.cut_off += 1
            self._cancelled = self._cancelled or not self._over
            self._over = True
            return
        tally.failures[error.reason] += 1
        tally.sentences.setdefault(error.reason, str(error))
        self._in_vain += 1
        coming = any(transfer.byte_count for transfer in self._under_way)
        if self._in_vain >= max(LEAST_IN_VAIN, self._plan.clients) and not coming:
            self.end()
        else:
            await deferLater(self._client.engine.clock, PAUSE)
