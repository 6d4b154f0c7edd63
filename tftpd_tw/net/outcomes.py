"""How a transfer ended, as its record has it, and what that says of its client."""

from tftpd_tw.interfaces import Outcome
from tftpd_tw.protocol.events import Ended, Reason

GAVE_WAY = "gave-way"
"""The reason of a transfer whose client had not answered, and whose place was needed."""

_OUTCOMES: dict[str, Outcome] = {
    Reason.COMPLETED: Outcome.COMPLETED,
    Reason.LAST_ACK_MISSING: Outcome.COMPLETED,
    Reason.SIZE_PROBE: Outcome.SIZE_PROBE,
    Reason.NO_ANSWER: Outcome.UNANSWERED,
    GAVE_WAY: Outcome.UNANSWERED,
}

ANSWERED: frozenset[str] = frozenset(
    {Reason.COMPLETED, Reason.LAST_ACK_MISSING, Reason.SIZE_PROBE, Reason.PEER_VANISHED, Reason.PEER_ERROR}
)
"""Ends that only a client can bring about that gets what is sent to it."""


def outcome_of(reason: str) -> Outcome:
    """In one of five words."""
    return _OUTCOMES.get(reason, Outcome.FAILED)


def reason_of(ended: Ended, abandoned_for: str) -> str:
    """The reason, with the code of a client's ERROR; ``abandoned_for`` is that of an end without a word."""
    if ended.reason == Reason.SUPERSEDED:
        return abandoned_for
    return f"{ended.reason}:{ended.code}" if ended.reason == Reason.PEER_ERROR else ended.reason
