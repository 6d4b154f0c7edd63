"""All checks together: none hides another, and what they advise can be typed."""

import re
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_host import FakeHost, answer

from tftpd_tw import __version__
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.diagnosis import kernel
from tftpd_tw.diagnosis.case import Case, NoAnswer
from tftpd_tw.diagnosis.examining import CHECKS, examine
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN, Finding, State, count, worst
from tftpd_tw.diagnosis.kernel import Pieces
from tftpd_tw.diagnosis.machine import Machine
from tftpd_tw.diagnosis.runner import find_runner
from tftpd_tw.diagnosis.settings import Settings
from tftpd_tw.service.configuration import Configuration, Network

SYSCTL = re.compile(r'sysctl -w ([a-z0-9_]+(?:\.[a-z0-9_-]+)+)=(?:[0-9]+|"[0-9]+ [0-9]+")')
"""A name and one number, or two in quotes."""

NO_COMMANDS = re.compile(r"[a-z]+\.[a-z_]+: \S+|--[a-z-]+ \S+|--[a-z-]+|[A-Z][A-Za-z]+=\S+")
"""Settings, options, lines of a systemd unit."""


def sick(host: FakeHost) -> Case:
    """A host on which as much as possible is wrong."""
    host.process("self", capabilities=0, descriptors=1024)
    for name, value in {
        "net.core.rmem_max": 212992,
        "net.core.wmem_max": 212992,
        "net.core.rmem_default": 65536,
        "net.core.wmem_default": 65536,
        "net.ipv4.ip_forward": 1,
        "net.ipv4.ip_local_port_range": "60000\t60100",
        "net.netfilter.nf_conntrack_count": 262144,
        "net.netfilter.nf_conntrack_udp_timeout": 3,
        "fs.file-nr": "90\t0\t100",
    }.items():
        host.parameter(name, value)
    host.parameter("fs.file-max", 100)
    host.counters(errors=50, full=40, unsent=7)
    host.softnet(dropped=300)
    host.interface("eth0", mtu=1400, speed=10, duplex="half", errors=4)
    host.write("self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n")
    host.write("meminfo", "MemTotal:  8000000 kB\nMemAvailable:  3999 kB\n")
    for what in ("cpu", "memory", "io"):
        host.pressure(what, 90)
    host.changes = {
        "clock_synchronised": lambda: False,
        "receive_offload": lambda name: False,
        "send_window": lambda: Pieces("EINVAL", False),
        "installed": lambda name: "1.0",
    }
    return host.case(
        answer(serving=False, reloaded=0),
        filesystem={"uploads": UploadPolicy.CREATE, "reserve": 1 << 60},
        performance={"block_size": 8192, "workers": 9},
    )


def test_a_machine_that_is_well(host: FakeHost) -> None:
    """All is OK, or was not there to be looked at."""
    findings = examine(host.case(answer(version=__version__)))
    assert {finding.state for finding in findings} <= {OK, SKIP}
    assert count(findings)[OK] > 30


def test_a_machine_that_is_not(host: FakeHost) -> None:
    """Each of these has found something, says why, and what mends it."""
    findings = [finding for finding in examine(sick(host)) if finding.state in (WARN, FAIL)]
    assert {finding.check for finding in findings} >= {
        "daemon",
        "reload",
        "request-port",
        "file-system",
        "uploads",
        "receive-buffer",
        "upload-buffer",
        "window-buffer",
        "receive-drops",
        "send-drops",
        "receive-errors",
        "backlog-drops",
        "interface-errors",
        "segmentation",
        "interface",
        "block-size",
        "receive-offload",
        "host-descriptors",
        "transfer-ports",
        "connection-tracking",
        "tracking-timeout",
        "tracking-helper",
        "clock",
        "cpus",
        "memory",
        "pressure",
        "software",
    }
    for finding in findings:
        assert re.fullmatch(r"[A-Z0-9`].*\.", finding.reason), finding
        assert finding.remedies, finding


def test_what_they_advise_can_be_typed(host: FakeHost) -> None:
    """Parameters of the kernel are there, under that name; anything else is one word after the other."""
    remedies = [remedy for finding in examine(sick(host)) for remedy in finding.remedies]
    parameters = [remedy for remedy in remedies if remedy.startswith("sysctl")]
    assert len(parameters) >= 8
    for remedy in parameters:
        match = SYSCTL.fullmatch(remedy)
        assert match, remedy
        for place in (host.proc, Path("/proc")):
            here = place / "sys" / match[1].replace(".", "/")
            assert here.exists() or not here.parent.exists(), remedy
    for remedy in remedies:
        words = shlex.split(remedy)
        assert NO_COMMANDS.fullmatch(remedy) or re.fullmatch("[a-z/][A-Za-z0-9./_-]*", words[0]), remedy


def test_the_real_machine(tmp_path: Path) -> None:
    """Whatever it is, all checks understand what it says."""
    machine = Machine(state_file=tmp_path / "doctor.json")
    case = Case(machine, Settings(Configuration()), find_runner(machine, Network()), NoAnswer("nobody"))
    findings = examine(case)
    assert len(findings) > 20
    for finding in findings:
        assert re.fullmatch("[a-z]+(-[a-z]+)*", finding.check)
        assert "not understood" not in finding.reason, finding
    assert machine.state_file.exists()


def test_no_linux(tmp_path: Path) -> None:
    """Nothing to look at is no failure, and says what is missing."""
    nothing = tmp_path / "nothing"
    machine = Machine(proc=nothing, sys=nothing, state_file=nothing / "doctor.json")
    runner = find_runner(machine, Network())
    assert runner.pid is None
    assert runner.descriptors > 0
    findings = examine(Case(machine, Settings(Configuration()), runner, NoAnswer("nobody")))
    assert worst(findings) is not FAIL
    [buffer] = [finding for finding in findings if finding.check == "receive-buffer"]
    assert (buffer.state, buffer.reason) == (
        SKIP,
        f"{nothing}/sys/net/core/rmem_max: No such file or directory",
    )


def test_checks_that_go_wrong_hide_no_other(host: FakeHost) -> None:
    """Nor what they found before."""

    def fine(case: Case) -> Iterator[Finding]:
        yield Finding(OK, "fine", "it is")

    def broken(case: Case) -> Iterator[Finding]:
        yield Finding(WARN, "half", "so far")
        raise ValueError("what is this?")

    def forbidden(case: Case) -> Iterator[Finding]:
        (case.machine.proc / "nothing").read_text()
        yield from ()

    checks = [("broken", broken), ("forbidden", forbidden), ("fine", fine)]
    found = examine(host.case(), checks)
    assert [(finding.check, finding.state) for finding in found] == [
        ("half", WARN),
        ("broken", SKIP),
        ("forbidden", SKIP),
        ("fine", OK),
    ]
    assert found[1].reason == "what this system says is not understood (ValueError: what is this?)"
    assert found[2].reason == f"{host.proc}/nothing: No such file or directory"


def test_a_check_that_hangs(host: FakeHost) -> None:
    """As on a dead file server: nobody waits for it for ever."""
    goes_on = threading.Event()

    def hangs(case: Case) -> Iterator[Finding]:
        yield Finding(OK, "before", "that")
        goes_on.wait()

    try:
        found = examine(host.case(), [("hangs", hangs), *CHECKS[:1]], patience=0.05)
    finally:
        goes_on.set()
    assert [(finding.check, finding.state) for finding in found] == [
        ("before", OK),
        ("hangs", FAIL),
        ("settings", OK),
    ]
    assert found[1].figure == "no answer within 0.05 seconds"


def test_every_check_has_a_name_of_its_own() -> None:
    """By which it is known when it could not look."""
    names = [name for name, _ in CHECKS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("states", "expected"),
    [((), OK), ((OK, SKIP), OK), ((OK, WARN, SKIP), WARN), ((WARN, FAIL, OK), FAIL)],
)
def test_the_worst(states: tuple[State, ...], expected: State) -> None:
    """What was not looked at is not bad."""
    assert worst([Finding(state, "x", "y") for state in states]) is expected


def test_a_window_on_the_loopback_interface() -> None:
    """This kernel takes it in one piece, and gives it in one."""
    assert kernel.send_window() == Pieces("", True)


def test_a_kernel_that_refuses_windows() -> None:
    """It says so by an errno: here since a segment would be larger than any packet may be."""
    assert kernel.send_window(blocks=2, size=65500).refusal in {"EMSGSIZE", "EINVAL"}


def test_a_network_card_that_is_not_there() -> None:
    """The kernel says so."""
    with pytest.raises(OSError, match="No such device"):
        kernel.receive_offload("nothere0")


def test_the_clock_is_asked() -> None:
    """It is kept right, or not; nothing is changed by asking."""
    assert kernel.clock_synchronised() in {True, False}
