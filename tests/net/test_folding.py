"""Requests that come again, and other requests from the same port: one transfer for each that is meant."""

import pytest
from net_kit import CountingReader, CountingWriter, Waiting, World, content, packet, rrq, words, wrq

from tftpd_tw.interfaces import Address, Outcome

FILES = {b"f": content(1300), b"g": content(700), b"big": content(100_000)}

FIRST_ANSWERS = {
    "C095 DATA": (rrq(), "D1/512"),
    "C042 OACK": (rrq(blksize=600, tsize=0), "OA(blksize=600,tsize=1300)"),
    "C098 ACK 0": (wrq(), "A0"),
    "C098 OACK of a write": (wrq(blksize=600, tsize=5000), "OA(blksize=600,tsize=5000)"),
}


def tids(world):
    """The server's ports, in the order in which they were first seen."""
    return list(dict.fromkeys(sender.port for _, sender in world.peer.received))


@pytest.mark.parametrize(("datagram", "answer"), FIRST_ANSWERS.values(), ids=FIRST_ANSWERS)
@pytest.mark.parametrize("pause", [0.0, 0.0005, 0.02, 0.9])
def test_repeated_request_repeats_the_answer(datagram, answer, pause):
    """A request that comes twice from one port gets its answer twice, byte for byte, from one TID (C042, C095,
    C098).
    """
    world = World(dict(FILES))
    world.peer.send(datagram)
    world.quiet(pause)
    world.peer.send(datagram)
    world.quiet(0.05)
    assert words(packet for packet, _ in world.peer.received) == f"{answer} {answer}"
    assert len({packet for packet, _ in world.peer.received}) == 1
    assert len(tids(world)) == 1
    assert len(world.records.started) == 1
    assert len(world.sessions) == 1


@pytest.mark.parametrize(("datagram", "answer"), FIRST_ANSWERS.values(), ids=FIRST_ANSWERS)
def test_unanswered_first_packet_is_sent_three_times(datagram, answer):
    """To silence, the same first packet goes out at 0, T and 3T and then no more (C042, C088, C103, S030)."""
    world = World(dict(FILES))
    world.peer.send(datagram)
    sent = world.timeline(120.0)
    assert words(packet for _, packet in sent) == " ".join([answer] * 3)
    assert len({packet for _, packet in sent}) == 1
    assert [when for when, _ in sent] == pytest.approx([0.001, 1.001, 3.001])
    assert world.ended_as() == [(Outcome.UNANSWERED, "no-answer")]
    world.assert_nothing_left()


def test_repeated_request_after_the_repeats_are_over():
    """A client that asks again after our three repeats still gets its answer from the same session (C042,
    C095).
    """
    world = World(dict(FILES))
    world.ask(rrq(), wait=20.0)
    assert world.ask(rrq()) == "D1/512"
    assert world.tell("A1") == "D2/512"
    assert len(tids(world)) == 1


def test_repeated_write_opens_one_writer():
    """However often a WRQ comes, the backend is asked once (C098)."""
    world = World(lambda request: CountingWriter())
    assert [world.ask(wrq()) for _ in range(5)] == ["A0"] * 5
    assert len(world.backend.requests) == 1


def test_two_ports_are_two_clients():
    """The same request from another port, or from the same port of another host, is another transfer (C095)."""
    world = World(dict(FILES))
    for host, port in (("192.0.2.101", 2001), ("192.0.2.101", 2002), ("192.0.2.102", 2001)):
        world.listener.request_received(rrq(), Address(host, port), world.request_port, False)
    assert len(world.sessions) == len(world.records.started) == 3


def test_two_asked_addresses_are_two_transfers():
    """The same request from one port to two addresses of the server is answered from both (C095, C153)."""
    world = World(dict(FILES))
    world.listener.listen("192.0.2.2", 69)
    world.peer.ask(rrq())
    world.peer.ask(rrq(), world.request_port._replace(host="192.0.2.2"))
    assert [sender.host for _, sender in world.peer.received] == ["192.0.2.1", "192.0.2.2"]


def finished(world):
    """The first transfer is over."""
    assert [world.tell(word) for word in ("A1", "A2", "A3")] == ["D2/512", "D3/276", ""]


def unverified(world):
    """Its first block was not acknowledged."""


def idle(world):
    """It began, and has said nothing for longer than a repeat takes."""
    world.tell("A1", wait=0.3)


def gone(world):
    """It began, and has said nothing for longer than any repeat takes."""
    world.tell("A1", wait=5.5)


def busy(world):
    """It is getting on."""
    world.tell("A1", wait=0.01)


OTHER_REQUESTS = {"same": rrq(), "other file": rrq("g"), "other options": rrq(blksize=600), "write": wrq("g")}
ANSWERS = {"same": "D1/512", "other file": "D1/512", "other options": "OA(blksize=600)", "write": "A0"}


@pytest.mark.parametrize("other", OTHER_REQUESTS)
@pytest.mark.parametrize("state", [finished, unverified, idle, gone, busy])
def test_request_from_a_port_that_was_used(state, other):
    """A rebooted ROM's request is served at once and ends what it left behind, unless that is getting on (C096).

    SLOF asks for the same file twice from port 2001: after the end, the same bytes are a new transfer. Before,
    they may be an old copy that had to wait at the request port: it ends nothing until the client is silent for
    longer.
    """
    world = World(dict(FILES))
    assert world.ask(rrq()) == "D1/512"
    first = world.peer.tid
    state(world)
    folded = other == "same" and state in (unverified, idle, busy)
    # In the middle of a transfer the same request is an old copy, and gets nothing.
    expected = "" if folded and state in (idle, busy) else ANSWERS[other]
    assert world.ask(OTHER_REQUESTS[other], wait=0.02) == expected
    assert len(tids(world)) == (1 if folded else 2)
    assert len(world.sessions) == (2 if state is busy and not folded else 1)
    superseded = not folded and state in (unverified, idle, gone)
    assert [reason for _, reason in world.ended_as()] == (
        ["completed"] if state is finished else ["superseded"] if superseded else []
    )
    if superseded:
        # Not a word more from the old one, and its port is closed.
        before = len(world.peer.received)
        world.quiet(40.0)
        assert first not in [sender for _, sender in world.peer.received[before:]]
    if state is busy or (folded and state is idle):
        world.peer.send(packet("A2"), first)
        assert "D3/276" in world.quiet(0.02)


def test_both_transfers_of_a_busy_port_complete():
    """Where a request comes while its port's transfer is getting on, both run to their ends (C095, C096)."""
    world = World(dict(FILES))
    world.ask(rrq())
    first = world.peer.tid
    world.tell("A1", wait=0.01)
    world.ask(rrq("g"), wait=0.01)
    second = world.peer.tid
    for tid, word in ((first, "A2"), (second, "A1"), (first, "A3")):
        world.peer.send(packet(word), tid)
        world.quiet(0.01)
    assert world.ask(rrq("g"), wait=0.005) == "", "the newer one is still known when the older one has ended"
    world.peer.send(packet("A2"), second)
    world.quiet(0.01)
    assert world.ended_as() == [(Outcome.COMPLETED, "completed")] * 2
    world.assert_nothing_left()


def test_write_again_while_the_first_dallies():
    """An upload that is stored does not hold its port: the same WRQ again is a new upload (C096, C100)."""
    world = World(dict(FILES))
    world.ask(wrq())
    assert world.tell("D1/512") == "A1"
    assert world.tell("D2/3") == "A2"
    assert world.tell("D2/3") == "A2"
    assert world.files[b"new"] == content(512) + content(3)
    assert world.ask(wrq()) == "A0"
    assert world.tell("D1/5") == "A1"
    assert world.files[b"new"] == content(5)
    assert len(tids(world)) == 2
    world.quiet(10.0)
    assert world.ended_as() == [(Outcome.COMPLETED, "completed")] * 2
    world.assert_nothing_left()


def test_repeated_request_while_the_backend_opens():
    """While the backend looks for the file, repeats of the request ask it no second time and get nothing yet
    (C095).
    """
    opens = Waiting()
    world = World(opens)
    for _ in range(3):
        assert world.ask(rrq(), wait=0.5) == ""
    assert len(opens.deferreds) == 1
    opens.deferreds[0].callback(CountingReader(content(100)))
    assert world.quiet(0.1) == "D1/100"
    assert world.tell("A1") == ""
    assert world.last.response_seconds == pytest.approx(1.5, abs=0.01)


def test_other_request_while_the_backend_opens():
    """Another request from the same port is served at once, and the first is given up without a word (C096)."""
    opens = Waiting()
    world = World(opens)
    world.ask(rrq())
    world.ask(rrq("g"))
    assert [request.name for request in world.backend.requests] == [b"f", b"g"]
    assert opens.cancelled == 1
    opens.deferreds[1].callback(CountingReader(content(100)))
    assert world.quiet(0.1) == "D1/100"
    world.tell("A1")
    world.assert_nothing_left()


def test_repeat_of_a_refused_request():
    """A missing file's request that comes again is answered again: nothing is remembered of it (C031, C095)."""
    world = World(dict(FILES))
    assert [world.ask(rrq("none")) for _ in range(3)] == ["E1"] * 3
    world.assert_nothing_left()
