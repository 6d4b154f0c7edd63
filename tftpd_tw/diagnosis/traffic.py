"""What a running daemon has counted of its traffic, as far as it tells of trouble."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tftpd_tw.diagnosis.case import Answer, Case
from tftpd_tw.diagnosis.findings import OK, WARN, Finding
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.figures import Figures

MANY_RETRANSMITS = 0.01
"""A part of all blocks."""

MANY_IGNORED = 0.001
"""A part of all requests."""

_LIMITS: dict[str, Callable[[Configuration], str]] = {
    "max-connections": lambda whole: f"performance.max_connections: {2 * whole.performance.max_connections}",
    "client-connections": lambda whole: (
        f"security.connections_per_client: {2 * whole.security.connections_per_client}"
    ),
    "unverified": lambda whole: f"security.unverified_share: {min(1.0, 2 * whole.security.unverified_share)}",
    "answer-rate": lambda whole: f"security.answers: {2 * whole.security.answers}",
    "no-socket:EMFILE": lambda _: "LimitNOFILE=65536",
    "no-socket:ENFILE": lambda _: "sysctl -w fs.file-max=2097152",
    "no-socket:EADDRINUSE": lambda _: "network.port_range: any",
}
"""Limits for which requests get no answer, and what raises each."""


def retransmits(case: Case) -> Iterator[Finding]:
    """How many packets had to be sent again, which is how many were lost."""
    if not isinstance(case.answer, Answer):
        return
    figures = case.answer.figures
    again, blocks = figures.value(families.RETRANSMITS.name), figures.value(families.BLOCKS.name)
    figure = f"{again:.0f}, with {blocks:.0f} blocks"
    if again > MANY_RETRANSMITS * blocks and again > 10:
        reason = "Packets are lost on the way: by this host (see above and below), a switch, a cable, the clients."
        remedies = ("tftpd-tw doctor --probe HOST", "performance.window_size: 16", "performance.mtu_slack: 100")
        yield Finding(WARN, "retransmits", figure, reason, remedies)
    else:
        yield Finding(OK, "retransmits", figure)


def ignored_requests(case: Case) -> Iterator[Finding]:
    """Requests that got no answer because a limit was reached."""
    if not isinstance(case.answer, Answer):
        return
    figures = case.answer.figures
    counts = {
        reason: count for reason, count in _by(figures, families.DROPPED, "reason").items() if reason in _LIMITS
    }
    ignored = sum(counts.values())
    served = figures.value(families.TRANSFERS.name)
    figure = ", ".join(f"{reason} {count:.0f}" for reason, count in counts.items()) or "none"
    if ignored > MANY_IGNORED * (ignored + served):
        reason = f"They reached a limit; {served:.0f} were answered. Unless somebody floods the daemon, raise it."
        remedies = tuple(_LIMITS[name](case.configuration) for name in counts)
        yield Finding(WARN, "ignored-requests", figure, reason, remedies)
    else:
        yield Finding(OK, "ignored-requests", figure)


def single_packets(case: Case) -> Iterator[Finding]:
    """Transfers whose windows did not go through the kernel in one piece."""
    if not isinstance(case.answer, Answer):
        return
    counts = _by(case.answer.figures, families.FALLBACKS, "errno")
    figure = ", ".join(f"{name} {count:.0f}" for name, count in counts.items()) or "none"
    if not counts:
        yield Finding(OK, "single-packets", figure)
    elif "EMSGSIZE" in counts:
        reason = "The block size is above the MTU of the route; so windows leave packet by packet, in fragments."
        yield Finding(WARN, "single-packets", figure, reason, ("performance.block_size: mtu",))
    else:
        reason = "The kernel or a driver refused to take a window in one piece; each packet costs a system call."
        yield Finding(WARN, "single-packets", figure, reason, ("uname -r", "ethtool -k"))


def _by(figures: Figures, family: families.Family, label: str) -> Counter[Any]:
    """How many there are of each value of ``label``, without those of which there are none."""
    counts: Counter[Any] = Counter()
    for labels, count in figures.values(family.name).items():
        counts[dict(labels)[label]] += count
    return +counts
