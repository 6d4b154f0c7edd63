"""What a block costs, counted rather than timed: system calls and Python calls, on real sockets.

The server runs in this thread under a profile function that counts; the client is a thread of plain sockets. A
count that grows is a regression, whatever the machine.
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from net_kit import content, rrq
from poll_reactor import PATIENCE, PollReactor, plain_socket
from twisted.internet.defer import maybeDeferred

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.net import poll_loop
from tftpd_tw.net.engine import IEngine
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.policy.limits import Limits
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.folders import Folders
from tftpd_tw.service.treatment import make_bounds, make_server

BLOCKS = 640
BLKSIZE = 1428

SYSTEM_CALLS = {"recvfrom", "sendmsg", "sendto", "poll", "preadv", "select"}


def client(port: int, windowsize: int, sizes: list[int]) -> None:
    """Read the file ``f``: an ACK for each window, and nothing but counting in between."""
    with plain_socket() as sock:
        sock.sendto(rrq("f", blksize=BLKSIZE, windowsize=windowsize), ("127.0.0.1", port))
        _, server = sock.recvfrom(2000)
        sock.sendto(b"\0\4\0\0", server)
        block = 0
        while not sizes or sizes[-1] == BLKSIZE:
            sizes.append(len(sock.recv(2000)) - 4)
            block += 1
            if block % windowsize == 0 or sizes[-1] < BLKSIZE:
                sock.sendto(b"\0\4" + block.to_bytes(2, "big"), server)


def plain(engine: IEngine, root: Path) -> tuple[Server, Callable[[], None]]:
    """A server of a folder, and what closes that."""
    backend = DirectoryBackend(root, run_blocking=maybeDeferred)
    return Server(engine, backend), backend.close


SETTINGS = """
filesystem:
  root: {root}
  fallback_roots: [{root}]
  ignore_case: true
security:
  denied_clients: [192.0.2.0/24, 198.51.100.0/24]
  denied_patterns: ["*.key"]
  rules:
    - {{name: ours, action: allow, clients: [127.0.0.0/8], paths: ["*"]}}
  longest_transfer: 1h
  slowest_rate: 1
clients:
  profiles:
    - {{name: rack, clients: [127.0.0.0/8], timeout: 2}}
"""


def configured(engine: IEngine, root: Path) -> tuple[Server, Callable[[], None]]:
    """The same by a file of settings that has something of everything."""
    file = root / "tftpd.yaml"
    file.write_text(SETTINGS.format(root=root))
    sources = Sources()
    sources.add_file(str(file))
    configuration = sources.configuration()
    folders = Folders(configuration, maybeDeferred, engine.clock, {})
    limits = Limits(make_bounds(configuration))
    return make_server(engine, folders.backend, configuration, [], limits), folders.close


def cost(
    tmp_path: Path,
    engine: str,
    windowsize: int,
    blocks: int = BLOCKS,
    make: Callable[[IEngine, Path], tuple[Server, Callable[[], None]]] = plain,
) -> tuple[Counter[str], int]:
    """System calls by name, and Python calls, of one transfer."""
    (tmp_path / "f").write_bytes(content(blocks * BLKSIZE - 1))
    calls: Counter[str] = Counter()
    python = 0

    def count(frame, event, argument):
        nonlocal python
        if event == "call":
            python += 1
        elif event == "c_call" and argument.__name__ in SYSTEM_CALLS:
            calls[argument.__name__] += 1

    sizes: list[int] = []
    with closing(PollReactor(engine)) as reactor:
        server, close = make(reactor.engine, tmp_path)
        listener = Listener(server)
        port = listener.listen("127.0.0.1", 0).port
        thread = threading.Thread(target=client, args=(port, windowsize, sizes))
        thread.start()
        sys.setprofile(count)
        try:
            reactor.run_until(lambda: sizes and sizes[-1] < BLKSIZE and not listener.active)
        finally:
            sys.setprofile(None)
        thread.join(PATIENCE)
        listener.close()
        close()
    assert len(sizes) == blocks
    assert sum(sizes) == blocks * BLKSIZE - 1
    return calls, python


@pytest.mark.parametrize(("windowsize", "per_window"), [(1, 1.1), (16, 1.1), (64, 2.1)])
def test_system_calls_of_a_window(tmp_path, engine, windowsize, per_window):
    """A window costs a read of its ACK, a send (two above 64 KiB) and at most one read of the file."""
    calls, _ = cost(tmp_path, engine, windowsize)
    windows = BLOCKS / windowsize
    assert calls["sendmsg"] <= windows * per_window + 3
    assert calls["sendto"] == 0
    assert calls["recvfrom"] <= windows * 1.1 + 3
    assert calls["preadv"] <= min(windows, BLOCKS * BLKSIZE / 30_000 + 10) + 3


def test_polls_of_a_block(tmp_path, monkeypatch):
    """The poll loop waits once for each ACK, and does not go back to the reactor in between.

    How often it looks before it sleeps is the client's doing, and not counted here.
    """
    monkeypatch.setattr(poll_loop, "SPIN", 0)
    calls, _ = cost(tmp_path, "poll", 1)
    assert calls["poll"] <= BLOCKS * 1.3
    assert calls["select"] <= BLOCKS * 0.5


@pytest.mark.parametrize("windowsize", [1, 16, 64])
def test_python_calls_of_a_window(tmp_path, windowsize):
    """The path of a window is some two dozen functions, however many blocks are in it."""
    _, python = cost(tmp_path, "poll", windowsize)
    assert python <= BLOCKS / windowsize * 30 + 400


@pytest.mark.parametrize("windowsize", [1, 16])
def test_settings_cost_a_block_nothing(tmp_path, monkeypatch, windowsize):
    """Rules, limits, names and profiles are asked once for each request, and not again."""
    monkeypatch.setattr(poll_loop, "SPIN", 0)

    def of_a_window(make):
        counts = [cost(tmp_path, "poll", windowsize, blocks, make)[1] for blocks in (BLOCKS, 3 * BLOCKS)]
        return (counts[1] - counts[0]) / (2 * BLOCKS / windowsize)

    assert of_a_window(configured) <= of_a_window(plain) + 0.5
