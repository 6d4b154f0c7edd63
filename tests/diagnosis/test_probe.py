"""The way to a server, measured: against servers of a few lines, and against nobody."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tftpd_tw.diagnosis import probe as probing
from tftpd_tw.diagnosis import round_trips
from tftpd_tw.diagnosis.download import Downloaded, Limit, download
from tftpd_tw.diagnosis.findings import FAIL, WARN, Finding
from tftpd_tw.diagnosis.probe import NO_FILE, Probed, largest_block, probe
from tftpd_tw.diagnosis.probed import as_values, findings
from tftpd_tw.diagnosis.round_trips import RoundTrips, ask_again
from tftpd_tw.interfaces import Address
from tftpd_tw.net.client import TransferFailed
from tftpd_tw.protocol.errors import ErrorCode
from tftpd_tw.protocol.packets import (
    Ack,
    Error,
    Mode,
    Opcode,
    Packet,
    ReadRequest,
    decode,
    encode_error,
    encode_oack,
    header,
)

SERVER = Address("192.0.2.1", 69)

BLOCK = bytes(512)

Serve = Callable[[socket.socket, Packet, tuple[str, int]], None]


@contextmanager
def server(serve: Serve) -> Iterator[Address]:
    """Gets each packet that comes, with a socket to answer from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def run() -> None:
            while True:
                datagram, peer = sock.recvfrom(65535)
                if datagram == b"end":
                    return
                serve(sock, decode(datagram), peer)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield Address(*sock.getsockname())
        finally:
            sock.sendto(b"end", sock.getsockname())
            thread.join()


def not_found(sock: socket.socket, packet: Packet, peer: tuple[str, int]) -> None:
    """It has no file."""
    sock.sendto(encode_error(ErrorCode.FILE_NOT_FOUND, "no\x1bthing"), peer)


class Endless:
    """A file without end, in blocks of 512 bytes, and the packets that came."""

    def __init__(self, oack: bytes = b"") -> None:
        self.packets: list[Packet] = []
        self._oack = oack

    def __call__(self, sock: socket.socket, packet: Packet, peer: tuple[str, int]) -> None:
        """Send what is next."""
        self.packets.append(packet)
        if isinstance(packet, ReadRequest):
            sock.sendto(self._oack or header(Opcode.DATA, 1) + BLOCK, peer)
        elif isinstance(packet, Ack):
            sock.sendto(header(Opcode.DATA, packet.block + 1) + BLOCK, peer)


@contextmanager
def nobody() -> Iterator[Address]:
    """A port that takes packets and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield Address(*sock.getsockname())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody on this host takes longer."""
    monkeypatch.setattr(round_trips, "PATIENCE", 0.05)
    monkeypatch.setattr(probing, "REQUESTS", 3)


def test_an_error_is_an_answer_too() -> None:
    """With its text, fit for a terminal."""
    with server(not_found) as address:
        found = ask_again(address, b"name", 4, interval=0)
    assert (found.sent, len(found.seconds), found.there) == (4, 4, False)
    assert found.answer == "ERROR 1, no\\x1bthing"
    assert list(found.seconds) == sorted(found.seconds)


def test_a_file_is_not_fetched() -> None:
    """Its size is asked, each time from another port; an ERROR says that this was all."""
    endless = Endless(encode_oack(((b"tsize", b"5000"),)))
    with server(endless) as address:
        found = ask_again(address, b"name", 2, interval=0)
    assert (found.there, found.answer) == (True, "the file is there")
    requests = endless.packets[::2]
    assert requests == [ReadRequest(b"name", Mode.OCTET, ((b"tsize", b"0"),))] * 2
    assert endless.packets[1::2] == [Error(0, b"Transfer was cancelled")] * 2


@pytest.mark.usefixtures("impatient")
def test_loss() -> None:
    """What is not answered in time is lost; garbage is no answer."""
    count = iter(range(100))

    def every_other(sock: socket.socket, packet: Packet, peer: tuple[str, int]) -> None:
        sock.sendto(b"\0\x09garbage", peer)
        if next(count) % 2:
            not_found(sock, packet, peer)

    with server(every_other) as address:
        found = ask_again(address, b"name", 5, interval=0)
    assert (found.sent, len(found.seconds)) == (5, 2)


@pytest.mark.usefixtures("impatient")
def test_nobody_is_asked_for_long() -> None:
    """A few requests without any answer are enough."""
    with nobody() as address:
        assert ask_again(address, b"name", 20, interval=0) == RoundTrips(3)


def test_a_closed_port() -> None:
    """Its host says so at once."""
    with nobody() as address:
        pass
    assert ask_again(address, b"name", 20, interval=0) == RoundTrips(1, refused=True)


def test_a_server_that_answers_from_another_address() -> None:
    """That is what is wrong with it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", 0))
        with server(lambda sock, packet, peer: not_found(other, packet, peer)) as address:
            found = ask_again(address, b"name", 5, interval=0)
    assert found == RoundTrips(3, elsewhere="127.0.0.2")


def test_a_download_ends_at_its_limit() -> None:
    """Of blocks, and its server is told."""
    endless = Endless()
    with server(endless) as address:
        done = download(address, b"name", 512, 1, Limit(seconds=30.0, blocks=100))
    assert (done.blocks, done.size, done.whole) == (100, 51200, False)
    assert done.rate == done.size / done.seconds
    assert endless.packets[-1] == Error(0, b"Transfer was cancelled")


def test_a_download_goes_on_with_the_port_that_answered() -> None:
    """And not with the one that was asked; a third one is not listened to."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))

        def serve(sock: socket.socket, packet: Packet, peer: tuple[str, int]) -> None:
            own.sendto(header(Opcode.DATA, 1) + BLOCK, peer)
            own.recvfrom(100)  # the ACK, which would not come here if it went to the port that was asked
            sock.sendto(header(Opcode.DATA, 2) + b"not this", peer)
            own.sendto(header(Opcode.DATA, 2) + b"end", peer)

        own.settimeout(5)
        with server(serve) as address:
            done = download(address, b"name", 512, 1, Limit(5.0, 10))
    assert (done.size, done.whole) == (515, True)


def test_a_download_ends_in_time() -> None:
    """Whatever the server does."""
    with server(Endless()) as address:
        done = download(address, b"name", 512, 1, Limit(seconds=0.1, blocks=1 << 30))
    assert 0.1 <= done.seconds < 5
    assert done.blocks > 0


def test_a_download_that_fails() -> None:
    """As its server says."""
    with server(not_found) as address, pytest.raises(TransferFailed, match="the server said ERROR 1"):
        download(address, b"name", 512, 1, Limit(1.0, 10))


def test_a_download_from_a_closed_port() -> None:
    """Its host says so, and nobody waits."""
    with nobody() as address:
        pass
    with pytest.raises(TransferFailed, match="nobody listens on its port"):
        download(address, b"name", 512, 1, Limit(30.0, 10))


def test_a_server_that_grants_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Larger blocks and windows are not asked for again and again."""
    monkeypatch.setattr(probing, "REQUESTS", 1)
    monkeypatch.setattr(probing, "FIRST", Limit(1.0, 5))
    endless = Endless()
    with server(endless) as address:
        probed = probe(address, b"name", Limit(1.0, 20))
    assert {(one.blksize, one.windowsize) for one in probed.downloads} == {(512, 1)}
    assert len(probed.downloads) == 3  # the usual one, and one for each larger size
    assert probed.best is not None


@pytest.mark.usefixtures("impatient")
def test_without_a_file_nothing_is_downloaded() -> None:
    """Nor with one that is not there."""
    with server(not_found) as address:
        nameless, named = probe(address, None), probe(address, b"name")
    assert nameless.downloads == named.downloads == ()
    assert "with --name" in told(nameless, "download").reason
    assert [each.check for each in findings(named)] == ["answers", "route"]
    assert [each.check for each in findings(Probed(SERVER, NO_FILE, 1500, RoundTrips(3)))] == ["answers", "route"]


def done(blksize: int, windowsize: int, rate: int, retransmits: int = 0) -> Downloaded:
    """A download of a second."""
    return Downloaded(blksize, windowsize, rate, rate // blksize, retransmits, 1.0, True)


ANSWERED = RoundTrips(3, (0.001, 0.002, 0.009), "the file is there", True)

MEASURED = Probed(
    SERVER,
    b"a b",
    1500,
    ANSWERED,
    (done(512, 1, 1 << 20), done(1468, 4, 9 << 20), done(1468, 16, 10_400_000), done(1468, 64, 10 << 20, 7)),
)


def test_the_best_is_the_smallest_that_is_as_fast_as_any() -> None:
    """A larger window takes memory, and overruns somebody."""
    best = MEASURED.best
    assert best is not None
    assert (best.blksize, best.windowsize) == (1468, 16)
    assert Probed(SERVER, b"x", 1500, ANSWERED).best is None


def told(probed: Probed, check: str) -> Finding:
    """The finding of that name."""
    [finding] = [each for each in findings(probed) if each.check == check]
    return finding


def test_what_is_said_of_it() -> None:
    """The figures, and with which commands one gets the best."""
    assert told(MEASURED, "answers").figure == "3 of 3, after 2.00 ms (median) to 9.00 ms"
    assert told(MEASURED, "route").reason == "blocks of 1468 bytes fit it"
    rows = [(each.about, each.figure, each.reason) for each in findings(MEASURED) if each.check == "download"]
    assert rows[-1] == ("blksize 1468 windowsize 64", "10.5 MB/s", "7 packets were sent again")
    best = told(MEASURED, "best")
    assert best.figure == "blksize 1468, windowsize 16"
    assert best.remedies[0] == "tftpd-tw get --block-size 1468 --window-size 16 192.0.2.1:69 'a b'"
    assert best.remedies[1].endswith("-r 'a b' -l file 192.0.2.1 69")
    assert len(best.remedies) == 2


def test_larger_windows_that_do_harm() -> None:
    """They are kept from this client, by its profile, and from nobody else."""
    slower = Probed(SERVER, b"x", 1500, ANSWERED, (done(1468, 4, 9 << 20), done(1468, 16, 2 << 20, 50)))
    profile = told(slower, "best").remedies[-1]
    assert profile.startswith("clients.profiles: [{name: small-windows, clients: [CLIENT-IP], window_size: 4}]")
    assert not any("serve" in remedy for remedy in told(slower, "best").remedies)


def test_what_says_nothing_of_windows() -> None:
    """Losses among blocks that travel in fragments, or of another size: no client is kept to less for these."""
    for best in (done(65464, 1, 90 << 20), done(1468, 4, 90 << 20)):
        lossy = Probed(SERVER, b"x", 65535, ANSWERED, (best, done(65464, 16, 2 << 20, 50)))
        assert len(told(lossy, "best").remedies) == 2


@pytest.mark.parametrize(
    ("asked", "state", "figure", "remedy"),
    [
        (RoundTrips(1, refused=True), FAIL, "port closed", "ss -lun 'sport = :69'"),
        (RoundTrips(3), FAIL, "none to 3 requests", "ping 192.0.2.1"),
        (RoundTrips(3, elsewhere="192.0.2.2"), FAIL, "from another address", "ip route get 192.0.2.1"),
        (
            RoundTrips(4, (0.1,), "x"),
            WARN,
            "1 of 4, after 100 ms (median) to 100 ms",
            "mtr -u -P 69 192.0.2.1",
        ),
        (RoundTrips(1, (0.1,), "x"), WARN, "1 of 1, after 100 ms (median) to 100 ms", "ls -l FOLDER"),
    ],
)
def test_servers_that_do_not_answer(asked: RoundTrips, state: object, figure: str, remedy: str) -> None:
    """Not at all, not always, or not with the file that was named."""
    finding = told(Probed(SERVER, b"name", 1500, asked), "answers")
    assert (finding.state, finding.figure) == (state, figure)
    assert remedy in finding.remedies


def test_no_route() -> None:
    """Is one more failure."""
    assert told(Probed(SERVER, b"name", None, RoundTrips(0)), "route").state is FAIL


def test_values() -> None:
    """Plain numbers; nothing where nothing was measured."""
    values = as_values(MEASURED)
    assert (values["server"], values["mtu"], values["requests"], values["answers"]) == ("192.0.2.1:69", 1500, 3, 3)
    assert values["round_trip"] == {"least": 0.001, "median": 0.002, "most": 0.009}
    assert values["best"] == values["downloads"][2]
    assert values["best"]["rate"] == 10_400_000
    values = as_values(Probed(SERVER, b"name", None, RoundTrips(3)))
    assert (values["round_trip"], values["downloads"], values["best"]) == (None, [], None)


@pytest.mark.parametrize(
    ("host", "mtu", "size"),
    [("192.0.2.1", 1500, 1468), ("2001:db8::1", 1500, 1448), ("127.0.0.1", 65536, 65464), ("192.0.2.1", 300, 512)],
)
def test_the_largest_block(host: str, mtu: int, size: int) -> None:
    """What fits into a packet, and no less than every server has."""
    assert largest_block(Address(host, 69), mtu) == size
