"""Buffers, drops, request ports: what checks say of this host's sockets."""

import json

import pytest
from fake_host import NOW, STRANGER, FakeHost

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.diagnosis.buffers import receive_buffer, send_buffer, upload_buffer, window_buffer
from tftpd_tw.diagnosis.drops import drops
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN, Finding
from tftpd_tw.diagnosis.request_port import request_ports
from tftpd_tw.service.configuration import NetworkListener

MORE_ROOM = "sysctl -w net.core.rmem_max=4194304"

UPLOADS = {"uploads": UploadPolicy.CREATE}


def test_a_receive_buffer_that_is_as_large_as_the_daemon_asks_for(host: FakeHost) -> None:
    """Nothing to do."""
    assert host.find(receive_buffer).state is OK


def test_a_small_receive_buffer(host: FakeHost) -> None:
    """The figure, what it means, and the command."""
    host.process("self", capabilities=0)
    host.parameter("net.core.rmem_max", 212992)
    finding = host.find(receive_buffer)
    assert (finding.state, finding.figure) == (WARN, "208KiB of 4MiB (net.core.rmem_max)")
    assert "Room for some 266 requests" in finding.reason
    assert finding.remedies == ("sysctl -w net.core.rmem_max=4194304",)


def test_a_small_receive_buffer_does_not_bind_the_daemon_of_root(host: FakeHost) -> None:
    """It takes what it wants (SO_RCVBUFFORCE)."""
    host.parameter("net.core.rmem_max", 212992)
    assert host.find(receive_buffer).state is OK


def test_the_send_buffer_matters_with_a_single_port(host: FakeHost) -> None:
    """Elsewhere each transfer has its own."""
    host.process("self", capabilities=0)
    host.parameter("net.core.wmem_max", 212992)
    assert host.find(send_buffer).state is OK
    finding = host.find(send_buffer, network={"single_port": True})
    assert (finding.state, finding.remedies) == (WARN, ("sysctl -w net.core.wmem_max=4194304",))


def test_windows_of_uploads(host: FakeHost) -> None:
    """The usual ones fit into the usual buffer; larger ones do not."""
    assert host.find(upload_buffer, performance={"window_size": 5000}).state is OK
    assert host.find(upload_buffer, filesystem=UPLOADS).state is OK
    finding = host.find(upload_buffer, filesystem=UPLOADS, performance={"window_size": 128})
    assert finding.state is WARN
    assert finding.remedies == ("sysctl -w net.core.rmem_default=375808", "performance.window_size: 72")


def test_windows_of_reads(host: FakeHost) -> None:
    """They leave in one piece if there is room for one."""
    assert host.find(window_buffer).state is OK
    host.parameter("net.core.wmem_default", 65536)
    finding = host.find(window_buffer)
    assert (finding.state, finding.remedies) == (WARN, ("sysctl -w net.core.wmem_default=212992",))


def found(host: FakeHost, check: str) -> Finding:
    """What is said of one kind of drops."""
    [finding] = [each for each in host.look(drops) if each.check == check]
    return finding


def test_no_drops(host: FakeHost) -> None:
    """IPv4 and IPv6 are added up."""
    host.socket("::", 69)
    assert {finding.state for finding in host.look(drops)} == {OK}
    assert found(host, "receive-drops").figure == "0 of 0 in the last 0 ms"


@pytest.mark.parametrize(
    ("check", "counters", "figure", "command"),
    [
        (
            "receive-drops",
            {"errors": 40, "full": 40},
            "40 of 1540 since the start",
            "sysctl -w net.core.rmem_max=4194304",
        ),
        ("receive-errors", {"errors": 50, "full": 40}, "10 of 1510 since the start", "ip -s -s link"),
        ("send-drops", {"unsent": 7}, "7 of 2014 since the start", "tc -s qdisc"),
    ],
)
def test_drops(host: FakeHost, check: str, counters: dict[str, int], figure: str, command: str) -> None:
    """Each kind by itself, with what helps."""
    host.parameter("net.core.rmem_max", 212992)
    host.counters(**counters)
    finding = found(host, check)
    assert (finding.state, finding.figure) == (WARN, figure)
    assert command in finding.remedies


def test_drops_in_spite_of_room(host: FakeHost) -> None:
    """No larger buffer is named where there can be none."""
    host.counters(errors=40, full=40)
    assert found(host, "receive-drops").remedies == ("ss -uapm", "--workers auto")


def test_drops_before_any_socket(host: FakeHost) -> None:
    """Of all CPUs."""
    host.softnet(dropped=300)
    finding = found(host, "backlog-drops")
    assert (finding.figure, finding.remedies) == (
        "300 of 2300 since the start",
        ("sysctl -w net.core.netdev_max_backlog=4000",),
    )


def test_errors_of_interfaces(host: FakeHost) -> None:
    """Of those that are up."""
    host.interface("eth0", mtu=1500, errors=4)
    host.interface("eth1", mtu=1500, errors=4, flags="0x1002")
    assert found(host, "interface-errors").figure == "4 of 34 since the start"


def test_drops_at_the_request_port(host: FakeHost) -> None:
    """Of its socket; another one counts anew."""
    assert found(host, "request-drops").state is SKIP
    host.socket("::", 69, inode=77, drops=5)
    assert found(host, "request-drops").figure.startswith("5 of ")
    assert found(host, "request-drops").state is OK
    host.sockets["udp6"] = []
    host.socket("::", 69, inode=78, drops=2)
    assert found(host, "request-drops").figure.startswith("2 of ")


def test_old_drops_are_not_told_twice(host: FakeHost) -> None:
    """They are those since the last look, also in another minute."""
    host.counters(received=1000, errors=40, full=40)
    assert found(host, "receive-drops").state is WARN
    host.changes["now"] = lambda: NOW + 90
    assert found(host, "receive-drops").figure == "0 of 0 in the last 1 min 30 s"
    host.counters(received=1100, errors=45, full=45)
    assert found(host, "receive-drops").figure == "5 of 105 in the last 0 ms"


@pytest.mark.parametrize("what", ["machine", "network", "counters", "file"])
def test_another_start_counts_anew(host: FakeHost, what: str) -> None:
    """Of the machine or of its network; and what cannot be understood is no look."""
    host.counters(received=5000, errors=40, full=40)
    host.look(drops)
    if what == "machine":
        host.parameter("kernel.random.boot_id", "5d11")
    elif what == "network":
        host.link("self/ns/net", "net:[1]")
    elif what == "counters":
        host.counters(received=10, errors=3, full=3)
        assert found(host, "receive-drops").figure == "3 of 513 since the start"
        return
    else:
        host.machine.state_file.write_text(json.dumps({"era": 1, "at": 2}))
    assert found(host, "receive-drops").figure == "40 of 5540 since the start"


def test_a_look_that_cannot_be_remembered(host: FakeHost) -> None:
    """Is told, and all the same one."""
    host.changes["state_file"] = host.proc / "meminfo" / "doctor.json"
    last = host.look(drops)[-1]
    assert (last.state, last.check) == (SKIP, "last-look")
    assert "cannot be written" in last.reason


def test_kernels_that_count_less(host: FakeHost) -> None:
    """What is missing hides nothing else."""
    for path in ("net/snmp6", "net/softnet_stat"):
        host.remove(path)
    host.counters(errors=40, full=40)
    states = {finding.check: finding.state for finding in host.look(drops)}
    assert states["backlog-drops"] is SKIP
    assert states["receive-drops"] is WARN


def test_a_port_that_is_free(host: FakeHost) -> None:
    """Who may have it is named."""
    finding = host.find(request_ports)
    assert (finding.state, finding.about) == (OK, "UDP [::]:69")
    assert finding.figure.startswith("free, and ")


def test_a_low_port_takes_a_right(host: FakeHost) -> None:
    """It may be given to everybody."""
    host.process("self", capabilities=0)
    finding = host.find(request_ports)
    assert (finding.state, finding.remedies) == (
        FAIL,
        ("sysctl -w net.ipv4.ip_unprivileged_port_start=69", "--port 1093"),
    )
    host.parameter("net.ipv4.ip_unprivileged_port_start", 69)
    assert host.find(request_ports).state is OK
    assert host.find(request_ports, network={"port": 6969}).state is OK


def test_a_port_that_another_program_has(host: FakeHost) -> None:
    """It is named, and how to end it."""
    host.process(711, "/usr/sbin/in.tftpd --listen", unit="tftpd-hpa.service")
    host.socket("0.0.0.0", 69, pid=711)
    finding = host.find(request_ports)
    assert (finding.state, finding.figure) == (FAIL, "held by in.tftpd (pid 711)")
    assert finding.remedies == ("systemctl stop tftpd-hpa.service", "--port 1093")


@pytest.mark.parametrize(
    ("command", "mend"), [("dnsmasq -k", "kill 711"), ("docker-proxy", "docker ps --filter publish=69/udp")]
)
def test_a_program_without_a_unit(host: FakeHost, command: str, mend: str) -> None:
    """It is ended as it can be."""
    host.process(711, command)
    host.socket("::", 69, pid=711)
    assert mend in host.find(request_ports).remedies


def test_a_port_whose_holder_nobody_may_see(host: FakeHost) -> None:
    """Root can; where a daemon of ours runs it may be that one."""
    host.socket("::", 69)
    finding = host.find(request_ports)
    assert (finding.state, finding.remedies[0]) == (FAIL, "sudo ss -lpn 'sport = :69'")
    host.daemon()
    assert host.find(request_ports).state is SKIP


def test_a_port_that_the_daemon_has(host: FakeHost) -> None:
    """As it should be."""
    host.daemon(812)
    host.socket("::", 69, pid=812)
    finding = host.find(request_ports)
    assert (finding.state, finding.figure) == (OK, "held by the daemon (pid 812)")


def test_a_port_that_systemd_has(host: FakeHost) -> None:
    """For a socket unit, which may be ours."""
    host.process(1, "/sbin/init")
    host.socket("::", 69, pid=1)
    finding = host.find(request_ports)
    assert (finding.state, finding.remedies) == (WARN, ("systemctl list-sockets",))


def test_a_daemon_with_other_settings(host: FakeHost) -> None:
    """It does not listen where these settings say; the command says with which it does."""
    host.daemon(812, "--root /srv/tftp --port 6969")
    finding = host.find(request_ports)
    assert (finding.state, finding.remedies) == (WARN, ("tftpd-tw doctor --root /srv/tftp --port 6969",))


@pytest.mark.parametrize(
    ("bound", "wanted", "overlap"),
    [
        ("::", "127.0.0.1", True),
        ("0.0.0.0", "::", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("0.0.0.0", "::1", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("::1", "127.0.0.1", False),
    ],
)
def test_which_sockets_are_in_the_way(host: FakeHost, bound: str, wanted: str, overlap: bool) -> None:
    """Those that take the same packets."""
    host.process(711, "dnsmasq")
    host.socket(bound, 69, pid=711)
    state = host.find(request_ports, network={"addresses": (wanted,)}).state
    assert state is (FAIL if overlap else OK)


def test_a_socket_elsewhere_may_be_of_another_interface(host: FakeHost) -> None:
    """The kernel does not say."""
    host.process(711, "dnsmasq")
    host.socket("::", 69, pid=711)
    finding = host.find(request_ports, network={"interfaces": ("lo",)})
    assert (finding.state, finding.about) == (WARN, "UDP [::]:69 by lo")


@pytest.mark.parametrize(
    ("listener", "command"),
    [
        (NetworkListener(address="192.0.2.200"), "ip address"),
        (NetworkListener(interface="nothere0"), "ip link"),
    ],
)
def test_places_that_are_not_there(host: FakeHost, listener: NetworkListener, command: str) -> None:
    """An address or an interface that this host does not have."""
    finding = host.find(request_ports, network={"listeners": (listener,)})
    assert (finding.state, finding.figure, finding.remedies) == (FAIL, "is not there", (command,))


def test_each_listener_is_looked_at(host: FakeHost) -> None:
    """Also one that takes any port."""
    listeners = (NetworkListener(port=0), NetworkListener(port=6969))
    findings = host.look(request_ports, network={"listeners": listeners})
    assert [finding.about for finding in findings] == ["UDP [::]:0", "UDP [::]:6969"]
    assert {finding.state for finding in findings} == {OK}


def test_the_daemon_among_several_that_has_the_port(host: FakeHost) -> None:
    """Its rights count."""
    host.daemon(812, uid=STRANGER, descriptors=100)
    host.daemon(813, descriptors=200)
    host.socket("::", 69, pid=812)
    assert (host.case().runner.pid, host.case().runner.descriptors) == (812, 100)
    assert host.case(network={"port": 70}).runner.pid is None
