"""Network interfaces: what they carry in one piece, and what they and the kernel put together for us."""

import os
from collections.abc import Iterator
from contextlib import suppress

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import OK, SKIP, WARN, Finding
from tftpd_tw.diagnosis.machine import Machine
from tftpd_tw.diagnosis.uploads import takes_uploads
from tftpd_tw.protocol.packets import HEADER_SIZE
from tftpd_tw.service.value_types import FIT_MTU

IP_AND_UDP = 28
"""Bytes before the TFTP packet, with IPv4."""

SLOW = 10
"""Mbit/s and below: nobody has that on purpose."""

_LOOPBACK = "lo"


def interfaces(case: Case) -> Iterator[Finding]:
    """How large packets may be on each that is up, and how fast it is."""
    machine = case.machine
    names = [name for name in machine.interfaces() if name != _LOOPBACK]
    if not names:
        yield Finding(WARN, "interface", "none is up", "No other machine can be reached.", ("ip link",))
    for name in names:
        speed, duplex = _speed(machine, name), _duplex(machine, name)
        figure = f"MTU {_mtu(machine, name)}" + (f", {speed} Mbit/s" if speed else "")
        if duplex == "half" or 0 < speed <= SLOW:
            reason = (
                "The two ends of the cable did not agree on more; windows are lost for collisions or want of room."
            )
            yield Finding(WARN, "interface", f"{figure}, {duplex} duplex", reason, (f"ethtool {name}",), name)
        else:
            yield Finding(OK, "interface", figure, about=name)


def block_size(case: Case) -> Iterator[Finding]:
    """Whether the largest block fits into a packet."""
    sizes = {case.configuration.performance.block_size}
    sizes |= {profile.block_size for profile in case.configuration.clients.profiles if profile.block_size}
    largest = max(sizes)
    if largest == FIT_MTU:
        yield Finding(OK, "block-size", "mtu", "fits the route to each client")
        return
    needed = largest + HEADER_SIZE + IP_AND_UDP
    small = [name for name in case.machine.interfaces() if _mtu(case.machine, name) < needed]
    if not small:
        yield Finding(OK, "block-size", str(largest), "fits every interface")
        return
    yield Finding(
        WARN,
        "block-size",
        f"{largest}, a packet of {needed} bytes",
        f"It is sent in fragments by {', '.join(small)}: if one is lost all are, many boot loaders cannot put them"
        " together, and windows do not leave in one piece.",
        ("performance.block_size: mtu",),
    )


def segmentation(case: Case) -> Iterator[Finding]:
    """Whether windows go through the kernel in one piece, tried on the loopback interface."""
    pieces = case.machine.send_window()
    if pieces.refusal:
        reason = "Each packet of a window costs a system call. Linux 4.18 and newer cut windows themselves."
        yield Finding(WARN, "segmentation", f"refused ({pieces.refusal})", reason, ("uname -r",))
    else:
        yield Finding(OK, "segmentation", "works", "a window leaves in one system call (UDP_SEGMENT)")
    if pieces.joined:
        yield Finding(OK, "coalescing", "works", "that of an upload comes in one (UDP_GRO)")
    elif not pieces.refusal:
        reason = "Each packet of an upload costs a system call. Linux 5.0 and newer put them together."
        yield Finding(WARN if takes_uploads(case) else OK, "coalescing", "does not work", reason, ("uname -r",))


def receive_offload(case: Case) -> Iterator[Finding]:
    """Whether network cards put the packets of an upload together."""
    machine = case.machine
    cards = [name for name in machine.interfaces() if os.path.exists(machine.sys / "class/net" / name / "device")]
    if not cards:
        yield Finding(SKIP, "receive-offload", "no network card", "only virtual interfaces are up")
    for name in cards:
        if machine.receive_offload(name):
            yield Finding(OK, "receive-offload", "on", about=name)
        elif takes_uploads(case):
            reason = "Each packet of an upload goes through the kernel by itself."
            yield Finding(WARN, "receive-offload", "off", reason, (f"ethtool -K {name} gro on",), name)
        else:
            yield Finding(OK, "receive-offload", "off", "matters for uploads only, which are denied", about=name)


def _mtu(machine: Machine, name: str) -> int:
    return int(machine.interface(name, "mtu"))


def _speed(machine: Machine, name: str) -> int:
    """Mbit/s; 0 if it has none, as virtual ones."""
    with suppress(OSError, ValueError):
        return max(0, int(machine.interface(name, "speed")))
    return 0


def _duplex(machine: Machine, name: str) -> str:
    with suppress(OSError):
        return machine.interface(name, "duplex")
    return "unknown"
