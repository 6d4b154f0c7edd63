"""A machine of the test's own: folders as ``/proc`` and ``/sys`` would be, in which all is well at first."""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

from attrs import evolve

from tftpd_tw.diagnosis.case import Answer, Case, NoAnswer
from tftpd_tw.diagnosis.examining import Check
from tftpd_tw.diagnosis.findings import Finding
from tftpd_tw.diagnosis.kernel import Pieces
from tftpd_tw.diagnosis.machine import Machine
from tftpd_tw.diagnosis.runner import find_runner
from tftpd_tw.diagnosis.settings import Settings
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.telemetry.figures import parse

STRANGER = 64000
"""A user whom no system has."""

NOW = 1_800_000_000.0

ALL_CAPABILITIES = (1 << 41) - 1

PARAMETERS = {
    "net.core.rmem_max": "4194304",
    "net.core.wmem_max": "4194304",
    "net.core.rmem_default": "212992",
    "net.core.wmem_default": "212992",
    "net.core.netdev_max_backlog": "1000",
    "net.ipv4.ip_forward": "0",
    "net.ipv4.ip_local_port_range": "32768\t60999",
    "net.ipv4.ip_local_reserved_ports": "",
    "net.ipv4.ip_unprivileged_port_start": "1024",
    "net.netfilter.nf_conntrack_count": "10",
    "net.netfilter.nf_conntrack_max": "262144",
    "net.netfilter.nf_conntrack_udp_timeout": "30",
    "fs.file-nr": "1000\t0\t9223372036854775807",
    "vm.swappiness": "60",
    "kernel.random.boot_id": "4b3c",
}

SNMP = """\
Ip: Forwarding DefaultTTL
Ip: 2 64
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors InCsumErrors MemErrors
Udp: {received} 3 {errors} 2000 {full} {unsent} 0 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
UdpLite: 0 0 0 0 0 0
"""

STATUS = """\
Name:\ttftpd-tw
Uid:\t{uid}\t{uid}\t{uid}\t{uid}
Gid:\t{gid}\t{gid}\t{gid}\t{gid}
Groups:\t{gid}
CapEff:\t{capabilities:016x}
VmSwap:\t{swapped} kB
"""

LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max processes             96364                96364                processes
Max open files            {descriptors}                {most}               files
"""

TABLE = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref drops\n"
)

FIGURES = """\
# TYPE tftp_server_uptime_seconds gauge
tftp_server_uptime_seconds 3600
# TYPE tftp_build_info gauge
tftp_build_info{{version="{version}"}} 1
# TYPE tftp_config_last_reload_success gauge
tftp_config_last_reload_success {reloaded}
# TYPE tftp_config_last_reload_timestamp_seconds gauge
tftp_config_last_reload_timestamp_seconds 1799999940
"""


Said = Answer | NoAnswer | None
"""By a daemon; None: there is none."""


class FakeHost:
    """Change what is there, and look what checks say."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.root.chmod(0o755)
        self.proc, self.sys = folder / "proc", folder / "sys"
        self.sockets: dict[str, list[str]] = {"udp": [], "udp6": []}
        self.changes: dict[str, Any] = {}
        for name, value in PARAMETERS.items():
            self.parameter(name, value)
        self.counters()
        self.write("net/snmp6", "Ip6InReceives 5\nUdp6InDatagrams 500\nUdp6OutDatagrams 7\nUdp6RcvbufErrors 0\n")
        self.softnet(dropped=0)
        self.write("net/unix", "Num       RefCount Protocol Flags    Type St Inode Path\n")
        self.write("net/udp", TABLE)
        self.write("net/udp6", TABLE)
        self.write("self/mountinfo", "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n")
        self.write("meminfo", "MemTotal:  8000000 kB\nMemFree:  1000 kB\nMemAvailable:  6000000 kB\n")
        for what in ("cpu", "memory", "io"):
            self.pressure(what, 0.0)
        self.process("self")
        self.link("self/ns/net", "net:[4026531833]")
        self.interface("lo", mtu=65536, flags="0x9")
        self.interface("eth0", mtu=1500, speed=1000, duplex="full")
        (self.sys / "class/net/eth0/device").mkdir()

    # What there is

    def write(self, path: str, text: str) -> None:
        """A file of /proc."""
        _write(self.proc / path, text)

    def link(self, path: str, target: str) -> None:
        """A link in /proc."""
        place = self.proc / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    def remove(self, path: str) -> None:
        """A kernel that does not have it."""
        (self.proc / path).unlink()

    def parameter(self, name: str, value: object) -> None:
        """As ``sysctl`` sets it."""
        self.write("sys/" + name.replace(".", "/"), f"{value}\n")

    def counters(self, received: int = 1000, errors: int = 0, full: int = 0, unsent: int = 0) -> None:
        """What the kernel counts of UDP."""
        self.write("net/snmp", SNMP.format(received=received, errors=errors, full=full, unsent=unsent))

    def softnet(self, dropped: int) -> None:
        """What two CPUs count."""
        self.write("net/softnet_stat", f"000003e8 {dropped:08x} 00000000\n000003e8 00000000 00000000\n")

    def pressure(self, what: str, percent: float) -> None:
        """Of the last minute."""
        line = f"avg10=0.00 avg60={percent:.2f} avg300=0.00 total=0"
        self.write(f"pressure/{what}", f"some {line}\nfull {line}\n")

    def interface(self, name: str, *, flags: str = "0x1003", errors: int = 0, **attributes: object) -> None:
        """One that is up."""
        folder = self.sys / "class/net" / name
        statistics = {
            "rx_errors": errors,
            "tx_errors": 0,
            "rx_missed_errors": 0,
            "rx_packets": 10,
            "tx_packets": 5,
        }
        for key, value in {"flags": flags, **attributes}.items():
            _write(folder / key, f"{value}\n")
        for key, value in statistics.items():
            _write(folder / "statistics" / key, f"{value}\n")

    def process(
        self,
        pid: int | str,
        command: str = "tftpd-tw doctor",
        *,
        uid: int | None = None,
        capabilities: int = ALL_CAPABILITIES,
        descriptors: int | str = 65536,
        most: int = 524288,
        swapped: int = 0,
        unit: str = "",
    ) -> None:
        """One with these rights; ``self`` is ours."""
        uid = os.geteuid() if uid is None else uid
        gid = os.getegid() if uid == os.geteuid() else STRANGER
        values = {"uid": uid, "gid": gid, "capabilities": capabilities, "swapped": swapped}
        self.write(f"{pid}/status", STATUS.format(**values))
        self.write(f"{pid}/limits", LIMITS.format(descriptors=descriptors, most=most))
        self.write(f"{pid}/cmdline", command.replace(" ", "\0") + "\0")
        self.write(f"{pid}/comm", command.split()[0].rpartition("/")[2] + "\n")
        self.write(f"{pid}/cgroup", f"0::/{f'system.slice/{unit}' if unit else 'user.slice'}\n")

    def daemon(self, pid: int = 812, options: str = "--root /srv/tftp", **rights: Any) -> None:
        """A daemon of ours."""
        self.process(pid, f"/usr/bin/python3 /usr/bin/tftpd-tw serve {options}", **rights)
        with (self.proc / "net/unix").open("a") as table:
            table.write(f"0000000000000000: 00000002 00000000 00010000 0001 01 99 @tftpd-tw/{pid}\n")

    def socket(self, host: str, port: int, *, inode: int = 77, drops: int = 0, pid: int | None = None) -> None:
        """A UDP socket, and whose it is."""
        packed = ipaddress.ip_address(host).packed
        words = [packed[at : at + 4] for at in range(0, len(packed), 4)]
        address = "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)
        kind = "udp6" if ":" in host else "udp"
        row = f"  9: {address}:{port:04X} {'0' * len(address)}:0000 07 0:0 00:0 0  0  0 {inode} 2 0 {drops}\n"
        self.sockets[kind] = [each for each in self.sockets[kind] if f" {inode} " not in each] + [row]
        self.write(f"net/{kind}", TABLE + "".join(self.sockets[kind]))
        if pid is not None:
            self.link(f"{pid}/fd/5", f"socket:[{inode}]")

    # What is said of it

    @property
    def machine(self) -> Machine:
        """As it is now."""
        return Machine(
            **{
                "proc": self.proc,
                "sys": self.sys,
                "state_file": self.proc.parent / "state" / "doctor.json",
                "now": lambda: NOW,
                "cpus": lambda: 4,
                "clock_synchronised": lambda: True,
                "receive_offload": lambda name: True,
                "send_window": lambda: Pieces("", True),
                "required": lambda: ["Twisted>=26.10"],
                "installed": lambda name: "26.10.0",
                **self.changes,
            }
        )

    def case(self, said: Said = None, **sections: dict[str, Any]) -> Case:
        """With settings that differ from the defaults: ``network={"port": 6969}``."""
        configuration = Configuration()
        sections = {"filesystem": {}, **sections}
        sections["filesystem"] = {"root": str(self.root), **sections["filesystem"]}
        for name, values in sections.items():
            configuration = evolve(configuration, **{name: evolve(getattr(configuration, name), **values)})
        runner = find_runner(self.machine, configuration.network)
        return Case(self.machine, Settings(configuration), runner, said or NoAnswer("nobody answers"))

    def look(self, check: Check, said: Said = None, **sections: dict[str, Any]) -> list[Finding]:
        """All that ``check`` finds."""
        return list(check(self.case(said, **sections)))

    def find(self, check: Check, said: Said = None, **sections: dict[str, Any]) -> Finding:
        """The only thing that it finds."""
        [finding] = self.look(check, said, **sections)
        return finding


def answer(more: str = "", *, serving: bool = True, version: str = "0.1.0", reloaded: int = 1) -> Answer:
    """What a daemon says."""
    page = FIGURES.format(version=version, reloaded=reloaded) + more
    return Answer("127.0.0.1:9069", serving, parse(page))


def _write(place: Path, text: str) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
