"""What the guide to the library says, tried: its programs are the examples, which do what it says of them."""

import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pages import ROOT
from running import PATIENCE, Daemon, fetch, running

from tftpd_tw.interfaces import IBackend, IReader, ITransferObserver, IWriter
from tftpd_tw.protocol import errors

EXAMPLES = ROOT / "examples"
GUIDE = (ROOT / "docs" / "library.md").read_text()
PROGRAMS = re.findall(
    r"\]\(\.\./examples/(\w+\.py)\)[^\n]*(?:\n[^\n]+)*?\n\n```python\n(.*?)```", GUIDE, re.DOTALL
)
COMMAND = Path(sys.executable).with_name("tftpd-tw")
PYTHON = (sys.executable, "-W", "error")


def rows(heading: str) -> list[list[str]]:
    """The rows of the table that begins with ``heading``, each in cells without backquotes."""
    table = GUIDE[GUIDE.index(f"\n| {heading}") :].lstrip("\n").split("\n\n")[0]
    return [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]
    ]


def test_the_parts_are_where_the_guide_has_them() -> None:
    """Each can be imported from there, and none of them brings the global reactor with it."""
    lines = [f"from {module} import {names}" for names, _, module in rows("part |")]
    script = "\n".join([*lines, "import sys", "print('twisted.internet.reactor' in sys.modules)"])
    done = subprocess.run([*PYTHON, "-c", script], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_the_programs_are_the_examples() -> None:
    """Each is shown as it is, but for its docstring; README has the one that the guide has not."""
    shown = dict(PROGRAMS)
    files = {file.name: file.read_text().partition('"""\n\n')[2] for file in EXAMPLES.glob("*.py")}
    del files["greetings.py"]
    assert shown == files
    assert GUIDE.count("```python") == len(shown)


def test_the_methods_are_those_of_the_interfaces() -> None:
    """The table has all of them, in their order, and nothing else."""
    known = [f"{each.__name__}.{name}" for each in (IBackend, IReader, IWriter) for name in each.names()]
    assert sorted(row[0] for row in rows("method |")) == sorted(known)


def test_the_errors_are_those_that_there_are() -> None:
    """Each is what the client gets, and the word in the records."""
    for name, code, text, reason in rows("exception |")[:-1]:
        error = getattr(errors, name)
        assert (code, text, reason) == (str(int(error.code)), error.wire_text, error.reason)


def test_the_events_are_those_of_an_observer() -> None:
    """All of them."""
    assert [row[0] for row in rows("event |")] == list(ITransferObserver.names())


# The examples, each in a process of its own


@contextmanager
def example(name: str, cwd: Path, *arguments: str, under: str = "python") -> Iterator[Daemon]:
    """One that serves. SIGTERM ends it, without a traceback and without a warning."""
    runner = str(Path(__file__).with_name("example_runner.py"))
    command = [*PYTHON, runner, under, str(EXAMPLES / name), *arguments]
    with running(command, cwd, http=under == "twistd") as process:
        yield process
    assert "Warning" not in process.output


def client(*command: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """One that ends by itself."""
    return subprocess.run([*PYTHON, *command], cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)


def put(port: int, content: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """What becomes of an upload."""
    (cwd / "running.cfg").write_text(content)
    return client(str(COMMAND), "put", "running.cfg", f"127.0.0.1:{port}", "startup", cwd=cwd)


def get(port: int, *name: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """The example of a client."""
    return client(str(EXAMPLES / "fetch.py"), "localhost", str(port), *name, cwd=cwd)


def test_greetings(tmp_path: Path) -> None:
    """Whatever the name is, it greets; and takes nothing."""
    with example("greetings.py", tmp_path) as server:
        assert fetch("127.0.0.1", server.port, b"anything") == b"hello, 127.0.0.1\n"
        assert "Access violation" in put(server.port, "x", tmp_path).stderr


def test_boot_scripts(tmp_path: Path) -> None:
    """A host gets the script that the database has for it, and is refused where there is none."""
    with sqlite3.connect(tmp_path / "hosts.db") as database:
        database.execute("CREATE TABLE hosts (address, script)")
        database.execute("INSERT INTO hosts VALUES ('127.0.0.1', '#!ipxe')")
    database.close()
    with example("boot_scripts.py", tmp_path) as server:
        assert fetch("127.0.0.1", server.port, b"boot.ipxe") == b"#!ipxe"
        assert (
            "error:1"
            in client(str(EXAMPLES / "fetch.py"), "::1", str(server.port), "boot.ipxe", cwd=tmp_path).stderr
        )


def test_switch_configs(tmp_path: Path) -> None:
    """A whole configuration is taken, a part of one is refused with the words of the example."""
    with example("switch_configs.py", tmp_path) as server:
        assert put(server.port, "hostname sw1\nend\n", tmp_path).returncode == 0
        assert "Configuration has no end" in put(server.port, "hostname sw1\n", tmp_path).stderr
        assert "Access violation" in get(server.port, "startup", cwd=tmp_path).stderr


def test_folders(tmp_path: Path) -> None:
    """What is in memory comes first, then the client's folder, then that of all; no spelling leads to a key."""
    for name in ("own/127.0.0.1/menu", "own/menu", "own/other", "own/a.key"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    with example("folders.py", tmp_path, "own") as server:
        for name, content in {
            b"motd": b"Have a nice boot.\n",
            b"tftpboot/menu": b"own/127.0.0.1/menu",
            b"/tftpboot/other": b"own/other",
            b"other": b"own/other",
        }.items():
            assert fetch("127.0.0.1", server.port, name) == content
        assert "error:2" in get(server.port, "tftpboot/a.key", cwd=tmp_path).stderr
        assert "error:1" in get(server.port, "none", cwd=tmp_path).stderr


def test_boot_service(tmp_path: Path) -> None:
    """It serves on both of its addresses, says and counts what it did, and is well; twistd ends it."""
    with example("boot_service.py", tmp_path, under="twistd") as server:
        single_port = int(server.wait_for_line(r"on UDP 127\.0\.0\.2:(\d+)")[1])
        for host, port in (("127.0.0.1", server.port), ("127.0.0.2", single_port)):
            assert fetch(host, port, b"boot.ipxe", windowsize=64) == b"#!ipxe\nshell\n"
            server.wait_for_line(f"read completed .* local={host} .* agreed=windowsize=32 ")
        assert server.metric('tftp_transfers_total{direction="read",outcome="completed"}') == 2
        assert server.get("/healthz") == "ok\n"


def test_fetch(tmp_path: Path) -> None:
    """It writes the file, and of each failure one line and no traceback."""
    with example("greetings.py", tmp_path) as server:
        done = get(server.port, "anything", cwd=tmp_path)
        assert done.returncode == 0
        assert done.stdout in ("hello, 127.0.0.1\n", "hello, ::1\n")
        assert re.fullmatch(r"\d+ bytes in [\d.]+ seconds, 0 repeats\n", done.stderr)
        port = server.port
    nobody = get(port, "anything", cwd=tmp_path)
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr == "anything: no answer from the server: nobody listens on its port (no-answer)\n"
