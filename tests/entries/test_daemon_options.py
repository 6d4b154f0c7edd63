"""Which daemon the commands ask, and what they show it."""

import argparse
from pathlib import Path

import pytest

from tftpd_tw.cli import daemon_options
from tftpd_tw.cli.asking import RunningDaemon
from tftpd_tw.cli.daemon_options import add_daemon, the_daemon
from tftpd_tw.interfaces import Address


def found(*arguments: str) -> RunningDaemon:
    """The daemon that these options lead to."""
    parser = argparse.ArgumentParser()
    add_daemon(parser)
    return the_daemon(parser.parse_args(arguments))


def where(*arguments: str) -> Address:
    """Where it is."""
    return found(*arguments).address


@pytest.fixture
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the usual settings would be."""
    file = tmp_path / "usual.yaml"
    monkeypatch.setattr(daemon_options, "DEFAULT_FILE", str(file))
    return file


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a secret."""
    file = tmp_path / "secret"
    file.write_bytes(b" s3cret\n")
    return file


def test_the_address(usual: Path, tmp_path: Path) -> None:
    """An option, a file that is named, the usual one, the default; loopback where the daemon is everywhere."""
    assert where() == Address("127.0.0.1", 9069)
    usual.write_text("monitoring: {http: '127.0.0.2:1'}\n")
    assert where() == Address("127.0.0.2", 1)
    other = tmp_path / "other.yaml"
    other.write_text("network: {prot: 1}\nmonitoring: {http: '0.0.0.0:2'}\n")
    assert where("--config", str(other)) == Address("127.0.0.1", 2)
    assert where("--http", "[::]:3") == Address("::1", 3)
    usual.write_text("network: {port: 6969}\n")
    assert where() == Address("127.0.0.1", 9069)


@pytest.mark.parametrize("text", ["network: [\n", "monitoring: {http: 'off'}\n", "monitoring: {http: here}\n"])
def test_usual_settings_that_do_not_tell(usual: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, since a daemon may have been started before that was written."""
    usual.write_text(text)
    assert where() == Address("127.0.0.1", 9069)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"warning: {usual}")
    assert line.endswith("; so 127.0.0.1:9069 is asked")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--http", "nowhere"], "argument --http: expected 'off' or ADDRESS:PORT, got 'nowhere'"),
        (["--http", "off"], "argument --http: is off, so there is nobody to ask"),
        (["--config", "{tmp}/wrong.yaml"], "wrong.yaml: monitoring.secret_file: expected a file, got 7"),
        (["--config", "no-such-file"], "argument -c/--config: no-such-file: No such file or directory"),
        (["--http", "127.0.0.1:1", "--http", "127.0.0.1:2", "--config", "/dev/null"], "not allowed with argument"),
    ],
)
def test_wrong_addresses(
    arguments: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says what is wrong."""
    (tmp_path / "wrong.yaml").write_text("monitoring: {secret_file: 7}\n")
    with pytest.raises(SystemExit) as caught:
        where(*(argument.format(tmp=tmp_path) for argument in arguments))
    assert caught.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_the_secret_of_the_settings(usual: Path, secret: Path) -> None:
    """It is shown to the daemon of these settings, and to no other."""
    usual.write_text(f"monitoring: {{secret_file: {secret}}}\n")
    assert found() == RunningDaemon(Address("127.0.0.1", 9069), b"s3cret", str(usual))
    assert found("--config", str(usual)).secret == b"s3cret"
    assert found("--http", "192.0.2.1:9069").secret is None
    assert found("--http", "127.0.0.1:9069").secret is None


def test_a_secret_that_is_named(usual: Path, secret: Path, tmp_path: Path) -> None:
    """It is shown instead."""
    other = tmp_path / "other"
    other.write_text("other")
    usual.write_text(f"monitoring: {{secret_file: {secret}}}\n")
    assert found("--secret-file", str(other)).secret == b"other"
    assert found("--http", "192.0.2.1:9069", "--secret-file", str(other)).secret == b"other"


def test_a_secret_that_cannot_be_read(usual: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon may have none all the same, and says so if not; one that is named has to be there."""
    usual.write_text(f"monitoring: {{secret_file: {tmp_path}/no}}\n")
    daemon = found()
    assert (daemon.secret, daemon.no_secret) == (
        None,
        f"cannot read the secret in {tmp_path}/no: No such file or directory",
    )
    assert capsys.readouterr().err == ""
    with pytest.raises(SystemExit) as caught:
        found("--secret-file", f"{tmp_path}/no")
    assert caught.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"argument --secret-file: {daemon.no_secret}")
