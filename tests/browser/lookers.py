"""What somebody does to a daemon while a page looks at it."""

import socket
from pathlib import Path

from attrs import define
from browser import Browser
from running import Daemon, ack, data, request, udp

BLOCK = 512
BLOCKS = 100
FILES = {"vmlinuz": b"k" * (BLOCK * BLOCKS), "menu.ipxe": b"#!ipxe\n", "grub/grub.cfg": b"set timeout=5\n"}


def a_root(folder: Path) -> Path:
    """A folder with these files."""
    root = folder / "root"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def page(daemon: Daemon, query: str = "") -> str:
    """The address of its page."""
    return f"http://{daemon.http}/{query}"


@define
class Client:
    """Somebody who reads ``vmlinuz``, as far as he is told to."""

    sock: socket.socket
    peer: tuple[str, int]
    acknowledged: int = -1

    @classmethod
    def asking(cls, sock: socket.socket, daemon: Daemon, **options: int) -> "Client":
        """He has an OACK, and has not said anything to it."""
        sock.sendto(request(1, b"vmlinuz", tsize=0, **options), ("127.0.0.1", daemon.port))
        packet, peer = sock.recvfrom(2048)
        assert packet.startswith(b"\0\6"), packet
        return cls(sock, peer)

    def read(self, until: int) -> None:
        """Acknowledge block by block up to ``until``."""
        for number in range(self.acknowledged + 1, until + 1):
            self.sock.sendto(ack(number), self.peer)
            while number <= BLOCKS and not self.sock.recv(2048).startswith(data(number + 1, b"")):
                pass  # the block before, which came again while he made a pause
        self.acknowledged = until

    def give_up(self, code: int, text: bytes) -> None:
        """Send an ERROR."""
        self.sock.sendto(b"\0\5\0%c%s\0" % (code, text), self.peer)


def ask(daemon: Daemon, *names: bytes, host: str = "127.0.0.1", opcode: int = 1) -> None:
    """Ask for files that are not there, or to store some where none may be stored."""
    with udp(host) as sock:
        for name in names:
            sock.sendto(request(opcode, name), ("127.0.0.1", daemon.port))
            assert sock.recv(600).startswith(b"\0\5")


def filtered(browser: Browser, **filters: str) -> str:
    """Type these filters; how many recent transfers are shown then, as the page says it."""
    for name, text in filters.items():
        browser.find(f"#filters [name={name}]").send_keys(text)
    [shown] = browser.texts("#recent-of")
    return shown
