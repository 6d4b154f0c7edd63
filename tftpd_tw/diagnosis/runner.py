"""Who runs the daemon: the process of one that runs, or else ours, since a daemon that we start is like us."""

import os
import pwd
import re
import resource
import shlex
from contextlib import suppress

from attrs import frozen

from tftpd_tw.diagnosis.machine import Machine
from tftpd_tw.diagnosis.udp_table import holders, sockets_at
from tftpd_tw.service.configuration import Network
from tftpd_tw.service.control import daemons
from tftpd_tw.service.opening import places

CAP_DAC_OVERRIDE, CAP_NET_BIND_SERVICE, CAP_NET_ADMIN = 1, 10, 12
"""Bits of Linux's sets of capabilities (linux/capability.h)."""


UNLIMITED = 1 << 30
"""As a number of descriptors."""


@frozen
class Runner:
    """What a process may do."""

    pid: int | None
    """Of the daemon; None: there is none, or several, and this is ourselves."""
    uid: int
    groups: tuple[int, ...]
    """Its own first."""
    capabilities: int
    descriptors: int
    """How many it may have open."""
    most_descriptors: int
    """Up to which it may raise that by itself."""
    swapped: int = 0
    """Bytes of it that are in the swap."""

    @property
    def name(self) -> str:
        """Of the user, or the number if there is none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    @property
    def user(self) -> str:
        """The same in a sentence."""
        return f"user {self.name}" if self.name.isdigit() else self.name

    def capable(self, capability: int) -> bool:
        """Whether it has ``capability``."""
        return bool(self.capabilities >> capability & 1)


def find_runner(machine: Machine, network: Network) -> Runner:
    """The only daemon of this host, or the only one that listens where ``network`` says; or else ourselves."""
    running = our_daemons(machine)
    with suppress(OSError):
        if len(running) > 1:
            sockets = sockets_at(machine, places(network))
            listening = {holder.pid for sock in sockets for holder in holders(machine, sock.inode)}
            running = [pid for pid in running if pid in listening]
        if len(running) == 1:
            return _read(machine, running[0])
    with suppress(OSError):
        return _read(machine, None)
    uid = machine.user()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Runner(None, uid, (os.getegid(), *os.getgroups()), 0 if uid else -1, *limits)


def our_daemons(machine: Machine) -> list[int]:
    """The process ids of daemons that listen for ``tftpd-tw reload``. In a container that shares our network, they
    may have other numbers than here.
    """
    return [pid for pid in daemons(machine.proc / "net" / "unix") if _is_daemon(machine, pid)]


def options_of(machine: Machine, pid: int | None) -> tuple[str, ...]:
    """The command that looks at the daemon ``pid`` as it was started; none if it has no options of ours, or such
    as are not fit for a terminal.
    """
    words = [] if pid is None else machine.text(f"{pid}/cmdline").split("\0")[:-1]
    for start in ("serve", "tftpd"):
        if start in words and "".join(words).isprintable():
            return (shlex.join(["tftpd-tw", "doctor", *words[words.index(start) + 1 :]]),)
    return ()


def _is_daemon(machine: Machine, pid: int) -> bool:
    try:
        return re.search("tftpd|twistd", machine.text(f"{pid}/cmdline")) is not None
    except OSError:
        return False


def _read(machine: Machine, pid: int | None) -> Runner:
    process = "self" if pid is None else str(pid)
    status = machine.table(f"{process}/status")
    [soft, hard] = re.findall(r"^Max open files +(\w+) +(\w+)", machine.text(f"{process}/limits"), re.MULTILINE)[0]
    groups = [status["Gid"].split()[1], *status["Groups"].split()]
    return Runner(
        pid,
        int(status["Uid"].split()[1]),
        tuple(map(int, groups)),
        int(status["CapEff"], 16),
        _limit(soft),
        _limit(hard),
        int(status.get("VmSwap", "0").split()[0]) * 1024,
    )


def _limit(text: str) -> int:
    return int(text) if text.isdecimal() else UNLIMITED
