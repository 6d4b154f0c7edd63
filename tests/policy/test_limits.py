"""The limits, without a network: who gets a place, who gets an answer, and what is remembered."""

import pytest
from attrs import define

from tftpd_tw.policy.limits import GRACE, LOOK_INTERVAL, Bounds, Limits
from tftpd_tw.policy.recent import CAPACITY
from tftpd_tw.protocol.lifecycle import MAX_UNVERIFIED_SENDS

CLIENT, OTHER = "192.0.2.7", "192.0.2.8"


@define(eq=False)
class Transfer:
    """One that is verified when the test says so."""

    verified: bool = False
    limits: Limits | None = None
    first_sent_at: float | None = 0.0
    gave_way: bool = False

    def give_way(self):
        """It leaves at once."""
        self.gave_way = True
        self.limits.leave(self, MAX_UNVERIFIED_SENDS, 0.0)


def admitted(limits, host=CLIENT, now=0.0, *, verified=True):
    """The transfer that got a place, or the limit in its way."""
    transfer = Transfer(verified, limits)
    return limits.admit(transfer, host, now) or transfer


def filled(limits, count, host=CLIENT, now=0.0, *, verified=True):
    """So many transfers, which all get a place."""
    transfers = [admitted(limits, host, now, verified=verified) for _ in range(count)]
    assert all(isinstance(transfer, Transfer) for transfer in transfers), transfers
    return transfers


def test_transfers_in_all():
    """S032: when all places are taken the next gets none, until one leaves."""
    limits = Limits(Bounds(transfers=4, unverified_share=1.0))
    transfers = [filled(limits, 1, f"192.0.2.{number}")[0] for number in range(4)]
    assert admitted(limits) == "max-connections"
    limits.leave(transfers[0], 0, 1.0)
    filled(limits, 1)


def test_transfers_of_one_client():
    """S032: a client that has its share leaves the rest to others."""
    limits = Limits(Bounds(transfers_per_client=2))
    first, _ = filled(limits, 2)
    assert admitted(limits) == "client-connections"
    filled(limits, 2, OTHER)
    limits.leave(first, 0, 1.0)
    filled(limits, 1)
    assert admitted(limits) == "client-connections"


def test_share_of_the_unverified():
    """S032: who has not answered does not take the places of those who have."""
    limits = Limits(Bounds(transfers=8, unverified_share=0.25))
    silent = [filled(limits, 1, f"192.0.2.{number}", verified=False)[0] for number in range(2)]
    assert admitted(limits) == "unverified"
    silent[0].verified = True
    filled(limits, 1, now=LOOK_INTERVAL)
    # The new one is verified too, so there is still room beside the other silent one.
    filled(limits, 1, now=2 * LOOK_INTERVAL)


def test_the_oldest_of_the_silent_gives_way():
    """S032: but not before it had time to answer."""
    limits = Limits(Bounds(transfers=12, unverified_share=0.25))
    first, second, third = filled(limits, 3, verified=False)
    assert admitted(limits, now=GRACE - LOOK_INTERVAL, verified=False) == "unverified"
    assert admitted(limits, now=GRACE, verified=False).gave_way is False
    assert [transfer.gave_way for transfer in (first, second, third)] == [True, False, False]
    # One at a time, and nobody who has answered.
    assert admitted(limits, now=GRACE, verified=False) == "unverified"
    second.verified = True
    assert admitted(limits, now=GRACE * 1.4, verified=False).gave_way is False
    assert [transfer.gave_way for transfer in (first, second, third)] == [True, False, False]
    assert admitted(limits, now=GRACE * 1.4, verified=False).gave_way is False
    assert [transfer.gave_way for transfer in (first, second, third)] == [True, False, True]


def test_who_has_answered_or_left_meanwhile_does_not_give_way():
    """Also between two looks."""
    limits = Limits(Bounds(transfers=200, unverified_share=0.5, transfers_per_client=1000, answers=1000))
    first, second, third, fourth, *_ = filled(limits, 100, verified=False)
    filled(limits, 1, now=GRACE, verified=False)
    assert first.gave_way
    second.verified = True
    limits.leave(third, 0, GRACE)
    soon = GRACE + LOOK_INTERVAL / 2
    filled(limits, 2, now=soon, verified=False)
    assert [transfer.gave_way for transfer in (second, third, fourth)] == [False, False, True]


def test_who_waits_for_the_backend_does_not_give_way():
    """He cannot have answered: nothing was sent."""
    limits = Limits(Bounds(transfers=4, unverified_share=0.25))
    (waiting,) = filled(limits, 1, verified=False)
    waiting.first_sent_at = None
    assert admitted(limits, now=10.0) == "unverified"
    waiting.first_sent_at = 20.0
    assert admitted(limits, now=20.0) == "unverified"
    assert admitted(limits, now=20.0 + GRACE).verified
    assert waiting.gave_way


def test_a_burst_that_would_let_nobody_begin():
    """It is refused."""
    with pytest.raises(ValueError, match="'answers' must be >= 3"):
        Bounds(answers=2)


def test_a_flood_does_not_look_for_each_request():
    """Who has answered is looked up a few times a second at most."""
    looks = []

    class Watched:
        first_sent_at = None

        @property
        def verified(self):
            looks.append(self)
            return False

    limits = Limits(Bounds(answers=3, answers_per_second=0.0))
    assert limits.admit(Watched(), CLIENT, 0.0) is None
    for tick in range(1000):
        assert admitted(limits, now=tick * LOOK_INTERVAL / 100) == "answer-rate"
    assert 9 <= len(looks) <= 11


def test_a_boot_passes():
    """S031, F32: nine misses and five files at once, twice over, leave more than half of the burst."""
    limits = Limits()
    for _ in range(2):
        for transfer in filled(limits, 9, verified=False):
            limits.leave(transfer, 1, 0.0)
        for transfer in filled(limits, 5):
            limits.leave(transfer, 0, 0.0)
    assert sum(limits.may_answer(CLIENT, 0.0) for _ in range(100)) == 64 - 18


@pytest.mark.parametrize(("answers", "most"), [(1, 64 + 100), (MAX_UNVERIFIED_SENDS, (64 + 100) // 3)])
def test_answers_to_the_unverified(answers, most):
    """S031: in ten seconds a client that never answers gets the burst, and ten packets a second."""
    limits = Limits()
    count = 0
    for tick in range(1000):
        transfer = admitted(limits, now=tick / 100, verified=False)
        if isinstance(transfer, Transfer):
            limits.leave(transfer, answers, tick / 100)
            count += 1
    assert most * 0.9 <= count <= most
    assert admitted(limits, OTHER, now=10.0).verified


def test_tokens_come_back_with_the_answer():
    """A transfer whose client has answered costs nothing, while it goes on and when it ends."""
    limits = Limits(Bounds(answers=6, answers_per_second=0.0))
    first, second = filled(limits, 2, verified=False)
    assert admitted(limits) == "answer-rate"
    assert not limits.may_answer(CLIENT, 1.0)
    first.verified = True
    third = admitted(limits, now=2.0, verified=False)
    assert isinstance(third, Transfer)
    for transfer in (first, second, third):
        limits.leave(transfer, 0, 3.0)
    assert [limits.may_answer(CLIENT, 4.0) for _ in range(7)] == [True] * 6 + [False]


def test_a_bucket_does_not_grow_above_its_burst():
    """Long silence is not saved up."""
    limits = Limits(Bounds(answers=3))
    assert [limits.may_answer(CLIENT, 1e6) for _ in range(4)] == [True] * 3 + [False]


def test_an_ipv6_network_is_one_client():
    """S031: whoever forges one address of a /64 can forge them all."""
    limits = Limits(Bounds(answers=3))
    assert [limits.may_answer(f"2001:db8::{number}", 0.0) for number in range(4)] == [True] * 3 + [False]
    assert limits.may_answer("2001:db8:0:1::1", 0.0)
    assert limits.may_answer("fe80::1", 0.0)
    each = Limits(Bounds(answers=3, ipv6_prefix=128))
    assert all(each.may_answer(f"2001:db8::{number}", 0.0) for number in range(4))


def test_memory_is_bounded():
    """S032: a hundred thousand forged addresses leave no more behind than there are buckets."""
    limits = Limits()
    for number in range(100_000):
        transfer = admitted(limits, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", number / 1000)
        limits.leave(transfer, 1, number / 1000)
    assert len(limits._buckets) == CAPACITY
    assert not limits._hosts
    assert not limits._counts
    assert not limits._unverified
