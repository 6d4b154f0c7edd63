"""Files and options checked against a model: every mistake with its place, at any depth, all at once."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import NOTHING, frozen

from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.setting import section, setting, settings
from tftpd_tw.service.value_types import Folder, Host, Port, Seconds


@frozen
class Rule:
    """An item of a list."""

    port: Port = setting(NOTHING, "Has no default.")
    hosts: tuple[Host, ...] = setting((), "A list in a list.")
    wait: Seconds | None = setting(None, "May be null.")


@frozen
class Profile:
    """A value of a map."""

    root: Folder | None = setting(None, "May be null.")
    rules: tuple[Rule, ...] = setting((), "A list in a map.")


@frozen
class Security:
    """A section."""

    rules: tuple[Rule, ...] = setting((), "A list of classes.")


@frozen
class Clients:
    """Another."""

    profiles: Mapping[str, Profile] = setting({}, "A map of classes.")
    ports: Mapping[str, Port] = setting({}, "A map of values.")


@frozen
class Model:
    """What others will add to the configuration, on a small scale."""

    security: Security = section(Security, "")
    clients: Clients = section(Clients, "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings may be written."""
    return tmp_path / "tftpd.yaml"


def read(file: Path, text: str, model: type = Configuration) -> Any:
    """What ``text`` comes to."""
    file.write_text(text)
    sources = Sources(model)
    sources.add_file(str(file))
    return sources.configuration()


def mistakes(file: Path, text: str, model: type = Configuration) -> list[str]:
    """The lines that it is refused with, without the name of the file."""
    with pytest.raises(ConfigurationError) as caught:
        read(file, text, model)
    return [line.removeprefix(f"{file}:") for line in caught.value.problems]


def test_ten_mistakes(file: Path) -> None:
    """A file with ten of them, all different, is told all ten, in the order of their lines."""
    assert mistakes(
        file,
        "network:\n"
        "  prot: 69\n"
        "  port: 70000\n"
        "  addresses: [127.0.0.1, nowhere]\n"
        "performance:\n"
        "  timeout: soon\n"
        "  buffer_size: 64K\n"
        "  timeout: 5\n"
        "  async_io: maybe\n"
        "  cache_size: 1Gi\n"
        "filesystem: [root]\n"
        "cache:\n"
        "  size: 2Gi\n"
        "  ttl:\n"
        "port: 69\n",
    ) == [
        "2: network.prot: unknown key; did you mean 'port'?",
        "3: network.port: expected a port, 0 to 65535, got 70000",
        "4: network.addresses[1]: expected an IPv4 or IPv6 address of this host, got 'nowhere'",
        "7: performance.buffer_size: expected bytes (or such as 64KiB, 1Gi, 512MB), 512 to 1GiB, got '64K'",
        "8: performance.timeout: is there twice, first in line 6",
        "9: performance.async_io: expected true or false, got 'maybe'",
        "10: performance.cache_size: expected '2Gi' as for cache.size in line 13, of which it is another name,"
        " got '1Gi'",
        "11: filesystem: expected keys with values, got a list",
        "14: cache.ttl: expected seconds (or such as 500ms, 5m, 1h), 1s to 30d, got nothing",
        "15: port: unknown key; did you mean 'network.port'?",
    ]


def test_mistakes_of_both_kinds(file: Path) -> None:
    """What several values have wrong together is told beside what one has by itself, with its own line; and
    nothing that only follows from another mistake.
    """
    assert mistakes(
        file,
        "network:\n"
        "  port: many\n"
        "filesystem:\n"
        "  rewrite:\n"
        "    - {match: a, replace: b, when: never, label: there}\n"
        "    - {match: '(unclosed', replace: b}\n"
        "    - {match: a, jump: there}\n"
        "security:\n"
        "  slowest_rate: 1MiB\n"
        "  rate_limit: 1KiB\n"
        "  rules:\n"
        "    - {name: one, action: perhaps}\n"
        "    - {name: two, action: allow}\n"
        "    - {name: two, action: deny}\n",
    ) == [
        "2: network.port: expected a port, 0 to 65535, got 'many'",
        "5: filesystem.rewrite[0].when: unknown key; did you mean 'then'?",
        "6: filesystem.rewrite[1].match: expected a regular expression of RE2, got '(unclosed': missing ):"
        " (unclosed",
        "10: security.rate_limit: expected more than security.slowest_rate (1MiB), or every transfer ends for"
        " being too slow, got 1KiB",
        "12: security.rules[0].action: expected one of allow, deny, silent, got 'perhaps'",
        "14: security.rules[2].name: expected a name of its own, got 'two' again",
    ]


def test_numbers_that_are_others_in_yaml(file: Path) -> None:
    """What YAML 1.1 takes for octal, for sixtieths or for a number with spaces is refused as it was written."""
    assert mistakes(
        file,
        "network: {port: 010}\n"
        "performance: {window_size: 1:30, max_retries: 0x5, max_connections: 1_000, timeout: 1:30.5}\n",
    ) == [
        "1: network.port: expected a port, 0 to 65535, got '010'",
        "2: performance.window_size: expected blocks, 1 to 32767, got '1:30'",
        "2: performance.timeout: expected seconds (or such as 500ms, 5m, 1h), 100ms to 255s, got '1:30.5'",
        "2: performance.max_retries: expected a number, 0 to 1000, got '0x5'",
        "2: performance.max_connections: expected a number, 1 to 1000000, got '1_000'",
    ]
    found = read(file, "performance: {max_retries: 0, timeout: 2.5}\nfilesystem: {upload_mode: 0640}")
    assert (found.performance.max_retries, found.performance.timeout) == (0, 2.5)
    assert found.filesystem.upload_mode == 0o640


def test_sizes_and_times(file: Path) -> None:
    """With and without units."""
    found = read(
        file,
        "performance: {block_size: 8KiB, buffer_size: 64KiB, timeout: 500ms, mtu_slack: 28}\n"
        "cache: {size: 512MB, ttl: 1h}\n",
    )
    performance, cache = found.performance, found.cache
    assert (performance.block_size, performance.buffer_size, performance.timeout) == (8192, 65536, 0.5)
    assert (performance.mtu_slack, cache.size, cache.ttl) == (28, 512_000_000, 3600.0)


NESTED = """\
security:
  rules:
    - port: 69
      hosts: [192.0.2.1, "::1"]
      wait: 500ms
    - {port: 70, wait: null}
clients:
  profiles:
    phones:
      root: /srv/phones
      rules: [{port: 1}]
    boards: {}
  ports: {a: 1, b: 2}
"""


def test_lists_and_maps(file: Path) -> None:
    """Of values and of classes, in each other."""
    assert read(file, NESTED, Model) == Model(
        Security(
            (
                Rule(Port(69), (Host("192.0.2.1"), Host("::1")), Seconds(0.5)),
                Rule(Port(70)),
            )
        ),
        Clients(
            {"phones": Profile(Folder("/srv/phones"), (Rule(Port(1)),)), "boards": Profile()},
            {"a": Port(1), "b": Port(2)},
        ),
    )


def test_mistakes_in_lists_and_maps(file: Path) -> None:
    """Each has its own line."""
    assert mistakes(
        file,
        "security:\n"
        "  rules:\n"
        "    - port: 69\n"
        "      hosts:\n"
        "        - ::1\n"
        "        - here\n"
        "    - hosts: ['::1']\n"
        "    - prot: 1\n"
        "      port: 2\n"
        "    - 5\n"
        "    -\n"
        "clients:\n"
        "  profiles:\n"
        "    phones:\n"
        "      rules:\n"
        "        - port: x\n"
        "    boards: /srv\n"
        "  ports:\n"
        "    a: y\n",
        Model,
    ) == [
        "6: security.rules[0].hosts[1]: expected an IPv4 or IPv6 address of this host, got 'here'",
        "7: security.rules[1].port: expected a port, 0 to 65535, got nothing",
        "8: security.rules[2].prot: unknown key; did you mean 'port'?",
        "10: security.rules[3]: expected keys with values, got 5",
        "11: security.rules[4]: expected keys with values, got nothing",
        "16: clients.profiles.phones.rules[0].port: expected a port, 0 to 65535, got 'x'",
        "17: clients.profiles.boards: expected keys with values, got '/srv'",
        "19: clients.ports.a: expected a port, 0 to 65535, got 'y'",
    ]


def test_not_a_list_and_not_a_map(file: Path) -> None:
    """What else it is, is told."""
    assert mistakes(file, "security:\n  rules: {a: 1}\nclients:\n  profiles: [1]\n", Model) == [
        "2: security.rules: expected a list such as [a, b], got keys with values",
        "4: clients.profiles: expected names with values, got a list",
    ]


def test_a_mistake_behind_an_alias(file: Path) -> None:
    """It has the line where it was written, once for each place that uses it."""
    text = "security:\n  rules:\n    - &bad {port: x}\n    - *bad\n"
    assert mistakes(file, text, Model) == [
        "3: security.rules[0].port: expected a port, 0 to 65535, got 'x'",
        "3: security.rules[1].port: expected a port, 0 to 65535, got 'x'",
    ]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("performance: {cache_size: 1Gi}\n", 1 << 30),
        ("performance: {cache_size: 1Gi}\ncache: {ttl: 5}\n", 1 << 30),
        ("performance: {cache_size: 1Gi}\ncache: {size: 1073741824}\n", 1 << 30),
        ("cache: {size: 1Gi}\n", 1 << 30),
        ("performance:\ncache:\n", 8 << 20),
    ],
)
def test_another_name(text: str, size: int, file: Path) -> None:
    """``performance.cache_size`` is ``cache.size``; both may be there if they mean the same."""
    assert read(file, text).cache.size == size


def test_a_mistake_under_another_name(file: Path) -> None:
    """It is told by the name that was used, and is near to what is mistyped."""
    assert mistakes(file, "performance:\n  cache_size: lots\n") == [
        "2: performance.cache_size: expected bytes (or such as 64KiB, 1Gi, 512MB), 0 to 1TiB, got 'lots'"
    ]
    assert mistakes(file, "performance:\n  cache_sise: 1\n") == [
        "2: performance.cache_sise: unknown key; did you mean 'cache_size'?"
    ]


def test_mistakes_under_both_names(file: Path) -> None:
    """A mistake is nothing that the other name could have to mean."""
    size = "expected bytes (or such as 64KiB, 1Gi, 512MB), 0 to 1TiB"
    assert mistakes(file, "performance:\n  cache_size: 1Gi\ncache:\n  size: lots\n") == [
        f"4: cache.size: {size}, got 'lots'"
    ]
    assert mistakes(file, "performance:\n  cache_size: lots\ncache:\n  size: 1Gi\n") == [
        "2: performance.cache_size: expected '1Gi' as for cache.size in line 4, of which it is another name,"
        " got 'lots'"
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("listeners: []\n", "network.listeners"),
        ("cache_size: 1Gi\n", "performance.cache_size"),
        ("cashe: {}\n", "cache"),
        ("network: {listeners: [{interfaces: [lo]}]}\n", "interface"),
        ("network: {root: /}\n", "filesystem.root"),
    ],
)
def test_what_is_meant(text: str, meant: str, file: Path) -> None:
    """By a key that is in the wrong place, or misspelled."""
    [line] = mistakes(file, text)
    assert line.endswith(f": unknown key; did you mean {meant!r}?")


def test_values_in_quotes(file: Path) -> None:
    """Numbers and switches have none, and that is said."""
    assert mistakes(file, 'performance: {window_size: "16", workers: "2"}\ncache: {enabled: "false"}\n') == [
        "1: performance.window_size: expected blocks, 1 to 32767, got '16': a number has no quotes",
        "1: performance.workers: expected 'auto' or a number, 1 to 256, got '2': a number has no quotes",
        "2: cache.enabled: expected true or false, got 'false': it has no quotes",
    ]


def test_names_that_no_file_has(file: Path) -> None:
    """Refused here, instead of by a traceback later."""
    for name in ("", "a\\0b", "\\ud800"):
        [line] = mistakes(file, f'filesystem: {{root: "{name}"}}\n')
        assert line.startswith("1: filesystem.root: expected a folder, in which ")


NETWORK = "expected an address or a network such as 192.0.2.0/24, got "
FOLDER = "expected a folder, in which {ip}, {ip_hex}, {mac} and {interface} may stand, got "


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        ("security.denied_clients", "192.0.2.0/33", NETWORK + "'192.0.2.0/33': '33' is not a valid netmask"),
        ("security.denied_clients", "2001:db8::/129", NETWORK + "'2001:db8::/129': '129' is not a valid netmask"),
        ("security.denied_clients", "here", NETWORK + "'here': Expected 4 octets in 'here'"),
        (
            "security.denied_clients",
            "192.0.2.9/24",
            "expected a network, but '192.0.2.9/24' is an address in 192.0.2.0/24; write 192.0.2.0/24 for the"
            " network",
        ),
        (
            "filesystem.fallback_roots",
            "/srv/{mad}",
            FOLDER + "'/srv/{mad}': unknown placeholder {mad}; known are {ip}, {ip_hex}, {mac}, {interface}",
        ),
        (
            "filesystem.fallback_roots",
            "/{ip}/..",
            "expected a folder without '..' and backslashes after a placeholder, got '/{ip}/..'",
        ),
        ("filesystem.fallback_roots", "\ud83d", FOLDER + r"'\ud83d': '\ud83d' is half of a character"),
        ("security.denied_patterns", "a[b", "expected a ']' after the '[' of 'a[b'; a bracket itself is '[[]'"),
        (
            "security.denied_patterns",
            "x" * 2000,
            f"expected a glob of 1 to 1024 bytes, without '//', '.' or '..', got '{'x' * 60}'...",
        ),
        ("security.allowed_extensions", "a/b", "expected an extension as '.cfg', got 'a/b'"),
    ],
)
def test_what_is_wrong_with_a_value(place: str, value: str, told: str, file: Path) -> None:
    """The reason is told, and not only that something else was expected."""
    part, key = place.split(".")
    text = f"{part}:\n  {key}: [{json.dumps(value)}]\n"
    assert mistakes(file, text) == [f"2: {place}[0]: {told}"]


def test_options_and_files_share_a_list(file: Path) -> None:
    """Options replace the file's list, and are one list among themselves."""
    file.write_text("network: {addresses: [127.0.0.2, nowhere]}\n")
    sources = Sources()
    sources.add_file(str(file))
    [addresses] = [setting for setting in settings(Configuration) if setting.about.option == "address"]
    sources.add_option("--address", addresses, "127.0.0.1")
    sources.add_option("--address", addresses, "::1")
    assert sources.configuration().network.addresses == ("127.0.0.1", "::1")
    assert sources.told(("network", "addresses", 0), "is taken") == "--address: is taken"


GUIDE = {
    "slow transfers": (
        """{
  "performance": {
    "block_size": 8192,  // Increase block size
    "window_size": 16,   // Increase window size
    "timeout": 10        // Increase timeout
  }
}
""",
        {"block_size": 8192, "window_size": 16, "timeout": 10.0},
    ),
    "high CPU usage": (
        """{
  "performance": {
    "max_connections": 1000,  // Limit connections
    "thread_pool_size": 8     // Adjust thread pool
  }
}
""",
        {"max_connections": 1000, "thread_pool_size": 8},
    ),
    "high memory usage": (
        """{
  "performance": {
    "max_connections": 1000,
    "buffer_size": 65536,
    "cache_size": "1Gi"
  }
}
""",
        {"max_connections": 1000, "buffer_size": 65536, "size": 1 << 30},
    ),
    "connection timeouts": (
        """{
  "performance": {
    "timeout": 30,        // Increase timeout
    "max_retries": 5      // Increase retries
  }
}
""",
        {"timeout": 30.0, "max_retries": 5},
    ),
    "low throughput": (
        """{
  "performance": {
    "window_size": 32,     // Increase window size
    "block_size": 8192,   // Increase block size
    "async_io": true      // Enable async I/O
  }
}
""",
        {"window_size": 32, "block_size": 8192, "async_io": True},
    ),
    "performance settings": (
        """{
  "performance": {
    "block_size": 8192,
    "window_size": 32,
    "timeout": 30,
    "max_connections": 5000,
    "thread_pool_size": 16,
    "async_io": true,
    "read_ahead": 1048576
  }
}
""",
        {
            "block_size": 8192,
            "window_size": 32,
            "timeout": 30.0,
            "max_connections": 5000,
            "thread_pool_size": 16,
            "read_ahead": 1 << 20,
        },
    ),
    "caching": (
        """{
  "cache": {
    "enabled": true,
    "size": "4Gi",
    "ttl": 3600
  }
}
""",
        {"enabled": True, "size": 4 << 30, "ttl": 3600.0},
    ),
}
"""What the troubleshooting guide has people paste, and what it comes to."""


@pytest.mark.parametrize(("text", "expected"), GUIDE.values(), ids=GUIDE)
def test_the_guide_can_be_pasted(text: str, expected: dict[str, object], tmp_path: Path) -> None:
    """As it is, comments included; each value reaches its setting."""
    file = tmp_path / "tftpd.json"
    found = read(file, text)
    for key, value in expected.items():
        assert getattr(found.performance if hasattr(found.performance, key) else found.cache, key) == value
