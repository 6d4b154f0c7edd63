"""What the request port answers, and what it never answers."""

import pytest
from net_kit import World, content, packet, request, rrq, spoken, wrq

from tftpd_tw.interfaces import Address, Outcome
from tftpd_tw.net.listener import MAX_MALFORMED_PER_SECOND
from tftpd_tw.testing import REQUEST_PORT, SERVER


def padded(opcode: int, length: int) -> bytes:
    """A request of that many bytes, most of it the value of an option that nobody knows."""
    head = request(opcode, "f", "octet") + b"padding\0"
    return head + b"x" * (length - len(head) - 1) + b"\0"


NOT_REQUESTS = {
    "C007 empty": b"",
    "C007 one byte": b"\0",
    "C010 DATA": packet("D1/512"),
    "C010 DATA without payload": packet("D1/0"),
    "C010 DATA cut short": b"\0\3",
    "C010 ACK": packet("A0"),
    "C010 ACK cut short": b"\0\4\0",
    "C010 OACK": b"\0\6blksize\x00512\0",
    "C011 ERROR": packet("E0"),
    "C011 ERROR 4": packet("E4"),
    "C011 ERROR cut short": b"\0\5",
    "C011 ERROR as long as can be": b"\0\5\0\1" + b"x" * 60000,
}

MALFORMED = {
    "C004 mode without end": b"\0\1f\0octet",
    "C005 name without end": b"\0\1f",
    "C005 no mode": b"\0\1f\0",
    "C006 empty name": rrq(""),
    "C006 empty name, write": wrq(""),
    "C008 RRQ alone": b"\0\1",
    "C008 WRQ alone": b"\0\2",
    "C009 opcode 0": b"\0\0f\0octet\0",
    "C009 opcode 7": b"\0\7f\0octet\0",
    "C009 opcode 0x0101": b"\1\1f\0octet\0",
    "C009 opcode 0x0105": b"\1\5\0\0text\0",
    "C009 opcode 0xFFFF": b"\xff\xff",
    "C012 mail": rrq(mode="mail"),
    "C012 mail, write": wrq(mode="mail"),
    "C013 binary": rrq(mode="binary"),
    "C013 ascii": rrq(mode="ascii"),
    "C013 long mode": rrq(mode="a" * 400),
    "C013 empty mode": rrq(mode=""),
    "C014 513 bytes": padded(1, 513),
    "C014 513 bytes, write": padded(2, 513),
    "C014 900 bytes": padded(1, 900),
    "C014 S018 65507 bytes": padded(1, 65507),
    "C017 last value without end": rrq() + b"blksize\x00600",
}

SERVED = {
    "C002 mode in any case": (rrq(mode="OcTeT"), "D1/512"),
    "C015 512 bytes": (padded(1, 512), "D1/512"),
    "C015 512 bytes, write": (padded(2, 512), "A0"),
    "C016 option without value": (rrq() + b"blksize\0", "D1/512"),
    "C016 option without value or end": (rrq() + b"blksize", "D1/512"),
    "C016 option without value, after another": (rrq(blksize=600) + b"tsize\0", "OA(blksize=600)"),
    "C018 empty value": (rrq(multicast="", blksize="", tsize=0), "OA(tsize=1300)"),
    "C019 empty option name": (rrq(**{"": "1", "blksize": 600}), "OA(blksize=600)"),
    "C022 unknown options": (rrq(foo="bar"), "D1/512"),
    "C022 unknown options, write": (wrq(foo="bar"), "A0"),
    "C036 multicast": (rrq(multicast="", tsize=0), "OA(tsize=1300)"),
    "C036 multicast with a value": (rrq(multicast="1.2.3.4,1758,1"), "D1/512"),
    "C038 msftwindow": (rrq(tsize=0, blksize=1456, msftwindow=31416), "OA(tsize=1300,blksize=1456)"),
    "C047 no option acceptable": (rrq(blksize=7, windowsize=0, timeout=256), "D1/512"),
    "C047 no option acceptable, write": (wrq(blksize=7, windowsize=0, timeout=256), "A0"),
}


@pytest.mark.parametrize("datagram", NOT_REQUESTS.values(), ids=NOT_REQUESTS)
def test_no_request_is_never_answered(datagram):
    """What could be an answer to us, or is nothing at all, gets no answer (C007, C010, C011, S005, S019)."""
    world = World()
    assert world.ask(datagram, wait=10.0) == ""
    assert world.records.dropped == ["not-a-request"]
    world.assert_nothing_left()


@pytest.mark.parametrize("datagram", MALFORMED.values(), ids=MALFORMED)
def test_malformed_request_gets_one_error_4(datagram):
    """A request that is not well formed gets ERROR 4, once, and no session (C004-C006, C008, C009, C012-C014,
    C017).
    """
    world = World()
    assert world.ask(datagram, wait=10.0) == "E4"
    assert world.peer.tid.host == SERVER
    assert world.peer.tid.port != 69
    assert (world.records.dropped, world.records.errors, world.records.started) == (["malformed"], [4], [])
    assert world.files == {b"f": content(1300)}
    world.assert_nothing_left()


@pytest.mark.parametrize(("datagram", "answer"), SERVED.values(), ids=SERVED)
def test_odd_but_legal_request_is_served(datagram, answer):
    """What the standards leave room for is served (C002, C015, C016, C018, C019, C022, C036, C038, C047)."""
    assert World().ask(datagram) == answer


def test_a_read_in_lockstep():
    """A read begins with DATA 1 from another port of the address that was asked, and ends with its last ACK
    (C001).
    """
    world = World()
    assert world.ask(rrq()) == "D1/512"
    assert world.peer.tid.host == SERVER
    assert world.peer.tid.port != 69
    assert [world.tell("A1"), world.tell("A2"), world.tell("A3")] == ["D2/512", "D3/276", ""]
    assert b"".join(datagram[4:] for datagram, _ in world.peer.received) == content(1300)
    world.assert_nothing_left()


def test_every_answer_comes_from_a_port_of_its_own():
    """Two transfers, and two ERRORs, come from four ports (C001, C156)."""
    world = World()
    for datagram in (rrq(), rrq("none"), rrq("none")):
        world.ask(datagram)
    other = world.another()
    other.ask(rrq())
    ports = {peer.port for _, peer in world.peer.received + other.received}
    assert len(ports) == 4
    assert 69 not in ports


def test_missing_file_gets_one_error_1():
    """A missing file gets one ERROR 1 with a fixed text, and it is never repeated (C031, C150, S039)."""
    world = World()
    assert world.ask(rrq("no/such/file"), wait=30.0) == "E1"
    assert world.peer.received[0][0] == b"\0\5\0\1File not found\0"
    (record,) = world.records.refused
    assert (record.outcome, record.reason) == (Outcome.REFUSED, "not-found")
    world.assert_nothing_left()


def test_malformed_requests_are_answered_at_a_bounded_rate():
    """One address gets ten ERROR 4 a second and no more, while others still get theirs (C009, S037)."""
    world = World()
    client, bystander = Address("192.0.2.101", 1024), Address("192.0.2.102", 1024)
    counts = []
    for _ in range(3):
        before = len(world.network.sent)
        for port in range(1, 101):
            world.listener.request_received(b"\0\7", client._replace(port=port), REQUEST_PORT, False)
        counts.append(len(world.network.sent) - before)
        world.listener.request_received(b"\0\7", bystander, REQUEST_PORT, False)
        assert len(world.network.sent) == before + counts[-1] + 1
        world.clock.advance(1.0)
    assert counts == [MAX_MALFORMED_PER_SECOND] * 3
    assert len(world.records.dropped) == 303


def test_oversize_flood_leaves_the_server_serving():
    """After a thousand requests of 65507 bytes the next one is served as ever (S018, S037)."""
    world = World()
    for port in range(1, 1001):
        world.listener.request_received(padded(1, 65507), Address("192.0.2.101", port), REQUEST_PORT, False)
    assert world.ask(rrq()) == "D1/512"


@pytest.mark.parametrize(("spoofed", "packets"), [(packet("E4"), 1), (b"\0\7", 2), (rrq("none"), 2)])
def test_two_servers_cannot_be_set_on_each_other(spoofed, packets):
    """A packet that pretends to come from another server's request port is no start of a loop (S019, C011,
    C151).
    """
    world = World()
    other = Address("192.0.2.2", 69)
    world.listener.listen(*other[:2])
    world.network.transmit(spoofed, other, REQUEST_PORT)
    world.network.run_until_idle()
    assert len(world.network.sent) == packets


BROADCAST = {
    "file": (rrq(), "D1/512"),
    "options": (rrq(blksize=600), "OA(blksize=600)"),
    "C037 no such file": (rrq("none"), ""),
    "malformed": (b"\0\1f", ""),
    "write": (wrq(), "A0"),
}


@pytest.mark.parametrize("datagram", [case[0] for case in BROADCAST.values()], ids=BROADCAST)
def test_broadcast_request_is_ignored(datagram):
    """A request that was sent to everybody gets no answer (C037, RFC 1123 section 4.2.3.5)."""
    world = World()
    assert world.broadcast(datagram, wait=10.0) == ""
    assert world.records.dropped == ["broadcast"]
    world.assert_nothing_left()


@pytest.mark.parametrize(("datagram", "answer"), BROADCAST.values(), ids=BROADCAST)
def test_broadcast_request_is_served_where_enabled(datagram, answer):
    """Where broadcasts are served, they get content from the asked interface's address, and no ERROR (C037)."""
    world = World(answer_broadcasts=True)
    assert world.broadcast(datagram) == answer
    assert all(sender.host == SERVER for _, sender in world.peer.received)
    assert world.records.errors == []
    assert all(record.response_seconds is None for record in world.records.refused)


def test_request_from_port_0_is_dropped():
    """Nobody can be answered on port 0, so nothing begins (C007)."""
    world = World()
    world.listener.request_received(rrq(), Address("192.0.2.101", 0), REQUEST_PORT, False)
    world.listener.request_received(b"\0\7", Address("192.0.2.101", 0), REQUEST_PORT, False)
    assert world.network.sent == []
    assert world.records.dropped == ["not-a-request"] * 2
    world.assert_nothing_left()


SIZE_PROBES = {
    "C044 OVMF": (rrq(tsize=0, blksize=1468, windowsize=4), "E8", Outcome.SIZE_PROBE, "size-probe"),
    "C044 old ROM": (rrq(tsize=0), "E0", Outcome.SIZE_PROBE, "size-probe"),
    "C044 no size asked": (rrq(blksize=1468), "E8", Outcome.FAILED, "client-error:8"),
    "C152 another error": (rrq(tsize=0), "E3", Outcome.FAILED, "client-error:3"),
}


@pytest.mark.parametrize(("datagram", "error", "outcome", "reason"), SIZE_PROBES.values(), ids=SIZE_PROBES)
def test_error_after_the_oack_frees_the_session(datagram, error, outcome, reason):
    """An ERROR in answer to the OACK ends the transfer at once and gets no answer; UEFI's is no failure (C044,
    C152).
    """
    world = World()
    assert world.ask(datagram).startswith("OA(")
    assert world.tell(error, wait=0.01) == ""
    assert world.ended_as() == [(outcome, reason)]
    assert world.quiet(30.0) == ""
    world.assert_nothing_left()


def test_request_without_options_after_error_8():
    """A client that did not like the OACK may ask again from the same port, without options (C049)."""
    world = World()
    world.ask(rrq(blksize=1468))
    world.tell("E8", wait=0.002)
    assert world.ask(rrq()) == "D1/512"
    assert [world.tell("A1"), world.tell("A2"), world.tell("A3")] == ["D2/512", "D3/276", ""]
    assert len({sender for _, sender in world.peer.received}) == 2


def test_oack_first_and_no_data_before_its_ack():
    """After an OACK nothing comes before ACK 0, not even for ACK 1, and then block 1 once (C040, C041, C043,
    C045).
    """
    world = World()
    assert world.ask(rrq(blksize=600)) == "OA(blksize=600)"
    assert world.tell("A1") == ""
    assert world.tell("A0", "A0", "A0") == "D1/600"
    assert world.ask(wrq(blksize=600)) == "OA(blksize=600)"
    assert world.tell("D1/600") == "A1"


def test_error_texts_are_short_ascii_and_end_with_nul():
    """Every ERROR is printable ASCII with one NUL, in at most 128 bytes, whatever was asked (C150, S007, S039)."""
    world = World()
    for datagram in [*MALFORMED.values(), rrq("%n%s{0}" * 50), rrq("../" * 100), rrq("a\nb")]:
        world.ask(datagram, wait=1.0)
    assert len(world.peer.received) == len(MALFORMED) + 3
    for datagram, _ in world.peer.received:
        assert spoken(datagram) in ("E1", "E2", "E4")
        assert len(datagram) <= 128
        assert datagram.endswith(b"\0")
        assert all(0x20 <= byte < 0x7F for byte in datagram[4:-1])
