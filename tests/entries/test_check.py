"""``tftpd-tw check``: a file's mistakes, or what it comes to; and the example, which starts the daemon."""

from pathlib import Path

import pytest
import yaml
from running import IN_FOREGROUND, TWISTD, fetch, running

from tftpd_tw import cli


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit status, and what it prints on both outputs."""
    status = cli.main(["check", *arguments])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the settings may be written."""
    return tmp_path / "tftpd.yaml"


def test_a_good_file(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All settings that it leads to, as a file, which comes to the same."""
    file.write_text(f"filesystem: {{root: {tmp_path}}}\nperformance: {{cache_size: 1Gi}}\n")
    status, printed, complaints = check(capsys, str(file))
    assert (status, complaints) == (0, "")
    tree = yaml.safe_load(printed)
    assert (tree["filesystem"]["root"], tree["filesystem"]["uploads"]) == (str(tmp_path), "deny")
    assert tree["cache"]["size"] == "1GiB"
    assert tree["performance"]["timeout"] == "5s"
    file.write_text(printed)
    assert check(capsys, str(file)) == (0, printed, "")


def test_a_file_with_some_keys(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It need not name the folder, which may come from the command line; but that is said."""
    file.write_text("network: {port: 6969}\n")
    status, printed, complaints = check(capsys, str(file))
    told = "filesystem.root: warning: is not set, so that nothing is served unless --root says what\n"
    assert (status, complaints) == (0, told)
    assert "root" not in yaml.safe_load(printed)["filesystem"]


def test_a_bad_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its mistakes, and nothing that could be taken for a file."""
    file.write_text("network:\n  prot: 1\n  port: x\n")
    assert check(capsys, str(file)) == (
        1,
        "",
        f"{file}:2: network.prot: unknown key; did you mean 'port'?\n"
        f"{file}:3: network.port: expected a port, 0 to 65535, got 'x'\n",
    )


def test_a_folder_of_another_machine(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, since the file may be checked elsewhere."""
    file.write_text("network: {port: 69}\nfilesystem:\n  root: /no/such/folder\n")
    status, printed, complaints = check(capsys, str(file))
    assert status == 0
    assert (
        complaints == f"{file}:3: filesystem.root: warning: there is no folder /no/such/folder on this machine\n"
    )
    assert yaml.safe_load(printed)["filesystem"]["root"] == "/no/such/folder"


def test_an_owner_of_another_machine(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Likewise."""
    file.write_text("filesystem:\n  root: /\n  uploads: create\n  upload_owner: nobody-at-all\n")
    status, _, complaints = check(capsys, str(file))
    told = "filesystem.upload_owner: warning: there is no user nobody-at-all on this machine"
    assert (status, complaints) == (0, f"{file}:4: {told}\n")


def test_a_setting_without_effect(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, and no mistake."""
    file.write_text("filesystem:\n  quota: 1MiB\n  root: /\n")
    status, printed, complaints = check(capsys, str(file))
    assert (status, yaml.safe_load(printed)["filesystem"]["quota"]) == (0, "1MiB")
    assert complaints == (
        f"{file}:2: filesystem.quota: warning: has no effect, since filesystem.uploads is deny\n"
    )


def test_a_file_that_is_not_there(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line."""
    assert check(capsys, str(file)) == (1, "", f"{file}: No such file or directory\n")


def test_arguments_that_there_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    """They are told, and not passed on to anybody."""
    with pytest.raises(SystemExit) as caught:
        cli.main(["check", "--exmaple"])
    assert caught.value.code == 2
    assert "--exmaple" in capsys.readouterr().err


def test_the_example_starts_the_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands, but for what one machine can have only once: the folder and the ports."""
    status, text, complaints = check(capsys, "--example")
    assert (status, complaints) == (0, "")
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    for old, new in {
        "root: /var/tftp\n": f"root: {root}\n",
        "port: 69\n": "port: 0\n",
        "http: 127.0.0.1:9069\n": "http: 127.0.0.1:0\n",
    }.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    file = tmp_path / "tftpd.yaml"
    file.write_text(text)
    assert TWISTD.exists()
    with running([*IN_FOREGROUND, "tftpd", "--config", str(file)], tmp_path) as daemon:
        assert fetch("127.0.0.1", daemon.port, b"file") == b"content"
        assert f"settings of {file}" in daemon.output
