"""The UDP sockets of this host, as ``/proc/net/udp`` and ``udp6`` list them, and the processes that have them."""

import ipaddress
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress

from attrs import frozen

from tftpd_tw.diagnosis.machine import Machine
from tftpd_tw.protocol.text import escaped
from tftpd_tw.service.opening import Place


@frozen
class UdpSocket:
    """One row."""

    host: str
    port: int
    inode: int
    drops: int
    """Datagrams that found no room in its buffer."""


@frozen
class Holder:
    """A process that has a socket."""

    pid: int
    name: str
    unit: str = ""
    """That of systemd which has started it, if one has."""


def sockets_at(machine: Machine, wanted: Sequence[Place]) -> list[UdpSocket]:
    """Those that are where one of ``wanted`` is, whoever has them.

    :raises OSError: the kernel does not show them
    """
    found = list(_rows(machine.text("net/udp")))
    with suppress(OSError):  # a kernel without IPv6
        found += _rows(machine.text("net/udp6"))
    return [sock for sock in found if any(_overlaps(sock, place) for place in wanted)]


def holders(machine: Machine, inode: int) -> list[Holder]:
    """The processes that have the socket ``inode``, as far as we may see."""
    found = []
    for pid in machine.processes():
        with suppress(OSError):  # it has ended, or is not ours to look at
            if _has(machine, pid, f"socket:[{inode}]"):
                found.append(
                    Holder(pid, escaped(machine.text(f"{pid}/comm").strip().encode()), _unit(machine, pid))
                )
    return found


def _overlaps(sock: UdpSocket, place: Place) -> bool:
    """Whether there is not room for both, if both take what comes by any interface."""
    if sock.port != place.port or not place.port:
        return False
    if "::" in (sock.host, place.address):
        return True  # mostly takes IPv4 as well
    everywhere = "0.0.0.0" in (sock.host, place.address) and ":" not in sock.host + place.address
    return everywhere or sock.host == place.address.partition("%")[0]


def _unit(machine: Machine, pid: int) -> str:
    with suppress(OSError):
        found = re.search(r"/system\.slice/([\w@.:-]+\.service)$", machine.text(f"{pid}/cgroup"), re.MULTILINE)
        return found[1] if found is not None else ""
    return ""


def _has(machine: Machine, pid: int, target: str) -> bool:
    for descriptor in (machine.proc / str(pid) / "fd").iterdir():
        with suppress(OSError):
            if machine.link(f"{pid}/fd/{descriptor.name}") == target:
                return True
    return False


def _rows(table: str) -> Iterator[UdpSocket]:
    for line in table.splitlines()[1:]:
        columns = line.split()
        host, _, port = columns[1].partition(":")
        yield UdpSocket(_host(host), int(port, 16), int(columns[9]), int(columns[12]))


def _host(text: str) -> str:
    """The address in ``text``: 32 bits at a time, each as this machine has numbers in its memory."""
    words = [int(word, 16).to_bytes(4, sys.byteorder) for word in re.findall("[0-9A-Fa-f]{8}", text)]
    return str(ipaddress.ip_address(b"".join(words)))
