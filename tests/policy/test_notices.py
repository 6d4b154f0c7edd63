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


def test_what_does_not_go_on():
    """The last of it is said when the minute is over, and counts as a notice."""
    notices = Notices()
    for second in range(3):
        notices.due("a", 100.0 + second, second)
    notices.due("b", 130.0, "b")
    notices.due("b", 131.0, "b again")
    assert notices.late(100.0 + INTERVAL - 0.1) == []
    assert notices.late(100.0 + INTERVAL) == [(2, 1)]
    assert notices.late(100.0 + INTERVAL) == []
    assert notices.due("a", 101.0 + INTERVAL, 4) is None
    assert notices.late(102.0 + INTERVAL, all_of_them=True) == [("b again", 0), (4, 0)]


def test_what_went_on():
    """Is said once."""
    notices = Notices()
    for second in (0.0, 1.0, INTERVAL):
        notices.due("a", 100.0 + second, second)
    assert notices.late(100.0 + 3 * INTERVAL) == []


def test_what_is_late_counts_in_all():
    """S037: it makes no more lines, and what has no room is counted for the next."""
    notices = Notices(2)
    for key in "aab":
        notices.due(key, 100.0, key)
    assert notices.waiting == {"a": "a"}
    assert notices.late(101.0, all_of_them=True) == []
    assert notices.waiting == {}
    assert notices.due("a", 100.0 + INTERVAL) == 1


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
