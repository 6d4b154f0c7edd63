"""Saying once what happens again and again."""

from tftpd_tw.policy.notices import INTERVAL, MOST_PER_INTERVAL, Notices
from tftpd_tw.policy.recent import CAPACITY, Recent


def test_once_a_minute_for_each_key():
    """The next notice says how many were passed over."""
    notices = Notices()
    assert notices.due("a", 100.0) == 0
    assert [notices.due("a", 100.0 + second) for second in range(10)] == [None] * 10
    assert notices.due("b", 110.0) == 0
    assert notices.due("a", 100.0 + INTERVAL) == 10
    assert notices.due("a", 100.0 + 3 * INTERVAL) == 0


def test_in_all():
    """S037: as many keys as one likes do not make as many lines."""
    notices = Notices()
    said = [notices.due(str(key), 100.0 + key / 1000) is not None for key in range(50_000)]
    assert sum(said) == MOST_PER_INTERVAL
    assert len(notices._heard) == CAPACITY
    assert notices.due("49999", 100.0 + 3 * INTERVAL) == 1


def test_recent_forgets_what_was_not_asked_for_longest():
    """And makes it again."""
    recent = Recent(list, 2)
    recent.get("a").append(1)
    recent.get("b").append(2)
    assert recent.get("a") == [1]
    recent.get("c")
    assert recent.get("a") == [1]
    assert recent.get("b") == []
    assert len(recent) == 2
