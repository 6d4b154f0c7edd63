"""One machine with a time of its own, spoken to in the notation of the rules: ``A4`` in, ``D5 D6 D7 D8`` out.

``An`` is ACK n, ``Dn`` a full DATA block n, ``Dn/k`` one with k bytes, ``Ec`` ERROR c, ``OA(...)`` an OACK.
Numbers that go in may be above 65535 (the bench puts the 16 bits on the wire); those that come out are the wire's.
"""

import re

from attrs import define, field
from lossy import End

from tftpd_tw.protocol.events import Ended
from tftpd_tw.protocol.lifecycle import Machine, State
from tftpd_tw.protocol.opening import answer_read, answer_write
from tftpd_tw.protocol.options import DEFAULT_BLKSIZE, Agreed, Facts, Policy, negotiate
from tftpd_tw.protocol.packets import Ack, Data, Error, Mode, Opcode, OptionAck, decode, encode_ack, header
from tftpd_tw.protocol.timing import Patience

START = 1000.0
"""The clock's first value: not 0, so that nobody mistakes "never" for "just now"."""

Options = dict[str, int]

_WORD = re.compile(r"(A|D|E)([0-9]+)(?:/([0-9]+))?")


def spoken(packet: bytes, blksize: int = DEFAULT_BLKSIZE) -> str:
    """The packet in the notation of the rules."""
    match decode(packet):
        case Ack(block):
            assert len(packet) == 4
            return f"A{block}"
        case Data(block, payload):
            return f"D{block}" if len(payload) == blksize else f"D{block}/{len(payload)}"
        case Error(code):
            return f"E{code}"
        case OptionAck(options):
            return "OA(" + ",".join(f"{name.decode()}={value.decode()}" for name, value in options) + ")"
        case request:
            return type(request).__name__


def pairs(options: Options) -> tuple[tuple[bytes, bytes], ...]:
    """Options as they are in a request."""
    return tuple((name.encode(), b"%d" % value) for name, value in options.items())


@define
class Bench:
    """A machine, its content, and a clock that only the test moves."""

    machine: Machine
    content: bytes = b""
    """What a sender reads; and where the payload of the blocks comes from that are given to a receiver."""
    chunk: int = 1 << 30
    now: float = START
    end: End = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.end = End(self.machine, self.content, self.chunk)

    def start(self) -> str:
        """What goes out first."""
        self.machine.start(self.now)
        return self._said()

    def gets(self, *words: str | bytes, after: float = 0.0) -> str:
        """What the machine says to these packets, which come ``after`` seconds, all at once."""
        self.now += after
        for word in words:
            self.end.machine.datagram_received(self.packet(word), self.now)
        return self._said()

    def wait(self, seconds: float) -> list[tuple[float, str]]:
        """What the machine says in so many seconds of silence, and when, counted from now."""
        began, until = self.now, self.now + seconds
        said = []
        while self.end.machine.deadline is not None and self.end.machine.deadline <= until:
            assert self.end.machine.deadline >= self.now, "a deadline is not in the past"
            self.now = self.end.machine.deadline
            self.end.machine.timer_fired(self.now)
            if words := self._said():
                said.append((self.now - began, words))
        self.now = until
        return said

    def packet(self, word: str | bytes) -> bytes:
        """The bytes of a word."""
        if isinstance(word, bytes):
            return word
        found = _WORD.fullmatch(word)
        assert found is not None, word
        kind, number, length = found[1], int(found[2]), found[3]
        agreed = self.end.machine.agreed
        if kind == "A":
            return encode_ack(agreed.rollover.wire(number))
        if kind == "E":
            return header(Opcode.ERROR, number) + b"text\0"
        payload = self.content[(number - 1) * agreed.blksize :][: agreed.blksize]
        if length is not None:
            payload = payload[: int(length)].ljust(int(length), b"-")
        return header(Opcode.DATA, agreed.rollover.wire(number)) + payload

    def _said(self) -> str:
        return " ".join(spoken(packet, self.end.machine.agreed.blksize) for packet in self.end.settle(self.now))

    @property
    def state(self) -> State:
        """Where the transfer is."""
        state: State = self.end.machine.state
        return state

    @property
    def outcome(self) -> Ended | None:
        """How it ended, if it did."""
        outcome: Ended | None = self.end.outcome
        return outcome

    @property
    def reason(self) -> str | None:
        """The word for how it ended, if it did."""
        return None if self.end.outcome is None else self.end.outcome.reason


GENEROUS = Policy(max_windowsize=65535)
DEFAULT = Patience()


def server_of_read(
    content: bytes,
    *,
    sized: bool = True,
    mode: Mode = Mode.OCTET,
    patience: Patience = DEFAULT,
    chunk: int = 1 << 30,
    **options: int,
) -> Bench:
    """A server about to answer an RRQ with these options."""
    size = len(content) if sized else None
    known = size if mode is Mode.OCTET else None
    agreed = negotiate(pairs(options), GENEROUS, Facts(reading=True, size=known))
    return Bench(answer_read(agreed, patience, size=size, mode=mode), content, chunk)


def server_of_write(
    content: bytes, *, mode: Mode = Mode.OCTET, patience: Patience = DEFAULT, **options: int
) -> Bench:
    """A server about to answer a WRQ with these options; ``content`` is what the client will send."""
    agreed = negotiate(pairs(options), GENEROUS, Facts(reading=False))
    return Bench(answer_write(agreed, patience, mode=mode), content)


def numbered(blocks: int, blksize: int = DEFAULT_BLKSIZE, short: int = 0) -> bytes:
    """Content of so many blocks, each different, all but ``short`` bytes of the last."""
    content = b"".join(
        b"%07d." % number * (blksize // 8) + b"+" * (blksize % 8) for number in range(1, blocks + 1)
    )
    return content[: len(content) - short]


__all__ = [
    "Agreed",
    "Bench",
    "GENEROUS",
    "START",
    "numbered",
    "pairs",
    "server_of_read",
    "server_of_write",
    "spoken",
]
