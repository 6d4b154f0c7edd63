"""The command line and the settings file: what each setting does, and what each mistake is told."""

from pathlib import Path

import pytest
from attrs import evolve

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.opening import StartError
from tftpd_tw.service.value_types import (
    ANY_PORTS,
    AUTO,
    FIT_MTU,
    HTTP_OFF,
    HttpAddress,
    LeastLevel,
    LogFormat,
    PortRange,
)
from tftpd_tw.tap import Options

SIZE = "expected bytes (or such as 64KiB, 1Gi, 512MB), 0 to 1GiB"


def configured(*arguments: str) -> Configuration:
    """What the command line comes to."""
    options = Options()
    options.parseOptions(list(arguments))
    return options.configuration


def mistakes(*arguments: str) -> list[str]:
    """The lines that a wrong command line ends with."""
    with pytest.raises(StartError) as caught:
        configured(*arguments)
    return str(caught.value.code).split("\n")


@pytest.fixture
def root(tmp_path: Path) -> str:
    """A folder to serve."""
    (tmp_path / "root").mkdir()
    return str(tmp_path / "root")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings may be written."""
    return tmp_path / "tftpd.yaml"


def test_only_the_root_is_needed(root: str) -> None:
    """All else is as the configuration has it."""
    expected = Configuration()
    expected = evolve(expected, filesystem=evolve(expected.filesystem, root=root))
    assert configured("--root", root) == expected
    assert configured("-r", root) == expected


@pytest.mark.parametrize(
    ("option", "value", "section", "key", "expected"),
    [
        ("--port", "6969", "network", "port", 6969),
        ("-p", "0", "network", "port", 0),
        ("--port", "65535", "network", "port", 65535),
        ("--address", "127.0.0.1", "network", "addresses", ("127.0.0.1",)),
        ("--address", "fe80::0:1%eth0", "network", "addresses", ("fe80::1%eth0",)),
        ("--interface", "eth0", "network", "interfaces", ("eth0",)),
        ("--interface", "0", "network", "interfaces", ("0",)),
        ("--port-range", "50000-50100", "network", "port_range", PortRange(50000, 50100)),
        ("--port-range", "1024-65535", "network", "port_range", PortRange(1024, 65535)),
        ("--port-range", "any", "network", "port_range", ANY_PORTS),
        ("--address", "FD00::0:1", "network", "addresses", ("fd00::1",)),
        ("--address", "::ffff:192.0.2.1", "network", "addresses", ("192.0.2.1",)),
        ("--uploads", "deny", "filesystem", "uploads", UploadPolicy.DENY),
        ("--uploads", "create", "filesystem", "uploads", UploadPolicy.CREATE),
        ("--uploads", "overwrite", "filesystem", "uploads", UploadPolicy.OVERWRITE),
        ("--uploads", "existing", "filesystem", "uploads", UploadPolicy.EXISTING),
        ("--log-format", "json", "logging", "format", LogFormat.JSON),
        ("--log-level", "debug", "logging", "level", LeastLevel.DEBUG),
        ("--log-level", "error", "logging", "level", LeastLevel.ERROR),
        ("--http", "off", "monitoring", "http", HTTP_OFF),
        ("--http", "0.0.0.0:80", "monitoring", "http", HttpAddress("0.0.0.0", 80)),
        ("--http", "[::1]:0", "monitoring", "http", HttpAddress("::1", 0)),
        ("--block-size", "mtu", "performance", "block_size", FIT_MTU),
        ("--block-size", "8", "performance", "block_size", 8),
        ("--block-size", "65464", "performance", "block_size", 65464),
        ("--window-size", "1", "performance", "window_size", 1),
        ("--timeout", "0.5", "performance", "timeout", 0.5),
        ("--timeout", "255", "performance", "timeout", 255.0),
        ("--timeout", "500ms", "performance", "timeout", 0.5),
        ("--block-size", "8KiB", "performance", "block_size", 8192),
        ("--max-retries", "0", "performance", "max_retries", 0),
        ("--workers", "1", "performance", "workers", 1),
        ("--workers", "256", "performance", "workers", 256),
        ("--workers", "auto", "performance", "workers", AUTO),
        ("--read-ahead", "0", "performance", "read_ahead", 0),
        ("--read-ahead", "65536", "performance", "read_ahead", 65536),
        ("--read-ahead", "64KiB", "performance", "read_ahead", 65536),
        ("--read-ahead", "1Gi", "performance", "read_ahead", 1 << 30),
        ("--read-ahead", "512 MB", "performance", "read_ahead", 512_000_000),
        ("--read-ahead", "7KB", "performance", "read_ahead", 7000),
        ("--engine", "reactor", "performance", "engine", "reactor"),
    ],
)
def test_each_option_is_a_setting(
    option: str, value: str, section: str, key: str, expected: object, root: str
) -> None:
    """It changes that setting and no other."""
    found = configured("--root", root, option, value)
    plain = configured("--root", root)
    assert getattr(getattr(found, section), key) == expected
    assert evolve(found, **{section: evolve(getattr(found, section), **{key: None})}) == evolve(
        plain, **{section: evolve(getattr(plain, section), **{key: None})}
    )


def test_an_option_without_a_value(root: str) -> None:
    """Broadcasts are ignored unless it is there (C037), and no worker is pinned."""
    assert not configured("--root", root).network.answer_broadcast
    assert configured("--root", root, "--answer-broadcast").network.answer_broadcast
    assert not configured("--root", root).performance.cpu_affinity
    assert configured("--root", root, "--cpu-affinity").performance.cpu_affinity
    assert not configured("--root", root).network.single_port
    assert configured("--root", root, "--single-port").network.single_port


def test_several_addresses(root: str) -> None:
    """The option may be repeated; together they replace the default and those of the file."""
    found = configured("--root", root, "--address", "127.0.0.1", "--address", "::1")
    assert found.network.addresses == ("127.0.0.1", "::1")


@pytest.mark.parametrize("name", ["2024", "true", "off", "1.5", "null", "~"])
def test_a_folder_whose_name_looks_like_something_else(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What YAML would read as a number or a truth value is still a name on the command line."""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert configured("--root", name).filesystem.root == name


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--port", "65536", "expected a port, 0 to 65535, got 65536"),
        ("--port", "-1", "expected a port, 0 to 65535, got -1"),
        ("--port", "tftp", "expected a port, 0 to 65535, got 'tftp'"),
        ("--port", "true", "expected a port, 0 to 65535, got true"),
        ("--port", "", "expected a port, 0 to 65535, got ''"),
        ("--address", "localhost", "expected an IPv4 or IPv6 address of this host, got 'localhost'"),
        ("--interface", "eth0/1", "expected an interface, such as eth0, got 'eth0/1'"),
        ("--interface", "sixteen-letters-", "expected an interface, such as eth0, got 'sixteen-letters-'"),
        ("--interface", "", "expected an interface, such as eth0, got ''"),
        ("--port-range", "1023-2000", "expected 'any' or FIRST-LAST, 1024 to 65535, got '1023-2000'"),
        ("--port-range", "2000-1999", "expected 'any' or FIRST-LAST, 1024 to 65535, got '2000-1999'"),
        ("--port-range", "2000-65536", "expected 'any' or FIRST-LAST, 1024 to 65535, got '2000-65536'"),
        ("--port-range", "2000", "expected 'any' or FIRST-LAST, 1024 to 65535, got 2000"),
        ("--uploads", "yes", "expected one of deny, create, overwrite, existing, versions, got true"),
        ("--http", "9069", "expected 'off' or ADDRESS:PORT, got 9069"),
        ("--http", "localhost:9069", "expected 'off' or ADDRESS:PORT, got 'localhost:9069'"),
        ("--http", "127.0.0.1:65536", "expected 'off' or ADDRESS:PORT, got '127.0.0.1:65536'"),
        ("--block-size", "7", "expected 'mtu' or bytes (or such as 64KiB, 1Gi, 512MB), 8 to 65464, got 7"),
        ("--block-size", "65465", "expected 'mtu' or bytes (or such as 64KiB, 1Gi, 512MB), 8 to 65464, got 65465"),
        ("--window-size", "0", "expected blocks, 1 to 32767, got 0"),
        ("--timeout", "0", "expected seconds (or such as 500ms, 5m, 1h), 100ms to 255s, got 0"),
        ("--timeout", ".nan", "expected seconds (or such as 500ms, 5m, 1h), 100ms to 255s, got nan"),
        ("--timeout", "5w", "expected seconds (or such as 500ms, 5m, 1h), 100ms to 255s, got '5w'"),
        ("--max-retries", "1.5", "expected a number, 0 to 1000, got 1.5"),
        ("--workers", "0", "expected 'auto' or a number, 1 to 256, got 0"),
        ("--workers", "257", "expected 'auto' or a number, 1 to 256, got 257"),
        ("--workers", "all", "expected 'auto' or a number, 1 to 256, got 'all'"),
        ("--workers", "true", "expected 'auto' or a number, 1 to 256, got true"),
        ("--read-ahead", "64K", f"{SIZE}, got '64K'"),
        ("--read-ahead", "1.0000001MB", f"{SIZE}, got '1.0000001MB'"),
        ("--read-ahead", "-1", f"{SIZE}, got -1"),
        ("--read-ahead", "true", f"{SIZE}, got true"),
        ("--read-ahead", "1073741825", f"{SIZE}, got 1073741825"),
        ("--read-ahead", "", f"{SIZE}, got ''"),
        ("--engine", "steam", "expected one of auto, poll, reactor, got 'steam'"),
        ("--root", "", "expected a folder, in which {ip}, {ip_hex}, {mac} and {interface} may stand, got ''"),
        (
            "--timeout",
            "2024-99-99",
            "expected seconds (or such as 500ms, 5m, 1h), 100ms to 255s, got '2024-99-99'",
        ),
    ],
)
def test_a_wrong_value(option: str, value: str, expected: str, root: str) -> None:
    """One line: the option, what was expected and what there was."""
    assert mistakes("--root", root, option, value) == [f"tftpd: {option}: {expected}"]


def test_no_root() -> None:
    """It is the only thing that cannot be guessed."""
    assert mistakes() == [
        "tftpd: --root: missing; name the folder to serve, or have filesystem.root in the settings file"
    ]


def test_a_root_that_is_not_there(root: str) -> None:
    """Told before anything is opened."""
    assert mistakes("--root", f"{root}/no") == [f"tftpd: --root: there is no folder {root}/no"]


def test_a_file(root: str, file: Path) -> None:
    """Its sections and keys are those of the configuration; a section may be empty."""
    file.write_text(
        f"network:\n  addresses: [127.0.0.1, '::1']\n  port: 6969\n  answer_broadcast: true\n"
        f"filesystem:\n  root: {root}\n  uploads: create\n"
        "performance:\n  # block_size: 1428\nmonitoring:\n  http: off\n"
    )
    found = configured("--config", str(file))
    assert found.network.addresses == ("127.0.0.1", "::1")
    assert found.network.port == 6969
    assert found.network.answer_broadcast
    assert found.filesystem.root == root
    assert found.filesystem.uploads is UploadPolicy.CREATE
    assert found.performance == Configuration().performance
    assert found.monitoring.http == HTTP_OFF


def test_the_command_line_goes_before_the_file(root: str, file: Path) -> None:
    """Wherever ``--config`` stands on it; what it does not name stays as in the file."""
    file.write_text(
        f"network: {{port: 1, addresses: [127.0.0.2, 127.0.0.3]}}\n"
        f"filesystem: {{root: {root}}}\nperformance: {{timeout: 1}}\n"
    )
    for arguments in (["-c", str(file), "--port", "2"], ["--port", "2", "-c", str(file)]):
        found = configured(*arguments, "--address", "127.0.0.1")
        assert (found.network.port, found.performance.timeout) == (2, 1.0)
        assert found.network.addresses == ("127.0.0.1",)


def test_an_option_mends_a_mistake_of_the_file(root: str, file: Path) -> None:
    """What is replaced is not complained about."""
    file.write_text("network: {port: wrong}\n")
    assert configured("-c", str(file), "--port", "70", "--root", root).network.port == 70


def test_all_mistakes_are_told_at_once(file: Path) -> None:
    """Each with its line or its option; for an unknown key there is the nearest known one."""
    file.write_text(
        "network:\n  prot: 69\n  addresses:\n    - 127.0.0.1\n    - nowhere\n"
        "performance:\n  window_size: 0\n  timeout: soon\nmonitring:\n  http: off\nfilesystem: [root]\n"
    )
    assert sorted(mistakes("-c", str(file), "--max-retries", "many")) == sorted(
        [
            f"tftpd: {file}:2: network.prot: unknown key; did you mean 'port'?",
            f"tftpd: {file}:5: network.addresses[1]: expected an IPv4 or IPv6 address of this host, got 'nowhere'",
            f"tftpd: {file}:7: performance.window_size: expected blocks, 1 to 32767, got 0",
            f"tftpd: {file}:8: performance.timeout: expected seconds (or such as 500ms, 5m, 1h), 100ms to 255s,"
            " got 'soon'",
            "tftpd: --max-retries: expected a number, 0 to 1000, got 'many'",
            f"tftpd: {file}:9: monitring: unknown key; did you mean 'monitoring'?",
            f"tftpd: {file}:11: filesystem: expected keys with values, got a list",
        ]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n", ":1: expected sections such as 'network:', got something else"),
        ("network: [\n", ":2: not YAML: expected the node content, but found '<stream end>'"),
        ("\nnetwork: {[1]: 2}\n", ":2: expected a name before the colon, got something else"),
        (
            "network: !!python/name:os\n",
            ":1: not YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os'",
        ),
        ("network: 2024-99-99\n", ":1: network: expected keys with values, got '2024-99-99'"),
        ("network: &loop [*loop]\n", ":1: network: expected keys with values, got a list"),
        ("network: {addresses: '::'}\n", ":1: network.addresses: expected a list such as [a, b], got '::'"),
        ("network: {}\n\nnetwork: {}\n", ":3: network: is there twice, first in line 1"),
        ("network:\n  port: 1\n  port: 2\n", ":3: network.port: is there twice, first in line 2"),
        (
            "bogus: 1\n",
            ":1: bogus: unknown key; known are network, filesystem, security, performance, cache, logging,"
            " monitoring, clients",
        ),
    ],
)
def test_a_file_that_cannot_be_used(text: str, expected: str, file: Path, root: str) -> None:
    """One line with the place, never a traceback."""
    file.write_text(text)
    assert mistakes("-c", str(file), "--root", root) == [f"tftpd: {file}{expected}"]


def test_an_empty_file(file: Path, root: str) -> None:
    """Says nothing, which is no mistake."""
    file.write_text("# nothing yet\n")
    assert configured("-c", str(file), "--root", root) == configured("--root", root)


def test_anchors_and_merges(file: Path, root: str) -> None:
    """A key beside a merge replaces the merged one, and is not there twice."""
    file.write_text("network: &n\n  port: 1\n  answer_broadcast: true\nmonitoring: {http: off}\n")
    assert configured("-c", str(file), "--root", root).network.port == 1
    file.write_text("network:\n  <<: {port: 1, answer_broadcast: true}\n  port: 2\n")
    found = configured("-c", str(file), "--root", root).network
    assert (found.port, found.answer_broadcast) == (2, True)


def test_a_file_that_is_not_there(file: Path) -> None:
    """One line."""
    assert mistakes("-c", str(file)) == [f"tftpd: {file}: No such file or directory"]


def test_a_file_that_is_no_text(file: Path) -> None:
    """One line."""
    file.write_bytes(b"\xff\xfe\x00")
    assert len(mistakes("-c", str(file))) == 1
