"""Limits that are asked in any order: what must hold whatever happens."""

from collections import Counter

from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tftpd_tw.policy.limits import GRACE, Bounds, Limits
from tftpd_tw.protocol.lifecycle import MAX_UNVERIFIED_SENDS

BOUNDS = Bounds(transfers=6, transfers_per_client=2, unverified_share=0.5, answers=7, answers_per_second=0.1)
HOSTS = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"])


@define(eq=False)
class Transfer:
    """One that sends as many packets as it may until its client answers."""

    world: "LimitsAtRandom"
    host: str
    verified: bool = False
    first_sent_at: float | None = None

    def give_way(self):
        """Leave."""
        assert not self.verified
        assert self.world.now - self.first_sent_at >= GRACE
        self.world.leave(self)


class LimitsAtRandom(RuleBasedStateMachine):
    """Clients come, answer or do not, and leave."""

    def __init__(self):
        super().__init__()
        self.limits = Limits(BOUNDS)
        self.now = 1000.0
        self.transfers = []
        self.wasted = Counter()
        """Packets that went to clients which never answered."""

    @rule(seconds=st.floats(0.0, 2.0))
    def time_passes(self, seconds):
        """And tokens come back."""
        self.now += seconds

    @rule(host=HOSTS)
    def ask(self, host):
        """A request."""
        transfer = Transfer(self, host)
        if self.limits.admit(transfer, host, self.now) is None:
            self.transfers.append(transfer)

    @precondition(lambda self: self.transfers)
    @rule(data=st.data())
    def answer(self, data):
        """The backend has the content, and the first packet leaves."""
        transfer = data.draw(st.sampled_from(self.transfers))
        if transfer.first_sent_at is None:
            transfer.first_sent_at = self.now

    @precondition(lambda self: self.transfers)
    @rule(data=st.data())
    def verify(self, data):
        """A client answers."""
        transfer = data.draw(st.sampled_from(self.transfers))
        transfer.verified = transfer.first_sent_at is not None

    @precondition(lambda self: self.transfers)
    @rule(data=st.data())
    def end(self, data):
        """A transfer is over."""
        self.leave(data.draw(st.sampled_from(self.transfers)))

    @rule(host=HOSTS)
    def refuse(self, host):
        """An ERROR, or a repeat."""
        if self.limits.may_answer(host, self.now):
            self.wasted[host] += 1

    def leave(self, transfer):
        """It leaves."""
        self.transfers.remove(transfer)
        wasted = 0 if transfer.verified or transfer.first_sent_at is None else MAX_UNVERIFIED_SENDS
        self.wasted[transfer.host] += wasted
        self.limits.leave(transfer, wasted, self.now)

    @invariant()
    def nobody_has_more_than_his_share(self):
        """Places."""
        assert len(self.transfers) <= BOUNDS.transfers
        assert max(Counter(transfer.host for transfer in self.transfers).values(), default=0) <= 2
        assert set(self.limits._hosts) == set(self.transfers)
        assert self.limits._counts == Counter(transfer.host for transfer in self.transfers)

    @invariant()
    def nobody_who_never_answers_gets_more_than_the_bucket_has(self):
        """Packets, those that may still leave included."""
        for host in set(self.wasted) - {"2001:db8::1", "2001:db8::2"}:
            self.assert_bounded(host)
        self.assert_bounded("2001:db8::1", "2001:db8::2")

    def assert_bounded(self, *hosts):
        """Together they got no more than one bucket."""
        coming = sum(not transfer.verified for transfer in self.transfers if transfer.host in hosts)
        sent = sum(self.wasted[host] for host in hosts) + MAX_UNVERIFIED_SENDS * coming
        assert sent <= BOUNDS.answers + (self.now - 1000.0) * BOUNDS.answers_per_second + 1e-6


TestLimitsAtRandom = LimitsAtRandom.TestCase
TestLimitsAtRandom.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
