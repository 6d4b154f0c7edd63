"""Prometheus itself, with a daemon that it scrapes."""

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
import yaml
from lacking import need
from running import Daemon, fetch, request, serving, soon, udp

CONTENT = b"0123456789" * 100
DOCS = Path(__file__).parents[2] / "docs"
ALERTS = DOCS / "prometheus"
DASHBOARD = DOCS / "grafana" / "tftpd.json"


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


@pytest.mark.parametrize("arguments", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]])
def test_the_alerts(arguments: list[str]) -> None:
    """They can be loaded, and come when they have to."""
    promtool = need("promtool", "prometheus")
    done = subprocess.run(
        [promtool, *arguments], cwd=ALERTS, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_each_alert_is_tested() -> None:
    """Once where it comes, and once where it stays away."""
    alerts = yaml.safe_load((ALERTS / "alerts.yml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((ALERTS / "alerts_test.yml").read_text())["tests"]
    cases = [(rule["alertname"], bool(rule["exp_alerts"])) for test in tests for rule in test["alert_rule_test"]]
    assert sorted(cases) == sorted((alert["alert"], comes) for alert in alerts for comes in (True, False))


def expressions() -> Iterator[str]:
    """All that alerts and dashboard ask for."""
    for alert in yaml.safe_load((ALERTS / "alerts.yml").read_text())["groups"][0]["rules"]:
        yield alert["expr"]
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def test_nothing_is_asked_for_that_is_not_there() -> None:
    """Each name is one of those that the README tells of."""
    readme = (DOCS.parent / "README.md").read_text()
    known = {re.sub(r"_total$", "", name) for name in re.findall(r"`(tftp_\w+)", readme)}
    asked = re.findall(r"tftp_\w+", " ".join(expressions()))
    used = {re.sub(r"_(total|bucket)$", "", name) for name in asked}
    assert used
    assert used <= known


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
    except HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return []
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
        for expression in expressions():
            ask(address, expression)  # it can be read
