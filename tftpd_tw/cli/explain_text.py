"""What ``tftpd-tw explain`` has found out, for people: each name with what became of it, what that means and what
to do. What several names have in common is said once.
"""

import textwrap
from collections.abc import Iterator
from itertools import groupby
from shutil import get_terminal_size

from tftpd_tw.cli.client_case import Asked, Case
from tftpd_tw.cli.explanations import Explanation
from tftpd_tw.cli.figures_text import moment
from tftpd_tw.cli.inquiry import Inquiry, LookedUp, Memory
from tftpd_tw.cli.transfers_text import clock, outcome, progress, rate
from tftpd_tw.protocol.events import Reason
from tftpd_tw.service.units import duration
from tftpd_tw.telemetry.reasons import meaning_of

WIDEST = 100
"""Columns of text; commands and what names lead to are never broken."""

MOST = 12
"""Names with the same explanation, explanations, and other names; further ones are counted."""

_INDENT = " " * 4


def lines(inquiry: Inquiry, now: float) -> Iterator[str]:
    """The text.

    :param now: in seconds since 1970
    """
    if inquiry.case.last is not None:
        yield from _known(inquiry, now)
    elif inquiry.others:
        yield from _other_names(inquiry, now)
    else:
        yield from _nothing(inquiry, now)
    if inquiry.looked_up is not None:
        yield ""
        yield from _where(inquiry.looked_up)


def _known(inquiry: Inquiry, now: float) -> Iterator[str]:
    yield from _wrapped(_summary(inquiry.case, now))
    if inquiry.case.silent:
        yield from _wrapped(
            "It has never answered what it was sent: either that does not arrive, or what it sends back does not."
            " A firewall, a NAT, or the way back (the routes of this host) is the likeliest reason."
        )
    blocks = [list(block) for _, block in groupby(inquiry.explanations, key=_said)]
    for block in blocks[:MOST]:
        yield ""
        yield from (_title(explanation.asked, now) for explanation in block[:MOST])
        if len(block) > MOST:
            yield f"... and {len(block) - MOST} more, of which the same holds"
        yield from _explained(block[0])
    if left := sum(len(block) for block in blocks[MOST:]):
        yield ""
        yield f"... and {left} more names: tftpd-tw transfers --client {inquiry.case.client} --last 0"


def _summary(case: Case, now: float) -> str:
    last, names = case.last, len(case.asked)
    assert last is not None
    known = ", ".join(filter(None, (case.told("mac"), (by := case.told("interface")) and f"by {by}")))
    who = f"{case.client} ({known})" if known else case.client
    result = "was NOT served" if not case.asked[0].served else "was served" if last.outcome else "is in progress"
    result = f"for {last.name}, {result} ({_ago(last.time, now)})."
    if case.count == 1:
        return f"{who}: one request, {result}"
    return f"{who}: {case.count} requests{'' if names == 1 else f' for {names} names'}. The last one, {result}"


def _title(asked: Asked, now: float) -> str:
    state = ("GOING ON" if not asked.last.outcome else "served") if asked.served else "NOT SERVED"
    times = "" if asked.count == 1 else f", {asked.count} times"
    return f"{state:10}  {asked.direction} {asked.name}{times}, {_when(asked.last.time, now)}"


def _said(explanation: Explanation) -> tuple[object, ...]:
    """What is said beneath the title; alike for names that have become of the same."""
    last = explanation.asked.last
    figures = (last.bytes, last.seconds) if explanation.asked.served else ()
    others = (explanation.meaning, explanation.detail, explanation.advice, explanation.suggestions)
    return (explanation.asked.direction, last.outcome, last.reason, *others, explanation.remarks, figures)


def _explained(explanation: Explanation) -> Iterator[str]:
    last = explanation.asked.last
    if explanation.asked.served:
        took = "" if last.seconds is None else f" in {duration(last.seconds)}, {rate(last.rate)}"
        how = f"{progress(last, brief=False)}{took}" if last.bytes else outcome(last)
        yield from _indented(f"{how}. {explanation.meaning if last.reason != Reason.COMPLETED else ''}".strip())
    else:
        detail = f" ({explanation.detail})" if explanation.detail else ""
        yield from _indented(f"{outcome(last)}. {explanation.meaning}{detail}".strip())
    if explanation.suggestions:
        yield from _indented(f"Did you mean {' or '.join(explanation.suggestions)}?")
    for sentence in (*explanation.remarks, explanation.advice):
        yield from _indented(sentence)
    yield from (f"{_INDENT}> {command}" for command in explanation.commands)


def _other_names(inquiry: Inquiry, now: float) -> Iterator[str]:
    case, names = inquiry.case, inquiry.others
    yield from _wrapped(f"{case.client} has not asked for that name. It has asked for, the last one first:")
    yield from (f"{_INDENT}{name}" for name in names[:MOST])
    if len(names) > MOST:
        yield f"{_INDENT}... and {len(names) - MOST} more"


def _nothing(inquiry: Inquiry, now: float) -> Iterator[str]:
    client, memory, daemon = inquiry.case.client, inquiry.memory, inquiry.daemon
    yield from _wrapped(f"The daemon at {daemon.address} knows nothing of {client}.{_remembered(memory, now)}")
    yield ""
    ports = " or ".join(f"port {port}" for port in inquiry.ports)
    several = f"({ports})" if len(inquiry.ports) > 1 else ports
    yield "Do its requests arrive at all? This shows them, while it boots:"
    yield f"{_INDENT}> tcpdump -ni any 'udp and {several} and host {client}'"
    yield from _wrapped(
        "If they don't, it may ask another address: the one that DHCP tells it (next-server, option 66) has to be"
        " of this host, and the daemon has to listen there:"
    )
    yield f"{_INDENT}> ip -br address"
    yield f"{_INDENT}> ss -ulnp '{' or '.join(f'sport = :{port}' for port in inquiry.ports)}'"
    yield from _wrapped("If they do, a firewall of this host may stop them:")
    yield f"{_INDENT}> tftpd-tw doctor"
    if memory is not None and memory.dropped:
        yield ""
        yield "Of somebody, the daemon has dropped:"
        for reason, count in memory.dropped.items():
            meaning = meaning_of(reason)
            yield from _indented(f"{count} x {reason}: {meaning.meaning if meaning else ''}")


def _remembered(memory: Memory | None, now: float) -> str:
    if memory is None:
        return ""
    up = "" if memory.up_seconds is None else f" It was started {duration(memory.up_seconds)} ago."
    if memory.since is None:
        return f"{up} It remembers no request of anybody."
    return (
        f"{up} Of all requests it remembers the last {memory.count} (monitoring.recent_transfers), back to"
        f" {_when(memory.since, now)}."
    )


def _where(looked_up: LookedUp) -> Iterator[str]:
    if looked_up.served is None:
        yield from _wrapped(f"Where that name leads cannot be said: {'; '.join(looked_up.lines)}")
        return
    yield "Where that name leads now:"
    yield from (_INDENT + line for line in looked_up.lines)


def _when(at: float | None, now: float) -> str:
    if at is None:
        return "now"
    today = moment(at).partition(" ")[0] == moment(now).partition(" ")[0]
    return f"{clock(at) if today else moment(at)} ({_ago(at, now)})"


def _ago(at: float | None, now: float) -> str:
    if at is None:
        return "now"
    seconds = max(now - at, 0.0)
    return f"{seconds:.0f} s ago" if seconds < 60 else f"{duration(seconds)} ago"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _width(), break_on_hyphens=False, break_long_words=False)


def _indented(text: str) -> list[str]:
    width = _width()
    return textwrap.wrap(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _width() -> int:
    return min(WIDEST, get_terminal_size().columns)
