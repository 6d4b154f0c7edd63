"""A client that answers the OACK at once and is slow with every block, as those that write to flash are (C104).

What goes out before it has answered only makes it slower. Without a round trip that was measured nobody knows how
slow it is; and none is measured while every block goes out twice (Karn).
"""

import pytest
from lossy import SlowEnd, Transfer, Wire, options

from tftpd_tw.protocol import timing
from tftpd_tw.protocol.packets import Opcode
from tftpd_tw.protocol.sending import Sender

BLOCKS = 160
CONTENT = bytes(range(256)) * (2 * BLOCKS - 1)
"""The last block is half a one."""


def transfer(wire: Wire, windowsize: int, *, reading: bool = True) -> Transfer:
    """All of it arrives."""
    done = Transfer(CONTENT, reading, options(blksize=512, windowsize=windowsize), wire=wire).run()
    assert done.arrived == CONTENT
    assert done.blocks == BLOCKS
    return done


@pytest.mark.parametrize("windowsize", [1, 4])
@pytest.mark.parametrize("busy", [0.005, 0.01, 0.02, 0.05, 0.15, 0.3])
def test_little_is_sent_twice(busy: float, windowsize: int) -> None:
    """The timer learns how slow it is, after some blocks for nothing; then each block goes out once."""
    done = transfer(SlowEnd(delay=0.0001, busy=busy), windowsize)
    assert done.data_sent - BLOCKS < (40 if busy * windowsize < 1 else 100)
    late = [packet for packet in done.sender.sent[-BLOCKS // 2 :] if packet[1] == Opcode.DATA]
    assert len(set(late)) == len(late)


def test_a_second_for_a_block() -> None:
    """Far more than any round trip."""
    done = transfer(SlowEnd(delay=0.0001, busy=1.0), 1)
    assert done.data_sent - BLOCKS < 60


def test_an_upload() -> None:
    """The same the other way round: an ACK that is repeated too early has some clients send their block again."""
    done = transfer(SlowEnd(delay=0.0001, busy=0.3), 1, reading=False)
    assert done.server is not None
    acks = [packet for packet in done.server.sent if packet[1] == Opcode.ACK]
    assert len(acks) - BLOCKS < 10


def test_it_becomes_fast_again() -> None:
    """What was learnt of its slow half is forgotten in the fast one: a loss there costs no more than ever."""

    class Hurried(SlowEnd):
        seen = 0

        def arrivals(self, packet: bytes, now: float) -> list[float]:
            if packet[1] == Opcode.DATA:
                self.seen += 1
                self.busy = 0.0 if self.seen > BLOCKS // 2 else self.busy
            return super().arrivals(packet, now)

    done = transfer(Hurried(delay=0.001, busy=0.3), 1)
    assert isinstance(done.sender.machine, Sender)
    assert done.sender.machine.timer.first_wait < 0.05


@pytest.mark.parametrize("windowsize", [1, 4, 16])
@pytest.mark.parametrize("loss", [0.05, 0.2])
def test_losses_do_not_look_like_that(monkeypatch: pytest.MonkeyPatch, loss: float, windowsize: int) -> None:
    """They cost as much as where nobody thinks of slow clients."""

    def seconds() -> float:
        ended = [transfer(Wire(seed, loss=loss, delay=0.0005), windowsize).now for seed in range(12)]
        return sum(ended) - 1000 * len(ended)

    with_it = seconds()
    monkeypatch.setattr(timing, "SLOW", 1 << 30)
    assert with_it < 1.05 * seconds()
