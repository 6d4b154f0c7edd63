"""Connection tracking of this host, which firewalls and NAT rest on: whether it keeps up with transfers."""

import os
from collections.abc import Iterator

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import FAIL, OK, WARN, Finding, sysctl
from tftpd_tw.service.opening import places

NEARLY = 0.9
"""The part of the table that is worth a warning."""

_NETFILTER = "net.netfilter.nf_conntrack_"


def connection_tracking(case: Case) -> Iterator[Finding]:
    """Whether there is room for more in the table."""
    if not _tracks(case):
        yield Finding(OK, "connection-tracking", "off")
        return
    tracked, most = (case.machine.parameter(_NETFILTER + name) for name in ("count", "max"))
    figure = f"{tracked} of {most}"
    if tracked < NEARLY * most:
        yield Finding(OK, "connection-tracking", figure)
        return
    full = tracked >= most
    yield Finding(
        FAIL if full else WARN,
        "connection-tracking",
        figure,
        f"The table is {'full' if full else 'nearly full'}; then the packets of new transfers are dropped.",
        (sysctl(f"{_NETFILTER}max", 2 * most),),
    )


def tracking_timeout(case: Case) -> Iterator[Finding]:
    """Whether a transfer that is silent for a moment is still known."""
    if not _tracks(case):
        return
    kept, silence = case.machine.parameter(f"{_NETFILTER}udp_timeout"), case.configuration.performance.timeout
    figure = f"{kept} s"
    if kept > silence:
        yield Finding(OK, "tracking-timeout", figure)
        return
    reason = (
        f"Repeats come up to {silence:g} s apart (performance.timeout); by then the firewall has forgotten the"
        " transfer, and may refuse them."
    )
    yield Finding(
        WARN, "tracking-timeout", figure, reason, (sysctl(f"{_NETFILTER}udp_timeout", int(2 * silence)),)
    )


def tracking_helper(case: Case) -> Iterator[Finding]:
    """Whether the answers to requests, which come from another port, are known to belong to them."""
    if not _tracks(case):
        return
    if (case.machine.sys / "module/nf_conntrack_tftp").exists():
        reason = 'rules have to assign it: `ct helper set "tftp"`'
        yield Finding(OK, "tracking-helper", "nf_conntrack_tftp is loaded", reason)
    elif all(place.single_port for place in places(case.configuration.network)):
        yield Finding(OK, "tracking-helper", "not needed", "answers come from the port that was asked")
    elif case.machine.parameter("net.ipv4.ip_forward"):
        yield Finding(
            WARN,
            "tracking-helper",
            "nf_conntrack_tftp is not loaded",
            "This host passes packets on. If it does NAT between the daemon and its clients, as for containers, or"
            " its firewall is between them, the answers do not get through, since they come from another port. If"
            " neither is so, nothing is missing.",
            ("modprobe nf_conntrack_tftp", "--single-port"),
        )
    else:
        reason = "needed only by a firewall or NAT between the daemon and its clients"
        yield Finding(OK, "tracking-helper", "not loaded", reason)


def _tracks(case: Case) -> bool:
    """Whether there is any in this network.

    :raises OSError: the kernel does not say
    """
    folder = case.machine.proc / "sys/net"
    return "netfilter" in os.listdir(folder) and (folder / "netfilter/nf_conntrack_count").exists()
