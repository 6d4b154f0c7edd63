"""The ports where requests come in: whether the daemon may have them, and who has them."""

import errno
from collections.abc import Iterable, Iterator

from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN, Finding, sysctl
from tftpd_tw.diagnosis.runner import CAP_NET_BIND_SERVICE, options_of, our_daemons
from tftpd_tw.diagnosis.udp_table import Holder, UdpSocket, holders, sockets_at
from tftpd_tw.interfaces import Address
from tftpd_tw.net.sockets import bind_request_socket
from tftpd_tw.service.opening import Place, cannot_listen, places
from tftpd_tw.service.value_types import EVERY_ADDRESS

_CHECK = "request-port"

_MISSING = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV, errno.EINVAL})


def request_ports(case: Case) -> Iterator[Finding]:
    """Each place to listen on: whether there is such an address, whether it is free, whether it is allowed."""
    for place in places(case.configuration.network):
        taken = sockets_at(case.machine, [place])
        yield _missing(place) or (_held(case, place, taken) if taken else _free(case, place))


def _where(place: Place) -> str:
    by = f" by {place.interface}" if place.interface else ""
    return f"UDP {Address(place.address, place.port)}{by}"


def _missing(place: Place) -> Finding | None:
    """Whether the kernel refuses the address or the interface, whatever the port."""
    try:
        bind_request_socket(place.address, 0, interface=place.interface).close()
    except OSError as error:
        no_ipv6 = place.address == EVERY_ADDRESS and error.errno != errno.ENODEV
        if error.errno in _MISSING and not no_ipv6:
            line = cannot_listen("UDP", Address(place.address, place.port), error.errno, "--port")
            reason = f"The daemon does not start: {line}."
            command = "ip link" if error.errno == errno.ENODEV else "ip address"
            return Finding(FAIL, _CHECK, "is not there", reason, (command,), _where(place))
    return None


def _held(case: Case, place: Place, taken: list[UdpSocket]) -> Finding:
    where, port = _where(place), place.port
    found = {one.pid: one for sock in taken for one in holders(case.machine, sock.inode)}
    ours = our_daemons(case.machine)
    daemons = [pid for pid in found if pid in ours]
    if daemons:
        return Finding(OK, _CHECK, f"held by the daemon (pid {', '.join(map(str, daemons))})", about=where)
    look = f"ss -lpn 'sport = :{port}'"
    if not found and ours:
        reason = "who it is can be seen by root only; there is a daemon, so that it may well be that one"
        return Finding(SKIP, _CHECK, "held by a process of another user", reason, (f"sudo {look}",), where)
    who = _named(found.values()) or "a process of another user"
    if 1 in found:
        reason = "systemd has it for a socket unit, which has to be the daemon's own: this command lists them."
        return Finding(WARN, _CHECK, f"held by {who}", reason, ("systemctl list-sockets",), where)
    ending = tuple(_end(one, port) for one in found.values()) or (f"sudo {look}",)
    unless = ", unless the other one is bound to another interface" if place.interface else ""
    reason = f"The daemon cannot listen there{unless}; requests go to that program."
    state = WARN if place.interface else FAIL
    return Finding(state, _CHECK, f"held by {who}", reason, (*ending, f"--port {_other(port)}"), where)


def _named(found: Iterable[Holder]) -> str:
    return ", ".join(f"{one.name} (pid {one.pid})" for one in found)


def _end(holder: Holder, port: int) -> str:
    """What ends it."""
    if holder.name == "docker-proxy":
        return f"docker ps --filter publish={port}/udp"
    return f"systemctl stop {holder.unit}" if holder.unit else f"kill {holder.pid}"


def _other(port: int) -> int:
    return port + 1024 if port < 1024 else port + 1


def _free(case: Case, place: Place) -> Finding:
    where, runner = _where(place), case.runner
    if runner.pid is not None and place.port:
        reason = "The daemon that runs does not listen there: it has other settings than those of this command."
        return Finding(WARN, _CHECK, "free", reason, options_of(case.machine, runner.pid), where)
    if not place.port:
        return Finding(OK, _CHECK, "any that is free", about=where)
    first = case.machine.parameter("net.ipv4.ip_unprivileged_port_start")
    if place.port < first and not runner.capable(CAP_NET_BIND_SERVICE):
        return Finding(
            FAIL,
            _CHECK,
            f"not allowed for {runner.user}",
            f"Ports below {first} take root or CAP_NET_BIND_SERVICE; start the daemon as root, by the systemd unit"
            " that comes with it, or allow the port to everybody.",
            (sysctl("net.ipv4.ip_unprivileged_port_start", place.port), f"--port {_other(place.port)}"),
            where,
        )
    return Finding(OK, _CHECK, f"free, and {runner.user} may have it", about=where)
