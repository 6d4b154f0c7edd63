"""When to send again, and when to give up.

Most TFTP servers wait a fixed second or five for a lost packet. This timer learns the round trip
(RFC 6298): a loss then costs milliseconds on a fast network and is not repeated too early on a slow one.

* Before anything is known the first wait is :data:`FIRST_WAIT`; each repeat doubles it (RFC 1123 section
  4.2.3.2), up to the configured timeout.
* A packet that was sent twice gives no sample, since nobody knows which one was answered (Karn's rule).
* Progress ends the back-off (rule C104), once anything is known. Where one flight after the other is answered only
  after a repeat, this is no loss but a client that has become slow: the waits double until a flight that went out
  once is answered, and what that takes is all that is known (RFC 6298 section 5).
* A client that negotiated ``timeout`` gets exactly that interval, each time (RFC 2349).
* ``timeout * (max_retries + 1)`` seconds without progress end the transfer.
"""

from attrs import frozen

FIRST_WAIT = 1.0
"""Seconds before the first repeat while no round trip is known (RFC 6298 section 2.1)."""

SHORTEST_WAIT = 0.1
"""Seconds; a shorter wait would mostly repeat what a busy client is about to answer."""

FIRST_PROBE = 0.1
"""Seconds before a probe, at least, while only a small packet's round trip is known."""

SHORTEST_PROBE = 0.01
"""Seconds; below, a client that was merely scheduled late is probed for nothing (RFC 8985 section 7.2)."""

SLOW = 3
"""Flights in a row that were answered late: what two losses may look like, three hardly do."""

LONGEST_SILENCE = 600.0
"""Seconds; a client that negotiates 255 s does not hold its session for half an hour (rule C063)."""


@frozen
class Patience:
    """How long a transfer may take to go on; the ``--timeout`` and ``--max-retries`` of the daemon."""

    timeout: float = 5.0
    """Seconds: the longest wait before a repeat, unless the client negotiated another."""
    max_retries: int = 5
    """Repeats at that pace before the transfer is given up."""


class RetransmitTimer:
    """The waits of one transfer, all in seconds. Knows no clock.

    They are attributes, worked out when something is learnt, since they are read for every block.
    """

    __slots__ = (
        "_backoff",
        "_fixed",
        "_late",
        "_variation",
        "first_wait",
        "give_up",
        "least",
        "longest",
        "probe_wait",
        "round_trip",
        "wait",
    )

    def __init__(self, patience: Patience, negotiated: float | None = None) -> None:
        self._fixed = negotiated is not None
        self.longest = patience.timeout if negotiated is None else negotiated
        """What no wait before a repeat exceeds."""
        self.give_up = min(self.longest * (patience.max_retries + 1), LONGEST_SILENCE)
        """Seconds without progress after which the transfer ends."""
        self.round_trip: float | None = None
        """The smoothed round trip, or None while there was no sample."""
        self._variation = 0.0
        self.least = 0.0
        """The shortest answer that there was; 0 while there was none."""
        self._backoff = 1
        self._late = 0
        self.wait = 0.0
        """How long to wait for an answer before sending again."""
        self.probe_wait: float | None = None
        """How long until the last block of a window is sent once more, to ask where the client is.

        None where there is no such probe: nothing at all is known, or the client negotiated the interval.
        """
        self.first_wait = 0.0
        """The sooner of the two."""
        self._work_out()

    def at_least(self, round_trip: float) -> None:
        """A small packet was answered after so many seconds, which a window of large ones will not undercut."""
        self.least = round_trip
        self._work_out()

    def answered(self, round_trip: float | None, late: bool = False) -> None:
        """There was progress, ``round_trip`` seconds after what it answers was sent; None if that was repeated.

        :param late: all of it is answered, after a wait was over: it was lost, or the wait was too short
        """
        smoothed = self.round_trip
        if round_trip is None:
            self._late += late
            # While nothing is known, a wait that was long enough is kept: or no packet might ever go out only
            # once, and nothing would ever be known (Karn).
            if (self._backoff == 1 and not late) or (smoothed is None and not self.least):
                return
        else:
            if not 0.0 < self.least < round_trip:
                self.least = round_trip
            late_before, self._late = self._late, 0
            if smoothed is None or late_before >= SLOW:
                self.round_trip = round_trip
                self._variation = round_trip / 2
            else:
                error = round_trip - smoothed
                self.round_trip = smoothed + error / 8
                self._variation += (abs(error) - self._variation) / 4
        self._backoff = 1
        self._work_out()

    def expired(self) -> None:
        """The wait is over and the packet goes out again."""
        # Beyond this the cap rules, and the number need not grow for ever.
        self._backoff = min(self._backoff * 2, 1024)
        self._work_out()

    def _work_out(self) -> None:
        """Set the waits. Conditions rather than min and max, which cost as much as all the rest."""
        longest = self.longest
        if self._fixed:
            self.wait = self.first_wait = longest
            return
        round_trip, backoff = self.round_trip, self._backoff
        if round_trip is None:
            wait = FIRST_WAIT
            probe = max(2 * self.least, FIRST_PROBE) if self.least else None
        else:
            wait = round_trip + 4 * self._variation
            if wait < SHORTEST_WAIT:
                wait = SHORTEST_WAIT
            probe = 2 * round_trip
            if probe < SHORTEST_PROBE:
                probe = SHORTEST_PROBE
        if self._late >= SLOW:
            longer = 1 << min(self._late - SLOW + 1, 10)
            backoff *= longer
            if probe is not None:
                probe *= longer
        wait *= backoff
        self.wait = wait = wait if wait < longest else longest
        self.probe_wait = probe
        self.first_wait = wait if probe is None or probe > wait else probe
