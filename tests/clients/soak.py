"""Run by test_soak.py in a process of its own: short transfers, one after the other in many places, both ways, on
a network that loses packets, by clients some of which give up.

``python soak.py PORT SEED`` reads seconds from standard input, a number on each line, works for so long, lets
everything come to its end and says in a line of JSON what there was so far: ``completed``, ``aborted``, ``lost``
packets and ``failures``, each a sentence.

The files ``0`` to ``20000`` of :data:`SIZES` are read and ``put-N`` are written, each with the beginning of
:data:`CONTENT`.
"""

import json
import random
import selectors
import socket
import sys
from time import monotonic

from attrs import define, field

SIZES = (0, 1, 511, 512, 1300, 5000, 20000)
CONTENT = random.Random(0).randbytes(max(SIZES))
UPLOADS = 50
"""Names that are written, again and again."""

AT_ONCE = 32
HOSTS = 1000
"""Addresses that clients have: as many as a network has, and again and again the same."""

LOSS = 0.01
ABORTED = 0.05
REPEAT = 0.25
"""Seconds after which a client says again what it said last."""

GIVES_UP = 60.0
"""Seconds without a word after which it counts as a failure."""

SILENCE = 2.0
"""Seconds for which a client that says no more still has its port."""

TICK = 0.05
"""Seconds between two looks at who is late."""


def packet(opcode: int, number: int, payload: bytes = b"") -> bytes:
    """DATA, ACK or ERROR."""
    return b"\0%c%b%b" % (opcode, (number & 0xFFFF).to_bytes(2, "big"), payload)


@define(eq=False)
class Transfer:
    """One client in one transfer."""

    sock: socket.socket
    peer: tuple[str, int]
    request: bytes
    content: bytes
    writing: bool
    block: int
    window: int
    ends_at: int | None
    """The packet that comes after which it gives up, if it does."""
    said: list[bytes] = field(factory=list)
    said_at: float = 0.0
    heard_at: float = 0.0
    heard: int = 0
    number: int = 0
    """The last block that the reader has, or that the server of a writer has."""
    counted: int = 0
    """Blocks since the last ACK."""
    gap_told: bool = False

    @property
    def last(self) -> int:
        """The number of the block that ends it."""
        return len(self.content) // self.block + 1

    def answers(self, came: bytes) -> tuple[list[bytes], bool]:
        """What to say to a packet, and whether that is the end; ValueError if it makes no sense."""
        opcode, number = came[1], int.from_bytes(came[2:4], "big")
        if opcode == 6 and self.number == 0:
            return (self._blocks() if self.writing else [packet(4, 0)]), False
        if opcode == 3 and not self.writing:
            return self._block_came(number, came[4:])
        if opcode == 4 and self.writing:
            return self._ack_came(number)
        raise ValueError(f"{came[:60]!r} after block {self.number}")

    def _block_came(self, number: int, payload: bytes) -> tuple[list[bytes], bool]:
        if number != self.number + 1:
            told, self.gap_told, self.counted = self.gap_told, True, 0
            return ([] if told or not self.number else [packet(4, self.number)]), False
        start = self.number * self.block
        if payload != self.content[start : start + self.block]:
            raise ValueError(f"block {number} of {len(self.content)} bytes is another")
        self.number, self.counted, self.gap_told = number, self.counted + 1, False
        if number < self.last and self.counted < self.window:
            return [], False
        self.counted = 0
        return [packet(4, number)], number == self.last

    def _ack_came(self, number: int) -> tuple[list[bytes], bool]:
        if number < self.number or (
            number == self.number and self.counted and (self.window == 1 or self.gap_told)
        ):
            return [], False
        self.gap_told, self.number = number == self.number and self.counted > 0, number
        return self._blocks(), number == self.last

    def _blocks(self) -> list[bytes]:
        """The next window."""
        self.counted = 1
        numbers = range(self.number + 1, min(self.number + self.window, self.last) + 1)
        return [
            packet(3, number, self.content[(number - 1) * self.block : number * self.block]) for number in numbers
        ]


@define(eq=False)
class Soak:
    """All of them."""

    port: int
    chance: random.Random
    completed: int = 0
    aborted: int = 0
    lost: int = 0
    failures: list[str] = field(factory=list)
    _live: set[Transfer] = field(factory=set)
    _silent: list[tuple[float, socket.socket]] = field(factory=list)
    _selector: selectors.BaseSelector = field(factory=selectors.DefaultSelector)

    def work(self, seconds: float) -> None:
        """Begin transfers for so long, and return when the last one has ended."""
        end, looked = monotonic() + seconds, monotonic()
        while True:
            now = monotonic()
            while now < end and len(self._live) < AT_ONCE:
                self._begin(now)
            if not self._live and not self._silent:
                return
            for key, _ in self._selector.select(TICK):
                self._take(key.data)
            if now > looked + TICK:
                looked = now
                self._late(now)

    def _begin(self, now: float) -> None:
        chance = self.chance
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        host = chance.randrange(HOSTS)
        sock.bind((f"127.3.{host // 250}.{1 + host % 250}", 0))
        writing, size = chance.random() < 0.3, chance.choice(SIZES)
        name = b"put-%d" % chance.randrange(UPLOADS) if writing else b"%d" % size
        block, window, options = chance.choice(
            [(512, 1, b""), (1428, 1, b"tsize\0%d\0" % (size if writing else 0)), (512, 4, b"")]
        )
        if block != 512:
            options += b"blksize\0%d\0" % block
        if window != 1:
            options += b"windowsize\0%d\0" % window
        request = b"\0%c%b\0octet\0%b" % (2 if writing else 1, name, options)
        ends_at = chance.randrange(1, 4) if chance.random() < ABORTED else None
        server = ("127.0.0.1", self.port)
        transfer = Transfer(sock, server, request, CONTENT[:size], writing, block, window, ends_at, heard_at=now)
        self._selector.register(sock, selectors.EVENT_READ, transfer)
        self._live.add(transfer)
        self._say(transfer, [request])

    def _lose(self) -> bool:
        lost = self.chance.random() < LOSS
        self.lost += lost
        return lost

    def _say(self, transfer: Transfer, packets: list[bytes]) -> None:
        transfer.said, transfer.said_at = packets, monotonic()
        for each in packets:
            if not self._lose():
                transfer.sock.sendto(each, transfer.peer)

    def _take(self, transfer: Transfer) -> None:
        try:
            came, peer = transfer.sock.recvfrom(2048)
        except BlockingIOError:
            return
        if self._lose():
            return
        if transfer.heard == 0:
            transfer.peer = peer
        transfer.heard, transfer.heard_at = transfer.heard + 1, monotonic()
        if transfer.heard == transfer.ends_at:
            self._abort(transfer)
            return
        try:
            packets, over = transfer.answers(came)
        except ValueError as problem:
            self._fail(transfer, str(problem))
            return
        if packets:
            self._say(transfer, packets)
        if over:
            self.completed += 1
            self._end(transfer).close()

    def _abort(self, transfer: Transfer) -> None:
        """In one of three ways: with a word, or without one by a host that is there or by one that is not."""
        self.aborted += 1
        sock = self._end(transfer)
        way = self.chance.randrange(3)
        if way == 0:
            sock.sendto(packet(5, 0, b"enough\0"), transfer.peer)
        if way == 1:
            self._silent.append((monotonic() + SILENCE, sock))
        else:
            sock.close()

    def _late(self, now: float) -> None:
        for transfer in list(self._live):
            if now > transfer.heard_at + GIVES_UP:
                self._fail(transfer, "no answer")
            elif now > transfer.said_at + REPEAT:
                self._say(transfer, transfer.said)
        while self._silent and now > self._silent[0][0]:
            self._silent.pop(0)[1].close()

    def _fail(self, transfer: Transfer, why: str) -> None:
        self.failures.append(f"{transfer.request!r}: {why}")
        self._end(transfer).close()

    def _end(self, transfer: Transfer) -> socket.socket:
        self._selector.unregister(transfer.sock)
        self._live.discard(transfer)
        return transfer.sock


def main() -> None:
    """Do so."""
    port, seed = map(int, sys.argv[1:])
    soak = Soak(port, random.Random(seed))
    for line in sys.stdin:
        soak.work(float(line))
        counts = {name: getattr(soak, name) for name in ("completed", "aborted", "lost", "failures")}
        sys.stdout.write(json.dumps(counts) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
