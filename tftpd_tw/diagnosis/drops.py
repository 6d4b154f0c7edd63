"""Packets that this host has dropped since the last look, and where."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from attrs import frozen

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import OK, SKIP, WARN, Finding, sysctl
from tftpd_tw.diagnosis.last_look import Look, era, recall, remember
from tftpd_tw.diagnosis.machine import Machine
from tftpd_tw.diagnosis.udp_table import sockets_at
from tftpd_tw.net.sockets import REQUEST_BUFFER
from tftpd_tw.service.opening import places
from tftpd_tw.service.units import duration

_PORT = "request port"

_OF_INTERFACES = {
    "errors": ("rx_errors", "tx_errors", "rx_missed_errors"),
    "packets": ("rx_packets", "tx_packets"),
}


@frozen
class _Kind:
    """One kind of drops."""

    check: str
    counter: str
    """What its counters begin with."""
    total: str
    """What they are a part of."""
    reason: str
    mend: Callable[[Machine], tuple[str, ...]]


def _more_room(machine: Machine) -> tuple[str, ...]:
    """For what waits in sockets: if there may be no more, it has to be read sooner."""
    if machine.parameter("net.core.rmem_max") < REQUEST_BUFFER:
        return (sysctl("net.core.rmem_max", REQUEST_BUFFER),)
    return ("--workers auto",)


_KINDS = (
    _Kind(
        "request-drops",
        _PORT,
        "UdpInDatagrams",
        "Requests found no room at the request port; who sent them has to ask again.",
        _more_room,
    ),
    _Kind(
        "receive-drops",
        "UdpRcvbufErrors",
        "UdpInDatagrams",
        "They found no room in the buffer of their socket, of whatever program: it was too small, or not read in"
        " time. What `ss` shows after `d` says of which.",
        lambda machine: ("ss -uapm", *_more_room(machine)),
    ),
    _Kind(
        "send-drops",
        "UdpSndbufErrors",
        "UdpOutDatagrams",
        "They found no room on their way out: memory for packets was short, or the queue of an interface full.",
        lambda machine: ("tc -s qdisc", "ip -s link"),
    ),
    _Kind(
        "receive-errors",
        "damaged",
        "UdpInDatagrams",
        "They were damaged, mostly: a cable, a switch, a network card or a tunnel does that.",
        lambda machine: ("ip -s -s link",),
    ),
    _Kind(
        "backlog-drops",
        "backlog",
        "packets",
        "They found no room in the queue of a CPU, before any socket.",
        lambda machine: (
            sysctl("net.core.netdev_max_backlog", 4 * machine.parameter("net.core.netdev_max_backlog")),
        ),
    ),
    _Kind(
        "interface-errors",
        "interface errors",
        "interface packets",
        "They were damaged or lost at a network interface: look at the cable, and for a card that is too slow.",
        lambda machine: ("ip -s -s link",),
    ),
)


def drops(case: Case) -> Iterator[Finding]:
    """Each kind of them, those of the request ports too."""
    machine = case.machine
    ports = _of_request_ports(case)
    look = Look(era(machine), machine.now(), {**_counters(machine), **ports})
    before = recall(machine.state_file, look)
    when = "since the start" if before is None else f"in the last {duration(look.at - before.at)}"
    for kind in _KINDS:
        counted = [name for name in look.counters if name.startswith(kind.counter)]
        lost = sum(look.since(before, name) for name in counted)
        if not counted:
            yield Finding(SKIP, kind.check, "nothing to count")
            continue
        figure = f"{lost} of {lost + look.since(before, kind.total)} {when}"
        if lost:
            yield Finding(WARN, kind.check, figure, kind.reason, kind.mend(machine))
        else:
            yield Finding(OK, kind.check, figure)
    try:
        remember(machine.state_file, look)
    except OSError as error:
        reason = f"drops are those since the start, as {machine.state_file} cannot be written: {error.strerror}"
        yield Finding(SKIP, "last-look", "not remembered", reason)


def _of_request_ports(case: Case) -> dict[str, int]:
    """By the number of the socket, since another one counts anew."""
    with suppress(OSError):
        sockets = sockets_at(case.machine, places(case.configuration.network))
        return {f"{_PORT} {sock.inode}": sock.drops for sock in sockets}
    return {}


def _counters(machine: Machine) -> dict[str, int]:
    """IPv4 and IPv6 together."""
    found: dict[str, int] = {}
    for read in (_of_ipv4, _of_ipv6, _of_cpus, _of_interfaces):
        with suppress(OSError):
            for name, value in read(machine).items():
                found[name] = found.get(name, 0) + value
    if "UdpInErrors" in found:
        no_room = found.get("UdpRcvbufErrors", 0) + found.get("UdpMemErrors", 0)
        found["damaged"] = max(0, found["UdpInErrors"] - no_room)
    return found


def _of_ipv4(machine: Machine) -> Mapping[str, int]:
    names, values = (line.split()[1:] for line in machine.text("net/snmp").splitlines() if line.startswith("Udp:"))
    return {f"Udp{name}": int(value) for name, value in zip(names, values, strict=True)}


def _of_ipv6(machine: Machine) -> Mapping[str, int]:
    pairs = (line.split() for line in machine.text("net/snmp6").splitlines())
    return {name.replace("Udp6", "Udp"): int(value) for name, value in pairs if name.startswith("Udp6")}


def _of_cpus(machine: Machine) -> Mapping[str, int]:
    rows = [line.split() for line in machine.text("net/softnet_stat").splitlines()]
    return {"packets": sum(int(row[0], 16) for row in rows), "backlog": sum(int(row[1], 16) for row in rows)}


def _of_interfaces(machine: Machine) -> Mapping[str, int]:
    names = machine.interfaces()
    return {
        f"interface {what}": sum(machine.counted(name, counter) for name in names for counter in counters)
        for what, counters in _OF_INTERFACES.items()
    }
