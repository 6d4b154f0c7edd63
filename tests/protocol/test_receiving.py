"""The receiving end (rules C045, C055, C081, C084, C098, C100 to C103, C113, C128 to C132)."""

from itertools import pairwise

import pytest
from bench import Bench, numbered, server_of_write

from tftpd_tw.protocol.events import Write
from tftpd_tw.protocol.lifecycle import READ_AHEAD, State


def flowing(blocks: int = 20, short: int = 4, **options: int) -> Bench:
    """A write of so many blocks, its first answer out."""
    bench = server_of_write(numbered(blocks, options.get("blksize", 512), short), **options)
    bench.start()
    return bench


Exchange = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("rule", "options", "blocks", "exchange"),
    [
        ("C101 a repeat of the last good block", {}, 9, [("D1", "A1"), ("D2", "A2"), ("D2", "A2"), ("D3", "A3")]),
        ("C101 an older block", {}, 9, [("D1", "A1"), ("D2", "A2"), ("D1", "A2"), ("D3", "A3")]),
        ("C102 a later block", {}, 9, [("D1", "A1"), ("D3", ""), ("D65535", ""), ("D2", "A2")]),
        ("C128", {"windowsize": 4}, 9, [("D1 D2 D3", ""), ("D4", "A4"), ("D5 D6 D7 D8", "A8")]),
        ("C129", {"windowsize": 4}, 9, [("D1 D2 D4 D5", "A2"), ("D3 D4 D5 D6", "A6"), ("D7 D8 D9/508", "A9")]),
        ("C129 a gap at the start", {"windowsize": 4}, 9, [("D2 D3 D4", "A0"), ("D1 D2 D3 D4", "A4")]),
        ("C129 again", {"windowsize": 4}, 9, [("D1 D3 D4", "A1"), ("D3 D4", "A1"), ("D2 D3 D4 D5", "A5")]),
        ("C129 two gaps", {"windowsize": 4}, 9, [("D1 D3", "A1"), ("D2 D4", "A2"), ("D3 D4 D5 D6", "A6")]),
        ("C130", {"windowsize": 4}, 9, [("D1 D2 D2 D3 D4", "A4")]),
        ("C130 a lost ACK", {"windowsize": 2}, 9, [("D1 D2", "A2"), ("D1 D2", "A2"), ("D3 D4", "A4")]),
        ("C130 nothing but old blocks", {"windowsize": 4}, 9, [("D1 D2 D3 D4 D5", "A4"), ("D1 D2 D3", "")]),
        ("C132", {"windowsize": 4}, 6, [("D1 D2 D3 D4", "A4"), ("D5", ""), ("D6/508", "A6")]),
        ("C132 the first window", {"windowsize": 4}, 2, [("D1 D2/508", "A2")]),
        ("C125 beyond the window", {"windowsize": 2}, 9, [("D1 D2", "A2"), ("D7", ""), ("D3 D4", "A4")]),
    ],
)  # fmt: skip
def test_exchange(rule: str, options: dict[str, int], blocks: int, exchange: Exchange) -> None:
    """These blocks bring just these ACKs, and each byte is stored once (C101, C102, C128 to C132)."""
    bench = flowing(blocks, **options)
    assert [(words, bench.gets(*words.split())) for words, _ in exchange] == exchange, rule
    done = bench.machine.block_count
    for number in range(done + 1, blocks):
        bench.gets(f"D{number}")
    bench.gets(f"D{blocks}/508")
    assert bench.reason == "completed", rule
    assert bytes(bench.end.stored) == bench.content, rule


def test_a_write_without_options() -> None:
    """A WRQ is answered with A0, each block with its ACK, the last when it is stored (C001, C081)."""
    bench = server_of_write(numbered(2, short=1))
    assert [bench.start(), bench.gets("D1"), bench.gets("D2/511")] == ["A0", "A1", "A2"]
    assert bench.reason == "completed"
    assert bytes(bench.end.stored) == bench.content
    assert (bench.machine.byte_count, bench.machine.block_count) == (1023, 2)


def test_a_write_with_options() -> None:
    """A WRQ with options is answered with the OACK instead of A0 (C045, C069)."""
    bench = server_of_write(numbered(2, 1000, short=1), blksize=1000, tsize=1999)
    assert [bench.start(), bench.gets("D1"), bench.gets("D2/999")] == ["OA(blksize=1000,tsize=1999)", "A1", "A2"]
    assert bytes(bench.end.stored) == bench.content


@pytest.mark.parametrize("options", [{}, {"windowsize": 8}, {"blksize": 8}])
def test_an_empty_upload(options: dict[str, int]) -> None:
    """D1 with nothing in it is a whole file (C081)."""
    bench = server_of_write(b"", **options)
    bench.start()
    assert bench.gets("D1/0") == "A1"
    assert bench.reason == "completed"
    assert bytes(bench.end.stored) == b""


@pytest.mark.parametrize("at", [1, 2])
def test_a_block_above_the_agreed_size_ends_it(at: int) -> None:
    """A block of 600 bytes where 512 were agreed is E4 and the end, and nothing of it is stored (C055)."""
    bench = flowing()
    stored = [bench.gets(f"D{number}") for number in range(1, at)]
    assert bench.gets(f"D{at}/600") == "E4"
    assert bench.reason == "illegal-operation"
    assert len(bench.end.stored) <= 512 * len(stored)
    assert bench.gets(f"D{at}") == ""


@pytest.mark.parametrize("rollover", [{}, {"rollover": 1}], ids=["to-0", "to-1"])
@pytest.mark.parametrize("windowsize", [1, 16])
def test_uploads_go_across_the_wrap(windowsize: int, rollover: dict[str, int]) -> None:
    """Block 65536 is acknowledged with the number after 65535, never with the OACK (C082, C083, C084, C133)."""
    bench = flowing(65600, 5, blksize=8, windowsize=windowsize, **rollover)
    for number in range(1, 65536):
        bench.gets(f"D{number}")
    said = bench.gets(*(f"D{number}" for number in range(65536, 65600)), "D65600/3")
    first = len(rollover)
    acks = [n for n in range(65536, 65601) if n % windowsize == 0]
    assert said == " ".join(f"A{n - 65536 + first}" for n in acks)
    assert bytes(bench.end.stored) == bench.content


@pytest.mark.parametrize("options", [{}, {"blksize": 512}])
def test_a_repeated_request_is_answered_again(options: dict[str, int]) -> None:
    """The same WRQ brings the same A0 or OACK while no block has come, and then nothing (C098)."""
    bench = server_of_write(numbered(3), **options)
    first = bench.start()
    bench.machine.repeat_opening(bench.now)
    assert bench.gets() == first
    bench.gets("D1")
    bench.machine.repeat_opening(bench.now)
    assert bench.gets() == ""
    assert len(bench.end.stored) in (0, 512)


def test_the_last_block_is_acknowledged_when_it_is_stored() -> None:
    """Nothing goes out for the last block until blocks_written (C113)."""
    bench = flowing(2)
    bench.gets("D1")
    bench.machine.datagram_received(bench.packet("D2/508"), bench.now)
    (write,) = bench.machine.events()
    assert write == Write(bench.content, final=True)
    assert bench.machine.bursts() == []
    assert bench.gets("D2/508") == ""
    assert bench.wait(20) == []
    bench.machine.blocks_written(bench.now)
    assert bench.gets() == "A2"
    assert bench.reason == "completed"


def test_storage_that_does_not_answer() -> None:
    """When the last write is never answered the client is told so after the same patience (C113, C089)."""
    bench = flowing(1)
    bench.machine.datagram_received(bench.packet("D1/508"), bench.now)
    assert isinstance(bench.machine.events()[0], Write)
    assert bench.wait(1000) == [(30.0, "E0")]
    assert bench.reason == "backend-stalled"
    bench.machine.blocks_written(bench.now)
    assert bench.gets() == ""


@pytest.mark.parametrize(("options", "seconds"), [({}, 3.0), ({"timeout": 5}, 10.0)])
def test_a_lost_last_ack_is_sent_again(options: dict[str, int], seconds: float) -> None:
    """For two waits, at least 3 s, each repeat of the last block is acknowledged and not stored again (C100)."""
    bench = flowing(2, **options)
    bench.gets("D1", after=0.01)
    assert bench.gets("D2/508", after=0.01) == "A2"
    assert bench.gets("D2/508", after=0.5) == "A2"
    assert bench.gets("D1", after=0.5) == ""
    assert bench.gets("D2/508", "D2/508", after=0.5) == "A2 A2"
    assert bytes(bench.end.stored) == bench.content
    assert bench.wait(seconds - 1.6) == []
    assert bench.state is State.DALLYING
    assert bench.wait(100) == []
    assert bench.state is State.ENDED
    assert bench.gets("D2/508") == ""


@pytest.mark.parametrize(("options", "first"), [({}, "A0"), ({"blksize": 512}, "OA(blksize=512)")])
def test_a_client_that_never_sends(options: dict[str, int], first: str) -> None:
    """The first answer is repeated with back-off, twice at most, and then the transfer ends (C103, C042, S030)."""
    bench = server_of_write(numbered(3), **options)
    assert bench.start() == first
    assert bench.wait(1000) == [(1.0, first), (3.0, first)]
    assert bench.reason == "no-answer"


def test_a_client_that_falls_silent() -> None:
    """The last ACK is repeated with growing waits, a bounded number of times (C103)."""
    bench = flowing()
    bench.gets("D1", after=0.5)
    bench.gets("D2", after=0.5)
    said = bench.wait(1000)
    assert {words for _, words in said} == {"A2"}
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(said)]
    assert all(later >= earlier for earlier, later in pairwise(gaps))
    assert gaps[0] > said[0][0]
    assert 3 <= len(said) <= 12
    assert bench.reason == "client-vanished"


def test_a_negotiated_timeout_is_the_interval() -> None:
    """A client's own interval is kept for ACKs too (C060)."""
    bench = flowing(timeout=2)
    bench.gets("D1", after=0.01)
    assert bench.wait(1000) == [(2.0 * n, "A1") for n in range(1, 6)]


def test_silence_in_mid_window() -> None:
    """Half a window and then nothing: what is here is acknowledged after the wait (C131)."""
    bench = flowing(windowsize=4, timeout=1)
    assert bench.gets("D1", "D2") == ""
    assert bench.wait(1) == [(1.0, "A2")]
    assert bench.gets("D3", "D4", "D5", "D6") == "A6"


def test_blocks_that_keep_coming_are_no_silence() -> None:
    """The wait counts from the last block, so that a slow window is not interrupted (C131)."""
    bench = flowing(windowsize=4, timeout=1)
    assert [bench.gets(f"D{n}", after=0.75) for n in range(1, 5)] == ["", "", "", "A4"]


BLKSIZE = 1024
CHUNK = READ_AHEAD // BLKSIZE


def stuck(windowsize: int) -> tuple[Bench, list[Write]]:
    """A write whose storage does not answer, and its window full."""
    bench = flowing(40 * CHUNK, 4, blksize=BLKSIZE, windowsize=windowsize)
    writes: list[Write] = []
    for number in range(1, 40 * CHUNK):
        bench.machine.datagram_received(bench.packet(f"D{number}"), bench.now)
        writes += [event for event in bench.machine.events() if isinstance(event, Write)]
    return bench, writes


@pytest.mark.parametrize("windowsize", [1, 4, 16])
def test_slow_storage_stops_the_sender(windowsize: int) -> None:
    """While a Write is pending the ACK waits, one more chunk is kept, and not a byte beyond, whatever comes."""
    bench, writes = stuck(windowsize)
    acks = [b"".join(burst) for burst in bench.machine.bursts()]
    assert len(writes) == 1
    assert bench.machine.byte_count <= 2 * (READ_AHEAD + windowsize * BLKSIZE)
    assert bench.packet(f"A{bench.machine.block_count}") not in acks
    assert bench.wait(10) == []


def test_stored_content_lets_the_sender_go_on() -> None:
    """When the Write is answered the next one and the ACK that waited come, and the upload goes on from there."""
    bench, writes = stuck(4)
    bench.machine.bursts()
    here = bench.machine.block_count
    bench.now += 20
    bench.machine.blocks_written(bench.now)
    (write,) = bench.machine.events()
    assert isinstance(write, Write)
    assert [b"".join(burst) for burst in bench.machine.bursts()] == [bench.packet(f"A{here}")]
    assert writes[0].data + write.data == bench.content[: here * BLKSIZE]
    assert bench.machine.deadline is not None
    assert bench.machine.deadline > bench.now
    bench.machine.blocks_written(bench.now)
    bench.gets(*(f"D{number}" for number in range(here + 1, here + 5)))
    assert bench.machine.block_count == here + 4


def test_storage_that_stops_in_mid_upload() -> None:
    """A Write that is never answered ends the upload with an ERROR of ours, not with the client's silence."""
    bench, _ = stuck(4)
    bench.machine.bursts()
    assert bench.wait(1000) == [(30.0, "E0")]
    assert bench.reason == "backend-stalled"


@pytest.mark.parametrize("packet", ["A0", "A1", b"\0\4\0"])
def test_acks_to_a_receiver_are_ignored(packet: str | bytes) -> None:
    """An ACK from a client that writes means nothing (C093)."""
    bench = flowing()
    assert bench.gets(packet) == ""
    assert bench.gets("D1") == "A1"
