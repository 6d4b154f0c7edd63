"""The machine that is looked at: where its kernel shows what, and the few calls that ask it."""

import os
import re
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from attrs import field, frozen

from tftpd_tw.diagnosis import kernel
from tftpd_tw.service.cpus import usable_cpus

DISTRIBUTION = "tftpd-tw"


def usual_state_file() -> Path:
    """Where looks are remembered: root's in ``/var/lib``, anybody else's in the folder for such things."""
    told = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(told):
        folder = Path(told)
    elif os.geteuid() == 0:
        folder = Path("/var/lib")
    else:
        folder = Path(os.path.expanduser("~/.local/state"))
    return folder / "tftpd-tw" / "doctor.json"


def _required() -> list[str]:
    return metadata.requires(DISTRIBUTION) or []


@frozen
class Machine:
    """One machine. What is not there or may not be read raises OSError, which becomes a finding of its own."""

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    state_file: Path = field(factory=usual_state_file)
    now: Callable[[], float] = time.time
    """Seconds since 1970."""
    user: Callable[[], int] = os.geteuid
    """As whom we look."""
    cpus: Callable[[], int] = usable_cpus
    """How many there are for us."""
    clock_synchronised: Callable[[], bool] = kernel.clock_synchronised
    receive_offload: Callable[[str], bool] = kernel.receive_offload
    send_window: Callable[[], kernel.Pieces] = kernel.send_window
    required: Callable[[], list[str]] = _required
    """What the package needs, as ``Twisted>=26.10``."""
    installed: Callable[[str], str] = metadata.version
    """The version of a package; raises PackageNotFoundError."""

    def text(self, path: str) -> str:
        """A file of ``/proc``.

        :raises OSError: it is not there, or may not be read
        """
        return (self.proc / path).read_text(errors="replace")

    def number(self, path: str) -> int:
        """The first number in it."""
        return int(self.text(path).split()[0])

    def parameter(self, name: str) -> int:
        """A parameter of the kernel by its name for ``sysctl``, such as ``net.core.rmem_max``."""
        return self.number("sys/" + name.replace(".", "/"))

    def link(self, path: str) -> str:
        """What a link in ``/proc`` says."""
        return os.readlink(self.proc / path)

    def table(self, path: str) -> dict[str, str]:
        """A file of lines as ``Name: value``."""
        pairs = (line.partition(":") for line in self.text(path).splitlines())
        return {name: value.strip() for name, _, value in pairs}

    def processes(self) -> list[int]:
        """The process ids that there are."""
        return sorted(int(name) for name in os.listdir(self.proc) if re.fullmatch("[0-9]+", name))

    def interface(self, name: str, attribute: str) -> str:
        """What the kernel says of a network interface, such as its ``mtu``."""
        return (self.sys / "class/net" / name / attribute).read_text().strip()

    def interfaces(self) -> list[str]:
        """Those that are up."""
        folder = self.sys / "class/net"
        return [name for name in sorted(os.listdir(folder)) if self._is_up(name)]

    def counted(self, name: str, what: str) -> int:
        """A counter of an interface."""
        return int(self.interface(name, f"statistics/{what}"))

    def _is_up(self, name: str) -> bool:
        try:
            return bool(int(self.interface(name, "flags"), 16) & 1)
        except OSError:
            return False  # such as bonding_masters, which is no interface
