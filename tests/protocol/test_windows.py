"""The sending end with windows (RFC 7440; rules C122 to C127, C133 to C136)."""

from collections.abc import Callable

import pytest
from bench import Bench, numbered, server_of_read

from tftpd_tw.protocol.packets import Mode


def windowed(blocks: int, windowsize: int, short: int = 4, **options: int) -> Bench:
    """A read in windows, its OACK out."""
    bench = server_of_read(numbered(blocks, options.get("blksize", 512), short), windowsize=windowsize, **options)
    bench.start()
    return bench


def data(first: int, last: int, short: str = "") -> str:
    """Blocks in the notation of the rules."""
    return " ".join(f"D{number}" for number in range(first, last + 1)) + short


@pytest.mark.parametrize(
    ("rule", "bench", "exchange"),
    [
        (
            "C126",
            lambda: windowed(13, 8),
            [("A0", data(1, 8)), ("A8", data(9, 13, "/508")), ("A13", "")],
        ),
        (
            "C126 exact multiple",
            lambda: windowed(7, 8, short=0),
            [("A0", data(1, 7) + " D8/0"), ("A8", "")],
        ),
        (
            "C126 exact multiple, next window",
            lambda: windowed(8, 8, short=0),
            [("A0", data(1, 8)), ("A8", "D9/0"), ("A9", "")],
        ),
        ("C127", lambda: windowed(3, 8), [("A0", "D1 D2 D3/508"), ("A3", "")]),
        ("C122", lambda: windowed(3, 1), [("A0", "D1"), ("A1", "D2"), ("A1", ""), ("A2", "D3/508"), ("A3", "")]),
        (
            "C123 mid-window",
            lambda: windowed(20, 4),
            [("A0", data(1, 4)), ("A4", data(5, 8)), ("A5", data(6, 9)), ("A9", data(10, 13))],
        ),
        (
            "C125 stale and future",
            lambda: windowed(20, 4),
            [("A0", data(1, 4)), ("A4", data(5, 8)), ("A2", ""), ("A12", ""), ("A9", ""), ("A8", data(9, 12))],
        ),
        (
            "C124 once for each loss",
            lambda: windowed(20, 4),
            [("A0", data(1, 4)), ("A4", data(5, 8)), ("A4", data(5, 8)), *[("A4", "")] * 4, ("A8", data(9, 12))],
        ),
        (
            "C124 the first window",
            lambda: windowed(20, 4),
            [("A0", data(1, 4)), ("A0", data(1, 4)), ("A0", ""), ("A4", data(5, 8))],
        ),
        (
            "C124 a second loss",
            lambda: windowed(20, 4),
            [("A0", data(1, 4)), ("A0", data(1, 4)), ("A4", data(5, 8)), ("A8", data(9, 12)), ("A8", data(9, 12))],
        ),
        (
            "C123 the tail",
            lambda: windowed(6, 4),
            [("A0", data(1, 4)), ("A4", "D5 D6/508"), ("A5", "D6/508"), ("A6", "")],
        ),
    ],
)  # fmt: skip
def test_exchange(rule: str, bench: Callable[[], Bench], exchange: list[tuple[str, str]]) -> None:
    """Each ACK brings just these blocks (C122 to C127)."""
    machine = bench()
    assert [(ack, machine.gets(ack)) for ack, _ in exchange] == exchange, rule


def test_rfc_7440_as_freebsd_tests_it() -> None:
    """13 blocks in windows of 4: A0, A4, A5 (from inside), A9, silence, A13 (C123)."""
    bench = windowed(13, 4, timeout=1)
    said = [bench.gets(ack, after=0.01) for ack in ("A0", "A4", "A5", "A9")]
    assert said == [data(1, 4), data(5, 8), data(6, 9), data(10, 13, "/508")]
    assert bench.wait(1.5) == [(1.0, data(10, 13, "/508"))]
    assert bench.gets("A13") == ""
    assert bench.reason == "completed"
    assert b"".join(dict(sorted((p[2:4], p[4:]) for p in bench.end.sent if p[1] == 3)).values()) == bench.content


def test_an_ack_right_after_going_back_is_of_the_first_sending() -> None:
    """Within a round trip of going back, an ACK from inside is progress and restarts the wait (C124)."""
    bench = windowed(8, 4, timeout=1)
    assert bench.gets("A0", after=0.5) == data(1, 4)
    assert bench.gets("A4", after=0.5) == data(5, 8, "/508")
    assert bench.gets("A5", after=0.5) == "D6 D7 D8/508"
    assert bench.gets("A6", after=0.25) == ""
    assert bench.wait(1.5) == [(1.0, "D7 D8/508")]


def test_a_silent_window_is_probed_and_then_repeated_whole() -> None:
    """Two round trips without an ACK repeat the last block; the wait of the timer all of them (C123, C088)."""
    bench = windowed(13, 4)
    for ack in ("A0", "A4", "A8"):
        bench.gets(ack, after=0.25)
    (probe_at, probe), (again_at, again), *_ = bench.wait(5)
    assert (probe_at, probe) == (0.5, "D12")
    assert again == data(9, 12)
    assert again_at >= bench.machine.timer.round_trip


def test_a_probe_finds_what_the_client_has() -> None:
    """The ACK that answers a probe brings what is missing, at once and once (C124)."""
    bench = windowed(13, 4)
    for ack in ("A0", "A4", "A8"):
        bench.gets(ack, after=0.25)
    assert bench.wait(0.5) == [(0.5, "D12")]
    assert bench.gets("A10", after=0.25) == data(11, 13, "/508")
    assert bench.gets("A10") == ""


@pytest.mark.parametrize("rollover", [{}, {"rollover": 1}], ids=["to-0", "to-1"])
def test_windows_across_the_wrap(rollover: dict[str, int]) -> None:
    """A window goes over 65535, with A65534 and A0 or A1 from inside it, and old ACKs late (C133, C082, C083).

    Windows of 9, so that none of these is where a client's windows end anyway.
    """
    bench = windowed(65600, 9, short=1, blksize=8, **rollover)
    for number in range(0, 65529 + 1, 9):
        bench.gets(f"A{number}")
    first = 1 if rollover else 0
    assert bench.gets("A65534") == f"D65535 {data(first, first + 7)}"
    assert bench.gets("A65536", after=1) == data(first + 1, first + 9)
    assert [bench.gets("A65534"), bench.gets("A65535")] == ["", ""]
    assert bench.gets("A65545") == data(first + 10, first + 18)
    assert bench.machine.block_count == 65545


def test_no_block_0_after_a_rollover_to_one() -> None:
    """With rollover=1 a 0 on the wire acknowledges nothing, though it is 65535 modulo the cycle (C083)."""
    bench = windowed(65600, 1, short=1, blksize=8, rollover=1)
    for number in range(65535):
        bench.gets(f"A{number}")
    assert bench.gets(b"\0\4\0\0") == ""
    assert bench.machine.block_count == 65534
    assert bench.gets("A65535") == "D1"


@pytest.mark.parametrize("blksize", [8, 512, 1428, 8192, 65464])
def test_a_burst_is_what_one_system_call_takes(blksize: int) -> None:
    """A window goes out in bursts of equal blocks, at most 64 and at most 64 KiB each, nothing left out (C135)."""
    bench = server_of_read(numbered(70, blksize, short=3), blksize=blksize, windowsize=70)
    bench.start()
    bench.machine.datagram_received(b"\0\4\0\0", bench.now)
    blocks = []
    while events := bench.machine.events():
        bench.machine.blocks_read(bench.content, bench.now)
        assert len(events) == 1
    for burst in bench.machine.bursts():
        assert len(burst) <= 2 * 64
        assert sum(map(len, burst)) <= 65507 or len(burst) == 2
        payloads = [len(part) for part in burst[1::2]]
        assert set(payloads[:-1]) <= {blksize}
        assert payloads[-1] <= blksize
        blocks += [bytes(part) for part in burst[1::2]]
    assert b"".join(blocks) == bench.content[: blksize * len(blocks)]
    assert len(blocks) == bench.machine.windowsize == min(70, (4 << 20) // blksize)


@pytest.mark.parametrize("chunk", [1 << 30, 1000, 7])
def test_netascii_in_windows(chunk: int) -> None:
    """Repeats in a netascii window start at the right byte of the encoded text (C136, C145)."""
    text = b"one\ntwo\r" * 200
    bench = server_of_read(text, mode=Mode.NETASCII, windowsize=4, blksize=64, chunk=chunk)
    bench.start()
    got: dict[int, bytes] = {}
    acks = ["A0", "A4", "A5", "A5", "A9", "A9", "A11", *(f"A{number}" for number in range(15, 100, 4))]
    for ack in acks:
        bench.gets(ack, after=0.01)
    for packet in bench.end.sent[1:]:
        number = int.from_bytes(packet[2:4], "big")
        assert got.setdefault(number, packet[4:]) == packet[4:]
    wire = text.replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")
    assert b"".join(got[number] for number in sorted(got)) == wire[: 64 * len(got)]
    assert len(got) > 20


def test_slow_content_is_sent_as_it_comes() -> None:
    """A window whose content comes in pieces is not held back, and keeps its order (C135)."""
    bench = server_of_read(numbered(8, short=1), windowsize=4, chunk=700)
    bench.start()
    assert bench.gets("A0") == data(1, 4)
    assert bench.gets("A4") == data(5, 8, "/511")
    assert bench.gets("A8") == ""
    assert b"".join(packet[4:] for packet in bench.end.sent[1:]) == bench.content
