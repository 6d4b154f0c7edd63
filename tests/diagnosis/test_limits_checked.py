"""Descriptors, ports, connection tracking: whether there is one of each for all transfers."""

import pytest
from fake_host import FakeHost

from tftpd_tw.diagnosis.findings import FAIL, OK, WARN
from tftpd_tw.diagnosis.firewall import connection_tracking, tracking_helper, tracking_timeout
from tftpd_tw.diagnosis.limits import descriptors, host_descriptors, transfer_ports
from tftpd_tw.service.value_types import PortRange


def test_enough_descriptors(host: FakeHost) -> None:
    """A socket and a file for each transfer, and some."""
    host.process("self", descriptors=2064)
    assert host.find(descriptors).state is OK
    host.process("self", descriptors="unlimited")
    assert host.find(descriptors).state is OK


@pytest.mark.parametrize(("there", "state"), [(2063, WARN), (1000, WARN), (999, FAIL)])
def test_too_few_descriptors(host: FakeHost, there: int, state: object) -> None:
    """A warning as long as each transfer may have a socket at least."""
    host.process("self", descriptors=there)
    finding = host.find(descriptors)
    assert (finding.state, finding.figure) == (state, f"{there} for a daemon that is started from here")
    assert "1000 transfers at once (performance.max_connections) may take 2064" in finding.reason
    fitting = (there - 64) // 2
    assert finding.remedies == ("ulimit -Sn 2064", "LimitNOFILE=2064", f"performance.max_connections: {fitting}")


def test_descriptors_of_the_daemon(host: FakeHost) -> None:
    """They can be changed while it runs."""
    host.daemon(812, descriptors=1024)
    finding = host.find(descriptors)
    assert finding.figure == "1024 of the daemon (pid 812)"
    assert finding.remedies[0] == "prlimit --pid 812 --nofile=2064:"


def test_descriptors_that_only_root_can_give(host: FakeHost) -> None:
    """The second limit has to be raised as well."""
    host.process("self", descriptors=1024, most=2000)
    assert host.find(descriptors).remedies[0] == "ulimit -n 2064"
    host.daemon(812, descriptors=1024, most=2000)
    assert host.find(descriptors).remedies[0] == "prlimit --pid 812 --nofile=2064:2064"


def test_workers_share_out_transfers(host: FakeHost) -> None:
    """Each process has a limit of its own."""
    host.process("self", descriptors=1024)
    assert host.find(descriptors, performance={"workers": 4}).state is OK


def test_a_single_port_takes_no_sockets(host: FakeHost) -> None:
    """Files only."""
    host.process("self", descriptors=1064)
    assert host.find(descriptors).state is WARN
    assert host.find(descriptors, network={"single_port": True}).state is OK


@pytest.mark.parametrize(("opened", "state"), [(7999, OK), (8000, WARN)])
def test_descriptors_of_all(host: FakeHost, opened: int, state: object) -> None:
    """The limit of the kernel."""
    host.parameter("fs.file-nr", f"{opened}\t0\t10000")
    finding = host.find(host_descriptors)
    assert (finding.state, finding.figure) == (state, f"{opened} of 10000")
    assert finding.remedies == (("sysctl -w fs.file-max=20000",) if state is WARN else ())


def test_enough_ports(host: FakeHost) -> None:
    """Of the kernel's range, or of the settings'."""
    assert host.find(transfer_ports).figure == "28232 (net.ipv4.ip_local_port_range)"
    finding = host.find(transfer_ports, network={"port_range": PortRange(50000, 50999)})
    assert (finding.state, finding.figure) == (OK, "1000 (network.port_range)")


def test_too_few_ports(host: FakeHost) -> None:
    """Those that are reserved do not count."""
    host.parameter("net.ipv4.ip_local_port_range", "40000\t41009")
    host.parameter("net.ipv4.ip_local_reserved_ports", "80,40000-40009,41009-42000")
    finding = host.find(transfer_ports)
    assert (finding.state, finding.figure) == (WARN, "999 (net.ipv4.ip_local_port_range)")
    assert finding.remedies == (
        'sysctl -w net.ipv4.ip_local_port_range="10000 65535"',
        "performance.max_connections: 999",
    )


def test_too_few_ports_in_the_settings(host: FakeHost) -> None:
    """The range that would do is named."""
    finding = host.find(transfer_ports, network={"port_range": PortRange(50000, 50100)})
    assert (finding.state, finding.remedies[0]) == (WARN, "--port-range 50000-50999")
    assert host.find(transfer_ports, network={"port_range": PortRange(5, 6), "single_port": True}).state is OK


@pytest.mark.parametrize(
    ("tracked", "state", "reason"),
    [(899, OK, ""), (900, WARN, "The table is nearly full"), (1000, FAIL, "The table is full")],
)
def test_connection_tracking(host: FakeHost, tracked: int, state: object, reason: str) -> None:
    """Whether its table has room."""
    host.parameter("net.netfilter.nf_conntrack_count", tracked)
    host.parameter("net.netfilter.nf_conntrack_max", 1000)
    finding = host.find(connection_tracking)
    assert (finding.state, finding.figure) == (state, f"{tracked} of 1000")
    assert finding.reason.startswith(reason)
    assert finding.remedies == (() if state is OK else ("sysctl -w net.netfilter.nf_conntrack_max=2000",))


def test_no_connection_tracking(host: FakeHost) -> None:
    """Then nothing of it matters."""
    host.remove("sys/net/netfilter/nf_conntrack_count")
    assert host.find(connection_tracking).figure == "off"
    assert host.look(tracking_timeout) == host.look(tracking_helper) == []


def test_a_firewall_that_forgets(host: FakeHost) -> None:
    """Before the daemon repeats anything."""
    assert host.find(tracking_timeout).state is OK
    finding = host.find(tracking_timeout, performance={"timeout": 30.0})
    assert (finding.state, finding.remedies) == (WARN, ("sysctl -w net.netfilter.nf_conntrack_udp_timeout=60",))


def test_the_helper(host: FakeHost) -> None:
    """It matters on a host that passes packets on, and only without a single port."""
    assert host.find(tracking_helper).state is OK
    host.parameter("net.ipv4.ip_forward", 1)
    finding = host.find(tracking_helper)
    assert (finding.state, finding.remedies) == (WARN, ("modprobe nf_conntrack_tftp", "--single-port"))
    assert host.find(tracking_helper, network={"single_port": True}).state is OK
    (host.sys / "module/nf_conntrack_tftp").mkdir(parents=True)
    assert host.find(tracking_helper).state is OK
