"""The ways to start the daemon, as commands: ``twistd tftpd``, ``twistd -y tftpd.tac`` and ``tftpd-tw``."""

import os
import re
import runpy
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from running import ANY_PORT, IN_FOREGROUND, TWISTD, fetch, running, soon
from twisted.application.service import IServiceCollection

import tftpd_tw
from tftpd_tw import cli, tap
from tftpd_tw.service import config_file

TAC = Path(__file__).parents[2] / "tftpd.tac"
TFTPD_TW = str(TWISTD.with_name("tftpd-tw"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a file."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file").write_bytes(b"content")
    return root


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A UDP port that somebody else has, on all addresses."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.bind(("::", 0))
        yield other.getsockname()[1]


def run(*command: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command that ends by itself."""
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_twistd_knows_the_plugin(tmp_path: Path) -> None:
    """It is in the list of what twistd can run."""
    assert re.search(r"^ +tftpd +A fast, safe TFTP server", run(str(TWISTD), "--help", cwd=tmp_path).stdout, re.M)


@pytest.mark.parametrize("command", [(str(TWISTD), "tftpd"), (TFTPD_TW, "serve")], ids=["twistd", "tftpd-tw"])
def test_help(command: tuple[str, ...], tmp_path: Path) -> None:
    """Each option with its unit and its default."""
    result = run(*command, "--help", cwd=tmp_path)
    assert result.returncode == 0
    text = " ".join(result.stdout.split())
    for option, says in {
        "-r, --root": "The only setting that has to be made",
        "-p, --port": "UDP port to listen on. Value: a port, 0 to 65535. [default: 69]",
        "--address": "may be given several times. [default: none]",
        "--interface": "may be given several times. [default: none]",
        "--single-port": "Answer from the port that was asked",
        "--port-range": "1024 to 65535. [default: any]",
        "--uploads": "[default: deny]",
        "--http": "[default: 127.0.0.1:9069]",
        "--block-size": "512MB), 8 to 65464. [default: mtu]",
        "--window-size": "blocks, 1 to 32767. [default: 64]",
        "--timeout": "100ms to 255s. [default: 5s]",
        "--max-retries": "timeout x (max_retries + 1) seconds of silence. Value: a number, 0 to 1000.",
        "--answer-broadcast": "instead of ignoring them",
        "--workers": "1 to 256. [default: 1]",
        "--read-ahead": "512MB), 0 to 1GiB. [default: 1MiB]",
        "--engine": "one of auto, poll, reactor. [default: auto]",
        "--cpu-affinity": "instead of letting the kernel move them",
        "-c, --config": "the command line goes before it",
    }.items():
        described = text[text.index(f" {option}") :]
        assert says in described[: 100 + len(says) + len(option)] or says in described[:400]


@pytest.mark.parametrize("command", [(str(TWISTD), "tftpd"), (TFTPD_TW,)], ids=["twistd", "tftpd-tw"])
def test_version(command: tuple[str, ...], tmp_path: Path) -> None:
    """Ours, not Twisted's."""
    result = run(*command, "--version", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"tftpd-tw {tftpd_tw.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--nonsense",), "option --nonsense not recognized"),
        (("--root",), "option --root requires argument"),
        (("more",), "Wrong number of arguments"),
    ],
)
def test_wrong_options_of_serve(arguments: tuple[str, ...], complaint: str, tmp_path: Path) -> None:
    """One line says so, with the command's own name, and not a page; status 2, as of every command."""
    result = run(TFTPD_TW, "serve", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"tftpd-tw serve: {complaint}; see tftpd-tw serve --help\n"


def test_tftpd_tw_without_a_command(tmp_path: Path) -> None:
    """It says what there is."""
    result = run(TFTPD_TW, cwd=tmp_path)
    assert result.returncode == 2
    assert "COMMAND" in result.stderr


def test_ctrl_c_before_anything_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no traceback."""

    def interrupted(_: str) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "import_module", interrupted)
    assert cli.main(["get", "server", "file"]) == 130


@pytest.mark.parametrize("command", [(*IN_FOREGROUND, "tftpd"), (TFTPD_TW, "serve")], ids=["twistd", "tftpd-tw"])
def test_it_serves(command: tuple[str, ...], root: Path, engine: str) -> None:
    """In the foreground, with its figures."""
    with running([*command, "--root", str(root), *ANY_PORT, "--engine", engine], root.parent) as daemon:
        assert fetch("127.0.0.1", daemon.port, b"file") == b"content"
        assert daemon.get("/healthz") == "ok\n"
        daemon.wait_until(lambda: daemon.metric('tftp_bytes_transferred_total{direction="read"}') == 7)


def test_a_relative_root(root: Path, engine: str) -> None:
    """It is that of the shell, though twistd changes folders."""
    command = [*IN_FOREGROUND, "tftpd", "--root", "root", *ANY_PORT, "--engine", engine]
    with running(command, root.parent) as daemon:
        assert fetch("127.0.0.1", daemon.port, b"file") == b"content"


def test_no_http(root: Path, engine: str) -> None:
    """It can be switched off."""
    command = [*IN_FOREGROUND, "tftpd", "--root", str(root), "--port", "0", "--http", "off", "--engine", engine]
    with running(command, root.parent, http=False) as daemon:
        assert fetch("127.0.0.1", daemon.port, b"file") == b"content"
        assert "TCP" not in daemon.output
        assert "metrics on" not in daemon.output


@pytest.mark.parametrize("command", [(*IN_FOREGROUND, "tftpd"), (TFTPD_TW, "serve")], ids=["twistd", "tftpd-tw"])
def test_wrong_values(command: tuple[str, ...], root: Path) -> None:
    """A line for each, and nothing else."""
    result = run(*command, "--root", str(root), "--port", "70000", "--timeout", "soon", cwd=root.parent)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "tftpd: --port: expected a port, 0 to 65535, got 70000",
        "tftpd: --timeout: expected seconds (or such as 500ms, 5m, 1h), 100ms to 255s, got 'soon'",
    ]


def test_an_option_that_there_is_not(root: Path) -> None:
    """The last line says which."""
    result = run(*IN_FOREGROUND, "tftpd", "--rot", str(root), cwd=root.parent)
    assert result.returncode == 1
    assert "rot" in (result.stdout + result.stderr).splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_wrong_file(root: Path) -> None:
    """The line of the file is named."""
    (root.parent / "tftpd.yaml").write_text("network:\n  prot: 1\n")
    result = run(*IN_FOREGROUND, "tftpd", "--config", "tftpd.yaml", cwd=root.parent)
    assert result.returncode == 1
    assert result.stderr == "tftpd: tftpd.yaml:2: network.prot: unknown key; did you mean 'port'?\n"


@pytest.mark.parametrize("command", [(*IN_FOREGROUND, "tftpd"), (TFTPD_TW, "serve")], ids=["twistd", "tftpd-tw"])
def test_a_port_that_is_taken(command: tuple[str, ...], taken_port: int, root: Path) -> None:
    """In the foreground: one line, no traceback, not status 0."""
    result = run(*command, "--root", str(root), "--port", str(taken_port), "--http", "off", cwd=root.parent)
    output = result.stdout + result.stderr
    assert result.returncode == 1
    assert output.count("tftpd: cannot listen") == 1
    assert f"UDP [::]:{taken_port}: Address already in use" in output
    assert "Traceback" not in output


def test_a_port_that_is_taken_in_the_background(taken_port: int, root: Path) -> None:
    """The command ends with an error and does not wait for ever; the whole line is in the log."""
    folder = root.parent
    command = [str(TWISTD), "--pidfile=tftpd.pid", "--logfile=tftpd.log", "tftpd", "--root", str(root)]
    result = run(*command, "--port", str(taken_port), "--http", "off", cwd=folder)
    assert result.returncode == 1
    assert "tftpd: cannot listen on UDP" in result.stderr
    # The command ends a moment before the daemon has written its last line.
    log = folder / "tftpd.log"
    assert soon(lambda: "choose another with --port" in log.read_text())
    assert "Traceback" not in log.read_text() + result.stderr
    assert not (folder / "tftpd.pid").exists()


def test_the_background(root: Path, engine: str) -> None:
    """``twistd tftpd`` comes back when the daemon serves, and SIGTERM ends it."""
    folder = root.parent
    command = [str(TWISTD), "--pidfile=tftpd.pid", "--logfile=tftpd.log", "tftpd", "--root", "root"]
    result = run(*command, *ANY_PORT, "--engine", engine, cwd=folder)
    assert result.returncode == 0, result.stderr
    pid = int((folder / "tftpd.pid").read_text())
    # A pidfd becomes readable when the process ends, though it is no child of ours.
    watch = os.pidfd_open(pid)
    try:
        log = (folder / "tftpd.log").read_text()
        found = re.search(r"on UDP \[::\]:(\d+)", log)
        assert found is not None, log
        assert fetch("127.0.0.1", int(found[1]), b"file") == b"content"
    finally:
        os.kill(pid, 15)
        ended = _readable(watch)
        os.close(watch)
    assert ended
    assert "Traceback" not in (folder / "tftpd.log").read_text()


def _readable(fd: int) -> bool:
    import select

    return bool(select.select([fd], [], [], 30)[0])


def test_the_tac_with_a_file(root: Path, engine: str) -> None:
    """``TFTPD_CONFIG`` names the settings."""
    (root.parent / "tftpd.yaml").write_text(
        f"network: {{port: 0}}\nfilesystem: {{root: {root}}}\nmonitoring: {{http: '127.0.0.1:0'}}\n"
        f"performance: {{engine: {engine}}}\n"
    )
    command = [*IN_FOREGROUND, "-y", str(TAC)]
    with running(command, root.parent, {"TFTPD_CONFIG": "tftpd.yaml", "TFTPD_ROOT": ""}) as daemon:
        assert fetch("127.0.0.1", daemon.port, b"file") == b"content"


def test_the_tac_with_a_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``TFTPD_ROOT`` names the folder, and all else is as it comes; port 69 is why this is no daemon."""
    monkeypatch.setenv("TFTPD_ROOT", str(root))
    monkeypatch.delenv("TFTPD_CONFIG", raising=False)
    found = runpy.run_path(str(TAC))
    assert found["options"].configuration.filesystem.root == str(root)
    services = IServiceCollection(found["application"])
    assert [service.name for service in services] == ["tftpd"]


def test_the_tac_with_the_usual_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither is set, the settings file is read that is always read."""
    file = root.parent / "usual.yaml"
    file.write_text(f"filesystem: {{root: {root}}}\n")
    for module in (config_file, tap):
        monkeypatch.setattr(module, "DEFAULT_FILE", str(file))
    monkeypatch.delenv("TFTPD_ROOT", raising=False)
    monkeypatch.delenv("TFTPD_CONFIG", raising=False)
    options = runpy.run_path(str(TAC))["options"]
    assert (options.file, options.configuration.filesystem.root) == (str(file), str(root))


def test_the_tac_with_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to set."""
    monkeypatch.delenv("TFTPD_ROOT", raising=False)
    monkeypatch.delenv("TFTPD_CONFIG", raising=False)
    result = run(*IN_FOREGROUND, "-y", str(TAC), cwd=root.parent)
    assert result.returncode == 1
    assert "tftpd.tac: set TFTPD_CONFIG to a settings file or TFTPD_ROOT to the folder" in (
        result.stdout + result.stderr
    )
    assert "Traceback" not in result.stdout + result.stderr


def test_the_tac_with_a_wrong_file(root: Path) -> None:
    """The same line as from the command line."""
    (root.parent / "tftpd.yaml").write_text("network: {port: x}\n")
    result = run(*IN_FOREGROUND, "-y", str(TAC), cwd=root.parent, TFTPD_CONFIG="tftpd.yaml")
    assert result.returncode == 1
    assert "tftpd.yaml:1: network.port: expected a port" in result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
