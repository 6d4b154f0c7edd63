"""Whole transfers over bad wires, our client against our server (threats F01 to F09; C042, C082, C099, C133)."""

import random
from collections.abc import Callable
from math import ceil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lossy import Transfer, Wire, options

from tftpd_tw.protocol.errors import DiskFull
from tftpd_tw.protocol.events import Ended
from tftpd_tw.protocol.packets import Mode, Opcode
from tftpd_tw.protocol.timing import Patience

STUBBORN = Patience(timeout=1.0, max_retries=90)
"""So many tries that chance alone does not end a transfer."""


def content_of(size: int, mode: Mode, seed: int) -> bytes:
    """Bytes that differ everywhere, with many line ends where those matter."""
    chance = random.Random(seed)
    return chance.randbytes(size) if mode is Mode.OCTET else bytes(chance.choices(b"\r\n\0ab", k=size))


@st.composite
def transfers(draw: st.DrawFn) -> Transfer:
    """Any transfer of up to some 150 blocks, over any wire that lets four packets of five through."""
    blksize = draw(st.sampled_from([8, 9, 64, 512, 1428]))
    windowsize = draw(st.sampled_from([1, 1, 2, 3, 4, 8, 16, 64]))
    asked = {}
    if blksize != 512 or draw(st.booleans()):
        asked["blksize"] = blksize
    if windowsize != 1 or draw(st.booleans()):
        asked["windowsize"] = windowsize
    asked |= draw(
        st.sampled_from([{}, {}, {}, {"timeout": 1}, {"tsize": 0}, {"rollover": 1}, {"utimeout": 300_000}])
    )
    blocks = draw(st.sampled_from([0, 1, windowsize, 2 * windowsize, 5 * windowsize]) | st.integers(0, 80))
    size = max(0, min(blocks, 150) * blksize + draw(st.sampled_from([-1, 0, 1]) | st.integers(0, blksize)))
    mode = draw(st.sampled_from([Mode.OCTET, Mode.OCTET, Mode.NETASCII]))
    wire = Wire(
        seed=draw(st.integers(0, 1 << 30)),
        loss=draw(st.sampled_from([0.0, 0.01, 0.05, 0.2])),
        duplication=draw(st.sampled_from([0.0, 0.1, 1.0])),
        reordering=draw(st.sampled_from([0.0, 0.25])),
        jitter=draw(st.sampled_from([0.0, 0.0005, 0.02])),
    )
    return Transfer(
        content=content_of(size, mode, wire.seed),
        reading=draw(st.booleans()),
        options=options(**asked),
        mode=mode,
        patience=STUBBORN,
        wire=wire,
        sized=draw(st.booleans()),
        chunk=draw(st.sampled_from([1 << 30, 1 << 30, 700, 13])),
    )


def arrives(transfer: Transfer) -> Transfer:
    """Run it, and see that the content is there and both ends know it."""
    transfer.run()
    assert transfer.client.outcome is not None
    assert transfer.client.outcome.succeeded, transfer.client.outcome
    assert transfer.server is not None
    assert transfer.server.outcome is not None
    # A lone block that was not acknowledged looks like the answer to a forged request (C099's exception).
    alone = transfer.reading and not transfer.server.machine.agreed.options and transfer.blocks == 1
    unheard = alone and transfer.server.outcome.reason == "no-answer"
    assert transfer.server.outcome.succeeded or unheard, transfer.server.outcome
    assert transfer.arrived == transfer.content
    assert transfer.client.machine.deadline is None
    assert transfer.server.machine.deadline is None
    return transfer


@pytest.mark.parametrize(
    "examples", [1_000, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
def test_every_transfer_arrives(examples: int) -> None:
    """Loss, duplication and reordering change no byte and end no transfer, whatever its terms (F01 to F06)."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(transfers())
    def check(transfer: Transfer) -> None:
        arrives(transfer)
        # Going back costs at most a window each time; a storm costs without end. Where the last ACK was lost
        # until the receiver had left, the last block goes out until the patience ends.
        windowsize = transfer.sender.machine.agreed.windowsize
        most = 8 * (transfer.blocks + 4) * min(windowsize + 1, 8) + STUBBORN.max_retries
        assert transfer.data_sent <= most

    check()


both = pytest.mark.parametrize("reading", [True, False], ids=["read", "write"])


def plain(blocks: int, reading: bool, wire: Wire, blksize: int = 64, **asked: int) -> Transfer:
    """An octet transfer of so many blocks, the last of them one byte short."""
    data = content_of(blocks * blksize - 1, Mode.OCTET, wire.seed)
    return Transfer(data, reading, options(blksize=blksize, **asked), wire=wire)


@both
@pytest.mark.parametrize("windowsize", [1, 4, 16])
@pytest.mark.parametrize("seed", range(1, 4))
def test_duplicates_are_not_answered_with_data(reading: bool, windowsize: int, seed: int) -> None:
    """With every tenth packet twice, DATA sent is at most 1.3 times the blocks (F05, C085, C124)."""
    transfer = arrives(plain(2000, reading, Wire(seed, duplication=0.1), windowsize=windowsize))
    assert transfer.data_sent <= 1.3 * transfer.blocks


@both
@pytest.mark.parametrize(("windowsize", "most"), [(1, 1.1), (4, 1.9), (16, 1.9)])
def test_no_sorcerers_apprentice(reading: bool, windowsize: int, most: float) -> None:
    """With every packet twice, DATA is not: in lockstep there are no repeats at all (F05, C085, C086)."""
    transfer = arrives(plain(300, reading, Wire(5, duplication=1.0), windowsize=windowsize))
    assert transfer.data_sent <= most * transfer.blocks


@both
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_reordered_packet_costs_one_window_at_most(reading: bool, seed: int) -> None:
    """A quarter of the packets 4 ms late, window 8: at most one window is repeated for each (F06)."""
    transfer = arrives(plain(300, reading, Wire(seed, reordering=0.25), windowsize=8))
    assert transfer.data_sent - transfer.blocks <= 8 * transfer.wire.reordered


@both
def test_a_slow_wire_is_not_repeated_on(reading: bool) -> None:
    """1 MiB at 40 to 60 ms each way, window 16: near the ideal time, hardly a spurious repeat (F07, C105)."""
    wire = Wire(3, delay=0.04, jitter=0.02, overtaking=False)
    ended: list[float] = []
    transfer = plain(735, reading, wire, blksize=1428, windowsize=16)
    wire.drop = lambda packet: bool(ended.append(transfer.now))
    arrives(transfer)
    assert transfer.data_sent <= 1.02 * transfer.blocks
    assert max(ended) - 1000.0 <= 1.5 * (ceil(735 / 16) + 2) * 0.1


class Dropping:
    """Loses the first packet that it is made for."""

    def __init__(self, opcodes: set[Opcode], block: int | None = None, times: int = 1) -> None:
        self.opcodes = {opcode.value for opcode in opcodes}
        self.block = block
        self.left = times

    def __call__(self, packet: bytes) -> bool:
        wanted = packet[1] in self.opcodes and (self.block is None or packet[2:4] == self.block.to_bytes(2, "big"))
        if not wanted or not self.left:
            return False
        self.left -= 1
        return True


BLOCKS = 30
LAST = BLOCKS


@both
@pytest.mark.parametrize("windowsize", [None, 1, 4, 8])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(
    ("rule", "opcodes", "block"),
    [
        ("request", {Opcode.RRQ, Opcode.WRQ}, None),
        ("OACK C042", {Opcode.OACK}, None),
        ("A0 C042 C103", {Opcode.ACK}, 0),
        ("D1 C088", {Opcode.DATA}, 1),
        ("D7 C103 C129", {Opcode.DATA}, 7),
        ("A8 C103 C130", {Opcode.ACK}, 8),
        ("last DATA C099", {Opcode.DATA}, LAST),
        ("last ACK C100", {Opcode.ACK}, LAST),
    ],
)
def test_one_lost_packet(
    reading: bool, windowsize: int | None, times: int, rule: str, opcodes: set[Opcode], block: int | None
) -> None:
    """Whichever packet is lost, once or twice, little is repeated and all arrives (F09; C042, C099 to C103)."""
    script = Dropping(opcodes, block, times)
    asked = {} if windowsize is None else {"blksize": 512, "windowsize": windowsize}
    data = content_of(BLOCKS * 512 - 1, Mode.OCTET, 1)
    transfer = arrives(Transfer(data, reading, options(**asked), wire=Wire(drop=script)))
    assert transfer.data_sent <= transfer.blocks + times * ((windowsize or 1) + 2), rule


def test_every_loss_of_the_table_happens() -> None:
    """The script above does lose what it says, in both directions (F09)."""
    for reading in (True, False):
        for opcode, block in ((Opcode.OACK, None), (Opcode.DATA, 1), (Opcode.DATA, LAST), (Opcode.ACK, LAST)):
            script = Dropping({opcode}, block)
            arrives(plain(BLOCKS, reading, Wire(drop=script), windowsize=1))
            assert script.left == 0, (reading, opcode, block)


def test_a_lost_error_is_not_repeated() -> None:
    """An ERROR that gets lost leaves the other end to its own patience: it is sent once (F09, C151)."""
    script = Dropping({Opcode.ERROR})
    transfer = plain(9, False, Wire())

    def fail_at_the_third(packet: bytes) -> bool:
        if packet[1:4] == b"\3\0\3" and transfer.server is not None:
            transfer.server.machine.fail(DiskFull())
        return script(packet)

    transfer.wire.drop = fail_at_the_third
    transfer.run()
    assert script.left == 0
    assert transfer.server is not None
    assert [packet[1] for packet in transfer.server.sent].count(Opcode.ERROR) == 1
    assert transfer.client.outcome == Ended("client-vanished")


WRAPPING = 65_560


@both
@pytest.mark.parametrize("rollover", [0, 1])
@pytest.mark.parametrize("windowsize", [pytest.param(1, marks=pytest.mark.long), 8, 64])
@pytest.mark.parametrize(
    ("opcode", "block"),
    [(Opcode.DATA, 65535), (Opcode.DATA, 0), (Opcode.DATA, 1), (Opcode.ACK, 65535), (Opcode.ACK, 0)],
)
def test_loss_at_the_wrap(reading: bool, rollover: int, windowsize: int, opcode: Opcode, block: int) -> None:
    """More than 65536 blocks arrive, with the packets around the wrap lost (F09; C082, C083, C084, C133)."""
    script: Callable[[bytes], bool] = Dropping({opcode}, block)
    transfer = plain(WRAPPING, reading, Wire(drop=script), blksize=8, windowsize=windowsize, rollover=rollover)
    arrives(transfer)
    assert transfer.data_sent <= transfer.blocks + 2 * windowsize + 2


@pytest.mark.parametrize("windowsize", [1, 4, 16])
@pytest.mark.parametrize("reading", [True, False])
def test_bursts_of_loss_are_survived(reading: bool, windowsize: int) -> None:
    """One packet in a hundred begins a burst that goes on with a chance of 70 %: every byte arrives (F04)."""
    content = random.Random(windowsize).randbytes(300_000)
    for seed in range(10):
        wire = Wire(seed=seed, burst_begins=0.01, burst_goes_on=0.7)
        asked = options(blksize=1428, windowsize=windowsize)
        transfer = Transfer(content, reading=reading, options=asked, wire=wire).run()
        assert transfer.client.outcome is not None
        assert transfer.client.outcome.succeeded
        assert transfer.arrived == content
