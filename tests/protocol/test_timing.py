"""When to send again and when to give up (rules C060, C063, C088, C104, C105; RFC 6298 and Karn)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftpd_tw.protocol.timing import FIRST_WAIT, LONGEST_SILENCE, Patience, RetransmitTimer


def waits(timer: RetransmitTimer, count: int) -> list[float]:
    """The next waits, each of them in vain."""
    result = []
    for _ in range(count):
        result.append(timer.wait)
        timer.expired()
    return result


def test_waits_double_up_to_the_timeout() -> None:
    """Before anything is known the first wait is a second, and each repeat doubles it up to the timeout (C088)."""
    assert waits(RetransmitTimer(Patience(timeout=5.0)), 6) == [1, 2, 4, 5, 5, 5]
    assert waits(RetransmitTimer(Patience(timeout=60.0)), 6) == [1, 2, 4, 8, 16, 32]


def test_a_short_timeout_bounds_the_first_wait() -> None:
    """No wait is longer than the configured timeout, the first included (C088)."""
    assert waits(RetransmitTimer(Patience(timeout=0.25)), 3) == [0.25] * 3


@pytest.mark.parametrize("negotiated", [1.0, 5.0, 255.0, 0.2])
def test_a_negotiated_timeout_is_the_wait(negotiated: float) -> None:
    """A client that asked for an interval gets it each time, whatever the round trip (C060, C105)."""
    timer = RetransmitTimer(Patience(), negotiated)
    assert waits(timer, 4) == [negotiated] * 4
    timer.answered(0.001)
    assert waits(timer, 2) == [negotiated] * 2
    assert timer.probe_wait is None


@pytest.mark.parametrize(
    ("timeout", "max_retries", "negotiated", "give_up"),
    [
        (5.0, 5, None, 30.0),
        (2.0, 9, None, 20.0),
        (5.0, 0, None, 5.0),
        (5.0, 5, 1.0, 6.0),
        (5.0, 5, 7.0, 42.0),
        (5.0, 5, 255.0, LONGEST_SILENCE),
        (300.0, 5, None, LONGEST_SILENCE),
    ],
)
def test_when_to_give_up(timeout: float, max_retries: int, negotiated: float | None, give_up: float) -> None:
    """Patience lasts for the timeout times all tries, with 255 s for less than half an hour (C063, C089)."""
    assert RetransmitTimer(Patience(timeout, max_retries), negotiated).give_up == give_up


def test_the_longest_silence_is_ten_minutes() -> None:
    """No client holds its session for longer, whatever it negotiates (C063)."""
    assert LONGEST_SILENCE <= 600


def test_estimates_of_rfc_6298() -> None:
    """The first sample sets SRTT and half of it as RTTVAR, later ones move them by 1/8 and 1/4 (C105)."""
    timer = RetransmitTimer(Patience(timeout=60))
    timer.answered(1.0)
    assert timer.round_trip == 1.0
    assert timer.wait == 1.0 + 4 * 0.5
    timer.answered(2.0)
    variation = 0.75 * 0.5 + 0.25 * 1.0
    assert timer.round_trip == pytest.approx(0.875 * 1.0 + 0.125 * 2.0)
    assert timer.wait == pytest.approx(1.125 + 4 * variation)


def test_the_wait_follows_the_round_trip() -> None:
    """50 ms and then 5 ms: the wait comes down with them, to its floor of 100 to 200 ms (C105)."""
    timer = RetransmitTimer(Patience())
    for _ in range(20):
        timer.answered(0.4)
    slow = timer.wait
    assert 0.4 <= slow < 0.5
    for _ in range(60):
        timer.answered(0.005)
    assert 0.1 <= timer.wait <= 0.2
    assert timer.wait < slow


def test_karn() -> None:
    """An answer to a packet that was sent twice is progress but no sample (C104)."""
    timer = RetransmitTimer(Patience())
    timer.answered(0.1)
    known, wait = timer.round_trip, timer.wait
    timer.expired()
    timer.answered(None)
    assert timer.round_trip == known
    assert timer.wait == wait


def test_progress_ends_the_back_off() -> None:
    """After progress the wait is what it was before the loss (C104)."""
    timer = RetransmitTimer(Patience())
    timer.answered(0.2)
    assert waits(timer, 3) == pytest.approx([0.6, 1.2, 2.4])
    timer.answered(None)
    assert timer.wait == pytest.approx(0.6)


def test_a_hint_ends_the_back_off_too() -> None:
    """A small packet's round trip, known before the first sample, is enough (C104)."""
    timer = RetransmitTimer(Patience())
    timer.at_least(0.3)
    assert timer.probe_wait == pytest.approx(0.6)
    assert waits(timer, 2) == [1, 2]
    timer.answered(None)
    assert timer.wait == FIRST_WAIT


def test_without_any_measure_the_back_off_stays() -> None:
    """What was repeated tells nothing, so a wait that was long enough is kept and nothing is probed (C104)."""
    timer = RetransmitTimer(Patience())
    assert timer.probe_wait is None
    assert waits(timer, 2) == [1, 2]
    timer.answered(None)
    assert timer.wait == 4
    timer.answered(0.2)
    assert timer.wait == pytest.approx(0.6)


def test_one_late_answer_after_the_other() -> None:
    """Two may be losses. From the third on the waits double, until something that went out once is answered: that
    is then all that is known (C104; RFC 6298 section 5).
    """
    timer = RetransmitTimer(Patience())
    timer.answered(0.2)
    probe, wait = timer.probe_wait, timer.wait
    assert probe is not None
    for longer in (1, 1, 2, 4, 8):
        timer.answered(None, late=True)
        assert (timer.probe_wait, timer.wait) == (probe * longer, pytest.approx(min(wait * longer, 5)))
    timer.answered(2.0)
    assert (timer.round_trip, timer.probe_wait) == (2.0, 4.0)


def test_late_answers_now_and_then() -> None:
    """Are losses: what is answered in time between them is a sample like any other (C104)."""
    timer = RetransmitTimer(Patience())
    timer.answered(0.2)
    for _ in range(9):
        timer.answered(None, late=True)
        timer.answered(None, late=True)
        assert timer.probe_wait == pytest.approx(0.4)
        timer.answered(0.2)
    assert timer.round_trip == pytest.approx(0.2)


@given(st.lists(st.none() | st.floats(0, 100), max_size=30), st.floats(0.05, 300), st.integers(0, 20))
def test_waits_stay_in_bounds(history: list[float | None], timeout: float, vain: int) -> None:
    """Whatever was measured, a wait is at least 100 ms (or the timeout) and at most the timeout, and never shrinks
    in silence (C088, C105).
    """
    timer = RetransmitTimer(Patience(timeout))
    for sample in history:
        timer.answered(sample)
    got = waits(timer, vain + 1)
    assert all(min(0.1, timeout) <= wait <= timeout for wait in got)
    assert all(earlier <= later for earlier, later in pairwise(got))
