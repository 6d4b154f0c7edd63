"""The settings, and what a running daemon says of itself and of its traffic."""

from pathlib import Path

import pytest
from attrs import evolve
from fake_host import FakeHost, answer

from tftpd_tw import __version__
from tftpd_tw.diagnosis import traffic
from tftpd_tw.diagnosis.case import NoAnswer
from tftpd_tw.diagnosis.daemon import daemon, event_loop, reload, workers
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN
from tftpd_tw.diagnosis.mistakes import settings
from tftpd_tw.diagnosis.settings import Settings
from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.setting import settings as all_settings

PORT = next(setting for setting in all_settings(Configuration) if setting.about.option == "port")


def told(host: FakeHost, config: Settings) -> list[tuple[object, str]]:
    """What is said of these settings."""
    return [(each.state, each.figure) for each in settings(evolve(host.case(), settings=config))]


def test_settings_without_mistakes(host: FakeHost, tmp_path: Path) -> None:
    """Where they are from."""
    assert told(host, Settings.read(None)) == [(OK, "the defaults, and the options of this command")]
    file = tmp_path / "tftpd.yaml"
    file.write_text("network: {port: 70}\n")
    read = Settings.read(str(file), (("--port", PORT, "71"),))
    assert (told(host, read), read.configuration.network.port) == ([(OK, str(file))], 71)


def test_mistakes_in_a_file(host: FakeHost, tmp_path: Path) -> None:
    """Each of them; the options count all the same."""
    file = tmp_path / "tftpd.yaml"
    file.write_text("network: {port: x}\nfilesystem: {rot: /srv}\n")
    read = Settings.read(str(file), (("--port", PORT, "71"),))
    assert read.configuration.network.port == 71
    file.write_text("filesystem: {rot: /srv}\nperformance: {workers: x}\n")
    read = Settings.read(str(file))
    assert [state for state, _ in told(host, read)] == [FAIL, FAIL]
    assert told(host, read)[0][1].startswith(f"{file}:1: filesystem.rot: unknown key")
    assert told(host, Settings.read(str(tmp_path / "none.yaml")))[0][1].endswith("No such file or directory")


def test_mistakes_in_options() -> None:
    """They are the caller's."""
    with pytest.raises(ConfigurationError, match="--port: expected a port"):
        Settings.read(None, (("--port", PORT, "x"),))


def test_settings_without_effect(host: FakeHost, tmp_path: Path) -> None:
    """A warning for each."""
    file = tmp_path / "tftpd.yaml"
    file.write_text("filesystem: {quota: 1GiB}\n")
    [(state, figure)] = told(host, Settings.read(str(file)))
    assert (state, figure) == (
        WARN,
        f"{file}:1: filesystem.quota: has no effect, since filesystem.uploads is deny",
    )


def test_no_daemon(host: FakeHost) -> None:
    """Is no fault; one that is seen but does not answer is."""
    assert host.find(daemon).state is SKIP
    host.daemon(812, "--root /srv/t t --http 127.0.0.1:9070")
    finding = host.find(daemon)
    assert (finding.state, finding.figure) == (WARN, "runs (pid 812), does not answer")
    assert finding.remedies == ("tftpd-tw doctor --root /srv/t t --http 127.0.0.1:9070",)
    assert host.find(daemon, NoAnswer("off", off=True)).state is OK
    for check in (reload, workers, event_loop, traffic.retransmits, traffic.ignored_requests):
        assert host.look(check) == []


def test_options_that_are_not_fit_for_a_terminal(host: FakeHost) -> None:
    """Anybody may call himself a daemon."""
    host.daemon(812, "--root \033[2J")
    assert host.find(daemon).remedies == ()


def test_only_daemons_of_this_host_are_seen(host: FakeHost) -> None:
    """A number may be that of another process here."""
    host.daemon(812)
    host.process(812, "sleep 1000")
    assert host.case().runner.pid is None
    host.remove("812/cmdline")
    assert host.case().runner.pid is None


def test_a_daemon_that_is_well(host: FakeHost) -> None:
    """Its version, address and age."""
    finding = host.find(daemon, answer(version=__version__))
    assert (finding.state, finding.figure) == (OK, f"{__version__} at 127.0.0.1:9069, up 1 h 0 min")
    assert host.find(reload, answer()).figure == "settings taken 1 min 0 s ago"


def test_daemons_that_are_not(host: FakeHost) -> None:
    """Nobody serves; an old version; settings that were refused."""
    assert host.find(daemon, answer(version=__version__, serving=False)).state is FAIL
    finding = host.find(daemon, answer(version="0.0.9"))
    assert (finding.state, finding.remedies) == (WARN, ("systemctl restart tftpd-tw",))
    finding = host.find(reload, answer(reloaded=0))
    assert (finding.state, finding.remedies) == (FAIL, ("tftpd-tw check", "tftpd-tw reload"))


@pytest.mark.parametrize(
    ("silent", "replaced", "state", "figure"),
    [(0, 0, OK, "2 serve"), (0, 1, WARN, "2 serve, 1 replaced"), (1, 1, FAIL, "2 serve, 1 unresponsive")],
)
def test_workers(host: FakeHost, silent: int, replaced: int, state: object, figure: str) -> None:
    """Where there are some."""
    figures = f"tftp_workers 2\ntftp_workers_unresponsive {silent}\ntftp_worker_restarts {replaced}\n"
    kinds = "".join(f"# TYPE {line.split()[0]} gauge\n{line}\n" for line in figures.splitlines())
    finding = host.find(workers, answer(kinds))
    assert (finding.state, finding.figure) == (state, figure)
    assert host.look(workers, answer()) == []


def lag(late: int) -> str:
    """A hundred timers, of which some came 50 to 100 ms late."""
    return f"""\
# TYPE tftp_event_loop_lag_seconds histogram
tftp_event_loop_lag_seconds_bucket{{le="0.01"}} {100 - late}
tftp_event_loop_lag_seconds_bucket{{le="0.05"}} {100 - late}
tftp_event_loop_lag_seconds_bucket{{le="0.1"}} 100
tftp_event_loop_lag_seconds_bucket{{le="+Inf"}} 100
tftp_event_loop_lag_seconds_count 100
tftp_event_loop_lag_seconds_sum 1
"""


def test_the_event_loop(host: FakeHost) -> None:
    """Late now and then, or often."""
    assert host.find(event_loop, answer(lag(4))).state is OK
    finding = host.find(event_loop, answer(lag(6)))
    assert (finding.state, finding.remedies[0]) == (WARN, "--workers auto")
    assert host.find(event_loop, answer()).state is SKIP


def counted(**values: float) -> str:
    """Counters, by names without ``tftp_``."""
    return "".join(
        f"# TYPE tftp_{name}_total counter\ntftp_{name}_total {value}\n" for name, value in values.items()
    )


def test_retransmits(host: FakeHost) -> None:
    """One of a hundred is many, but not when there were only a few blocks."""
    for again, blocks, state in ((100, 10_000, OK), (101, 10_000, WARN), (5, 10, OK)):
        page = counted(retransmits=again, blocks_transferred=blocks)
        finding = host.find(traffic.retransmits, answer(page))
        assert (finding.state, finding.figure) == (state, f"{again}, with {blocks} blocks")
        assert ("tftpd-tw doctor --probe HOST" in finding.remedies) is (state is WARN)


def ignored(reason: str, count: int, served: int = 10_000) -> str:
    """So many requests got no answer for that."""
    return (
        "# TYPE tftp_datagrams_dropped_total counter\n"
        f'tftp_datagrams_dropped_total{{reason="{reason}"}} {count}\n'
        'tftp_datagrams_dropped_total{reason="not-a-request"} 99999\n'
        f"# TYPE tftp_transfers_total counter\ntftp_transfers_total {served}\n"
    )


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("max-connections", "performance.max_connections: 2000"),
        ("client-connections", "security.connections_per_client: 500"),
        ("unverified", "security.unverified_share: 0.5"),
        ("answer-rate", "security.answers: 128"),
        ("no-socket:EMFILE", "LimitNOFILE=65536"),
        ("no-socket:ENFILE", "sysctl -w fs.file-max=2097152"),
        ("no-socket:EADDRINUSE", "network.port_range: any"),
    ],
)
def test_requests_without_an_answer(host: FakeHost, reason: str, remedy: str) -> None:
    """What limit they reached, and what raises it; a few are none to speak of."""
    finding = host.find(traffic.ignored_requests, answer(ignored(reason, 50)))
    assert (finding.state, finding.figure, finding.remedies) == (WARN, f"{reason} 50", (remedy,))
    assert host.find(traffic.ignored_requests, answer(ignored(reason, 10))).state is OK
    assert host.find(traffic.ignored_requests, answer()).figure == "none"


@pytest.mark.parametrize(
    ("errno", "state", "remedy"),
    [("EMSGSIZE", WARN, "performance.block_size: mtu"), ("EIO", WARN, "uname -r"), (None, OK, None)],
)
def test_windows_packet_by_packet(host: FakeHost, errno: str | None, state: object, remedy: str | None) -> None:
    """By what the kernel said."""
    page = "# TYPE tftp_burst_fallbacks_total counter\n"
    if errno:
        page += f'tftp_burst_fallbacks_total{{direction="read",errno="{errno}"}} 3\n'
    finding = host.find(traffic.single_packets, answer(page))
    assert (finding.state, next(iter(finding.remedies), None)) == (state, remedy)
