"""Nobody can be flooded by a request in their name (rule S030 of the threat table; C042, C088, C095)."""

from collections.abc import Callable

import pytest
from bench import Bench, numbered, server_of_read, server_of_write

from tftpd_tw.protocol.events import Read
from tftpd_tw.protocol.packets import Mode

BIG = numbered(4000)

VICTIMS: list[tuple[str, Callable[[], Bench]]] = [
    ("D1", lambda: server_of_read(BIG)),
    ("D1 unsized", lambda: server_of_read(BIG, sized=False)),
    ("D1 netascii", lambda: server_of_read(BIG, mode=Mode.NETASCII)),
    ("D1 small", lambda: server_of_read(b"x")),
    ("OACK", lambda: server_of_read(BIG, blksize=65464, windowsize=64, tsize=0)),
    ("OACK timeout", lambda: server_of_read(BIG, timeout=1, windowsize=64)),
    ("OACK utimeout", lambda: server_of_read(BIG, utimeout=100_000, blksize=65464)),
    ("A0", lambda: server_of_write(BIG)),
    ("OACK of a write", lambda: server_of_write(BIG, timeout=1, blksize=65464)),
]
victims = pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in VICTIMS])


@victims
def test_three_packets_at_most(make: Callable[[], Bench]) -> None:
    """To somebody who never answers go at most 3 datagrams and 1548 bytes, all the same (S030)."""
    bench = make()
    bench.start()
    bench.wait(3600)
    assert 1 <= len(bench.end.sent) <= 3
    assert len(set(bench.end.sent)) == 1
    assert sum(map(len, bench.end.sent)) <= 1548
    assert bench.reason == "no-answer"


@victims
def test_nothing_after_an_icmp_error(make: Callable[[], Bench]) -> None:
    """A victim whose host says so gets no repeat at all (S030)."""
    bench = make()
    bench.start()
    bench.machine.peer_unreachable()
    assert bench.wait(3600) == []
    assert len(bench.end.sent) == 1


@victims
@pytest.mark.parametrize("spoofed", ["A2", "A7", "A65535", "D2", b"\0\7", b"\0\4\0", b"\0\1f\0octet\0"])
def test_a_wrong_guess_opens_nothing(make: Callable[[], Bench], spoofed: str | bytes) -> None:
    """What does not answer the first packet brings no datagram and does not lift the limit (S030, C041, C087)."""
    bench = make()
    bench.start()
    assert bench.gets(spoofed, spoofed) == ""
    bench.wait(3600)
    assert len(bench.end.sent) <= 3


@victims
def test_a_repeated_request_is_answered_one_for_one(make: Callable[[], Bench]) -> None:
    """Each repeat of the request brings one packet, and none of them further repeats (S030, C095)."""
    bench = make()
    bench.start()
    for _ in range(10):
        bench.machine.repeat_opening(bench.now)
        bench.gets(after=0.01)
    assert len(bench.end.sent) == 11
    assert bench.wait(3600) == []
    assert len(set(bench.end.sent)) == 1


@pytest.mark.parametrize("options", [{"tsize": 0}, {"blksize": 65464, "windowsize": 64}])
def test_an_oack_costs_no_content(options: dict[str, int]) -> None:
    """Nothing of the file is read while the OACK is unanswered (S030)."""
    bench = server_of_read(BIG, **options)
    bench.start()
    bench.wait(3600)
    assert bench.end.read_to == 0


@pytest.mark.parametrize("sized", [True, False])
def test_a_first_block_costs_one_block(sized: bool) -> None:
    """Without options no more than the first block is read until it is acknowledged (S030)."""
    bench = server_of_read(BIG, sized=sized)
    bench.machine.start(bench.now)
    assert bench.machine.events() == [Read(512)]
    bench.machine.blocks_read(BIG[:512], bench.now)
    bench.wait(3600)
    assert bench.end.read_to == 0
