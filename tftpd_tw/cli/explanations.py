"""What became of each name that a client asked for, in words: what it means, and what to do next.

What reasons mean is in one table for all who tell it; which command goes with them is here.
"""

import errno
import os
import shlex
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from tftpd_tw.cli.client_case import Asked, Case, was_served
from tftpd_tw.cli.remarks import remarks
from tftpd_tw.interfaces import Direction
from tftpd_tw.telemetry.reasons import meaning_of

_GENERIC = "`tftpd-tw map NAME --client IP`"
"""As the table of reasons names it."""

_UNKNOWN = "This command does not know that reason: the daemon is of another version."

_MISSING = os.strerror(errno.ENOENT)
"""The detail of most files that are missing ends so; to a read that says no more than the reason does."""

_MAP, _DOCTOR, _TOP, _ONE_PORT = "MAP", "tftpd-tw doctor", "tftpd-tw top", "ONE PORT"

_COMMANDS: dict[str, tuple[str, ...]] = {
    "not-found": (_MAP,),
    "denied": (_MAP,),
    "denied-by-rule": (_MAP,),
    "refused-by-rule": (_MAP,),
    "file-exists": (_MAP,),
    "no-answer": ("tcpdump -ni any udp and host CLIENT", "ip route get CLIENT", "conntrack -L -p udp", _ONE_PORT),
    "gave-way": (_TOP, _DOCTOR),
    "unverified": (_TOP, _DOCTOR),
    "answer-rate": ("tcpdump -ni any udp and host CLIENT", _ONE_PORT),
    "client-vanished": (_DOCTOR,),
    "max-connections": (_TOP,),
    "client-connections": (_TOP,),
    "disk-full": (_DOCTOR,),
    "too-slow": (_DOCTOR,),
    "server-error": (_DOCTOR,),
    "backend-stalled": (_DOCTOR,),
    "no-socket": (_DOCTOR,),
}
"""By the part of the reason before the colon."""


@frozen
class Circumstances:
    """What there is to know beside the transfers."""

    client: str
    suggestions: Mapping[tuple[str, str], Sequence[str]]
    """Names of files that are there, by direction and name of what is not."""
    look_up: Callable[[str, str], str]
    """The command that shows what becomes of a name, by direction and name; empty if nobody need be told."""
    single_port: bool = False
    """Transfers stay on the port that is asked already."""


@frozen
class Explanation:
    """One name."""

    asked: Asked
    meaning: str
    """What happened last; empty if that is not known."""
    detail: str
    """What the daemon says of it."""
    advice: str
    """What to do; empty if nothing has to be done."""
    suggestions: tuple[str, ...]
    """Names that may be meant."""
    remarks: tuple[str, ...]
    """What else there is to say."""
    commands: tuple[str, ...]
    """What to run or to set next."""


def explain(asked: Asked, case: Case, around: Circumstances) -> Explanation:
    """What there is to say of one name."""
    last, said = asked.last, [*remarks(asked.last), *_history(asked)]
    known = meaning_of(last.reason, asked.direction)
    if asked.served or known is None:
        meaning = known.meaning if known is not None else _UNKNOWN if last.reason else ""
        return Explanation(asked, meaning, last.detail, "", (), tuple(said), ())
    reading = asked.direction != Direction.WRITE
    commands, advice = _commands(asked, around), known.advice
    if found := case.found_after(asked):
        advice = (
            f"It had {found.name} from the same folder then: boot loaders try several names, so this may be as it"
            " should be."
        )
    return Explanation(
        asked,
        known.meaning,
        "" if last.detail == last.reason or (reading and last.detail.endswith(_MISSING)) else last.detail,
        advice.replace(_GENERIC, "the command below" if commands else "what follows"),
        tuple(around.suggestions.get((asked.direction, asked.name), ())) if reading else (),
        tuple(said),
        commands,
    )


def _history(asked: Asked) -> list[str]:
    failed = [told for told in asked.requests[1:] if told.outcome and not was_served(told)]
    if not asked.served or not failed:
        return []
    reasons = ", ".join(dict.fromkeys(told.reason or told.outcome for told in failed))
    return [f"Before that, {len(failed)} requests for it ended otherwise: {reasons}."]


def _commands(asked: Asked, around: Circumstances) -> tuple[str, ...]:
    found = []
    for command in _COMMANDS.get(asked.last.reason.partition(":")[0], ()):
        if command == _MAP:
            found.append(around.look_up(asked.direction, asked.name))
        elif command == _ONE_PORT:
            found.append("" if around.single_port else "network.single_port: true    (or --single-port)")
        else:
            found.append(command.replace("CLIENT", around.client))
    return tuple(filter(None, found))


def quoted(name: str) -> str:
    """A name, escaped as the daemon tells it, for the command line of a shell."""
    # What is escaped is so in the way of $'...'.
    return f"$'{name}'" if "\\" in name else shlex.quote(name)
