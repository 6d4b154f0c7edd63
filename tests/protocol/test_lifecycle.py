"""The life of a transfer: its states, and what ends it (rules C044, C096, C099, C151, C152)."""

import itertools
from collections.abc import Callable

import pytest
from bench import Bench, numbered, server_of_read, server_of_write

from tftpd_tw.protocol.errors import DiskFull
from tftpd_tw.protocol.events import Ended, Reason
from tftpd_tw.protocol.lifecycle import TRANSITIONS, State, Trigger

CONTENT = numbered(3, short=100)


def opening_read() -> Bench:
    """A read whose OACK is out."""
    bench = server_of_read(CONTENT, blksize=512)
    bench.start()
    return bench


def flowing_read() -> Bench:
    """A read whose first block is out."""
    bench = opening_read()
    bench.gets("A0", after=0.5)
    return bench


def opening_write() -> Bench:
    """A write whose OACK is out."""
    bench = server_of_write(CONTENT, blksize=512)
    bench.start()
    return bench


def flowing_write() -> Bench:
    """A write whose first block is here."""
    bench = opening_write()
    bench.gets("D1", after=0.5)
    return bench


def storing_write() -> Bench:
    """A write whose last block is here and not stored; nobody takes its events yet."""
    bench = flowing_write()
    for word in ("D2", "D3"):
        bench.machine.datagram_received(bench.packet(word), bench.now)
    return bench


def dallying_write() -> Bench:
    """A write that is stored."""
    bench = flowing_write()
    bench.gets("D2", "D3")
    return bench


def ended_read() -> Bench:
    """A read that is over."""
    bench = flowing_read()
    bench.gets("A1", "A2", "A3")
    return bench


NEEDS_PEER = [opening_read, flowing_read, opening_write, flowing_write]
UNFINISHED = [*NEEDS_PEER, storing_write]
FINISHED = [dallying_write, ended_read]


def test_the_states_are_those_that_their_names_say() -> None:
    """The benches below stand where they say."""
    states = [make().state for make in (*UNFINISHED, *FINISHED)]
    assert states == [
        State.OPENING, State.FLOWING, State.OPENING, State.FLOWING, State.STORING, State.DALLYING, State.ENDED,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "trigger"), [pair for pair in itertools.product(State, Trigger) if pair not in TRANSITIONS]
)
def test_an_unlisted_step_raises(state: State, trigger: Trigger) -> None:
    """There is no step but those of the table."""
    bench = opening_read()
    bench.machine.state = state
    with pytest.raises(KeyError):
        bench.machine._move(trigger)


def test_the_table_leads_to_the_end() -> None:
    """Every state can be left, by failure while unfinished, and from the last there is no way (C089)."""
    starts = {state for state, _ in TRANSITIONS}
    assert starts == set(State) - {State.ENDED}
    for state in (State.OPENING, State.FLOWING, State.STORING):
        assert TRANSITIONS[state, Trigger.FAILED] is State.ENDED
    assert (State.DALLYING, Trigger.FAILED) not in TRANSITIONS


@pytest.mark.parametrize("make", UNFINISHED)
def test_a_local_failure_is_told_once(make: Callable[[], Bench]) -> None:
    """A failure of ours goes out as one ERROR, is never repeated, and nothing follows it (C031, C113, C151)."""
    bench = make()
    bench.machine.bursts()
    bench.machine.events()
    error = DiskFull("quota")
    bench.machine.fail(error)
    bench.machine.fail(DiskFull("again"))
    (burst,) = bench.machine.bursts()
    assert b"".join(burst) == b"\0\5\0\3Disk full or allocation exceeded\0"
    assert bench.machine.events() == [Ended("disk-full", code=3, error=error)]
    assert bench.state is State.ENDED
    assert bench.gets("A0", "A1", "D1", "D2", "E0") == ""
    assert bench.wait(1000) == []


@pytest.mark.parametrize("make", FINISHED)
def test_what_is_over_cannot_fail(make: Callable[[], Bench]) -> None:
    """After the outcome is known neither a failure nor an ICMP error nor an ERROR changes it (C099, C151)."""
    bench = make()
    before = bench.state
    bench.machine.fail(DiskFull("late"))
    bench.machine.peer_unreachable()
    assert bench.gets("E0") == ""
    assert bench.state is before
    assert bench.reason == "completed"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (opening_read, Reason.NO_ANSWER),
        (flowing_read, Reason.PEER_VANISHED),
        (opening_write, Reason.NO_ANSWER),
        (flowing_write, Reason.PEER_VANISHED),
    ],
)
def test_an_unreachable_peer_ends_it_silently(make: Callable[[], Bench], reason: Reason) -> None:
    """When the peer's host says that nobody listens, nothing more is sent (S030, C089)."""
    bench = make()
    bench.machine.bursts()
    bench.machine.events()
    bench.machine.peer_unreachable()
    assert bench.machine.bursts() == []
    assert bench.machine.events() == [Ended(reason.value, unreachable=True)]
    assert bench.wait(1000) == []


@pytest.mark.parametrize("packet", ["E0", "E3", "E8", "E99", b"\0\5", b"\0\5\0", b"\0\5\0\1", b"\0\5\0\1no nul"])
@pytest.mark.parametrize("make", NEEDS_PEER)
def test_an_error_ends_it_silently(make: Callable[[], Bench], packet: str | bytes) -> None:
    """Any ERROR, however short, ends a transfer at once and is never answered (C044, C093, C114, C151, C152)."""
    bench = make()
    bench.machine.bursts()
    bench.machine.events()
    assert bench.gets(packet) == ""
    assert bench.state is State.ENDED
    assert bench.outcome is not None
    assert bench.outcome.reason == "client-error"
    assert bench.outcome.code == (bench.packet(packet)[3] if len(bench.packet(packet)) > 3 else 0)
    assert not bench.outcome.succeeded
    assert bench.wait(1000) == []


def test_a_peer_that_leaves_does_not_undo_a_whole_upload() -> None:
    """Once all blocks have come, neither an ERROR nor an ICMP error keeps them from being stored (C099, C113)."""
    bench = storing_write()
    bench.machine.bursts()
    bench.machine.peer_unreachable()
    assert bench.gets("E0") == "A3"
    assert bench.reason == "completed"
    assert bytes(bench.end.stored) == CONTENT


@pytest.mark.parametrize("make", [*UNFINISHED, *FINISHED])
def test_a_superseded_transfer_ends_without_a_word(make: Callable[[], Bench]) -> None:
    """A transfer that gives way to a new one from its port sends nothing more, not even while dallying (C096)."""
    bench = make()
    bench.machine.bursts()
    bench.machine.events()
    before = bench.state
    bench.machine.abandon()
    assert bench.state is State.ENDED
    assert bench.machine.events() == ([] if before in (State.DALLYING, State.ENDED) else [Ended("superseded")])
    assert bench.gets("A0", "A1", "D1", "D2", "D3") == ""
    assert bench.wait(1000) == []


@pytest.mark.parametrize("make", [*UNFINISHED, *FINISHED])
@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"\0",
        b"\0\1",
        b"\0\3",
        b"\0\4\0",
        b"\0\7ab",
        b"\xff\xff\0\1",
        b"\0\1f\0octet\0",
        b"\0\2f\0octet\0",
        b"\0\6x\x001\0",
    ],
)
def test_what_is_no_packet_of_a_transfer_is_ignored(make: Callable[[], Bench], packet: bytes) -> None:
    """Short, unknown and misplaced packets change nothing and get no answer (C093, C094, C007)."""
    bench = make()
    before = bench.state
    bench.machine.bursts()
    bench.machine.datagram_received(packet, bench.now)
    assert bench.machine.bursts() == []
    assert bench.state is before


def test_busy_means_progress_within_the_last_wait() -> None:
    """A transfer is busy while it flows, not before an answer, when it idles, or when it is over (C096)."""
    bench = opening_read()
    assert not bench.machine.busy(bench.now)
    bench.gets("A0", after=0.5)
    wait = bench.machine.timer.wait
    assert bench.machine.busy(bench.now)
    assert bench.machine.busy(bench.now + 0.9 * wait)
    assert not bench.machine.busy(bench.now + wait)
    longest = bench.machine.timer.longest
    assert longest > wait
    assert bench.machine.outlasts_repeat(bench.now + 0.9 * longest)
    assert not bench.machine.outlasts_repeat(bench.now + longest)
    bench.gets("A1", "A2", after=10)
    assert bench.machine.busy(bench.now)
    bench.gets("A3")
    assert not bench.machine.busy(bench.now)


@pytest.mark.parametrize("make", FINISHED)
def test_what_is_over_is_not_busy(make: Callable[[], Bench]) -> None:
    """A finished transfer does not hold its client's port, not even while it dallies (C096, C100)."""
    bench = make()
    assert not bench.machine.busy(bench.now)
    assert not bench.machine.outlasts_repeat(bench.now)


@pytest.mark.parametrize(
    ("reason", "succeeded"),
    [
        (Reason.COMPLETED, True),
        (Reason.LAST_ACK_MISSING, True),
        (Reason.SIZE_PROBE, False),
        (Reason.NO_ANSWER, False),
        (Reason.PEER_VANISHED, False),
        (Reason.PEER_ERROR, False),
        (Reason.SUPERSEDED, False),
    ],
)
def test_which_endings_are_good(reason: Reason, succeeded: bool) -> None:
    """A transfer is good if only its last ACK is missing, and not if the client left (C044, C099)."""
    assert Ended(reason.value).succeeded is succeeded
