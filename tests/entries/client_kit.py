"""What the tests of the client commands share: the commands as processes, and servers that misbehave."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from running import PATIENCE, TWISTD

TFTPD_TW = str(TWISTD.with_name("tftpd-tw"))


def tftpd_tw(
    *arguments: object, cwd: Path, content: bytes = b"", **environment: str
) -> "subprocess.CompletedProcess[bytes]":
    """A command that ends by itself; ``content`` is its standard input."""
    return subprocess.run(
        [TFTPD_TW, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **environment},
        input=content,
        capture_output=True,
        timeout=PATIENCE,
    )


@contextmanager
def started(*arguments: object, cwd: Path, **outputs: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A command that is talked to meanwhile; it is killed if it has not ended."""
    with subprocess.Popen(
        [TFTPD_TW, *map(str, arguments)],
        cwd=cwd,
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **outputs},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


@contextmanager
def answering_with(answer: Callable[[bytes], list[bytes]], host: str = "127.0.0.1") -> Iterator[str]:
    """A server that answers each packet with some, from the port that was asked; ``HOST:PORT``."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))

        def serve() -> None:
            while True:
                packet, peer = sock.recvfrom(65536)
                if packet == b"end":
                    return
                for each in answer(packet):
                    sock.sendto(each, peer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield "{}:{}".format(*sock.getsockname())
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.sendto(b"end", sock.getsockname())
            thread.join()
