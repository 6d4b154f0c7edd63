"""Block numbers, absolute and on the wire (rules C082, C083, C084)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tftpd_tw.protocol.blocks import Rollover

BLOCKS = st.integers(0, 1 << 34)


@pytest.mark.parametrize(
    ("rollover", "block", "wire"),
    [
        (Rollover.TO_ZERO, 0, 0),
        (Rollover.TO_ZERO, 1, 1),
        (Rollover.TO_ZERO, 65535, 65535),
        (Rollover.TO_ZERO, 65536, 0),
        (Rollover.TO_ZERO, 65537, 1),
        (Rollover.TO_ZERO, 131071, 65535),
        (Rollover.TO_ZERO, 131072, 0),
        (Rollover.TO_ONE, 0, 0),
        (Rollover.TO_ONE, 1, 1),
        (Rollover.TO_ONE, 65535, 65535),
        (Rollover.TO_ONE, 65536, 1),
        (Rollover.TO_ONE, 131070, 65535),
        (Rollover.TO_ONE, 131071, 1),
    ],
)
def test_what_follows_65535(rollover: Rollover, block: int, wire: int) -> None:
    """After 65535 the wire goes on with 0, or with 1 where rollover=1 was agreed (C082, C083)."""
    assert rollover.wire(block) == wire


@given(st.sampled_from(Rollover), BLOCKS)
def test_the_wire_counts_by_one(rollover: Rollover, block: int) -> None:
    """Each block's number is one more than the last, or the rollover's after 65535 (C082, C083)."""
    here, following = rollover.wire(block), rollover.wire(block + 1)
    assert 0 <= here <= 65535
    assert following == (rollover if here == 65535 else here + 1)


@given(st.sampled_from(Rollover), BLOCKS, st.integers(-32767, 32767))
def test_ahead_finds_the_block_again(rollover: Rollover, reference: int, distance: int) -> None:
    """A number on the wire means the block nearest to the reference, within half a cycle (C082, C083, C133)."""
    block = reference + distance
    if block >= 1:
        assert rollover.ahead(rollover.wire(block), reference) == distance


@given(st.sampled_from(Rollover), st.integers(0, 65535), BLOCKS)
def test_ahead_is_at_most_half_a_cycle(rollover: Rollover, wire: int, reference: int) -> None:
    """No number on the wire is further off than half a cycle (C133)."""
    assert abs(rollover.ahead(wire, reference)) <= 32768


@pytest.mark.parametrize("reference", [65535, 65536, 131070, 131071])
def test_zero_after_a_rollover_to_one_is_no_block(reference: int) -> None:
    """Where 1 follows 65535, a 0 is far behind rather than one of the next blocks (C083)."""
    assert Rollover.TO_ONE.ahead(0, reference) < -32000
