"""Hooks from the file to what is run: mistakes, warnings, and what workers share."""

from pathlib import Path

import pytest
from worker_kit import Events, lines

from tftpd_tw import cli
from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.hooks import MORE_PATIENCE, make_hooks
from tftpd_tw.service.sharing import share_of_worker
from tftpd_tw.tap import Options
from tftpd_tw.telemetry.hook_command import Command
from tftpd_tw.telemetry.hook_post import Post
from tftpd_tw.telemetry.hook_queue import Hook


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings may be written."""
    return tmp_path / "tftpd.yaml"


def read(file: Path, *hooks: str) -> Configuration:
    """What a file with these hooks comes to, the first of which is in line 3."""
    items = "".join(f"    - {{{hook}}}\n" for hook in hooks)
    file.write_text(f"monitoring:\n  on_transfer:\n{items}")
    sources = Sources()
    sources.add_file(str(file))
    configuration: Configuration = sources.configuration()
    return configuration


def test_what_is_made_of_them(file: Path) -> None:
    """With all that can be said, and with little. What may be secret of an address is in no name."""
    found = make_hooks(
        read(
            file,
            "command: [/bin/hook, '-x', 'a b'], outcomes: [failed, size-probe], only: write, timeout: 1m,"
            " at_once: 1",
            "url: 'https://192.0.2.1:8443/secret/token?key=1'",
            "url: 'http://[2001:db8::1]?key=1'",
        ).monitoring.on_transfer
    )
    assert found == [
        Hook(
            "monitoring.on_transfer[0] (/bin/hook)",
            Command(("/bin/hook", "-x", "a b")),
            60.0,
            1,
            frozenset({Outcome.FAILED, Outcome.SIZE_PROBE}),
            Direction.WRITE,
        ),
        Hook(
            "monitoring.on_transfer[1] (https://192.0.2.1:8443)",
            Post("https://192.0.2.1:8443/secret/token?key=1", 10.0 + MORE_PATIENCE),
            10.0,
            4,
        ),
        Hook(
            "monitoring.on_transfer[2] (http://[2001:db8::1])",
            Post("http://[2001:db8::1]?key=1", 10.0 + MORE_PATIENCE),
            10.0,
            4,
        ),
    ]
    assert make_hooks(Configuration().monitoring.on_transfer) == []


@pytest.mark.parametrize(
    ("hook", "expected"),
    [
        ("timeout: 1", "monitoring.on_transfer[1]: expected either a command or a url, got neither"),
        ("command: [/bin/a], url: 'http://b/'", "[1]: expected either a command or a url, got both"),
        ("command: [hook]", "[1]: expected the absolute path of a program, got 'hook'"),
        ("command: [./hook]", "[1]: expected the absolute path of a program, got './hook'"),
        ("command: /bin/hook", "[1].command: expected a list such as [a, b], got '/bin/hook'"),
        ("command: [/bin/hook, 5]", "[1].command[1]: expected a text (a number in quotes), got 5"),
        ('command: [/bin/hook, "\\0"]', "no argument can have a NUL in it"),
        ("url: 'ftp://a/'", "[1].url: expected an address such as http://192.0.2.1:8080/tftp, got 'ftp://a/'"),
        ("url: 'http:///a'", "expected an address such as"),
        ("url: a", "expected an address such as"),
        ("url: 'http://a/b c'", "expected an address such as"),
        ("url: 'http://[::1'", "got 'http://[::1': Invalid IPv6 URL"),
        ("url: 'http://a:99999/'", "Port out of range 0-65535"),
        ("url: 'http://a:0/'", "there is no port 0"),
        ("url: 'http://user:word@a/'", "nothing is done with a user or a fragment"),
        ("url: 'http://a/#b'", "nothing is done with a user or a fragment"),
        (
            "url: 'http://a/', outcomes: [lost]",
            "expected one of completed, failed, refused, size-probe, unanswered",
        ),
        ("url: 'http://a/', at_once: 0", "[1].at_once: expected a number, 1 to 100, got 0"),
        ("url: 'http://a/', timeout: 0", "[1].timeout: expected seconds"),
    ],
)
def test_mistakes(file: Path, hook: str, expected: str) -> None:
    """Each has its line, and says what was expected."""
    with pytest.raises(ConfigurationError) as caught:
        read(file, "url: 'http://a/'", hook)
    [problem] = caught.value.problems
    assert problem.startswith(f"{file}:4: monitoring.on_transfer[1]")
    assert expected in problem


def test_programs_that_cannot_be_run(file: Path, events: Events, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, by the command and at the start: the daemon may serve before they are installed."""
    program = file.parent / "hook"
    program.touch()
    read(
        file,
        "command: [/no/such/hook]",
        f"command: [{program}]",
        f"command: [{file.parent}]",
        "command: [/bin/sh]",
    )
    file.write_text(f"{file.read_text()}filesystem: {{root: /}}\n")
    expected = [
        f"{file}:3: monitoring.on_transfer[0].command: there is no program /no/such/hook on this machine",
        f"{file}:4: monitoring.on_transfer[1].command: {program} is not executable",
        f"{file}:5: monitoring.on_transfer[2].command: there is no program {file.parent} on this machine",
    ]
    assert cli.main(["check", str(file)]) == 0
    told = capsys.readouterr().err.splitlines()
    assert [line.replace("warning: ", "") for line in told] == expected
    options = Options()
    options.parseOptions(["--config", str(file)])
    assert lines(events, str(file)) == expected


def test_the_share_of_a_worker(file: Path) -> None:
    """As many at once as are meant for all; but each has one at least."""
    configuration = read(file, "url: 'http://a/', at_once: 9", "url: 'http://a/', at_once: 1")
    for number in (1, 4):
        hooks = share_of_worker(configuration, number, 4).monitoring.on_transfer
        assert [hook.at_once for hook in hooks] == [2, 1]
        assert [hook.url for hook in hooks] == ["http://a/", "http://a/"]
