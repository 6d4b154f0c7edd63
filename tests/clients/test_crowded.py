"""Two hundred real clients at once, fifty of each kind, half of which read while the others write (F31)."""

import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Atftp, Busybox, Client, Curl, Hpa, Server
from lacking import need
from running import ANY_PORT, IN_FOREGROUND, Daemon, running

KINDS: tuple[Client, ...] = (Curl(), Hpa(), Atftp.asking(blksize=1428, windowsize=8), Busybox(("-b", "1428")))
OF_EACH = 50
SIZE = 200_000
SECONDS = 100
"""For all of them; on a machine that has nothing else to do they take three."""

SETTINGS = """
filesystem: {{root: {root}, uploads: create}}
performance: {{engine: {engine}}}
# All clients have one address here, and none has answered yet when the next one asks.
security: {{answers: 1000, answers_per_second: 1000}}
"""


@pytest.fixture
def daemon(engine: str, tmp_path: Path) -> Iterator[Daemon]:
    """One that lets two hundred clients behind one address begin together."""
    root, settings = tmp_path / "root", tmp_path / "tftpd.yaml"
    root.mkdir()
    settings.write_text(SETTINGS.format(root=root, engine=engine))
    with running([*IN_FOREGROUND, "tftpd", "--config", str(settings), *ANY_PORT], tmp_path) as daemon:
        daemon.root = root
        yield daemon


def content(number: int) -> bytes:
    """Of the file that the client with that number reads or writes."""
    return random.Random(number).randbytes(SIZE)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_hundred_clients(daemon: Daemon, tmp_path: Path) -> None:
    """Each file arrives whole. The daemon sleeps until all have begun, and so has all their requests at once."""
    server = Server("127.0.0.1", daemon.port)
    commands, arriving = [], []
    for number in range(OF_EACH * len(KINDS)):
        client, local, remote = KINDS[number % len(KINDS)], tmp_path / f"{number}", f"{number}"
        reads = number // len(KINDS) % 2 == 0
        arguments = (
            client.get_arguments(server, remote, local, False)
            if reads
            else client.put_arguments(server, local, remote, False)
        )
        commands.append([need(client.program, client.package), *arguments])
        there, here = (daemon.root / remote, local) if reads else (local, daemon.root / remote)
        there.write_bytes(content(number))
        arriving.append(here)
    daemon.process.send_signal(signal.SIGSTOP)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (tmp_path / f"{len(processes)}.log").open("wb") as log:
                processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        daemon.process.send_signal(signal.SIGCONT)
        for process in processes:
            process.wait(SECONDS)
    finally:
        daemon.process.send_signal(signal.SIGCONT)
        for process in processes:
            process.kill()
            process.wait()
    wrong = {
        here: [
            (tmp_path / f"{number}.log").read_text(),
            *(line for line in daemon.lines if f'name="{number}"' in line),
        ]
        for number, here in enumerate(arriving)
        if not here.exists() or here.read_bytes() != content(number)
    }
    assert wrong == {}
    assert daemon.metric('tftp_transfers_total{direction="read",outcome="completed"}') == len(commands) / 2
    assert daemon.metric('tftp_transfers_total{direction="write",outcome="completed"}') == len(commands) / 2
