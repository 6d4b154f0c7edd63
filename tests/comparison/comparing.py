"""Send the same raw requests to a server, and say what kind of first answer each gets.

Every request comes from an address and a port of its own, and when the one before has its answer, if one is
expected; what else comes is waited for at the end. An answer is ``nothing``, ``ERROR`` and its code, ``OACK`` and
its options in alphabetical order, ``ACK`` and its number, or ``DATA``, the number of the block where it is not 1,
and its length in bytes.
"""

import os
import selectors
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic

from benchmarks.peers import PEERS, Peer, environment

START = 20.0
"""Seconds for a server to start."""

PATIENCE = 5.0
"""For an answer that is expected."""

SILENCE = 1.0
"""After the last request, for answers that are not."""

NOTHING = "nothing"
_KINDS = {b"\0\3": "DATA", b"\0\4": "ACK", b"\0\5": "ERROR"}
SERVERS: Mapping[str, Peer] = {peer.name: peer for peer in PEERS}


def answer(packet: bytes) -> str:
    """What kind of answer it is."""
    opcode, number = packet[:2], int.from_bytes(packet[2:4], "big")
    if opcode == b"\0\6":
        words = packet[2:].decode("latin-1").split("\0")
        return " ".join(["OACK", *sorted(map("=".join, zip(words[:-1:2], words[1::2], strict=True)))])
    if len(packet) < 4 or opcode not in _KINDS:
        return f"? {packet[:20].hex(' ')}"
    if opcode == b"\0\3":
        return f"DATA {len(packet) - 4}" if number == 1 else f"DATA block {number}, {len(packet) - 4}"
    return f"{_KINDS[opcode]} {number}"


def asked(server: tuple[str, int], packets: Sequence[bytes], expected: Sequence[str]) -> list[str]:
    """The first answers."""
    found = [NOTHING] * len(packets)
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())

        def listen(seconds: float, until: int | None = None) -> None:
            """For so long, or until that request has its answer."""
            end = monotonic() + seconds
            while (left := end - monotonic()) > 0 and (until is None or found[until] == NOTHING):
                for key, _ in selector.select(left):
                    sock, number = key.fileobj, key.data
                    assert isinstance(sock, socket.socket)
                    packet, peer = sock.recvfrom(70000)
                    found[number] = answer(packet)
                    sock.sendto(b"\0\5\0\0enough\0", peer)
                    selector.unregister(sock)

        for number, packet in enumerate(packets):
            sock = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            # What one address may ask for at once is limited.
            sock.bind((f"127.2.0.{1 + number}", 0))
            sock.sendto(packet, server)
            selector.register(sock, selectors.EVENT_READ, number)
            if expected[number] != NOTHING:
                listen(PATIENCE, number)
        listen(SILENCE)
    return found


@contextmanager
def serving(peer: Peer, root: Path) -> Iterator[tuple[str, int]]:
    """That server at work on ``root``, which has a file ``ready``; where it is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((peer.address, peer.port or 0))
        address = (peer.address, int(probe.getsockname()[1]))
    command = peer.command(*address, root)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(command),
            start_new_session=True,
        )
        try:
            end = monotonic() + START
            while _ready(address) != "DATA 5":
                assert process.poll() is None, log.seek(0) or log.read()
                assert monotonic() < end, log.seek(0) or log.read()
            yield address
        finally:
            # What it has forked is of its session and of its group.
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(PATIENCE)
                    break


def _ready(address: tuple[str, int]) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.2)
        sock.sendto(b"\0\1ready\0octet\0", address)
        try:
            packet, peer = sock.recvfrom(1024)
        except (TimeoutError, ConnectionError):
            return NOTHING
        sock.sendto(b"\0\4\0\1", peer)
        return answer(packet)
