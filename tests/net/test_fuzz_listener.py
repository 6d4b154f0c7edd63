"""Everything that may arrive, against a server in memory: nothing raises, nothing is logged, nothing stays
behind.
"""

import random

import pytest
from fuzz_kit import OTHERS, any_datagram, datagrams
from hypothesis import given, settings
from net_kit import CountingReader, CountingWriter, Waiting, World, content, packet, rrq, wrq

from tftpd_tw.interfaces import Address
from tftpd_tw.protocol.packets import Error, decode
from tftpd_tw.testing import REQUEST_PORT, SERVER

FILES = {b"f": content(3000), b"snponly.efi": content(100_000)}

CLIENTS = 64

LONG = pytest.mark.long


def assert_answers_are_legal(datagram, answers):
    """What one datagram to the request port may cause: one packet, and none to what could be an answer itself."""
    opcode = int.from_bytes(datagram[:2], "big")
    assert len(answers) <= 1
    if len(datagram) < 2 or 3 <= opcode <= 6:
        assert answers == []
    for source, _, answer in answers:
        assert (source.host, source.port != 69) == (SERVER, True)
        assert answer[0] == 0
        if answer[1] == 5:
            assert isinstance(decode(answer), Error)
            assert len(answer) <= 128
            assert answer[-1] == 0
            assert all(0x20 <= byte < 0x7F for byte in answer[4:-1])
        elif answer[1] == 3:
            assert answer[:4] == b"\0\3\0\1"
            assert any(file.startswith(answer[4:]) for file in FILES.values()) or opcode == 1
            assert len(answer) <= 516
        elif answer[1] == 4:
            assert (opcode, answer) == (2, b"\0\4\0\0")
        else:
            assert answer[1] == 6
            assert len(answer) <= len(datagram)


class Target:
    """A server whose answers all get lost, and its clients."""

    def __init__(self):
        self.world = World(dict(FILES), drop=lambda datagram: True)
        self.chance = random.Random(0)

    def receive(self, datagram):
        """One datagram, from one of the clients."""
        sent = self.world.network.sent
        sent.clear()
        host = self.chance.randrange(CLIENTS)
        peer = Address(f"198.51.100.{host}", self.chance.choice((0, 69, 2070, 49152)) + host)
        self.world.listener.request_received(datagram, peer, REQUEST_PORT, False)
        assert_answers_are_legal(datagram, sent)

    def pass_time(self, seconds):
        """Repeats go out, and sessions end."""
        self.world.quiet(seconds)
        self.world.records.__init__()

    def finish(self):
        """After the longest patience nothing is left."""
        self.pass_time(700.0)
        self.world.assert_nothing_left()
        assert len(self.world.listener._malformed) <= CLIENTS
        assert set(self.world.files) >= set(FILES)


@pytest.mark.parametrize(
    ("seed", "count"), [(1, 100_000), pytest.param(2, 1_000_000, marks=[LONG, pytest.mark.timeout(900)])]
)
def test_mutated_packets_at_the_request_port(seed, count):
    """Real clients' packets with mistakes do no harm and get only legal answers (C007-C019, C150, C151, F40,
    S003-S008).
    """
    target = Target()
    for number, datagram in enumerate(datagrams(seed, count)):
        target.receive(datagram)
        if number % 500 == 0:
            target.pass_time(7.0)
            assert target.world.listener.active <= 4 * CLIENTS
    target.finish()


shared = Target()


@settings(max_examples=2000, derandomize=True, database=None, deadline=None)
@given(any_datagram)
def test_generated_packets_at_the_request_port(datagram):
    """Packets that are made up from nothing do no harm and get only legal answers (C150, C151, F40, S008)."""
    shared.receive(datagram)
    shared.pass_time(0.5)


def test_every_cut_of_every_packet():
    """A packet that ends anywhere, and one byte of which is anything, is dealt with (S003, S004, S008)."""
    target = Target()
    for datagram in (rrq("f", blksize=1428, tsize=0), wrq("new", "netascii", windowsize=4), *OTHERS):
        for length in range(min(len(datagram), 64) + 1):
            target.receive(datagram[:length])
            target.receive(datagram[:length] + b"\xff" + datagram[length + 1 :])
        target.pass_time(2.0)
    for length in range(1, 506):
        target.receive(rrq("x" * length))
        target.receive(rrq("f", "m" * length))
    target.finish()


READ_STATES = {
    "opening": (rrq(), ()),
    "opening with an OACK": (rrq(blksize=100, windowsize=4, tsize=0), ()),
    "flowing": (rrq(), ("A1",)),
    "flowing in windows": (rrq(blksize=100, windowsize=4), ("A0", "A4")),
    "last block": (rrq(), ("A1", "A2", "A3", "A4", "A5")),
    "netascii": (rrq(mode="netascii", blksize=100), ("A0",)),
    "rollover": (rrq(rollover=1, blksize=8), ("A0",)),
}

WRITE_STATES = {
    "opening": (wrq(), ()),
    "opening with an OACK": (wrq(blksize=100, windowsize=4), ()),
    "flowing": (wrq(), ("D1/512",)),
    "flowing in windows": (wrq(blksize=100, windowsize=4), ("D1/100", "D2/100")),
    "storing": (wrq("stuck"), ("D1/3",)),
    "dallying": (wrq(), ("D1/3",)),
    "netascii": (wrq(mode="netascii"), ("D1/512",)),
}

STATES = [*READ_STATES.values(), *WRITE_STATES.values()]
NAMES = [*(f"read {name}" for name in READ_STATES), *(f"write {name}" for name in WRITE_STATES)]

NUMBERED = OTHERS + [
    packet(f"{kind}{number}{tail}") for kind, tail in (("A", ""), ("D", "/100")) for number in range(8)
]


@pytest.mark.parametrize("stuff", [NUMBERED, None], ids=["of the transfer", "of everything"])
@pytest.mark.parametrize(("begin", "said"), STATES, ids=NAMES)
def test_mutated_packets_in_a_session(begin, said, stuff):
    """In every state a session survives anything from its own peer, sends a bounded amount and ends once (F41,
    S005, S006).
    """
    contents = []

    def opens(request):
        if begin[1] == 1:
            contents.append(CountingReader(content(3000)))
        else:
            contents.append(CountingWriter(finish=Waiting() if request.name == b"stuck" else lambda: None))
        return contents[-1]

    world = World(opens)
    sent = world.network.sent
    rounds = list(datagrams(len(said), 3000, *([stuff] if stuff else [])))
    while rounds:
        world.ask(begin)
        for word in said:
            world.tell(word)
        (session, *_) = [socket.handler for socket in world.sessions]
        peer = world.peer.socket.address
        # An ERROR in the right place is the end; so is the last block. Then the next session takes over.
        while rounds and session.transport is not None:
            before = len(sent)
            datagram = rounds.pop()
            session.datagramReceived(datagram, (peer.host, peer.port))
            answers = [answer for _, _, answer in sent[before:]]
            assert len(answers) <= 2 * session.machine.agreed.windowsize
            if datagram[:2] == b"\0\5":
                assert answers == []
            assert all(len(answer) <= 128 and answer[-1] == 0 for answer in answers if answer[1] == 5)
            if len(rounds) % 50 == 0:
                world.quiet(0.3)
        world.quiet(700.0)
    world.assert_nothing_left()
    for item in contents:
        assert (item.released if begin[1] == 1 else item.endings[-1] in ("cancel", "finish")) == 1
        assert begin[1] == 1 or len(set(item.endings)) == len(item.endings)
    assert len(world.records.ended) == len(world.records.started) == len(contents)


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(any_datagram)
def test_generated_packets_in_every_state(datagram):
    """One packet made up from nothing, in each state, from the peer and from a stranger, does no harm (F41,
    C091, C151).
    """
    for begin, said in STATES:
        world = World({b"f": content(3000)})
        world.ask(begin)
        for word in said:
            world.tell(word)
        for peer in (world.another("192.0.2.66"), world.peer):
            tid = world.peer.tid
            before = len(world.network.sent)
            peer.send(datagram, tid)
            world.quiet(0.005)
            if datagram[:2] == b"\0\5":
                assert len(world.network.sent) == before + 1
        world.quiet(700.0)
        world.assert_nothing_left()
