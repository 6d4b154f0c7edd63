"""When the next burst may leave: bytes per second for a transfer, for a client and in all.

Each rate is a book with one entry, the time up to which it is booked. A burst books the time that it takes at that
rate and leaves when what was booked before is over; so nobody asks twice for one burst, several transfers that
share a rate take turns in the order in which they asked, and a rate is kept exactly over time however late a timer
fires. What was not used is kept for :data:`CREDIT` seconds, which is what lets a burst leave at once after a
pause, and makes up for waits that are not worth a timer.

A transfer has a :class:`Throttle` if any rate is configured, and None if not: then nothing is asked. To ask costs
three comparisons and makes nothing but a float.
"""

from attrs import define, field, frozen

from tftpd_tw.policy.addresses import AddressNumber, number_of
from tftpd_tw.policy.recent import Recent

CREDIT = 0.05
"""Seconds of a rate that can be saved up."""

PIECE = 0.01
"""Seconds of a rate that leave in one piece, at least a packet: smaller ones would cost a system call each."""

SHORTEST_DELAY = 0.001
"""Seconds; a shorter wait is none. What it would have been is added to the next one."""


@frozen
class Rates:
    """Bytes of payload a second; None for no bound."""

    transfer: float | None = None
    """Of each transfer."""
    client: float | None = None
    """Of all transfers of one address."""
    total: float | None = None
    """Of all."""


class _Book:
    """One rate, and the time up to which it is booked."""

    __slots__ = ("_booked", "_seconds_per_byte", "rate")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._seconds_per_byte = 1.0 / rate
        self._booked = 0.0

    def book(self, size: int, now: float) -> float:
        """Book ``size`` bytes; the time when they may leave, which may have passed."""
        start = self._booked
        if start < now - CREDIT:
            start = now - CREDIT
        self._booked = start + size * self._seconds_per_byte
        return start


class Throttle:
    """Spaces the bursts of one transfer."""

    __slots__ = ("_books", "piece")

    def __init__(self, *books: _Book) -> None:
        self._books = books
        self.piece = PIECE * min(book.rate for book in books)
        """Bytes that a burst should not exceed, for the lowest rate to be kept at any moment."""

    def delay(self, size: int, now: float) -> float:
        """Seconds from ``now`` until a burst of ``size`` bytes of payload may leave; 0.0 for at once. It is
        booked: send it then, and do not ask for it again.
        """
        at = now
        for book in self._books:
            start = book.book(size, now)
            if start > at:
                at = start
        wait = at - now
        return wait if wait >= SHORTEST_DELAY else 0.0


@define(eq=False)
class Throttling:
    """Makes throttles that share what they should."""

    _rates: Rates
    _total: _Book | None = field(init=False)
    _clients: Recent[AddressNumber, _Book] | None = field(init=False)

    @_total.default
    def _one_for_all(self) -> _Book | None:
        return None if self._rates.total is None else _Book(self._rates.total)

    @_clients.default
    def _one_for_each(self) -> Recent[AddressNumber, _Book] | None:
        rate = self._rates.client
        return None if rate is None else Recent(lambda: _Book(rate))

    def throttle(self, host: str) -> Throttle | None:
        """For a new transfer of the client ``host``; None if there is no rate to keep."""
        rate = self._rates.transfer
        books = (
            None if rate is None else _Book(rate),
            None if self._clients is None else self._clients.get(number_of(host)),
            self._total,
        )
        kept = [book for book in books if book is not None]
        return Throttle(*kept) if kept else None
