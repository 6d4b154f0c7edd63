"""Prometheus itself, with a daemon that it scrapes."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from lacking import need
from running import Daemon, fetch, request, serving, soon, udp

CONTENT = b"0123456789" * 100


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that has served one file and refused another."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(CONTENT)
    with serving(root, "auto") as daemon:
        assert fetch("127.0.0.1", daemon.port, b"file") == CONTENT
        with udp() as sock:
            sock.sendto(request(1, b"missing"), ("127.0.0.1", daemon.port))
            assert sock.recv(600).startswith(b"\0\5\0\1")
        yield daemon


def test_the_names_and_types(busy: Daemon) -> None:
    """promtool has nothing to say against them."""
    promtool = need("promtool", "prometheus")
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=busy.get("/metrics"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[str]:
    """One that scrapes ``target`` each second; where it answers."""
    program = need("prometheus", "prometheus")
    configuration = folder / "prometheus.yml"
    configuration.write_text(
        "scrape_configs:\n"
        "  - job_name: tftp\n"
        "    scrape_interval: 1s\n"
        f"    static_configs: [{{targets: ['{target}']}}]\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
            env=os.environ,
        )
        try:
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def ask(address: str, query: str) -> list[tuple[dict[str, str], float]]:
    """Labels and values; none if it does not answer yet."""
    try:
        with urlopen(f"http://{address}/api/v1/query?query={quote(query)}", timeout=10) as answer:
            result = json.load(answer)["data"]["result"]
    except URLError:
        return []
    return [(one["metric"], float(one["value"][1])) for one in result]


def test_a_scrape(busy: Daemon, tmp_path: Path) -> None:
    """A real one gets the figures, and answers for them."""
    before = busy.metric('tftp_bytes_transferred_total{direction="read"}')
    with prometheus(busy.http, tmp_path) as address:
        query = 'sum(tftp_bytes_transferred_total{direction="read"})'
        assert soon(lambda: ask(address, query) == [({}, before)])
        refused = {(labels["reason"], value) for labels, value in ask(address, "tftp_transfer_endings_total")}
        assert ("not-found", 1.0) in refused
        quantile = "histogram_quantile(0.5, sum by (le) (tftp_response_time_seconds_bucket))"
        [(_, response_time)] = ask(address, quantile)
        assert 0 < response_time < 10
