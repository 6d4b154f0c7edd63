"""Packets at a transfer's port that are not of the transfer."""

import pytest
from net_kit import World, content, packet, rrq, spoken, words, wrq

from tftpd_tw.interfaces import Outcome

HOSTS = {"another port": "192.0.2.100", "another host": "192.0.2.101"}


def begun(datagram=None):
    """A world with a transfer in progress, and the port that serves it."""
    world = World({b"f": content(5000)})
    world.ask(datagram or rrq())
    return world, world.peer.tid


PACKETS = {
    "C090 the ACK that is due": packet("A1"),
    "C090 an old ACK": packet("A0"),
    "DATA": packet("D1/512"),
    "OACK": b"\0\6blksize\x00600\0",
    "RRQ": rrq(),
    "unknown opcode": b"\0\7\0\0",
}


@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("datagram", PACKETS.values(), ids=PACKETS)
def test_stranger_gets_error_5(datagram, host):
    """A packet from elsewhere gets ERROR 5, to its sender alone, and the transfer goes on (C090)."""
    world, tid = begun()
    stranger = world.another(host)
    assert words(stranger.ask(datagram, tid)) == "E5"
    assert stranger.tid == tid
    assert world.quiet(0.1) == ""
    assert world.tell("A1") == "D2/512"
    assert world.records.errors == [5]


@pytest.mark.parametrize(
    "datagram", [packet("E0"), packet("E5"), b"\0\5", b"\0\5\0", b"\0\5\0\0", b"\0", b"", b"\0\4\0"]
)
def test_strangers_errors_and_scraps_are_ignored(datagram):
    """An ERROR from a stranger is not answered and ends nothing; neither is a packet shorter than an ACK (C091,
    C093).
    """
    world, tid = begun()
    stranger = world.another("192.0.2.101")
    assert stranger.ask(datagram, tid) == []
    assert world.tell("A1") == "D2/512"
    assert world.records.errors == []


@pytest.mark.parametrize("datagram", [rrq(), wrq()])
def test_strangers_cannot_make_a_session_flood(datagram):
    """Of a thousand packets a second from strangers at most one a second is answered (C092)."""
    world, tid = begun(datagram)
    strangers = [world.another(f"198.51.100.{number}") for number in range(1, 11)]
    answers = []
    for tenth in range(30):
        for stranger in strangers * 10:
            stranger.send(packet("A1"), tid)
        world.quiet(0.1)
        answers.append(sum(len(stranger.received) for stranger in strangers))
        assert answers[-1] <= 1 + tenth // 10
    assert answers[-1] == 3
    # The right peer was not disturbed.
    assert world.tell("A1" if datagram == rrq() else "D1/512") in ("D2/512", "A1")


SCRAPS = [b"", b"\0", b"\4", b"\0\4", b"\0\4\0", b"\0\3", b"\0\3\0", b"\0\6", b"\0\7", b"\1\4\0\1", b"\xff" * 600]


@pytest.mark.parametrize("datagram", SCRAPS)
@pytest.mark.parametrize(("begin", "word", "answer"), [(rrq(), "A1", "D2/512"), (wrq(), "D1/512", "A1")])
def test_scraps_from_the_peer_are_ignored(datagram, begin, word, answer):
    """A packet that is too short, or of no known kind, changes nothing, even from the right peer (C093)."""
    world, _ = begun(begin)
    assert world.tell(datagram) == ""
    assert world.tell(word) == answer


@pytest.mark.parametrize(
    "datagram", [b"\0\5", b"\0\5\0", b"\0\5\0\0", b"\0\5\0\0unterminated", b"\0\5" + b"\xff" * 60000]
)
@pytest.mark.parametrize("begin", [rrq(), rrq(blksize=600), wrq(), wrq(blksize=600)])
def test_any_error_from_the_peer_ends_the_transfer(datagram, begin):
    """However short or long, an ERROR from the right peer ends the transfer, and is not answered (C093, C151,
    C152, S006).
    """
    world, _ = begun(begin)
    assert world.tell(datagram, wait=0.002) == ""
    world.assert_nothing_left()
    assert [outcome for outcome, _ in world.ended_as()] == [Outcome.FAILED]


@pytest.mark.parametrize("tail", [b"\0", b"\x40", b"x" * 500])
def test_ack_may_be_longer(tail):
    """An ACK with bytes after its number is an ACK: Windows appends a byte (C093)."""
    world, _ = begun()
    assert world.tell(packet("A1") + tail) == "D2/512"


FROM_THE_PEER = {"RRQ": rrq("other"), "WRQ": wrq("other"), "OACK": b"\0\6blksize\x00600\0"}


@pytest.mark.parametrize("datagram", FROM_THE_PEER.values(), ids=FROM_THE_PEER)
@pytest.mark.parametrize(("begin", "word", "answer"), [(rrq(), "A1", "D2/512"), (wrq(), "D1/512", "A1")])
def test_requests_at_the_transfers_port_begin_nothing(datagram, begin, word, answer):
    """A request, or an OACK, that the right peer sends to the transfer's port is ignored or gets ERROR 4
    (C094).
    """
    world, tid = begun(begin)
    assert world.tell(datagram) == ""
    assert len(world.records.started) == 1
    assert world.tell(word) == answer
    assert world.peer.tid == tid


def test_data_in_a_read_is_ignored():
    """DATA after the OACK of a read, and in its middle, changes nothing (C048)."""
    world, _ = begun(rrq(blksize=600))
    assert world.tell("D1/512") == ""
    assert world.tell("A0") == "D1/600"
    assert world.tell("D1/512") == ""
    assert world.tell("A1") == "D2/600"


def test_packets_for_a_finished_transfer_go_nowhere():
    """Once a transfer is over its port is closed, and nothing answers there (C152)."""
    world, tid = begun()
    world.tell("E0")
    for datagram in (packet("A1"), rrq(), packet("E0")):
        assert world.peer.ask(datagram, tid, wait=5.0) == []


def test_error_5_says_so():
    """ERROR 5 has its fixed text (C090, C150)."""
    world, tid = begun()
    (answer,) = world.another().ask(packet("A1"), tid)
    assert spoken(answer) == "E5"
    assert answer == b"\0\5\0\5Unknown transfer ID\0"
