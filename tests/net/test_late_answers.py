"""Answers that wait in a socket while their process waits for its CPU: they count as read in time."""

import pytest
from net_kit import content, rrq
from poll_reactor import PollReactor, plain_socket

from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.interfaces import Address
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server, Terms
from tftpd_tw.testing import RecordingObserver

HOST = "127.0.0.1"
REQUEST = rrq("f", blksize=1428)


class Late:
    """A server on real sockets that has sent the only block of ``f``, and a client that has it."""

    def __init__(self, engine: str) -> None:
        self.reactor = PollReactor(engine)
        self.records = RecordingObserver()
        self.listener = Listener(
            Server(self.reactor.engine, MemoryBackend({b"f": content(700)}), Terms(), [self.records])
        )
        self.local = self.listener.listen(HOST, 0)
        self.client = plain_socket()
        self.client.settimeout(0)
        self.received: list[bytes] = []
        self.tids: list[object] = []
        self.client.sendto(REQUEST, self.local[:2])
        self.hear(1)
        self.client.sendto(b"\0\4\0\0", self.tids[0])
        self.hear(2)

    def hear(self, count):
        """Serve until the client has so many packets in all."""

        def heard():
            try:
                datagram, tid = self.client.recvfrom(2000)
            except BlockingIOError:
                return False
            self.received.append(datagram)
            self.tids.append(tid)
            return len(self.received) >= count

        self.reactor.run_until(heard)

    def acknowledge(self):
        """The last ACK, which the server does not read yet."""
        self.client.sendto(b"\0\4\0\1", self.tids[0])

    def close(self):
        """Close everything."""
        self.listener.close()
        self.reactor.close()
        self.client.close()


@pytest.fixture(params=["reactor", "poll"])
def late(request):
    """Such a server, for each engine."""
    late = Late(request.param)
    yield late
    late.close()


def test_a_late_timer_repeats_nothing_that_was_answered(late):
    """A timer that is due first reads what has come: no packet to a port that may be another client's by now."""
    late.acknowledge()
    late.reactor.advance(5.0)
    [record] = late.records.ended
    assert (record.reason, record.byte_count, record.retransmits) == ("completed", 700, 0)
    assert not late.listener.active
    with pytest.raises(BlockingIOError):
        late.client.recv(2000)


@pytest.mark.parametrize("again", [REQUEST, rrq("f", blksize=1400)], ids=["the same", "another"])
def test_a_request_behind_the_last_ack_is_a_new_one(late, again):
    """A client that is done and uses its port again is served at once, whatever is read first (C095, C096)."""
    late.acknowledge()
    client = Address(*late.client.getsockname())
    late.listener.request_received(again, client, late.local, False)
    assert [record.reason for record in late.records.ended] == ["completed"]
    assert len(late.records.started) == 2
    late.hear(3)
    assert late.received[2][:2] == b"\0\6"
    assert late.tids[2] != late.tids[1]


def test_a_repeated_request_without_an_ack_is_still_folded(late):
    """While its transfer gets on, the same request starts nothing (C095)."""
    client = Address(*late.client.getsockname())
    late.listener.request_received(REQUEST, client, late.local, False)
    assert len(late.records.started) == 1
    assert late.listener.active == 1
