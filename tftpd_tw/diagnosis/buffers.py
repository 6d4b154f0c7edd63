"""Room for packets in the kernel, against what the daemon asks for and what its windows take."""

from collections.abc import Iterator

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import OK, WARN, Finding, sysctl
from tftpd_tw.diagnosis.runner import CAP_NET_ADMIN
from tftpd_tw.diagnosis.uploads import takes_uploads
from tftpd_tw.net.sockets import REQUEST_BUFFER
from tftpd_tw.protocol.options import MAX_WINDOW_BYTES
from tftpd_tw.service.opening import places
from tftpd_tw.service.units import write_size
from tftpd_tw.service.value_types import FIT_MTU

REQUEST_COST = 800
"""Bytes of a buffer's limit for each request that waits: the kernel doubles the limit, and counts 830 bytes for a
request on the loopback interface, about twice as many for one from a network card.
"""

OVERHEAD = 2
"""The kernel counts about twice the bytes of a full packet, for its own book-keeping."""

ETHERNET_BLOCK = 1468
"""Bytes of payload that fit an Ethernet packet."""

BURST = 64 << 10
"""Bytes that leave in one system call."""


def receive_buffer(case: Case) -> Iterator[Finding]:
    """What waits at the request port."""
    most = case.machine.parameter("net.core.rmem_max")
    yield _limit(
        case,
        "receive-buffer",
        "net.core.rmem_max",
        most,
        f"Room for some {most // REQUEST_COST} requests that come at once; a rack that is switched on may send"
        " more, and what finds no room is lost.",
    )


def send_buffer(case: Case) -> Iterator[Finding]:
    """What waits to leave from a port that transfers share."""
    most = case.machine.parameter("net.core.wmem_max")
    if not any(place.single_port for place in places(case.configuration.network)):
        figure = f"{write_size(most)} (net.core.wmem_max)"
        yield Finding(OK, "send-buffer", figure, "used with --single-port only")
        return
    reason = "All transfers of a single port share this room, and wait for each other when it is full."
    yield _limit(case, "send-buffer", "net.core.wmem_max", most, reason)


def upload_buffer(case: Case) -> Iterator[Finding]:
    """A window of an upload, until the daemon reads it."""
    room = case.machine.parameter("net.core.rmem_default")
    figure = f"{write_size(room)} (net.core.rmem_default)"
    if not takes_uploads(case):
        yield Finding(OK, "upload-buffer", figure, "uploads are denied")
        return
    performance = case.configuration.performance
    block = performance.block_size if performance.block_size != FIT_MTU else ETHERNET_BLOCK
    window = min(performance.window_size * block, performance.buffer_size, MAX_WINDOW_BYTES)
    needed = -(-OVERHEAD * window // 1024) * 1024
    if room >= needed:
        yield Finding(OK, "upload-buffer", figure, "holds the largest window")
        return
    fitting = max(1, room // (OVERHEAD * block))
    yield Finding(
        WARN,
        "upload-buffer",
        figure,
        f"A window of an upload may take {write_size(needed)}; what does not fit while the daemon is busy is lost"
        " and sent again.",
        (sysctl("net.core.rmem_default", needed), f"performance.window_size: {fitting}"),
    )


def window_buffer(case: Case) -> Iterator[Finding]:
    """A window of a transfer that has a port of its own, until it has left."""
    room = case.machine.parameter("net.core.wmem_default")
    figure = f"{write_size(room)} (net.core.wmem_default)"
    needed = OVERHEAD * BURST
    if room >= needed:
        yield Finding(OK, "window-buffer", figure)
        return
    reason = f"A window leaves in pieces where {write_size(needed)} would let it leave in one."
    yield Finding(WARN, "window-buffer", figure, reason, (sysctl("net.core.wmem_default", 212992),))


def _limit(case: Case, check: str, name: str, most: int, reason: str) -> Finding:
    wanted = str(write_size(REQUEST_BUFFER))
    if most >= REQUEST_BUFFER:
        return Finding(OK, check, f"{wanted} ({name} allows {write_size(most)})")
    if case.runner.capable(CAP_NET_ADMIN):
        return Finding(OK, check, wanted, f"{case.runner.user} may exceed {name}, which is {write_size(most)}")
    figure = f"{write_size(most)} of {wanted} ({name})"
    return Finding(WARN, check, figure, reason, (sysctl(name, REQUEST_BUFFER),))
