"""The daemon in a process of its own: start it, know when it serves, talk to it, end it.

Ports are chosen by the kernel, and read from the log lines that say where the daemon listens; so nothing is
guessed and nobody waits longer than needed.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.request import Request, urlopen

TWISTD = Path(sys.executable).with_name("twistd")
IN_FOREGROUND = (str(TWISTD), "-n", "--pidfile=")
ANY_PORT = ("--port", "0", "--http", "127.0.0.1:0")

PATIENCE = 30.0
"""Seconds for what takes a moment; more is a failure."""

_SERVING = re.compile(r"serving .* on UDP (\S+):(\d+)(?: \(.*\))?\W*$")
_METRICS = re.compile(r"metrics on http://(\S+)/metrics\W*$")


class Daemon:
    """A process that serves, and what it has written so far."""

    root: Path
    """The folder that it serves; set by :func:`serving`."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        environment: Mapping[str, str] | None = None,
        *,
        http: bool = True,
        forgetting: str = r"(?!)",
    ) -> None:
        self.lines: list[str] = []
        self._forgetting = re.compile(forgetting)
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            # Whoever runs the tests in the background has it ignored, and so would the daemon.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.port = int(self.wait_for_line(_SERVING)[2])
            self.http = self.wait_for_line(_METRICS)[1] if http else ""
        except BaseException:
            self.end()
            raise

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if self._forgetting.search(line):
                continue
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def output(self) -> str:
        """All it has written."""
        return "\n".join(self.lines)

    def wait_for_line(self, pattern: "str | re.Pattern[str]", seconds: float = PATIENCE) -> "re.Match[str]":
        """The first line that matches, as soon as there is one."""
        found: list[re.Match[str]] = []
        seen = 0

        def look() -> bool:
            nonlocal seen
            for line in self.lines[seen:]:
                seen += 1
                if match := re.search(pattern, line):
                    found.append(match)
                    return True
            return self._ended

        with self._news:
            self._news.wait_for(look, seconds)
        assert found, f"no line like {pattern!r} in:\n{self.output}"
        return found[0]

    def get(self, path: str, accept: str = "text/plain") -> str:
        """What the HTTP port answers."""
        with urlopen(Request(f"http://{self.http}{path}", headers={"Accept": accept}), timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
        return text

    def metric(self, sample: str) -> float:
        """The value of one sample of ``/metrics``: ``tftp_errors_total{code="1"}``; 0 if there is none."""
        for line in self.get("/metrics").splitlines():
            name, _, value = line.rpartition(" ")
            if name == sample:
                return float(value)
        return 0.0

    def wait_until(self, condition: Callable[[], bool], seconds: float = PATIENCE) -> float:
        """Look again and again until ``condition`` holds; the seconds that it took.

        Each look asks the daemon something, which is what makes a pause between them.
        """
        began = monotonic()
        while not condition():
            assert monotonic() < began + seconds, f"still not so after {seconds} seconds:\n{self.output}"
        return monotonic() - began

    def stop(self) -> None:
        """Send SIGTERM, and don't wait."""
        if self.process.poll() is None:
            self.process.terminate()

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait for the end; the exit status."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def end(self) -> int:
        """Stop it and wait; kill it if that does not help. May be called again."""
        self.stop()
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.wait()
            raise


def soon(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether ``condition`` comes to hold in that time."""
    end = monotonic() + seconds
    while not condition():
        if monotonic() > end:
            return False
        sleep(0.01)
    return True


@contextmanager
def running(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    *,
    http: bool = True,
    forgetting: str = r"(?!)",
) -> Iterator[Daemon]:
    """The daemon that ``command`` starts; it must end well, and must not have logged a traceback. Lines of its log
    that match ``forgetting`` are not kept; by default that is none.
    """
    daemon = Daemon(command, cwd, environment, http=http, forgetting=forgetting)
    try:
        yield daemon
    finally:
        status = daemon.end()
    # twistd ends itself with the signal that ended its reactor.
    assert status in (0, -2, -15), daemon.output
    assert "Traceback" not in daemon.output, daemon.output


@contextmanager
def serving(root: Path, engine: str, *options: str) -> Iterator[Daemon]:
    """``twistd -n tftpd`` on ``root``, on ports that were free."""
    root.mkdir(exist_ok=True)
    command = [*IN_FOREGROUND, "tftpd", "--root", str(root), *ANY_PORT, "--engine", engine, *options]
    with running(command, root.parent) as daemon:
        daemon.root = root
        yield daemon


@contextmanager
def udp(host: str = "127.0.0.1", *, wide: bool = False) -> Iterator[socket.socket]:
    """A socket of a client on ``host``; ``wide`` has room for many large blocks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if wide:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.settimeout(PATIENCE)
        sock.bind((host, 0))
        yield sock


def request(opcode: int, name: bytes, **options: int) -> bytes:
    """An RRQ (1) or a WRQ (2) in octet mode."""
    pairs = b"".join(b"%s\0%d\0" % (key.encode(), value) for key, value in options.items())
    return b"\0%c%s\0octet\0%s" % (opcode, name, pairs)


def ack(number: int) -> bytes:
    """An ACK."""
    return b"\0\4" + (number & 0xFFFF).to_bytes(2, "big")


def data(number: int, payload: bytes) -> bytes:
    """A DATA packet."""
    return b"\0\3" + (number & 0xFFFF).to_bytes(2, "big") + payload


def fetch(host: str, port: int, name: bytes, **options: int) -> bytes:
    """Read a file."""
    with udp("::1" if ":" in host else "127.0.0.1") as sock:
        return fetch_with(sock, (host, port), name, **options)


def fetch_with(sock: socket.socket, server: tuple[str | int, ...], name: bytes, **options: int) -> bytes:
    """Read a file in lockstep, by a client of few lines; anything unexpected is a failure. A packet that is sent
    again is not: a machine that has much to do may be late with its ACK.
    """
    size = options.get("blksize", 512)
    content = b""
    sock.sendto(request(1, name, **options), server)
    number = 0 if options else 1
    before = b""
    while True:
        packet, peer = sock.recvfrom(65536)
        if packet == before:
            continue
        before = packet
        expected = b"\0\6" if number == 0 else data(number, b"")
        assert packet.startswith(expected), packet[:100]
        sock.sendto(ack(number), peer)
        if number:
            content += packet[4:]
            if len(packet) < size + 4:
                return content
        number += 1
