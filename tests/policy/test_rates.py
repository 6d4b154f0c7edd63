"""Rates: how long bursts wait, and who shares what."""

import heapq

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftpd_tw.policy.rates import CREDIT, SHORTEST_DELAY, Rates, Throttling
from tftpd_tw.policy.recent import CAPACITY

CLIENT, OTHER = "192.0.2.7", "192.0.2.8"
BURST = 10_000


def sent(throttles, seconds, size=BURST, now=1000.0):
    """The bytes that each of the throttles lets through if all always have something to send."""
    counts = [0] * len(throttles)
    turns = [(now, number) for number in range(len(throttles))]
    while turns:
        at, number = heapq.heappop(turns)
        if at > now + seconds:
            continue
        counts[number] += size
        # The next burst is ready at once.
        wait = throttles[number].delay(size, at)
        heapq.heappush(turns, (at + wait + 1e-6, number))
    return counts


def test_nothing_is_asked_where_no_rate_is_set():
    """There is no throttle then."""
    assert Throttling(Rates()).throttle(CLIENT) is None


def test_a_burst_after_a_pause_leaves_at_once():
    """And the next one waits for it."""
    throttle = Throttling(Rates(transfer=100_000)).throttle(CLIENT)
    assert throttle.delay(BURST, 1000.0) == 0.0
    assert throttle.delay(BURST, 1000.0) == pytest.approx(0.1 - CREDIT)
    assert throttle.delay(BURST, 1000.0) == pytest.approx(0.2 - CREDIT)


def test_a_wait_is_booked():
    """Whoever sends when he was told, and asks for the next burst then, waits only for that one."""
    throttle = Throttling(Rates(transfer=100_000)).throttle(CLIENT)
    throttle.delay(BURST, 1000.0)
    wait = throttle.delay(BURST, 1000.0)
    assert throttle.delay(BURST, 1000.0 + wait) == pytest.approx(0.1)


def test_a_long_pause_is_not_saved_up():
    """Only so much credit there is."""
    throttle = Throttling(Rates(transfer=100_000)).throttle(CLIENT)
    throttle.delay(BURST, 1000.0)
    at_once = 0
    while throttle.delay(100, 9000.0) == 0.0:
        at_once += 100
    assert at_once == pytest.approx(100_000 * (CREDIT + SHORTEST_DELAY), abs=200)


@pytest.mark.parametrize("rate", [50_000, 1_000_000, 1_000_000_000])
@pytest.mark.parametrize("size", [512, 65_536])
def test_a_rate_is_kept(rate, size):
    """Over two seconds, for lockstep and for windows, also where a burst takes less than the shortest wait."""
    throttle = Throttling(Rates(transfer=rate)).throttle(CLIENT)
    seconds = 2.0 if rate < 1e9 else 0.01
    (count,) = sent([throttle], seconds, size)
    most = rate * (seconds + CREDIT + SHORTEST_DELAY) + 2 * size
    assert min(rate * seconds * 0.98, size / 1e-6 * seconds * 0.98) <= count <= most


def test_each_transfer_has_its_own():
    """Two transfers of one client get twice as much."""
    throttling = Throttling(Rates(transfer=1_000_000))
    counts = sent([throttling.throttle(CLIENT), throttling.throttle(CLIENT)], 1.0)
    assert counts == pytest.approx([1_050_000] * 2, rel=0.03)


def test_the_transfers_of_a_client_share():
    """And another client has its own."""
    throttling = Throttling(Rates(client=1_000_000))
    counts = sent([throttling.throttle(CLIENT), throttling.throttle(CLIENT), throttling.throttle(OTHER)], 1.0)
    assert counts == pytest.approx([525_000, 525_000, 1_050_000], rel=0.03)


def test_a_client_does_not_start_afresh_with_each_file():
    """Many small files are no way around its rate."""
    throttling = Throttling(Rates(client=100_000))
    waits = [throttling.throttle(CLIENT).delay(BURST, 1000.0) for _ in range(5)]
    assert waits[-1] == pytest.approx(0.4 - CREDIT)


def test_all_share():
    """In turns: none of ten transfers gets more than its part."""
    throttling = Throttling(Rates(total=1_000_000))
    counts = sent([throttling.throttle(f"192.0.2.{number}") for number in range(10)], 1.0)
    assert sum(counts) == pytest.approx(1_050_000, rel=0.1)
    assert max(counts) - min(counts) <= BURST


def test_the_lowest_rate_counts():
    """With all three set."""
    throttling = Throttling(Rates(transfer=1_000_000, client=500_000, total=2_000_000))
    assert sent([throttling.throttle(CLIENT), throttling.throttle(CLIENT)], 1.0) == pytest.approx(
        [265_000] * 2, abs=2 * BURST
    )


@given(st.lists(st.tuples(st.integers(1, 65_536), st.floats(0.0, 0.5)), min_size=1, max_size=50))
def test_no_moment_sees_more_than_its_rate(bursts):
    """Whatever is asked when, what has left by any time is what the rate allows, one burst and the credit."""
    rate, now, left = 100_000, 1000.0, []
    throttle = Throttling(Rates(transfer=rate)).throttle(CLIENT)
    for size, pause in bursts:
        now += pause
        left.append((now + throttle.delay(size, now), size))
    for until, last in left:
        allowed = rate * (until - 1000.0 + CREDIT + SHORTEST_DELAY) + last
        assert sum(size for at, size in left if at < until) + last <= allowed + rate * SHORTEST_DELAY + last


def test_memory_is_bounded():
    """A hundred thousand clients leave no more behind than there are places for."""
    throttling = Throttling(Rates(client=1_000_000))
    for number in range(100_000):
        throttling.throttle(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}").delay(512, 1000.0)
    assert len(throttling._clients) == CAPACITY
