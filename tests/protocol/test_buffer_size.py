"""What a transfer holds in memory: never more than it may, whatever is lost, and enough to go on (C134, S035)."""

import random

import pytest
from bench import Bench, numbered, pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from lossy import Transfer, Wire, options

from tftpd_tw.protocol.events import Ended, Reason, Write
from tftpd_tw.protocol.lifecycle import MAX_UNVERIFIED_SENDS, MOST_HELD, READ_AHEAD, State
from tftpd_tw.protocol.opening import answer_read, answer_write
from tftpd_tw.protocol.options import MAX_WINDOW_BYTES, Facts, Policy, negotiate
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.protocol.timing import Patience


@pytest.mark.parametrize(
    ("asked", "room", "granted"),
    [
        ({"blksize": 1428, "windowsize": 64}, 65536, {"blksize": 1428, "windowsize": 45}),
        ({"blksize": 1428, "windowsize": 8}, 65536, {"blksize": 1428, "windowsize": 8}),
        ({"blksize": 65464, "windowsize": 64}, 65536, {"blksize": 65464, "windowsize": 1}),
        ({"blksize": 65464}, 20_000, {"blksize": 20_000}),
        ({"blksize2": 65464}, 20_000, {"blksize2": 16384}),
        ({"windowsize": 64}, 512, {"windowsize": 1}),
        ({"blksize": 65464, "windowsize": 65535}, MOST_HELD, {"blksize": 65464, "windowsize": 64}),
        ({"blksize": 512, "windowsize": 65535}, 1 << 30, {"blksize": 512, "windowsize": MAX_WINDOW_BYTES // 512}),
    ],
)
def test_a_window_fits(asked: dict[str, int], room: int, granted: dict[str, int]) -> None:
    """The block first, then as many of them as there is room for."""
    policy = Policy(max_windowsize=65535, max_window_bytes=room)
    agreed = negotiate(pairs(asked), policy, Facts(reading=True))
    assert agreed.options == pairs(granted)


ROOMS = st.integers(512, 1 << 17)


@settings(deadline=None, max_examples=80)
@given(
    room=ROOMS,
    blksize=st.integers(8, 9000),
    windowsize=st.integers(1, 64),
    length=st.integers(0, 300_000),
    sized=st.booleans(),
    chunk=st.sampled_from([1 << 30, 1000, 8192]),
    loss=st.sampled_from([0.0, 0.02]),
    seed=st.integers(0, 1 << 16),
)
def test_a_sender_holds_no_more(
    room: int, blksize: int, windowsize: int, length: int, sized: bool, chunk: int, loss: float, seed: int
) -> None:
    """Of a read, in blocks and windows of any size, with short reads and losses; and the file arrives."""
    content = bytes(seed + index & 255 for index in range(251)) * (length // 251 + 1)
    content = content[:length]
    transfer = Transfer(
        content,
        options=options(blksize=blksize, windowsize=windowsize),
        policy=Policy(max_windowsize=64, max_window_bytes=room),
        wire=Wire(seed=seed, loss=loss),
        sized=sized,
        chunk=chunk,
        most_held=room,
        patience=Patience(max_retries=1000),
    ).run()
    assert transfer.arrived == content
    assert transfer.sender.held <= room


@pytest.mark.parametrize(
    ("room", "reads"),
    [
        # No second window fits: each is read when the one before is acknowledged.
        (3000, [3000, 3000, 3000]),
        (5999, [3000, 3000, 3000]),
        # Two fit: the next one is here when the ACK comes.
        (6000, [6000, 3000, 3000]),
        # More is held only to read in larger pieces.
        (1 << 20, [READ_AHEAD - READ_AHEAD % 1000, 0, 0]),
    ],
)
def test_a_window_is_read_ahead_where_two_fit(room: int, reads: list[int]) -> None:
    """What is read when the client answers the OACK, and at its next ACKs."""
    policy = Policy(max_window_bytes=room)
    agreed = negotiate(pairs({"blksize": 1000, "windowsize": 3}), policy, Facts(reading=True))
    bench = Bench(answer_read(agreed, Patience(), size=1 << 20, mode=Mode.OCTET, most_held=room), bytes(1 << 20))
    bench.start()
    found = []
    for ack, window in (("A0", "D1 D2 D3"), ("A3", "D4 D5 D6"), ("A6", "D7 D8 D9")):
        before = bench.end.read_to
        assert bench.gets(ack) == window
        found.append(bench.end.read_to - before)
    assert found == reads


def write_of(blocks: int, windowsize: int, room: int) -> Bench:
    """A write in blocks of 1000 bytes, its first answer out."""
    policy = Policy(max_window_bytes=room)
    agreed = negotiate(pairs({"blksize": 1000, "windowsize": windowsize}), policy, Facts(reading=False))
    assert agreed.windowsize == windowsize
    bench = Bench(answer_write(agreed, Patience(), mode=Mode.OCTET, most_held=room), numbered(blocks, 1000))
    bench.start()
    return bench


def last_ack(bench: Bench) -> int | None:
    """What it acknowledges now, if anything; an OACK counts as block 0."""
    bursts = bench.machine.bursts()
    if not bursts:
        return None
    packet = bytes(bursts[-1][0])
    return int.from_bytes(packet[2:], "big") if packet[1] == 4 else 0


@settings(deadline=None, max_examples=60)
@given(
    windowsize=st.integers(1, 16),
    windows=st.floats(1, 5),
    loss=st.sampled_from([0.0, 0.1, 0.3]),
    seed=st.integers(0, 1 << 16),
)
def test_a_receiver_holds_no_more(windowsize: int, windows: float, loss: float, seed: int) -> None:
    """Of a write whose storage answers only when all else is at a stand-still: the last ACK waits while the next
    window has no room.
    """
    room = max(1000, int(windows * windowsize * 1000))
    bench = write_of(200, windowsize, room)
    machine, chance = bench.machine, random.Random(seed).random
    stored = lost = 0
    pending: list[Write] = []
    acked: int | None = 0
    while machine.block_count <= 200:
        while acked is not None:
            for number in range(acked + 1, min(acked + windowsize, 201) + 1):
                # Not so many in a row that the receiver gives up, rightly; which is sooner before anything came.
                most = 4 if machine.block_count else MAX_UNVERIFIED_SENDS - 1
                lost = lost + 1 if lost < most and chance() < loss else 0
                if not lost:
                    machine.datagram_received(bench.packet(f"D{number}"), bench.now)
                assert machine.byte_count - stored <= room
            pending += [event for event in machine.events() if isinstance(event, Write)]
            acked = last_ack(bench)
        assert len(pending) <= 1
        if pending:
            stored += len(pending.pop().data)
            machine.blocks_written(bench.now)
        else:
            # The end of a window was lost.
            bench.now = machine.deadline or bench.now
            machine.timer_fired(bench.now)
        pending += [event for event in machine.events() if isinstance(event, Write)]
        acked = last_ack(bench)
        assert machine.state is not State.ENDED, "it waited for nobody"


def test_what_comes_next_does_not_wait_for_what_is_stored() -> None:
    """Where there is room for it: half of the memory is given to storage as soon as it is full."""
    bench = write_of(100, 1, 20_000)
    for number in range(1, 11):
        bench.machine.datagram_received(bench.packet(f"D{number}"), bench.now)
    [write] = bench.machine.events()
    assert isinstance(write, Write)
    assert len(write.data) == 10_000
    assert bench.machine.bursts()[-1] == [bench.packet("A10")]


@settings(deadline=None, max_examples=40)
@given(
    room=ROOMS,
    blksize=st.integers(8, 9000),
    windowsize=st.integers(1, 64),
    length=st.integers(0, 200_000),
    seed=st.integers(0, 1 << 16),
)
def test_uploads_arrive_whatever_the_room(
    room: int, blksize: int, windowsize: int, length: int, seed: int
) -> None:
    """No window waits for ever."""
    content = bytes(length)
    transfer = Transfer(
        content,
        reading=False,
        options=options(blksize=blksize, windowsize=windowsize),
        policy=Policy(max_windowsize=64, max_window_bytes=room),
        wire=Wire(seed=seed, loss=0.02),
        most_held=room,
        patience=Patience(max_retries=1000),
    ).run()
    assert transfer.arrived == content
    assert transfer.client.outcome == Ended(Reason.COMPLETED)
