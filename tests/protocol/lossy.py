"""Two machines and a wire between them: a discrete simulation with literal time, no Twisted, no socket.

``Pair(client, server, wire).run()`` pushes a whole transfer through; the wire decides the fate of each packet.
"""

import heapq
import itertools
import random
from collections.abc import Callable

from attrs import define, field

from tftpd_tw.protocol.events import Ended, Read, Write
from tftpd_tw.protocol.lifecycle import MOST_HELD, Machine
from tftpd_tw.protocol.netascii import encode
from tftpd_tw.protocol.opening import Asking, Proceed, answer_read, answer_write
from tftpd_tw.protocol.options import Facts, Policy, negotiate
from tftpd_tw.protocol.packets import Mode, Opcode, ReadRequest, WriteRequest, decode
from tftpd_tw.protocol.receiving import Receiver
from tftpd_tw.protocol.sending import Sender
from tftpd_tw.protocol.timing import Patience


@define
class Wire:
    """What happens to packets, from a fixed seed."""

    seed: int = 0
    loss: float = 0.0
    duplication: float = 0.0
    reordering: float = 0.0
    delay: float = 0.001
    jitter: float = 0.0
    burst_begins: float = 0.0
    """The chance of each packet to begin a burst of loss,"""
    burst_goes_on: float = 0.0
    """and of the next one to be in it as well (Gilbert's model)."""
    drop: Callable[[bytes], bool] = lambda packet: False
    """A script: packets for which this is true are lost."""
    overtaking: bool = True
    """Whether jitter may change the order of packets."""
    reordered: int = 0
    """Packets that were held back so far."""
    _random: random.Random = field(init=False)
    _bursting: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def arrivals(self, packet: bytes, now: float) -> list[float]:
        """The delays, in seconds, after which copies of ``packet`` arrive that is sent ``now``."""
        chance = self._random.random
        if self.burst_begins:
            self._bursting = chance() < (self.burst_goes_on if self._bursting else self.burst_begins)
        if self.drop(packet) or self._bursting or chance() < self.loss:
            return []
        copies = 2 if chance() < self.duplication else 1
        late = 0.0
        if chance() < self.reordering:
            late = 4 * self.delay
            self.reordered += 1
        return [self.delay + late + self.jitter * chance() for _ in range(copies)]


@define
class SlowPort(Wire):
    """A switch port that is slower than the server, and keeps only some packets."""

    rate: float = 12.5e6
    """Bytes a second."""
    holds: int = 24
    """Packets of 1432 bytes that wait; what comes then is lost."""
    dropped: int = 0
    _free_at: float = 0.0

    def arrivals(self, packet: bytes, now: float) -> list[float]:
        """DATA queues; ACKs go the other way."""
        if packet[1] != Opcode.DATA:
            return super().arrivals(packet, now)
        seconds = len(packet) / self.rate
        self._free_at = max(self._free_at, now)
        if (self._free_at - now) * self.rate > self.holds * 1432:
            self.dropped += 1
            return []
        self._free_at += seconds
        return [self._free_at - now + self.delay]


@define
class SlowEnd(Wire):
    """No wire at all, but an end that takes its time for each DATA packet, whether it has that block or not."""

    busy: float = 0.05
    """Seconds."""
    _free_at: float = 0.0

    def arrivals(self, packet: bytes, now: float) -> list[float]:
        """DATA queues; all else is answered at once."""
        if packet[1] != Opcode.DATA:
            return super().arrivals(packet, now)
        self._free_at = max(self._free_at, now) + self.busy
        return [self._free_at - now + self.delay]


@define
class End:
    """One machine with its content: a stand-in for the shell."""

    machine: Machine
    source: bytes = b""
    chunk: int = 1 << 30
    """A read gives at most this many bytes."""
    stored: bytearray = field(factory=bytearray)
    sent: list[bytes] = field(factory=list)
    read_to: int = 0
    held: int = 0
    """The most bytes that a sender has had in memory, those that were not acknowledged included."""
    outcome: Ended | None = None

    def settle(self, now: float) -> list[bytes]:
        """Do what the machine says until it has nothing more to say; the datagrams it sends."""
        out: list[bytes] = []
        while True:
            for burst in self.machine.bursts():
                step = 1 if len(burst) == 1 else 2
                out += [b"".join(burst[i : i + step]) for i in range(0, len(burst), step)]
            events = self.machine.events()
            if not events:
                self.sent += out
                return out
            for event in events:
                if isinstance(event, Read):
                    data = self.source[self.read_to : self.read_to + min(event.length, self.chunk)]
                    self.read_to += len(data)
                    assert isinstance(self.machine, Sender)
                    self.held = max(self.held, self.read_to - self.machine.byte_count)
                    self.machine.blocks_read(data, now)
                elif isinstance(event, Write):
                    self.stored += event.data
                    assert isinstance(self.machine, Receiver)
                    self.machine.blocks_written(now)
                elif isinstance(event, Proceed):
                    self.machine = event.machine
                    self.machine.start(now)
                    if event.datagram is not None:
                        self.machine.datagram_received(event.datagram, now)
                elif isinstance(event, Ended):
                    assert self.outcome is None, "a transfer ends once"
                    self.outcome = event


@define
class Transfer:
    """A whole transfer between our client and our server."""

    content: bytes
    reading: bool = True
    options: tuple[tuple[bytes, bytes], ...] = ()
    mode: Mode = Mode.OCTET
    policy: Policy = Policy()
    patience: Patience = Patience()
    wire: Wire = field(factory=Wire)
    sized: bool = True
    chunk: int = 1 << 30
    most_held: int = MOST_HELD
    """By the server."""
    now: float = 1000.0
    client: End = field(init=False)
    server: End | None = None

    def run(self, limit: int = 3_000_000) -> "Transfer":
        """Until both ends are still, in at most ``limit`` steps."""
        size = len(self.content) if self.sized else None
        asking = Asking(
            reading=self.reading,
            name=b"f",
            mode=self.mode,
            options=self.options,
            patience=self.patience,
            size=size,
        )
        self.client = End(asking, b"" if self.reading else self.content, self.chunk)
        queue: list[tuple[float, int, bool, bytes]] = []
        order = itertools.count()
        newest = {True: 0.0, False: 0.0}

        def post(to_server: bool, packets: list[bytes]) -> None:
            for packet in packets:
                for after in self.wire.arrivals(packet, self.now):
                    at = self.now + after
                    if not self.wire.overtaking:
                        at = newest[to_server] = max(at, newest[to_server])
                    heapq.heappush(queue, (at, next(order), to_server, packet))

        asking.start(self.now)
        post(True, self.client.settle(self.now))
        for _ in range(limit):
            ends = [end for end in (self.client, self.server) if end is not None]
            deadlines = [end.machine.deadline for end in ends if end.machine.deadline is not None]
            soonest = min(deadlines, default=float("inf"))
            if queue and queue[0][0] <= soonest:
                self.now, _, to_server, packet = heapq.heappop(queue)
                end = self._at_server(packet) if to_server else self.client
                if end is None:
                    continue
                if not (to_server and packet[1] in (Opcode.RRQ, Opcode.WRQ)):
                    end.machine.datagram_received(packet, self.now)
                post(not to_server, end.settle(self.now))
            elif deadlines:
                self.now = max(self.now, soonest)
                for end in ends:
                    end.machine.timer_fired(self.now)
                    post(end is self.client, end.settle(self.now))
            else:
                return self
        raise AssertionError(f"no end after {limit} steps")

    def _at_server(self, packet: bytes) -> End | None:
        """The server's end; a request makes it, a repeated one is folded into it."""
        if packet[1] not in (Opcode.RRQ, Opcode.WRQ):
            return self.server
        if self.server is not None:
            assert isinstance(self.server.machine, Sender | Receiver)
            self.server.machine.repeat_opening(self.now)
            return self.server
        request = decode(packet)
        assert isinstance(request, ReadRequest | WriteRequest)
        size = len(self.content) if self.sized and self.mode is Mode.OCTET else None
        agreed = negotiate(request.options, self.policy, Facts(self.reading, size))
        stored = len(self.content) if self.sized else None
        machine: Machine
        if self.reading:
            machine = answer_read(agreed, self.patience, size=stored, mode=request.mode, most_held=self.most_held)
        else:
            machine = answer_write(agreed, self.patience, mode=request.mode, most_held=self.most_held)
        self.server = End(machine, self.content if self.reading else b"", self.chunk)
        machine.start(self.now)
        return self.server

    @property
    def arrived(self) -> bytes:
        """What the receiving end stored."""
        end = self.client if self.reading else self.server
        return bytes(end.stored) if end is not None else b""

    @property
    def sender(self) -> End:
        """The end that sends DATA."""
        end = self.server if self.reading else self.client
        assert end is not None
        return end

    @property
    def data_sent(self) -> int:
        """DATA packets that left the sending end."""
        return sum(packet[1] == Opcode.DATA for packet in self.sender.sent)

    @property
    def blocks(self) -> int:
        """Blocks that the content takes, as it is on the wire."""
        length = len(self.content) if self.mode is Mode.OCTET else len(encode(self.content))
        return length // self.sender.machine.agreed.blksize + 1


def options(**values: int) -> tuple[tuple[bytes, bytes], ...]:
    """Options by keyword."""
    return tuple((name.encode(), b"%d" % value) for name, value in values.items())
