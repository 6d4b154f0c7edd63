"""Networks of the test's own: namespaces of the kernel, wires between them, and sockets in any of them.

Whoever may not make them, or lacks the tools, has these tests skipped, and on CI failed.
"""

import ctypes
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from lacking import lacking, need
from running import PATIENCE

_numbers = count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class Namespaces:
    """Some hosts, each a network namespace."""

    def __init__(self, *hosts: str) -> None:
        prefix = f"tftpd{os.getpid()}-{next(_numbers)}"
        self._names = {host: f"{prefix}-{host}" for host in hosts}

    def run(self, host: str, *command: str, said: str = "") -> str:
        """Run a command there; what it printed."""
        return _run("ip", "netns", "exec", self._names[host], *command, said=said)

    def command(self, host: str, *command: str) -> tuple[str, ...]:
        """What runs that there."""
        return ("ip", "netns", "exec", self._names[host], *command)

    def wire(self, host: str, interface: str, other: str, other_interface: str) -> None:
        """An Ethernet between two hosts. Addresses count at once, and there are none but those given."""
        names = (interface, "netns", self._names[host]), (other_interface, "netns", self._names[other])
        _run("ip", "link", "add", *names[0], "type", "veth", "peer", "name", *names[1])
        for where, name in ((host, interface), (other, other_interface)):
            self.run(where, "ip", "link", "set", name, "addrgenmode", "none")
            self.run(where, "ip", "link", "set", name, "up")

    def address(self, host: str, interface: str, address: str) -> None:
        """Give an interface an address, such as ``10.0.0.1/24``."""
        usable_at_once = ["nodad"] if ":" in address else []
        self.run(host, "ip", "address", "add", address, "dev", interface, *usable_at_once)

    @contextmanager
    def udp(self, host: str, family: socket.AddressFamily = socket.AF_INET) -> Iterator[socket.socket]:
        """A UDP socket there: a socket stays in the namespace in which its thread was when it was made."""
        made: list[socket.socket] = []

        def make() -> None:
            with open(Path("/run/netns", self._names[host])) as file:
                if _libc.setns(file.fileno(), 0) == 0:
                    made.append(socket.socket(family, socket.SOCK_DGRAM))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        [sock] = made
        with sock:
            sock.settimeout(PATIENCE)
            yield sock

    @contextmanager
    def made(self) -> Iterator["Namespaces"]:
        """While they are there; where a command in it fails, such networks are lacking."""
        try:
            for host, name in self._names.items():
                _run("ip", "netns", "add", name)
                self.run(host, "ip", "link", "set", "lo", "up")
            yield self
        except subprocess.CalledProcessError as error:
            lacking(f"such a network cannot be made here: {error.stderr.strip()}")
        finally:
            for name in self._names.values():
                subprocess.run(["ip", "netns", "delete", name], capture_output=True, timeout=PATIENCE)


@contextmanager
def namespaces(*hosts: str) -> Iterator[Namespaces]:
    """Hosts without any wire yet, for a fixture to connect."""
    if os.geteuid() != 0:
        lacking("network namespaces need root")
    need("ip", "iproute2")
    with Namespaces(*hosts).made() as made:
        yield made


def _run(*command: str, said: str = "") -> str:
    done = subprocess.run(command, input=said, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout
