"""What a window of an upload costs, counted rather than timed: system calls and Python calls, on real sockets.

Client and server take turns in one thread: a whole window is there before the server is let run, so that the
counts are the same each time. A count that grows is a regression, whatever the machine.
"""

import select
import sys
from collections import Counter
from contextlib import closing

import pytest
from net_kit import content, wrq
from poll_reactor import PollReactor, plain_socket
from twisted.internet.defer import maybeDeferred

from tftpd_tw.backends import staging
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.uploading import BATCH, UploadPolicy
from tftpd_tw.net import poll_loop
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.net.sockets import segment_control
from tftpd_tw.protocol.lifecycle import READ_AHEAD

BLKSIZE = 1024
WINDOWS = 20

SYSTEM_CALLS = {"recvfrom", "recvmsg", "sendmsg", "sendto", "write", "poll", "setsockopt"}


def blocks_of(data: bytes) -> list[bytes]:
    """The DATA packets of a file."""
    numbers = range(len(data) // BLKSIZE + 1)
    return [b"\0\3" + (number + 1).to_bytes(2, "big") + data[number * BLKSIZE :][:BLKSIZE] for number in numbers]


class Cost:
    """System calls by name, Python calls, and runs of a thread, while the server works."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.python = 0
        self.threads = 0

    def count(self, frame, event, argument):
        """For sys.setprofile."""
        if event == "call":
            self.python += 1
        elif event == "c_call" and argument.__name__ in SYSTEM_CALLS:
            self.calls[argument.__name__] += 1

    def in_thread(self, function, *arguments):
        """A RunBlocking."""
        self.threads += sys.getprofile() is not None
        return maybeDeferred(function, *arguments)


def cost(tmp_path, windowsize: int, *, joined: bool = False, engine: str = "poll") -> Cost:
    """Of :data:`WINDOWS` windows of an upload; the first and the last one are not counted."""
    data = content((WINDOWS + 2) * windowsize * BLKSIZE - 1)
    blocks = blocks_of(data)
    found = Cost()
    with (
        closing(PollReactor(engine)) as reactor,
        closing(DirectoryBackend(tmp_path, run_blocking=found.in_thread, uploads=UploadPolicy.CREATE)) as backend,
        plain_socket() as client,
    ):
        listener = Listener(Server(reactor.engine, backend))
        port = listener.listen("127.0.0.1", 0).port

        def answer() -> tuple[bytes, tuple[str, int]]:
            reactor.run_until(lambda: select.select([client], [], [], 0)[0])
            return client.recvfrom(2000)

        client.sendto(wrq("f", blksize=BLKSIZE, windowsize=windowsize), ("127.0.0.1", port))
        _, server = answer()
        for first in range(0, len(blocks), windowsize):
            window = blocks[first : first + windowsize]
            if joined:
                client.sendmsg(window, segment_control(BLKSIZE + 4), 0, server)
            else:
                for block in window:
                    client.sendto(block, server)
            measured = windowsize <= first < (WINDOWS + 1) * windowsize
            if measured:
                sys.setprofile(found.count)
            try:
                reactor.run_until(lambda: select.select([client], [], [], 0)[0])
            finally:
                sys.setprofile(None)
            last = (first + len(window)).to_bytes(2, "big")
            assert client.recv(2000) == b"\0\4" + last
        listener.close()
    assert (tmp_path / "f").read_bytes() == data
    return found


@pytest.fixture(params=[True, False], ids=["memory", "disk"])
def in_memory(request, monkeypatch):
    """Whether the files count as being in memory."""
    monkeypatch.setattr(staging, "lives_in_memory", lambda fd: request.param)
    return request.param


@pytest.mark.parametrize("engine", ["reactor", "poll"])
@pytest.mark.parametrize("windowsize", [4, 16, 60])
def test_system_calls_of_a_window(tmp_path, in_memory, engine, windowsize):
    """A window costs one read for each packet and one ACK. Its content is written at once or by a thread, and
    never in pieces smaller than a window and the read-ahead.
    """
    found = cost(tmp_path, windowsize, engine=engine)
    assert found.calls["recvmsg"] == WINDOWS * windowsize
    assert found.calls["sendmsg"] == WINDOWS
    assert found.calls["recvfrom"] == found.calls["sendto"] == found.calls["setsockopt"] == 0
    size = WINDOWS * windowsize * BLKSIZE
    piece = max(READ_AHEAD - windowsize * BLKSIZE, windowsize * BLKSIZE)
    assert found.calls["write"] <= size / (piece if in_memory else BATCH) + 1
    assert found.threads == (0 if in_memory else found.calls["write"])


def test_a_window_in_one_piece_is_one_read(tmp_path, in_memory):
    """Where the kernel has joined the packets, a window of up to 64 KiB is one read."""
    found = cost(tmp_path, 16, joined=True)
    assert found.calls["recvmsg"] == WINDOWS
    assert found.calls["sendmsg"] == WINDOWS


def test_polls_of_a_window(tmp_path, monkeypatch):
    """A window that is there is read in one turn; how often the loop looks before it sleeps is not counted."""
    monkeypatch.setattr(poll_loop, "SPIN", 0)
    assert cost(tmp_path, 16).calls["poll"] <= 3 * WINDOWS


@pytest.mark.parametrize("windowsize", [4, 16, 60])
def test_python_calls_of_a_window(tmp_path, monkeypatch, windowsize):
    """The path of a window is some four dozen functions, those of the test included, whatever its size."""
    monkeypatch.setattr(staging, "lives_in_memory", lambda fd: True)
    assert cost(tmp_path, windowsize).python <= WINDOWS * 52
