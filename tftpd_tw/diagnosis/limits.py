"""Whether as many transfers as the settings allow find a descriptor and a port each."""

from collections.abc import Iterator

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import FAIL, OK, WARN, Finding, sysctl
from tftpd_tw.service.cpus import worker_count
from tftpd_tw.service.opening import places
from tftpd_tw.service.value_types import ANY_PORTS

OTHERS = 64
"""Descriptors for all that is no transfer: ports, folders, the log, HTTP."""

NEARLY = 0.8
"""The part of what there is in the whole host that is worth a warning."""

FIRST_FREE = 10_000
"""Where a wide range of ports may begin; below are those of services."""


def descriptors(case: Case) -> Iterator[Finding]:
    """Those of a process: each transfer has a socket, and may have a file that no other has open."""
    runner = case.runner
    transfers = -(-case.configuration.performance.max_connections // worker_count(case.configuration.performance))
    sockets = 0 if _all_on_one_port(case) else transfers
    enough = sockets + transfers + OTHERS
    whose = (
        f"of the daemon (pid {runner.pid})" if runner.pid is not None else "for a daemon that is started from here"
    )
    figure = f"{runner.descriptors} {whose}"
    if runner.descriptors >= enough:
        yield Finding(OK, "descriptors", figure)
        return
    raised = enough > runner.most_descriptors
    now = f"ulimit {'-n' if raised else '-Sn'} {enough}"
    if runner.pid is not None:
        now = f"prlimit --pid {runner.pid} --nofile={enough}:{enough if raised else ''}"
    yield Finding(
        FAIL if runner.descriptors < sockets else WARN,
        "descriptors",
        figure,
        f"{transfers} transfers at once (performance.max_connections) may take {enough}; requests for which there"
        " is none get no answer.",
        (now, f"LimitNOFILE={enough}", f"performance.max_connections: {_fitting(case)}"),
    )


def host_descriptors(case: Case) -> Iterator[Finding]:
    """Those of all processes of this host."""
    opened, _, most = map(int, case.machine.text("sys/fs/file-nr").split())
    figure = f"{opened} of {most}"
    if opened < NEARLY * most:
        yield Finding(OK, "host-descriptors", figure)
    else:
        reason = "All processes of this host together have nearly as many open as it allows."
        yield Finding(WARN, "host-descriptors", figure, reason, (sysctl("fs.file-max", 2 * most),))


def transfer_ports(case: Case) -> Iterator[Finding]:
    """Each transfer that does not stay on the port that was asked has one of these."""
    if _all_on_one_port(case):
        yield Finding(OK, "transfer-ports", "none needed", "transfers stay on the port that was asked")
        return
    wanted, ports = case.configuration.performance.max_connections, case.configuration.network.port_range
    if ports != ANY_PORTS:
        there, source = len(ports.ports), "network.port_range"
        remedy = f"--port-range {ports.first}-{min(65535, ports.first + wanted - 1)}"
    else:
        first, last = map(int, case.machine.text("sys/net/ipv4/ip_local_port_range").split())
        there, source = last - first + 1 - _reserved(case, first, last), "net.ipv4.ip_local_port_range"
        remedy = sysctl("net.ipv4.ip_local_port_range", f"{FIRST_FREE} 65535")
    figure = f"{there} ({source})"
    if there >= wanted:
        yield Finding(OK, "transfer-ports", figure)
        return
    reason = f"{wanted} transfers at once (performance.max_connections) need one each; others get no answer."
    yield Finding(WARN, "transfer-ports", figure, reason, (remedy, f"performance.max_connections: {there}"))


def _all_on_one_port(case: Case) -> bool:
    profiles = case.configuration.clients.profiles
    return all(place.single_port for place in places(case.configuration.network)) and all(
        profile.single_port is not False for profile in profiles
    )


def _fitting(case: Case) -> int:
    """The largest ``max_connections`` for which there are descriptors."""
    each = 1 if _all_on_one_port(case) else 2
    workers = worker_count(case.configuration.performance)
    return max(1, (case.runner.descriptors - OTHERS) // each * workers)


def _reserved(case: Case, first: int, last: int) -> int:
    """How many of these ports nobody gets unless it asks for them."""
    taken: set[int] = set()
    for part in case.machine.text("sys/net/ipv4/ip_local_reserved_ports").split(","):
        low, _, high = part.strip().partition("-")
        if low:
            taken.update(range(max(first, int(low)), min(last, int(high or low)) + 1))
    return len(taken)
