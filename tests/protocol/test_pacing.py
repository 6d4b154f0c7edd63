"""A slow switch port between server and client: windows that lose their ends, and what becomes of them."""

import pytest
from bench import numbered, server_of_read
from lossy import SlowPort, Transfer, Wire

from tftpd_tw.protocol import pacing
from tftpd_tw.protocol.pacing import ENDS_KEPT, ENDS_LOST, ENDS_LOST_AGAIN, LONGEST_GAP, Pace
from tftpd_tw.protocol.sending import Sender

CONTENT = bytes(range(256)) * 8000


def transfer(windowsize: int, wire: Wire) -> Transfer:
    """A read of 2 MB."""
    options = ((b"blksize", b"1428"), (b"windowsize", b"%d" % windowsize))
    done = Transfer(CONTENT, options=options, wire=wire).run()
    assert done.arrived == CONTENT
    return done


@pytest.mark.parametrize(("windowsize", "holds"), [(16, 12), (64, 12), (64, 24), (64, 48)])
def test_a_slow_port_loses_little_once_windows_leave_in_slices(monkeypatch, windowsize: int, holds: int) -> None:
    """The same port without pauses loses the end of every window."""
    wire = SlowPort(delay=0.0002, holds=holds)
    transfer(windowsize, wire)
    monkeypatch.setattr(pacing, "ENDS_LOST", 1 << 30)
    unpaced = SlowPort(delay=0.0002, holds=holds)
    transfer(windowsize, unpaced)
    assert unpaced.dropped > len(CONTENT) // 1428 // windowsize, "otherwise the port is not slow"
    assert wire.dropped < unpaced.dropped / 3


def test_a_port_that_keeps_a_window_sees_no_pause() -> None:
    """However slow it is."""
    wire = SlowPort(delay=0.0002, holds=64, rate=1.25e6)
    done = transfer(64, wire)
    assert wire.dropped == 0
    assert done.data_sent == done.blocks


@pytest.mark.parametrize(("windowsize", "loss"), [(16, 0.02), (64, 0.02), (16, 0.05), (64, 0.05)])
def test_random_loss_is_no_reason_for_a_pause(windowsize: int, loss: float) -> None:
    """Its gaps are told by the client, who sees what follows."""
    done = transfer(windowsize, Wire(seed=3, loss=loss, delay=0.0002))
    assert isinstance(done.sender.machine, Sender)
    assert done.data_sent > done.blocks, "otherwise nothing was lost"
    assert done.sender.machine._pace is None or not done.sender.machine._pace.gap


def test_a_pause_is_forgotten_when_the_loss_stops() -> None:
    """The second half of the transfer finds a port that keeps all."""

    class Mended(SlowPort):
        def arrivals(self, packet: bytes, now: float) -> list[float]:
            if self.dropped >= 40:
                self.holds = 1000
            return super().arrivals(packet, now)

    wire = Mended(delay=0.0002, holds=12)
    done = transfer(16, wire)
    assert isinstance(done.sender.machine, Sender)
    assert wire.holds == 1000, "otherwise the loss never stopped"
    assert done.sender.machine._pace is None


def test_the_pause_grows_with_every_end_and_shrinks_with_windows_that_arrive() -> None:
    """Doubled to a limit, halved to nothing."""
    pace = Pace(64)
    gaps = []
    for _ in range(ENDS_LOST + 5 * ENDS_LOST_AGAIN):
        pace.end_lost()
        gaps.append(1000 * pace.gap)
    assert gaps == [0, 0, 1, 1, 2, 2, 4, 4, 8, 8, 16, 16, 20]
    assert pace.gap == LONGEST_GAP
    for _ in range(5 * ENDS_KEPT):
        assert not pace.over
        pace.end_kept()
    assert pace.over


def test_ends_that_are_lost_now_and_then_are_forgiven() -> None:
    """A window that arrives in between ends the count."""
    pace = Pace(64)
    for _ in range(10):
        pace.end_lost()
        pace.end_kept()
    assert pace.over


def test_content_that_comes_during_a_pause_waits_behind_what_waits() -> None:
    """A window whose content comes in parts leaves whole, and each block once."""
    bench = server_of_read(numbered(33), windowsize=16, chunk=6 * 512)
    bench.start()
    assert isinstance(bench.end.machine, Sender)
    bench.end.machine._pace = pace = Pace(16)
    for _ in range(ENDS_LOST):
        pace.end_lost()
    assert pace.gap
    said = [bench.gets("A0"), *(words for _, words in bench.wait(0.05))]
    assert " ".join(said).split()[:16] == [f"D{number}" for number in range(1, 17)]
