"""Settings that contradict each other are refused; those that others leave without effect are told."""

from pathlib import Path

import pytest
from twisted.logger import globalLogPublisher

from tftpd_tw.service.config_checks import mistakes
from tftpd_tw.service.config_reader import Sources, dotted
from tftpd_tw.service.config_warnings import without_effect
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.tap import Options

UPLOADS = "filesystem.uploads is deny"
WRITES = "security.write_enabled is false"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings may be written."""
    return tmp_path / "tftpd.yaml"


def read(file: Path, text: str) -> Configuration:
    """What ``text`` comes to."""
    file.write_text(text)
    sources = Sources()
    sources.add_file(str(file))
    configuration: Configuration = sources.configuration()
    return configuration


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", {}),
        ("filesystem: {upload_root: /up, fsync: false}", {"upload_root": UPLOADS, "fsync": UPLOADS}),
        ("filesystem: {uploads: create, upload_root: /up, quota: 5, fsync: false}", {}),
        ("security: {write_enabled: false}", {}),
        (
            "filesystem: {uploads: create, upload_mode: '0640'}\nsecurity: {write_enabled: false}",
            {"uploads": WRITES, "upload_mode": WRITES},
        ),
        ("filesystem: {uploads: create, versions: 3}", {"versions": "filesystem.uploads is not versions"}),
        ("filesystem: {uploads: versions, versions: 3}", {}),
        (
            "filesystem: {uploads: create, max_file_size: 6, quota: 5, quota_per_client: 5}",
            {
                "max_file_size": "filesystem.quota is not above it",
                "quota_per_client": "filesystem.quota is not above it",
            },
        ),
        ("filesystem: {uploads: create, max_file_size: 4, quota: 5, quota_per_client: 4}", {}),
        ("cache: {enabled: false, size: 5, ttl: 5}", dict.fromkeys(["size", "ttl"], "cache.enabled is false")),
        (
            "performance: {async_io: false, thread_pool_size: 4}",
            {"thread_pool_size": "performance.async_io is false"},
        ),
        ("performance: {cpu_affinity: true}", {"cpu_affinity": "performance.workers is 1"}),
        ("performance: {cpu_affinity: true, workers: auto}", {}),
        ("performance: {mtu_slack: 20, block_size: 512}", {"mtu_slack": "no block_size is mtu"}),
        (
            "performance: {mtu_slack: 20, block_size: 512}\nclients: {profiles: [{name: a, block_size: mtu}]}",
            {},
        ),
        (
            "network: {port_range: 5000-5010, single_port: true}",
            {"port_range": "all transfers stay on the port that was asked"},
        ),
        ("network: {port_range: 5000-5010, single_port: true, listeners: [{port: 70, single_port: false}]}", {}),
        (
            "network: {port_range: 5000-5010, single_port: true}\n"
            "clients: {profiles: [{name: a, single_port: false}]}",
            {},
        ),
        ("network: {port: 70, listeners: [{port: 71}]}", {"port": "every listener has a port of its own"}),
        ("network: {port: 70, listeners: [{port: 71}, {interface: eth0}]}", {}),
        ("network: {port: 70, addresses: ['::1'], listeners: [{port: 71}]}", {}),
        (
            "performance: {max_connections: 10}\nsecurity: {connections_per_client: 10}",
            {"connections_per_client": "performance.max_connections is not above it"},
        ),
        ("performance: {max_connections: 10}", {}),
        (
            "security: {rate_limit: 30, rate_limit_per_client: 20, rate_limit_total: 10}",
            {
                "rate_limit": "security.rate_limit_per_client is not above it",
                "rate_limit_per_client": "security.rate_limit_total is not above it",
            },
        ),
        (
            "security: {rate_limit: 30, rate_limit_total: 30}",
            {"rate_limit": "security.rate_limit_total is not above it"},
        ),
        ("security: {rate_limit: 10, rate_limit_per_client: 20, rate_limit_total: 30}", {}),
    ],
)
def test_what_has_no_effect(text: str, told: dict[str, str], file: Path) -> None:
    """Only what is not at its default is told, with what makes it so."""
    found = {path[-1]: reason for path, reason in without_effect(read(file, text))}
    assert found == {key: f"has no effect, since {reason}" for key, reason in told.items()}


@pytest.mark.parametrize("key", ["rate_limit", "rate_limit_per_client", "rate_limit_total"])
def test_a_rate_at_which_every_transfer_ends(key: str, file: Path) -> None:
    """It is a mistake to allow no more than what is too slow (S034)."""
    assert not list(mistakes(read(file, f"security: {{{key}: 2049, slowest_rate: 2KiB}}")))
    file.write_text(f"security:\n  slowest_rate: 2KiB\n  {key}: 2KiB\n")
    sources = Sources()
    sources.add_file(str(file))
    with pytest.raises(Exception, match="too slow") as caught:
        sources.configuration()
    assert str(caught.value) == (
        f"{file}:3: security.{key}: expected more than security.slowest_rate (2KiB), or every transfer ends for"
        " being too slow, got 2KiB"
    )


def test_the_log_has_the_warnings(file: Path, tmp_path: Path) -> None:
    """Of the start and of each reload, with their lines."""
    file.write_text(f"filesystem:\n  root: {tmp_path}\n  quota: 1MiB\n")
    said: list[str] = []

    def observe(event: object) -> None:
        assert isinstance(event, dict)
        if event["log_level"].name == "warn":
            said.append(event["warning"])

    globalLogPublisher.addObserver(observe)
    try:
        options = Options()
        options.parseOptions(["--config", str(file)])
        options.read()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert said == [f"{file}:3: {dotted(('filesystem', 'quota'))}: has no effect, since {UPLOADS}"] * 2
