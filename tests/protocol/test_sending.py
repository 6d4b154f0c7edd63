"""The sending end in lockstep (rules C001, C040 to C044, C048, C080, C085 to C089, C099, C104)."""

from itertools import pairwise

import pytest
from bench import Bench, numbered, server_of_read

from tftpd_tw.protocol.events import Read
from tftpd_tw.protocol.lifecycle import State
from tftpd_tw.protocol.timing import Patience

KILOBYTE = numbered(2)


def test_the_first_transfer_of_the_rfc() -> None:
    """1024 bytes are D1, D2 and an empty D3, one for each ACK, and nothing after the last (C001)."""
    bench = server_of_read(KILOBYTE)
    assert [bench.start(), bench.gets("A1"), bench.gets("A2"), bench.gets("A3")] == ["D1", "D2", "D3/0", ""]
    assert b"".join(packet[4:] for packet in bench.end.sent) == KILOBYTE
    assert bench.reason == "completed"
    assert bench.state is State.ENDED
    assert bench.machine.deadline is None
    assert (bench.machine.byte_count, bench.machine.block_count, bench.machine.retransmits) == (1024, 3, 0)


@pytest.mark.parametrize("sized", [True, False], ids=["sized", "unsized"])
@pytest.mark.parametrize("chunk", [1 << 30, 512, 100, 1])
@pytest.mark.parametrize(
    ("size", "blocks"),
    [
        (0, ["D1/0"]),
        (1, ["D1/1"]),
        (511, ["D1/511"]),
        (512, ["D1", "D2/0"]),
        (513, ["D1", "D2/1"]),
        (1024, ["D1", "D2", "D3/0"]),
    ],
)
def test_the_last_block_is_short(size: int, blocks: list[str], sized: bool, chunk: int) -> None:
    """The last block is shorter than the others, empty if it must be, however content comes (C080, C073)."""
    bench = server_of_read(KILOBYTE[:size], sized=sized, chunk=chunk)
    said = [bench.start(), *(bench.gets(f"A{number}") for number in range(1, len(blocks) + 1))]
    assert said == [*blocks, ""]
    assert b"".join(packet[4:] for packet in bench.end.sent) == KILOBYTE[:size]
    assert bench.reason == "completed"


def test_an_oack_comes_alone_and_is_acknowledged_as_block_0() -> None:
    """No DATA goes out before A0, and A0 brings D1 of the agreed size (C040, C050)."""
    bench = server_of_read(KILOBYTE, blksize=1000, tsize=0)
    assert bench.start() == "OA(blksize=1000,tsize=1024)"
    assert bench.gets("A0") == "D1"
    assert bench.gets("A1") == "D2/24"
    assert bench.gets("A2") == ""
    assert bench.reason == "completed"


def test_an_empty_file_after_an_oack() -> None:
    """tsize 0, then D1 with nothing in it (C073)."""
    bench = server_of_read(b"", tsize=0)
    assert [bench.start(), bench.gets("A0"), bench.gets("A1")] == ["OA(tsize=0)", "D1/0", ""]
    assert bench.reason == "completed"


@pytest.mark.parametrize("rollover", [{}, {"rollover": 0}, {"rollover": 1}])
@pytest.mark.parametrize("ack", ["A1", "A2", "A65534", "A65535"])
def test_only_ack_0_answers_an_oack(ack: str, rollover: dict[str, int]) -> None:
    """Any other ACK after the OACK is ignored: the OACK goes out again on the timer only (C041)."""
    bench = server_of_read(KILOBYTE, blksize=512, **rollover)
    oack = bench.start()
    assert bench.gets(ack) == ""
    assert bench.state is State.OPENING
    assert bench.wait(1) == [(1.0, oack)]


def test_an_unanswered_oack_is_repeated_as_it_was() -> None:
    """The same bytes go out at T, 3T and then no more until the transfer ends as never answered (C042, S030)."""
    bench = server_of_read(KILOBYTE, blksize=1000, tsize=0)
    oack = bench.start()
    assert bench.wait(100) == [(1.0, oack), (3.0, oack)]
    assert len(set(bench.end.sent)) == 1
    assert bench.reason == "no-answer"


def test_ack_0_three_times_brings_one_block() -> None:
    """A repeated A0 is not answered with D1 again (C043)."""
    bench = server_of_read(KILOBYTE, blksize=512)
    bench.start()
    assert bench.gets("A0", "A0", "A0") == "D1"


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"tsize": 0, "blksize": 1468}, "E8", "size-probe"),
        ({"tsize": 0}, "E0", "size-probe"),
        ({"blksize": 1468}, "E8", "client-error"),
        ({"tsize": 0}, "E3", "client-error"),
    ],
)
def test_an_error_after_the_oack(options: dict[str, int], error: str, reason: str) -> None:
    """ERROR ends it without a word; where the size was asked, leaving with 0 or 8 is a probe (C044)."""
    bench = server_of_read(KILOBYTE, **options)
    bench.start()
    assert bench.gets(error) == ""
    assert bench.reason == reason
    assert bench.wait(100) == []


@pytest.mark.parametrize("data", ["D1", "D2/100", "D0/0"])
def test_data_to_a_sender_is_ignored(data: str) -> None:
    """DATA from a client that reads changes nothing (C048)."""
    bench = server_of_read(KILOBYTE, blksize=512)
    bench.start()
    assert bench.gets(data) == ""
    assert bench.gets("A0") == "D1"
    assert bench.gets(data) == ""
    assert bench.gets("A1") == "D2"


def test_five_acks_bring_one_block() -> None:
    """No Sorcerer's Apprentice: only the first A1 brings D2 (C085)."""
    bench = server_of_read(numbered(5, short=1))
    bench.start()
    assert bench.gets("A1", "A1", "A1", "A1", "A1") == "D2"
    assert bench.gets("A1", after=0.01) == ""


def test_a_late_ack_does_not_double_the_transfer() -> None:
    """D1 went out twice and is acknowledged twice: one D2, and one of each block from there on (C086)."""
    bench = server_of_read(numbered(5, short=1))
    bench.start()
    assert bench.wait(1) == [(1.0, "D1")]
    assert [bench.gets(word) for word in ("A1", "A1", "A2", "A2", "A3", "A4", "A5")] == [
        "D2", "", "D3", "", "D4", "D5/511", "",
    ]  # fmt: skip
    assert bench.machine.retransmits == 1


@pytest.mark.parametrize("ack", ["A1", "A4", "A5", "A7", "A65535", "A0"])
def test_acks_of_other_blocks_are_ignored(ack: str) -> None:
    """An ACK of an earlier or a later block neither advances nor ends the transfer (C087)."""
    bench = server_of_read(numbered(9))
    bench.start()
    bench.gets("A1")
    assert bench.gets("A2") == "D3"
    assert bench.gets(ack) == ""
    assert bench.machine.block_count == 2
    assert bench.gets("A3") == "D4"


def test_silence_backs_off_and_ends() -> None:
    """The same bytes at 0, T, 3T, 7T and so on, a bounded number of times, and then the end (C088, C089)."""
    bench = server_of_read(numbered(5), patience=Patience(timeout=8, max_retries=5), windowsize=1)
    bench.start()
    bench.gets("A0", after=2.0)
    bench.end.sent.clear()
    said = bench.wait(1000)
    times = [time for time, _ in said]
    assert {words for _, words in said} == {"D1"}
    assert len(set(bench.end.sent)) == 1
    first_repeat, *repeats = times[-5:]
    gaps = [later - earlier for earlier, later in pairwise([first_repeat, *repeats])]
    assert all(later >= earlier for earlier, later in pairwise(gaps))
    assert len(times) <= 10
    assert bench.reason == "client-vanished"
    assert bench.machine.deadline is None


def test_waits_double_before_anything_is_known() -> None:
    """Without a sample D1 goes out at T and 3T, and a client that was never heard gets no more (C088, S030)."""
    bench = server_of_read(KILOBYTE)
    assert bench.start() == "D1"
    assert bench.wait(100) == [(1.0, "D1"), (3.0, "D1")]
    assert bench.reason == "no-answer"


@pytest.mark.parametrize("timeout", [1, 5])
def test_a_negotiated_timeout_is_the_interval(timeout: int) -> None:
    """A block goes out again after the client's own interval, each time, until all tries are over (C060)."""
    bench = server_of_read(KILOBYTE, timeout=timeout)
    bench.start()
    bench.gets("A0", after=0.01)
    assert bench.wait(1000) == [(float(timeout * n), "D1") for n in range(1, 6)]
    assert bench.reason == "client-vanished"


def test_a_long_timeout_is_bounded() -> None:
    """A client with timeout=255 that falls silent does not hold its session for half an hour (C063)."""
    bench = server_of_read(KILOBYTE, timeout=255)
    bench.start()
    bench.gets("A0")
    assert bench.wait(600) == [(255.0, "D1"), (510.0, "D1")]
    assert bench.reason == "client-vanished"


def test_progress_resets_the_back_off() -> None:
    """After a stall the next block's first repeats come as early as ever (C104)."""
    bench = server_of_read(numbered(9))
    bench.start()
    bench.gets("A1", after=0.25)
    first = [time for time, _ in bench.wait(9)]
    assert len(first) > 3
    assert bench.gets("A2") == "D3"
    assert [time for time, _ in bench.wait(9)] == first


def test_an_unknown_round_trip_keeps_the_back_off() -> None:
    """A client two seconds away is waited for until a block that went out once has told how far (C104)."""
    bench = server_of_read(numbered(9))
    bench.start()
    assert [time for time, _ in bench.wait(2)] == [1.0]
    assert bench.gets("A1") == "D2"
    assert bench.wait(1.75) == []
    assert bench.gets("A2") == "D3"
    assert bench.machine.timer.round_trip == 1.75


def test_a_repeated_block_is_no_sample() -> None:
    """The ACK of a block that went out twice says nothing about the round trip (C104)."""
    bench = server_of_read(numbered(9))
    bench.start()
    bench.wait(1)
    bench.gets("A1", after=0.001)
    assert bench.machine.timer.round_trip is None
    bench.gets("A2", after=0.25)
    assert bench.machine.timer.round_trip == 0.25


def in_its_last_block() -> Bench:
    """A read whose last block is out and unacknowledged."""
    bench = server_of_read(numbered(2, short=100), windowsize=1)
    bench.start()
    bench.gets("A0", after=0.5)
    assert bench.gets("A1", after=0.5) == "D2/412"
    return bench


def test_a_missing_last_ack_is_no_failure() -> None:
    """The last block is repeated a few times; then the transfer counts as sent (C099)."""
    bench = in_its_last_block()
    said = bench.wait(1000)
    assert {words for _, words in said} == {"D2/412"}
    assert 3 <= len(said) <= 10
    assert bench.reason == "last-ack-missing"
    assert bench.outcome is not None
    assert bench.outcome.succeeded


def test_a_closed_port_after_the_last_block_is_success() -> None:
    """A client that closed its port right after the last block has the file (C099)."""
    bench = in_its_last_block()
    bench.machine.peer_unreachable()
    assert bench.gets() == ""
    assert bench.reason == "last-ack-missing"


def test_a_closed_port_before_that_is_not() -> None:
    """A client that closed its port in mid-transfer does not have the file (C099)."""
    bench = server_of_read(numbered(5))
    bench.start()
    bench.gets("A1")
    bench.machine.peer_unreachable()
    assert bench.gets() == ""
    assert bench.reason == "client-vanished"


def test_a_repeated_request_is_answered_with_the_first_packet() -> None:
    """While nothing was answered the same packet goes out again; later a repeated request means nothing (C095)."""
    bench = server_of_read(KILOBYTE)
    bench.start()
    bench.machine.repeat_opening(bench.now)
    assert bench.gets() == "D1"
    bench.gets("A1")
    bench.machine.repeat_opening(bench.now)
    assert bench.gets() == ""


def test_a_source_that_ends_early_is_an_error() -> None:
    """A file that shrank while it was sent ends in ERROR 0 and never in a short last block (C080)."""
    bench = server_of_read(numbered(200))
    bench.end.source = bench.content[:40_000]
    bench.start()
    said = " ".join(bench.gets(f"A{number}") for number in range(1, 100))
    assert said.split()[-1] == "E0"
    assert "/" not in said
    assert bench.reason == "source-truncated"


def test_a_source_that_grew_is_cut() -> None:
    """What is sent is the size that was promised when the file was opened (C066)."""
    bench = server_of_read(KILOBYTE[:600])
    bench.machine.start(bench.now)
    (read,) = bench.machine.events()
    assert isinstance(read, Read)
    bench.machine.blocks_read(KILOBYTE, bench.now)
    assert bench.gets() == "D1"
    assert bench.gets("A1") == "D2/88"


def test_a_silent_backend_is_not_the_clients_fault() -> None:
    """When content does not come the transfer ends with an ERROR of ours, after the same patience (C089)."""
    bench = server_of_read(KILOBYTE)
    bench.machine.start(bench.now)
    assert len(bench.machine.events()) == 1
    assert bench.wait(1000) == [(30.0, "E0")]
    assert bench.reason == "backend-stalled"


def test_only_one_read_at_a_time() -> None:
    """There is never a second Read while one is unanswered, and each asks for something (C135)."""
    bench = server_of_read(numbered(2000, 8), blksize=8, windowsize=16)
    bench.machine.start(bench.now)
    for number in range(0, 320, 16):
        bench.machine.datagram_received(bench.packet(f"A{number}"), bench.now)
        reads = bench.machine.events()
        assert len(reads) <= 1
        bench.machine.bursts()
        for read in reads:
            assert isinstance(read, Read)
            assert read.length > 0
            assert bench.machine.events() == []
            bench.machine.blocks_read(bench.content[bench.end.read_to :][: read.length], bench.now)
            bench.end.read_to += read.length
    assert bench.machine.block_count > 200
