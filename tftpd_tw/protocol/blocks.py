"""Block numbers: absolute inside, 16 bits on the wire.

Inside the machines a block number is a plain integer that never wraps. RFC 1350 has 16 bits on the wire and
is silent on what follows 65535; nearly everyone goes on with 0, and tftp-hpa's ``rollover`` option can ask
for 1 instead. Both are counting modulo something, which is all that this module knows.
"""

import enum


class Rollover(enum.IntEnum):
    """The wire number that follows 65535."""

    TO_ZERO = 0
    TO_ONE = 1

    @property
    def modulus(self) -> int:
        """How many blocks until a wire number comes again."""
        return 65536 - self

    def wire(self, block: int) -> int:
        """The 16 bits that stand for absolute ``block`` (>= 0)."""
        if block <= 65535:
            return block
        return (block - self.value) % self.modulus + self.value

    def ahead(self, wire: int, reference: int) -> int:
        """How far ``wire`` is ahead of absolute ``reference``: from minus half a cycle to plus half a cycle.

        A number that this numbering never uses there (0 after the wrap to 1) counts as far behind.
        """
        modulus = self.modulus
        if wire < self.value and reference > modulus // 2:
            return -(modulus // 2)
        distance = (wire - reference) % modulus
        return distance if distance <= modulus // 2 else distance - modulus
