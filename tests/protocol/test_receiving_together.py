"""Blocks that are handed over together: the same comes of them as of one after the other."""

from typing import Any

import pytest
from bench import Bench, numbered, server_of_write
from hypothesis import given, settings
from hypothesis import strategies as st

from tftpd_tw.protocol.events import Write
from tftpd_tw.protocol.lifecycle import READ_AHEAD, State
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.protocol.receiving import Receiver

BLOCKS = 60
BLKSIZE = 1024
CONTENT = numbered(BLOCKS, BLKSIZE, short=3)


def started(windowsize: int, mode: Mode = Mode.OCTET) -> Bench:
    """A write of 60 blocks in windows, its OACK out."""
    bench = server_of_write(CONTENT, mode=mode, blksize=BLKSIZE, windowsize=windowsize)
    bench.start()
    return bench


def state_of(machine: Receiver) -> list[Any]:
    """All that the machine knows, but for its own objects."""
    known = [getattr(machine, name) for name in Receiver.__slots__ if name != "_decoder"]
    return [*known, machine.state, machine.deadline, machine.retransmits, machine.timer.round_trip]


RUNS = st.tuples(st.integers(1, BLOCKS), st.integers(1, 20)).map(
    lambda run: [f"D{number}" for number in range(run[0], min(sum(run), BLOCKS))]
)
ODD = st.sampled_from([["D60/3"], ["D5/9"], ["D3/1025"], ["A4"], [b"\0\3\0"], [b""], ["D65535"], ["D0"]])
NEXT = st.integers(1, 20)
STEPS = st.lists(
    st.tuples(
        st.lists(st.one_of(NEXT, NEXT, RUNS, ODD), min_size=1, max_size=4),
        st.booleans(),
        st.sampled_from([0.0, 0.5]),
    ),
    max_size=12,
)


def packets_of(bench: Bench, parts: list[Any]) -> list[bytes]:
    """The packets of one step; a number stands for so many of the blocks that come next."""
    words: list[Any] = []
    ahead = bench.machine.block_count
    for part in parts:
        if isinstance(part, int):
            words += [f"D{number}" for number in range(ahead + 1, min(ahead + part, BLOCKS - 1) + 1)]
            ahead += part
        else:
            words += part
    return [bench.packet(word) for word in words]


LONG = pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])


@pytest.mark.parametrize("examples", [300, LONG])
def test_together_is_one_after_the_other(examples: int) -> None:
    """Whatever comes, and however slowly it is stored: the same ACKs, the same content, the same state (C101,
    C128 to C132).
    """

    @settings(max_examples=examples, deadline=None)
    @given(st.sampled_from([1, 2, 4, 16, 64]), st.sampled_from(Mode), STEPS)
    def check(windowsize: int, mode: Mode, steps: list[tuple[list[Any], bool, float]]) -> None:
        singly, together = started(windowsize, mode), started(windowsize, mode)
        assert isinstance(singly.machine, Receiver)
        assert isinstance(together.machine, Receiver)
        writing = False
        for parts, stored, seconds in steps:
            packets = packets_of(singly, parts)
            singly.now += seconds
            for packet in packets:
                singly.machine.datagram_received(packet, singly.now)
            if packets:
                together.machine.datagrams_received(packets, singly.now)
            for _ in range(2):
                assert together.machine.bursts() == singly.machine.bursts()
                events = singly.machine.events()
                assert repr(together.machine.events()) == repr(events)
                assert state_of(together.machine) == state_of(singly.machine)
                writing = writing or any(isinstance(event, Write) for event in events)
                if not (stored and writing):
                    break
                writing = False
                singly.machine.blocks_written(singly.now)
                together.machine.blocks_written(singly.now)

    check()


@pytest.mark.parametrize("rollover", [{}, {"rollover": 1}], ids=["to-0", "to-1"])
def test_windows_in_one_piece_go_across_the_wrap(rollover: dict[str, int]) -> None:
    """Block 65536 is taken in the middle of a batch too (C082, C083, C084, C133)."""
    bench = server_of_write(numbered(65_630, 8, short=5), blksize=8, windowsize=24, **rollover)
    bench.start()
    assert isinstance(bench.machine, Receiver)
    for first in range(1, 65_630, 24):
        last = min(first + 23, 65_630)
        words = [f"D{number}" if number < 65_630 else "D65630/3" for number in range(first, last + 1)]
        bench.machine.datagrams_received([bench.packet(word) for word in words], bench.now)
        assert bench.gets() == f"A{bench.machine.agreed.rollover.wire(last)}"
    assert bench.reason == "completed"
    assert bytes(bench.end.stored) == bench.content


def test_what_is_missing_of_a_window() -> None:
    """The shell is told how many blocks should follow at once: none before a window has begun, nor after an ACK,
    nor after the last block.
    """
    bench = started(4)
    missing = []
    for word in ("D1", "D2", "D3", "D4", "D5", "D7", "D6"):
        bench.gets(word)
        missing.append(bench.machine.missing)
    assert missing == [3, 2, 1, 0, 3, 0, 3]
    while bench.machine.block_count < BLOCKS - 1:
        bench.gets(f"D{bench.machine.block_count + 1}")
    bench.machine.datagram_received(bench.packet("D60/3"), bench.now)
    assert bench.state is State.STORING
    assert bench.machine.missing == 0


@pytest.mark.parametrize("windowsize", [4, 16])
def test_gaps_do_not_make_a_slow_storage_hold_more(windowsize: int) -> None:
    """A client that leaves a gap in each window gets an ACK for each, but none while two chunks wait."""
    bench = server_of_write(numbered(300, BLKSIZE), blksize=BLKSIZE, windowsize=windowsize)
    bench.start()
    assert isinstance(bench.machine, Receiver)
    for _ in range(200):
        here = bench.machine.block_count
        words = [f"D{here + 1}", f"D{here + 3}"]
        bench.machine.datagrams_received([bench.packet(word) for word in words], bench.now)
    assert bench.machine.byte_count <= 2 * (READ_AHEAD + windowsize * BLKSIZE)
    (write,) = bench.machine.events()
    here = bench.machine.block_count
    bench.machine.bursts()
    bench.machine.blocks_written(bench.now)
    assert [b"".join(burst) for burst in bench.machine.bursts()] == [bench.packet(f"A{here}")]
    (rest,) = bench.machine.events()
    assert isinstance(write, Write)
    assert isinstance(rest, Write)
    assert write.data + rest.data == bench.content[: here * BLKSIZE]


@pytest.mark.parametrize("windowsize", [1, 4, 16, 64])
def test_content_is_handed_out_behind_an_ack(windowsize: int) -> None:
    """Storing goes on while the next window is on its way, and does not delay an ACK."""
    bench = started(windowsize)
    for number in range(1, BLOCKS):
        bench.machine.datagram_received(bench.packet(f"D{number}"), bench.now)
        if events := bench.machine.events():
            assert len(events) == 1
            assert [b"".join(burst) for burst in bench.machine.bursts()][-1:] == [bench.packet(f"A{number}")]
            bench.machine.blocks_written(bench.now)
            assert not bench.machine.happened
