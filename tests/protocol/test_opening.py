"""A client's request and its first answer (rules C001, C040, C042, C044, C046, C088, C093, C151)."""

import pytest
from bench import Bench, numbered, pairs

from tftpd_tw.protocol.opening import Asking
from tftpd_tw.protocol.packets import Mode, encode_oack
from tftpd_tw.protocol.receiving import Receiver
from tftpd_tw.protocol.sending import Sender
from tftpd_tw.protocol.timing import Patience

CONTENT = numbered(3, short=100)


def asking(reading: bool, **options: int) -> Bench:
    """A client whose request is out."""
    bench = Bench(
        Asking(
            reading=reading,
            name=b"f",
            mode=Mode.OCTET,
            options=pairs(options),
            patience=Patience(),
            size=None if reading else len(CONTENT),
        ),
        CONTENT,
    )
    assert bench.start() == ("ReadRequest" if reading else "WriteRequest")
    return bench


def oack(**options: int) -> bytes:
    """An OACK with these."""
    return encode_oack(pairs(options))


@pytest.mark.parametrize("options", [{}, {"blksize": 1428}])
def test_a_read_answered_with_data(options: dict[str, int]) -> None:
    """A server without options sends D1, and the defaults hold whatever was asked (C001, C047)."""
    bench = asking(True, **options)
    assert bench.gets("D1") == "A1"
    assert isinstance(bench.end.machine, Receiver)
    assert [bench.gets("D2"), bench.gets("D3/412")] == ["A2", "A3"]
    assert bench.reason == "completed"
    assert bytes(bench.end.stored) == CONTENT


def test_a_read_answered_with_an_oack() -> None:
    """An OACK is answered with A0, and the transfer has its terms (C040, C046)."""
    bench = asking(True, blksize=1024, windowsize=2, tsize=0)
    assert bench.gets(oack(blksize=1000, windowsize=2, tsize=1436)) == "A0"
    assert bench.end.machine.agreed.tsize == 1436
    assert bench.gets("D1", "D2/436") == "A2"
    assert bytes(bench.end.stored) == CONTENT


def test_a_repeated_oack_means_that_ack_0_was_lost() -> None:
    """Before D1 each OACK is answered with A0, afterwards with nothing (C042)."""
    bench = asking(True, blksize=512)
    assert [bench.gets(oack(blksize=512)) for _ in range(3)] == ["A0", "A0", "A0"]
    assert bench.gets("D1") == "A1"
    assert bench.gets(oack(blksize=512)) == ""


def test_ack_0_is_repeated_in_silence() -> None:
    """A client goes on asking for block 1 as long as it has patience: it knows that somebody is there (C103)."""
    bench = asking(True, blksize=512)
    bench.gets(oack(blksize=512))
    said = bench.wait(1000)
    assert {words for _, words in said} == {"A0"}
    assert len(said) > 3
    assert bench.end.outcome is not None
    assert not bench.end.outcome.succeeded


@pytest.mark.parametrize("options", [{}, {"blksize": 1428}])
def test_a_write_answered_with_ack_0(options: dict[str, int]) -> None:
    """A0 starts the upload with the defaults (C001, C047)."""
    bench = asking(False, **options)
    assert [bench.gets(f"A{n}") for n in range(4)] == ["D1", "D2", "D3/412", ""]
    assert isinstance(bench.end.machine, Sender)
    assert bench.reason == "completed"


def test_a_write_answered_with_an_oack() -> None:
    """An OACK starts the upload at once, on its terms (C045)."""
    bench = asking(False, blksize=1000, windowsize=4)
    assert bench.gets(oack(blksize=600, windowsize=2)) == "D1 D2"
    assert bench.gets("A2") == "D3/236"
    assert bench.gets("A3") == ""
    assert bench.reason == "completed"


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize(
    "answer",
    [{"blksize": 1429}, {"blksize": 7}, {"timeout": 3}, {"windowsize": 2}, {"blksize": 512, "rollover": 1}],
)
def test_an_oack_that_was_not_asked_for_is_refused(reading: bool, answer: dict[str, int]) -> None:
    """The client ends with ERROR 8 when the server grants something else than it asked (RFC 2347; C046)."""
    bench = asking(reading, blksize=1428, timeout=2)
    assert bench.gets(oack(**answer)) == "E8"
    assert bench.reason == "option-refused"
    assert bench.wait(1000) == []


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize("tsize", [{}, {"tsize": 0}])
@pytest.mark.parametrize("code", [0, 1, 2, 8])
def test_an_error_ends_it(reading: bool, tsize: dict[str, int], code: int) -> None:
    """An ERROR to the request is the end, is not answered, and is the server's error (C151)."""
    bench = asking(reading, **tsize)
    assert bench.gets(f"E{code}") == ""
    assert bench.outcome is not None
    assert (bench.outcome.reason, bench.outcome.code, bench.outcome.text) == ("client-error", code, b"text")
    assert bench.wait(1000) == []


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize("code", [0, 8])
def test_a_servers_error_after_its_oack_is_no_size_probe(reading: bool, code: int) -> None:
    """Only a client that reads can probe for a size: here the server failed (C044)."""
    bench = asking(reading, tsize=0)
    bench.gets(oack(tsize=0))
    assert bench.gets(f"E{code}") == ""
    assert bench.reason == "client-error"


@pytest.mark.parametrize("reading", [True, False])
def test_silence(reading: bool) -> None:
    """The request is repeated with back-off, the same bytes, and given up in the end (C088, C089)."""
    bench = asking(reading)
    said = bench.wait(1000)
    assert [time for time, _ in said] == [1.0, 3.0, 7.0, 12.0, 17.0, 22.0, 27.0]
    assert len(set(bench.end.sent)) == 1
    assert bench.reason == "no-answer"


def test_an_asked_timeout_is_the_clients_own_too() -> None:
    """A client repeats its request at the interval that it asks the server for (C060)."""
    bench = asking(True, timeout=2)
    assert [time for time, _ in bench.wait(1000)] == [2.0, 4.0, 6.0, 8.0, 10.0]


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize(
    "packet",
    [b"", b"\0", b"\0\3\0", b"\0\4\0", b"\0\7ab", b"\0\1f\0octet\0", b"\0\3\0\2x", b"\0\4\0\1", b"\0\1"],
)
def test_what_is_no_answer_is_ignored(reading: bool, packet: bytes) -> None:
    """Garbage, three-byte repeats of atftpd, and packets of another moment do not end the request (C088, C093)."""
    bench = asking(reading)
    assert bench.gets(packet) == ""
    assert bench.outcome is None
    assert bench.gets("D1" if reading else "A0") == ("A1" if reading else "D1")


def test_each_direction_has_its_own_answers() -> None:
    """A0 does not answer an RRQ, nor D1 a WRQ (C001)."""
    assert asking(True).gets("A0") == ""
    assert asking(False).gets("D1") == ""
