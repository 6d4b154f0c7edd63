"""Pauses within a window, for a line that drops the ends of bursts.

A window leaves as one burst at the speed of our own network card. A switch port that is slower has to keep what
it cannot pass on yet; where its memory is smaller than a window the end of each window is lost, every time.
Then the window leaves in slices with a pause in between. What was agreed with the client stays as it is.

The pause is found by trying: twice as long when windows go on losing their ends, half as long after some that
do not, none at all in the end. A window that loses anything else (its client says at once what it lacks) counts
as one that arrived: random loss is no reason to be slow.
"""

ENDS_LOST = 3
"""Windows in a row that lose their end before there is a pause: by chance that hardly happens."""

ENDS_LOST_AGAIN = 2
"""The same before the pause becomes longer."""

FIRST_GAP = 0.001
"""Seconds; the finest that timers can do."""

LONGEST_GAP = 0.02
"""Seconds; at windowsize 64 that is 160 ms for a window, slower than any line worth the name."""

ENDS_KEPT = 16
"""Windows before a shorter pause is tried, which costs a window's end if it is too short."""

SLICES = 8
"""Slices of a window, unless they would be smaller than:"""

SMALLEST_SLICE = 4
"""Blocks; a port that cannot keep so many is beyond help."""


class Pace:
    """The slices of one transfer's windows, from the first end that was lost until all is well again."""

    __slots__ = ("_kept", "_lost", "blocks", "gap")

    def __init__(self, windowsize: int) -> None:
        self.blocks = max(SMALLEST_SLICE, windowsize // SLICES)
        """Blocks of a slice."""
        self.gap = 0.0
        """Seconds between two slices; 0 for whole windows."""
        self._lost = 0
        self._kept = 0

    @property
    def over(self) -> bool:
        """Whether there is nothing to remember."""
        return not self.gap and not self._lost

    def end_lost(self) -> None:
        """The beginning of a window arrived, and nothing after it."""
        self._lost += 1
        if self._lost >= (ENDS_LOST_AGAIN if self.gap else ENDS_LOST):
            self._lost = self._kept = 0
            self.gap = min(2 * self.gap, LONGEST_GAP) or FIRST_GAP

    def end_kept(self) -> None:
        """A window arrived, or its client saw its end and missed something before."""
        self._lost = 0
        self._kept += 1
        if self._kept == ENDS_KEPT:
            self._kept = 0
            self.gap = self.gap / 2 if self.gap >= 2 * FIRST_GAP else 0.0
