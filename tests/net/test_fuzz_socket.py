"""Everything that may arrive, over real sockets, against a daemon in a process of its own."""

import pathlib
import random
import re
import select
import signal
import subprocess
import sys
import time

import pytest
from fuzz_kit import CORPUS, OTHERS, datagrams
from net_kit import content, packet, rrq, spoken
from poll_reactor import closed_port, plain_socket

START, SERVE, STOP = 30.0, 60.0, 60.0
"""Seconds that the daemon may take to start, to serve again after the flood, and to stop."""

BATCH = 50
"""Datagrams sent before the daemon has to show that it has read them."""

MAX_GROWTH = 32 << 10
"""KiB that the daemon's memory may grow by."""


OPEN_TO_ALL = """
security:
  {answers: 100000, answers_per_second: 100000, connections_per_client: 1000, unverified_share: 1}
"""
"""Or the daemon would soon ignore the one address that all this comes from."""


class Daemon:
    """``twistd tftpd`` with a log in a file; use it in a ``with`` statement."""

    def __init__(self, directory, engine, *options):
        self.single_port = "--single-port" in options
        root = directory / "root"
        root.mkdir()
        (root / "f").write_bytes(content(3000))
        settings = directory / "tftpd.yaml"
        settings.write_text(OPEN_TO_ALL)
        self.log = directory / "log"
        self.address = closed_port()
        twistd = pathlib.Path(sys.executable).with_name("twistd")
        address = ["--address", "127.0.0.1", "--port", str(self.address[1]), "--http", "off"]
        terms = ["--uploads", "create", "--timeout", "0.5", "--max-retries", "1", "--engine", engine]
        command = [str(twistd), "-n", "--pidfile=", "tftpd", "--config", str(settings)]
        command += ["--root", str(root), *address, *terms, *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=directory)

    def __enter__(self):
        self.wait_until_served(START)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def wait_until_served(self, seconds):
        """Until a whole file arrives."""
        end = time.monotonic() + seconds
        while fetch(self.address) != content(3000):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()[-2000:]

    def memory(self):
        """Resident, in KiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+([0-9]+) kB", status)[1])

    def stop(self):
        """Politely; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP)


def fetch(address):
    """The file, or what of it came before nothing more did."""
    got = b""
    with plain_socket() as client:
        client.settimeout(0.2)
        client.sendto(rrq(), address)
        try:
            while True:
                data, tid = client.recvfrom(2000)
                client.sendto(packet("A" + re.match("D([0-9]+)/", spoken(data))[1]), tid)
                got += data[4:]
                if len(data) < 516:
                    return got
        except (TimeoutError, TypeError):
            return got


class Fuzzer:
    """Sockets that send anything to the request port, and to every port that answers."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.chance = random.Random(0)
        self.sockets = []
        self.tids = []

    def run(self, count):
        """Send so many datagrams."""
        stream = datagrams(3, count, CORPUS + OTHERS)
        for number, datagram in enumerate(stream):
            if number % 1000 == 0:
                self.new_sockets()
            client = self.chance.choice(self.sockets)
            to = self.daemon.address
            if self.tids and self.chance.random() < 0.3:
                to = self.chance.choice(self.tids)
            client.sendto(datagram, to)
            if number % BATCH == BATCH - 1:
                self.synchronise()
        self.close()

    def new_sockets(self):
        """Other clients; those before them have gone."""
        self.close()
        self.sockets = [plain_socket() for _ in range(8)]
        self.tids = []

    def close(self):
        """All gone."""
        for client in self.sockets:
            client.close()
        self.sockets = []

    def synchronise(self):
        """Wait until the daemon has read everything, and look at what it said."""
        with plain_socket() as client:
            end = time.monotonic() + 10.0
            answer = None
            while answer is None:
                assert time.monotonic() < end, "the daemon does not answer"
                client.sendto(rrq("none"), self.daemon.address)
                if select.select([client], [], [], 0.5)[0]:
                    answer = client.recv(200)
            assert answer == b"\0\5\0\1File not found\0"
        while ready := select.select(self.sockets, [], [], 0)[0]:
            for client in ready:
                answer, tid = client.recvfrom(65536)
                assert (tid == self.daemon.address) == self.daemon.single_port
                assert answer[0] == 0
                assert 3 <= answer[1] <= 6
                assert answer[1] != 5 or (len(answer) <= 128 and answer[-1] == 0)
                self.tids = [*self.tids[-15:], tid]


@pytest.mark.parametrize("options", [(), ("--single-port",)], ids=["own ports", "single port"])
@pytest.mark.parametrize(
    "count",
    [
        pytest.param(20_000, marks=pytest.mark.timeout(240)),
        pytest.param(1_000_000, marks=[pytest.mark.long, pytest.mark.timeout(3600)]),
    ],
)
def test_daemon_survives_anything(tmp_path, engine, options, count):
    """After a flood of nonsense the daemon serves, has logged no traceback and has not grown (F42, S005-S008,
    S018, S037).
    """
    with Daemon(tmp_path, engine, *options) as daemon:
        fuzzer = Fuzzer(daemon)
        fuzzer.run(2000)
        before = daemon.memory()
        fuzzer.run(count)
        growth = daemon.memory() - before
        daemon.wait_until_served(SERVE)
        assert daemon.stop() in (0, -signal.SIGTERM)  # twistd ends itself with the signal that stopped it
    log = daemon.log.read_text()
    assert "Traceback" not in log
    assert "Unhandled" not in log
    assert "Server Shut Down." in log
    assert growth < MAX_GROWTH
