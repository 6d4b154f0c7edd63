"""Both server machines against anything at any time (threat F41; C093, C151, S030)."""

import pytest
from bench import Bench, numbered, server_of_read, server_of_write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tftpd_tw.protocol.lifecycle import State
from tftpd_tw.protocol.packets import Mode, Opcode, decode

CONTENT = numbered(40, 8, short=3)

NEAR = st.integers(0, 45) | st.sampled_from([65534, 65535])
STEPS = st.lists(
    st.one_of(
        NEAR.map(lambda number: f"A{number}"),
        NEAR.map(lambda number: f"D{number}/8"),
        st.tuples(NEAR, st.integers(0, 9)).map(lambda pair: f"D{pair[0]}/{pair[1]}"),
        st.integers(1, 45).map(lambda number: f"D{number}"),
        st.binary(max_size=6),
        st.sampled_from([0.0, 0.01, 0.3, 1.0, 7.0]),
        st.just(None),
    ),
    max_size=60,
)
TERMS = st.fixed_dictionaries(
    {"blksize": st.just(8), "windowsize": st.sampled_from([1, 2, 4, 16])},
    optional={"timeout": st.just(1), "rollover": st.sampled_from([0, 1]), "tsize": st.just(0)},
)


def survives(bench: Bench, steps: list[str | bytes | float | None]) -> None:
    """Go through the steps (packets, pauses, and None for a repeated request), and look at what comes of it."""
    bench.start()
    last_errors = 0
    for step in steps:
        over = bench.state is State.ENDED
        before = len(bench.end.sent)
        match step:
            case float():
                bench.wait(step)
            case None:
                bench.machine.repeat_opening(bench.now)
                bench.gets()
            case _:
                packet = bench.packet(step)
                bench.gets(packet)
                if packet[:2] == b"\0\5":
                    assert len(bench.end.sent) == before, "an ERROR is never answered"
        said = bench.end.sent[before:]
        assert not (over and said), "nothing comes out of a transfer that is over"
        assert len(said) <= 2 * bench.machine.agreed.windowsize * (1 + 100 * isinstance(step, float))
        for packet in said:
            decode(packet)
        last_errors += sum(packet[1] == Opcode.ERROR for packet in said)
    assert last_errors <= 1
    bench.wait(10_000)
    assert bench.state is State.ENDED
    assert bench.machine.deadline is None
    assert bench.outcome is not None


@pytest.mark.parametrize(
    "examples", [300, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
)
@pytest.mark.parametrize("reading", [True, False], ids=["read", "write"])
def test_nothing_upsets_a_machine(reading: bool, examples: int) -> None:
    """No packet raises, no ERROR is answered, no answer is a flood, each transfer ends by itself (F41, C151)."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(TERMS, st.sampled_from(Mode), STEPS)
    def check(terms: dict[str, int], mode: Mode, steps: list[str | bytes | float | None]) -> None:
        serve = server_of_read if reading else server_of_write
        survives(serve(CONTENT, mode=mode, **terms), steps)

    check()
