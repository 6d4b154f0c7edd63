"""Real firmware, replayed: what was seen on the wire, and the mistakes to make with it (C044, C085, C124)."""

import random
from collections.abc import Callable, Iterator

import pytest
from bench import Bench, numbered, server_of_read

from tftpd_tw.protocol.packets import encode_ack


class WindowClient:
    """A client that takes blocks in order, in windows; what it does about the others is the subclass's."""

    def __init__(self, windowsize: int) -> None:
        self.windowsize = windowsize
        self.expected = 1
        self.next_ack = windowsize
        self.nacked = -1

    def takes(self, block: int, final: bool) -> Iterator[int]:
        """The blocks that it acknowledges when this one comes."""
        if block != self.expected:
            yield from self.unexpected(block)
            return
        self.expected += 1
        if final or block == self.next_ack:
            self.next_ack = block + self.windowsize
            yield block

    def unexpected(self, block: int) -> Iterator[int]:
        """Not the block that was due."""
        raise NotImplementedError


class EDK2(WindowClient):
    """UEFI: acknowledges what it has for every single block that it did not expect."""

    def unexpected(self, block: int) -> Iterator[int]:
        yield self.expected - 1


class UBoot(WindowClient):
    """Says once for each gap where it stands, and goes on counting its windows from where they were."""

    def unexpected(self, block: int) -> Iterator[int]:
        if self.nacked != self.expected - 1:
            self.nacked = self.expected - 1
            yield self.nacked


PER_PACKET = 0.0005
"""Seconds that a DATA packet takes: a round trip is that times the packets before it."""


def replay(bench: Bench, client: WindowClient, lost: Callable[[int, int], bool], most: int) -> int:
    """Let the client read over a wire on which packets queue up; how many DATA packets were sent.

    :param lost: whether the nth packet, of this block, gets lost
    :param most: how many packets are a storm
    """
    bench.start()
    bench.gets("A0", after=0.001)
    arrived = [packet for packet in bench.end.sent if packet[1] == 3]
    sent = 0
    while arrived and bench.outcome is None:
        packet = arrived.pop(0)
        block = int.from_bytes(packet[2:4], "big")
        sent += 1
        assert sent <= most, f"a storm at block {block}"
        already = len(bench.end.sent)
        bench.wait(PER_PACKET)
        if not lost(sent, block):
            for number in client.takes(block, len(packet) - 4 < bench.machine.agreed.blksize):
                bench.gets(encode_ack(number))
        while not arrived and len(bench.end.sent) == already and bench.machine.deadline is not None:
            bench.wait(bench.machine.deadline - bench.now)
        arrived += bench.end.sent[already:]
    assert bench.reason == "completed"
    return sent


@pytest.mark.parametrize("kind", [EDK2, UBoot])
@pytest.mark.parametrize("windowsize", [2, 3, 4, 12])
@pytest.mark.parametrize("losses", [{10}, {10, 11}, {10, 30, 50}, {10, 14, 15}, {200}, {1}])
def test_a_lost_block_causes_no_storm(kind: type[WindowClient], windowsize: int, losses: set[int]) -> None:
    """Each loss costs a few windows, however often the client says that it is missing (C124, C129)."""
    bench = server_of_read(numbered(200, short=9), windowsize=windowsize)
    sent = replay(bench, kind(windowsize), lambda nth, block: nth in losses, 2000)
    assert sent <= 200 + len(losses) * 3 * (windowsize + 1)


@pytest.mark.parametrize("kind", [EDK2, UBoot])
@pytest.mark.parametrize("windowsize", [3, 4, 12])
def test_a_block_lost_twice_causes_no_storm(kind: type[WindowClient], windowsize: int) -> None:
    """Also where the repeat is lost as well (C124)."""
    gone = iter([True, True])
    bench = server_of_read(numbered(200, short=9), windowsize=windowsize)
    sent = replay(bench, kind(windowsize), lambda nth, block: block == 41 and next(gone, False), 2000)
    assert sent <= 200 + 6 * (windowsize + 1)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("loss", "bound"), [(0.002, 1.5), (0.01, 2.5), (0.05, 6.0)])
def test_large_windows_on_a_slow_wire_cause_no_storm(loss: float, bound: float, seed: int) -> None:
    """A window that takes many times as long as the OACK is not probed too early for ever (C124)."""
    chance = random.Random(seed).random
    bench = server_of_read(numbered(1000, 8, short=1), windowsize=64, blksize=8)
    assert replay(bench, EDK2(64), lambda nth, block: chance() < loss, 10_000) <= bound * 1000


@pytest.mark.parametrize("every", [20, 50])
@pytest.mark.parametrize("kind", [EDK2, UBoot])
def test_steady_loss_does_not_double_the_transfer(kind: type[WindowClient], every: int) -> None:
    """With every nth block lost the transfer costs less than 1.7 times its blocks (C124)."""
    bench = server_of_read(numbered(1000, short=9), windowsize=4)
    sent = replay(bench, kind(4), lambda nth, block: nth % every == 0, 3000)
    assert sent <= 1.7 * 1000


def test_repeats_of_one_ack_go_back_once() -> None:
    """A thousand repeats of one ACK bring the window once (C124): EDK2 sends one for each block it gets twice."""
    bench = server_of_read(numbered(50), windowsize=4)
    bench.start()
    bench.gets("A0", after=0.01)
    bench.gets("A4", after=0.01)
    before = len(bench.end.sent)
    bench.gets(*["A4"] * 1000, after=0.005)
    assert len(bench.end.sent) - before == 4


@pytest.mark.parametrize(
    ("options", "size"), [({}, 1), ({"blksize": 1468}, 1), ({"blksize": 512, "windowsize": 3}, 3)]
)
def test_uboots_repeats_do_not_restart_the_timer(options: dict[str, int], size: int) -> None:
    """U-Boot repeats its ACK at the very interval that it asked for; the block goes out all the same (C060)."""
    bench = server_of_read(numbered(50, 1468), timeout=5, **options)
    bench.start()
    bench.gets("A0", after=0.01)
    began = bench.now
    said = []
    for _ in range(5):
        said += bench.wait(4.9)
        said.append((0.0, bench.gets("A0")))
    repeats = [words for _, words in said if words]
    assert len(repeats) >= 3
    assert set(repeats) == {" ".join(f"D{n}" for n in range(1, size + 1))}
    assert bench.now - began < 30
    assert bench.gets(f"A{size}").startswith(f"D{size + 1}")


def test_uboots_ten_timeouts() -> None:
    """After one loss U-Boot never waits for its own 5 s: the server is earlier, without a negotiated timeout."""
    bench = server_of_read(numbered(50, 1468), blksize=1468)
    bench.start()
    bench.gets("A0", after=0.01)
    bench.gets("A1", after=0.01)
    assert bench.wait(1)[0][1] == "D2"


def test_slof_and_ipxe_repeat_their_last_ack() -> None:
    """In lockstep the client's own repeats bring no DATA; the server's timer does, and goes on (C085)."""
    bench = server_of_read(numbered(50, 1428), blksize=1428)
    bench.start()
    bench.gets("A0", after=0.2)
    bench.gets("A1", after=0.2)
    assert bench.gets("A1", after=0.25) == ""
    (probe, *_) = bench.wait(1)
    assert probe[1] == "D2"
    assert bench.gets("A1", after=0.1) == ""
    assert bench.gets("A2", after=0.1) == "D3"


@pytest.mark.parametrize("size", [0, 1024, 10 * 1024])
def test_grub_closes_instead_of_acknowledging_an_empty_block(size: int) -> None:
    """ERROR 0 in place of the ACK of an empty last block is a good transfer (C099)."""
    bench = server_of_read(numbered(10, 1024)[:size], blksize=1024, tsize=0)
    assert bench.start() == f"OA(blksize=1024,tsize={size})"
    said = [bench.gets(f"A{n}") for n in range(size // 1024 + 1)]
    assert said[-1] == f"D{size // 1024 + 1}/0"
    assert bench.gets(b"\0\5\0\0closed\0") == ""
    assert bench.outcome is not None
    assert (bench.outcome.reason, bench.outcome.text) == ("completed", b"closed")


@pytest.mark.parametrize(("size", "acks"), [(10 * 1024, 5), (10 * 1024, 10), (10 * 1024 - 1, 10)])
def test_grub_closes_in_mid_file(size: int, acks: int) -> None:
    """ERROR 0 before the last content was acknowledged is the client's own end of it (C152)."""
    bench = server_of_read(numbered(11, 1024)[:size], blksize=1024, tsize=0)
    bench.start()
    for number in range(acks):
        bench.gets(f"A{number}")
    assert bench.gets(b"\0\5\0\0closed\0") == ""
    assert bench.reason == "client-error"


def test_grub_pauses_for_long() -> None:
    """A client that says nothing for half a minute, with its queue full, is still served (C089)."""
    bench = server_of_read(numbered(80, 1024), blksize=1024, tsize=0)
    bench.start()
    for number in range(50):
        bench.gets(f"A{number}", after=0.001)
    assert {words for _, words in bench.wait(29)} == {"D50"}
    assert bench.gets("A50") == "D51"


@pytest.mark.parametrize(
    ("client", "options", "error"),
    [
        ("EDK2", {"tsize": 0, "blksize": 1468, "windowsize": 4}, b"\0\5\0\x08User aborted the transfer\0"),
        ("legacy PXE", {"tsize": 0}, b"\0\5\0\0TFTP Aborted\0"),
        ("legacy PXE", {"tsize": 0}, b"\0\5\0\x08TFTP Aborted\0"),
        ("Raspberry Pi", {"tsize": 0, "blksize": 1024}, b"\0\5\0\0Early terminate\0"),
    ],
)
def test_size_queries(client: str, options: dict[str, int], error: bytes) -> None:
    """A client that asks for the size and leaves is no failure, and nothing of the file was read (C044)."""
    bench = server_of_read(numbered(1000), **options)
    assert f"tsize={len(bench.content)}" in bench.start()
    assert bench.gets(error) == ""
    assert bench.reason == "size-probe", client
    assert bench.end.read_to == 0
    assert bench.wait(100) == []


@pytest.mark.parametrize("size", [1, 1407, 1408, 1409, 14080])
def test_pxelinux_gets_as_many_bytes_as_it_was_told(size: int) -> None:
    """tsize first in the OACK, as asked, and exactly so many bytes: it waits for every one (C024, C066)."""
    bench = server_of_read(numbered(11, 1408)[:size], tsize=0, blksize=1408)
    assert bench.start() == f"OA(tsize={size},blksize=1408)"
    for number in range(size // 1408 + 2):
        bench.gets(f"A{number}", after=0.001)
    assert sum(len(packet) - 4 for packet in bench.end.sent[1:]) == size
    assert bench.reason == "completed"


def test_pxelinux_repeats_everything() -> None:
    """Its RRQ and its ACKs come again every 0.1 s: one OACK for each RRQ, one D1, one D2 (C085, C095)."""
    bench = server_of_read(numbered(11, 1408), tsize=0, blksize=1408)
    oack = bench.start()
    said = []
    for _ in range(5):
        bench.machine.repeat_opening(bench.now)
        said.append(bench.gets(after=0.1))
    assert said == [oack] * 5
    assert bench.gets("A0", "A0", "A0") == "D1"
    assert bench.gets("A1", "A1", after=0.1) == "D2"


def test_ipxe_acknowledges_up_to_the_first_gap() -> None:
    """Its ACK again after its own 0.25, 0.5 and 1 s is no reason for DATA in lockstep (C085)."""
    bench = server_of_read(numbered(11, 1432), timeout=3, blksize=1432, tsize=0)
    bench.start()
    bench.gets("A0")
    bench.gets("A1")
    assert [bench.gets("A1", after=pause) for pause in (0.25, 0.5, 1.0)] == ["", "", ""]
    assert bench.wait(1.25) == [(1.25, "D2")]


def test_windows_sends_longer_acks() -> None:
    """Five bytes are an ACK too (C093)."""
    bench = server_of_read(numbered(11, 1456), tsize=0, blksize=1456, windowsize=4)
    bench.start()
    assert bench.gets(b"\0\4\0\0\4") == "D1 D2 D3 D4"
    assert bench.gets(b"\0\4\0\4\4") == "D5 D6 D7 D8"
