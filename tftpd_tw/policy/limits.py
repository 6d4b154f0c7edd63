"""How much at a time: transfers in all and for each client, and answers to those who never showed that they get
them.

A request that finds a limit reached gets no answer: the client repeats it, and there may be room then, whereas an
ERROR would end its boot, and would go to a stranger if the address is forged.

A client is *verified* once it has answered from its port. Until then all that is sent to it may be hitting
somebody else, and so

* only a share of all places is for transfers of the unverified (S032). When it is used up, the next comer takes
  the place of one that was sent something :data:`GRACE` or longer ago and said nothing: a real client answers
  within milliseconds, and so gets through a flood of forged ones that never do;
* each packet that is sent to them takes a token from a bucket (S031). A transfer takes as many as its first packet
  may be sent (S030), an ERROR one, and what was not needed is put back: all of it for a client that answers. So it
  is misses that count, of which one PXE boot has 9 to 13 within seconds, and what is answered costs nothing.

The buckets are of IPv4 addresses and of IPv6 networks, since whoever forges one address of a /64 can forge all
(:func:`~tftpd_tw.policy.addresses.group_of`). They are forgotten where there are too many: a bucket that was not
used for long is full, as a new one is. An attacker can push a bucket out before that, by so many forged requests
that the few answers he gains are not worth it.

Whether a client has answered is not reported here but looked up, and only when a limit is in the way: on the path
of a block nobody knows of limits.
"""

from typing import Protocol

from attrs import Factory, define, field, frozen
from attrs.validators import ge

from tftpd_tw.policy.addresses import AddressNumber, group_of
from tftpd_tw.policy.recent import Recent
from tftpd_tw.protocol.lifecycle import MAX_UNVERIFIED_SENDS

LOOK_INTERVAL = 0.005
"""Seconds between two looks at who has answered meanwhile: so a flood does not cause one for each request."""

GRACE = 0.1
"""Seconds that a client has to answer before another may take its place. In a flood that bounds the work, too: as
many transfers can begin in that time as there are places for the unverified.
"""


class Claimant(Protocol):
    """A transfer as the limits see it."""

    @property
    def verified(self) -> bool:
        """Whether its client has answered once, and so is where it says. Once true it stays true."""

    @property
    def first_sent_at(self) -> float | None:
        """When its first packet left; None if none has, as while it waits for the backend."""

    def give_way(self) -> None:
        """End at once and without a word, for a transfer that may be of more use."""


@frozen
class Bounds:
    """The limits. Each has a name, which is what :meth:`Limits.admit` answers with."""

    transfers: int = 1000
    """At once; ``max-connections``."""
    transfers_per_client: int = 250
    """At once for one address; ``client-connections``."""
    unverified_share: float = 0.25
    """Of ``transfers``, for clients that have not answered yet; ``unverified``."""
    answers: int = field(default=64, validator=ge(MAX_UNVERIFIED_SENDS))
    """Packets at once to an address that never answers, or to a network of such; ``answer-rate``. With fewer than
    a transfer may send to begin with, none could begin.
    """
    answers_per_second: float = 10.0
    """And from then on."""
    ipv6_prefix: int = 64
    """Bits of an IPv6 address that share what ``answers`` gives. Where a whole rack is in one /64 and boots by
    IPv6, 128 gives each machine its own.
    """

    @property
    def unverified(self) -> int:
        """Transfers of unverified clients at once, one at least."""
        return max(1, int(self.transfers * self.unverified_share))


@define(eq=False)
class _Bucket:
    """Tokens, of which new ones keep coming until it is full."""

    _tokens: float
    _at: float = 0.0

    def has(self, count: int, now: float, bounds: Bounds) -> bool:
        """Whether so many are there."""
        grown = self._tokens + max(0.0, now - self._at) * bounds.answers_per_second
        self._tokens = min(grown, float(bounds.answers))
        self._at = now
        return self._tokens >= count

    def take(self, count: int) -> None:
        """Take so many, or put them back if ``count`` is negative."""
        self._tokens -= count


@define(eq=False)
class Limits:
    """Counts transfers, and answers to the unverified. Times are seconds of one clock that never goes back."""

    bounds: Bounds = Bounds()
    """May be set anew at any time; who has a place keeps it."""
    _hosts: dict[Claimant, str] = field(init=False, factory=dict)
    """Of each transfer in progress."""
    _counts: dict[str, int] = field(init=False, factory=dict)
    """Transfers in progress, by host."""
    _unverified: dict[Claimant, _Bucket] = field(init=False, factory=dict)
    """Transfers of which it is not known that their client has answered, with where their tokens came from."""
    _silent: list[Claimant] = field(init=False, factory=list)
    """Those of them that had time to answer when that was last looked up; the oldest is the last."""
    _buckets: Recent[AddressNumber, _Bucket] = field(
        init=False, default=Factory(lambda self: Recent(lambda: _Bucket(self.bounds.answers)), takes_self=True)
    )
    _look_at: float = field(init=False, default=0.0)
    _room_at: float = field(init=False, default=0.0)
    """When the next may give way: one at a time, so that there is a chance at every moment, and not a flood's turn
    and a long wait by turns.
    """

    def admit(self, transfer: Claimant, host: str, now: float) -> str | None:
        """Take a place for ``transfer`` of the client ``host``; the name of the limit that is in the way, if one
        is.
        """
        bounds = self.bounds
        if len(self._hosts) >= bounds.transfers:
            return "max-connections"
        if self._counts.get(host, 0) >= bounds.transfers_per_client:
            return "client-connections"
        bucket = self._bucket(host)
        if not self._has(bucket, MAX_UNVERIFIED_SENDS, now):
            return "answer-rate"
        if len(self._unverified) >= bounds.unverified and not self._make_room(now):
            return "unverified"
        bucket.take(MAX_UNVERIFIED_SENDS)
        self._unverified[transfer] = bucket
        self._hosts[transfer] = host
        self._counts[host] = self._counts.get(host, 0) + 1
        return None

    def leave(self, transfer: Claimant, answers: int, now: float) -> None:
        """The end of a transfer that was admitted. ``answers``: how many packets went to a client that never
        showed that it gets them, repeats that :meth:`may_answer` allowed not counted; 0 if it did show it.
        """
        host = self._hosts.pop(transfer)
        count = self._counts.pop(host) - 1
        if count:
            self._counts[host] = count
        bucket = self._unverified.pop(transfer, None)
        if bucket is not None:
            bucket.take(answers - MAX_UNVERIFIED_SENDS)

    def may_answer(self, host: str, now: float) -> bool:
        """Whether one more packet may go to ``host``, which has not shown that it gets them; counts it if so."""
        bucket = self._bucket(host)
        allowed = self._has(bucket, 1, now)
        if allowed:
            bucket.take(1)
        return allowed

    def _bucket(self, host: str) -> _Bucket:
        return self._buckets.get(group_of(host, self.bounds.ipv6_prefix))

    def _has(self, bucket: _Bucket, count: int, now: float) -> bool:
        if bucket.has(count, now, self.bounds):
            return True
        self._look(now)
        return bucket.has(count, now, self.bounds)

    def _make_room(self, now: float) -> bool:
        """For one more unverified transfer."""
        self._look(now)
        if len(self._unverified) < self.bounds.unverified:
            return True
        while self._silent and now >= self._room_at:
            oldest = self._silent.pop()
            if oldest in self._unverified and not oldest.verified:
                self._room_at = now + GRACE / self.bounds.unverified
                oldest.give_way()
                return True
        return False

    def _look(self, now: float) -> None:
        """Find out who has answered meanwhile, and who had time to do so and did not."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_INTERVAL
        silent: list[Claimant] = []
        for transfer in list(self._unverified):
            if transfer.verified:
                self._unverified.pop(transfer).take(-MAX_UNVERIFIED_SENDS)
            elif (sent_at := transfer.first_sent_at) is not None and now - sent_at >= GRACE:
                silent.append(transfer)
        self._silent = silent[::-1]
