"""Network interfaces, clock, CPUs, memory, libraries: the rest of the machine."""

import sys
from importlib.metadata import PackageNotFoundError

import pytest
from fake_host import FakeHost

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.diagnosis.cards import block_size, interfaces, receive_offload, segmentation
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN
from tftpd_tw.diagnosis.kernel import Pieces
from tftpd_tw.diagnosis.software import software
from tftpd_tw.diagnosis.system import clock, cpus, memory, pressure
from tftpd_tw.service.rule_settings import ClientProfile

UPLOADS = {"uploads": UploadPolicy.CREATE}


def test_interfaces(host: FakeHost) -> None:
    """Those that are up; virtual ones have no speed."""
    host.interface("veth0", mtu=1400, speed=-1)
    host.interface("eth1", mtu=1500, flags="0x1002")
    (host.sys / "class/net/bonding_masters").touch()
    found = [(finding.state, finding.about, finding.figure) for finding in host.look(interfaces)]
    assert found == [(OK, "eth0", "MTU 1500, 1000 Mbit/s"), (OK, "veth0", "MTU 1400")]


@pytest.mark.parametrize(("speed", "duplex"), [(10, "full"), (100, "half")])
def test_a_cable_with_a_fault(host: FakeHost, speed: int, duplex: str) -> None:
    """Its ends agreed on little."""
    host.interface("eth0", mtu=1500, speed=speed, duplex=duplex)
    finding = host.find(interfaces)
    assert (finding.state, finding.figure) == (WARN, f"MTU 1500, {speed} Mbit/s, {duplex} duplex")
    assert finding.remedies == ("ethtool eth0",)


def test_no_interface_but_loopback(host: FakeHost) -> None:
    """Nobody can ask for anything."""
    host.interface("eth0", flags="0x1002", mtu=1500)
    assert (host.find(interfaces).state, host.find(interfaces).remedies) == (WARN, ("ip link",))


@pytest.mark.parametrize(("size", "state"), [(0, OK), (1468, OK), (1469, WARN)])
def test_block_sizes(host: FakeHost, size: int, state: object) -> None:
    """With its headers a block must fit into a packet."""
    finding = host.find(block_size, performance={"block_size": size})
    assert finding.state is state
    if state is WARN:
        assert "by eth0:" in finding.reason
        assert finding.remedies == ("performance.block_size: mtu",)


def test_the_block_size_of_a_profile(host: FakeHost) -> None:
    """It counts as well."""
    profile = ClientProfile(name="jumbo", block_size=8192)
    assert host.find(block_size, clients={"profiles": (profile,)}).state is WARN


def test_windows_in_one_piece(host: FakeHost) -> None:
    """Out and in."""
    assert [(finding.check, finding.state) for finding in host.look(segmentation)] == [
        ("segmentation", OK),
        ("coalescing", OK),
    ]


def test_kernels_that_cannot(host: FakeHost) -> None:
    """What comes in one piece matters for uploads only."""
    host.changes["send_window"] = lambda: Pieces("ENOPROTOOPT", False)
    finding = host.find(segmentation)
    assert (finding.state, finding.figure, finding.remedies) == (WARN, "refused (ENOPROTOOPT)", ("uname -r",))
    host.changes["send_window"] = lambda: Pieces("", False)
    assert [finding.state for finding in host.look(segmentation)] == [OK, OK]
    assert [finding.state for finding in host.look(segmentation, filesystem=UPLOADS)] == [OK, WARN]


def test_cards_that_put_nothing_together(host: FakeHost) -> None:
    """Matters for uploads only; virtual interfaces are no cards."""
    host.interface("veth0", mtu=1500)
    assert host.find(receive_offload).figure == "on"
    host.changes["receive_offload"] = lambda name: False
    assert host.find(receive_offload).state is OK
    finding = host.find(receive_offload, filesystem=UPLOADS)
    assert (finding.state, finding.remedies) == (WARN, ("ethtool -K eth0 gro on",))
    host.interface("eth0", mtu=1500, flags="0x1002")
    assert host.find(receive_offload).state is SKIP


def test_the_clock(host: FakeHost) -> None:
    """Right, not kept right, never set."""
    assert host.find(clock).state is OK
    host.changes["clock_synchronised"] = lambda: False
    assert (host.find(clock).state, host.find(clock).remedies) == (WARN, ("timedatectl set-ntp true",))
    host.changes["now"] = lambda: 100.0
    assert (host.find(clock).state, host.find(clock).figure[:3]) == (WARN, "197")


def test_cpus(host: FakeHost) -> None:
    """One for each worker, and more if they are there."""
    assert "--workers auto" in host.find(cpus).reason
    assert host.find(cpus, performance={"workers": 4}).reason == ""
    finding = host.find(cpus, performance={"workers": 5})
    assert (finding.state, finding.figure, finding.remedies) == (WARN, "4 for 5 workers", ("--workers auto",))


def test_memory(host: FakeHost) -> None:
    """Some is left, or little."""
    assert host.find(memory).figure == "6.14 GB of 8.19 GB available"
    host.write("meminfo", "MemTotal:  8000000 kB\nMemAvailable:  399999 kB\n")
    assert (host.find(memory).state, bool(host.find(memory).remedies)) == (WARN, True)


def test_a_daemon_in_the_swap(host: FakeHost) -> None:
    """We may be, it may not."""
    host.process("self", swapped=1000)
    assert host.find(memory).state is OK
    host.daemon(812, swapped=1000)
    assert (host.find(memory).state, host.find(memory).remedies) == (WARN, ("sysctl -w vm.swappiness=10",))


def test_pressure(host: FakeHost) -> None:
    """Each kind that is high has what shows more."""
    assert host.find(pressure).figure == "cpu 0 %, memory 0 %, io 0 %"
    host.pressure("memory", 5.5)
    host.pressure("io", 60.0)
    host.pressure("cpu", 25.0)
    finding = host.find(pressure)
    assert (finding.state, finding.remedies) == (WARN, ("free -h", "iostat -x 1"))
    assert finding.figure == "cpu 25 %, memory 6 %, io 60 %"


@pytest.mark.parametrize(
    ("needed", "there", "enough"),
    [
        ("26.10", "26.10.0", True),
        ("26.10", "26.9.0", False),
        ("26.10", "26.10.0rc1", True),
        ("26.10.5", "26.10rc7", False),
        ("26.10.5", "26.10.5.dev3", True),
        ("8", "8.0", True),
        ("8", "10", True),
        ("6.0.3", "6.0", False),
    ],
)
def test_versions(host: FakeHost, needed: str, there: str, enough: bool) -> None:
    """They are compared by their numbers."""
    host.changes["required"] = lambda: [f"Some_thing>={needed}", "google-re2>=1.1; extra == 'rewrite'"]
    host.changes["installed"] = lambda name: there
    finding = host.find(software)
    if enough:
        assert (finding.state, finding.figure.split(", ")[1:]) == (OK, [f"Some_thing {there}"])
    else:
        assert (finding.state, finding.about, finding.figure) == (FAIL, "Some_thing", there)
        assert finding.remedies == (f"{sys.executable} -m pip install --upgrade 'Some_thing>={needed}'",)


def test_a_library_that_is_not_there(host: FakeHost) -> None:
    """One line for each."""

    def installed(name: str) -> str:
        raise PackageNotFoundError(name)

    host.changes["installed"] = installed
    host.changes["required"] = lambda: ["attrs>=25", "Twisted>=26.10"]
    assert [(finding.state, finding.figure) for finding in host.look(software)] == [(FAIL, "not installed")] * 2
