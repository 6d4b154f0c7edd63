"""What a command says, where nobody may listen."""

import io
import os
import sys
from pathlib import Path
from typing import TextIO

import pytest

from tftpd_tw.cli.exit_statuses import LOCAL, CommandError
from tftpd_tw.cli.output import complain, nobody_reads, readable, say


def test_both_outputs(capsys: pytest.CaptureFixture[str]) -> None:
    """A line on each."""
    say("well")
    complain("not well")
    assert capsys.readouterr() == ("well\n", "not well\n")


def test_closed_outputs(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What would go there goes nowhere, and least of all to the other one."""
    monkeypatch.setattr(sys, "stderr", None)
    complain("not well")
    say("well")
    assert capsys.readouterr().out == "well\n"
    monkeypatch.setattr(sys, "stdout", None)
    say("well")


def test_a_pipe_whose_reader_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told, not even when Python flushes it once more."""
    end, pipe = os.pipe()
    os.close(end)
    with os.fdopen(pipe, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        say("well")
        say("still well")


class Broken(io.StringIO):
    """An output that fails."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.fileno = stream.fileno  # type: ignore[method-assign]

    def write(self, text: str) -> int:
        """No."""
        raise OSError(28, "No space left on device")


def test_outputs_that_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of the usual one somebody must be told; of the other one there is nobody."""
    with open(tmp_path / "file", "w") as file:
        monkeypatch.setattr(sys, "stdout", Broken(file))
        monkeypatch.setattr(sys, "stderr", Broken(file))
        with pytest.raises(CommandError, match="cannot write standard output: No space left on device") as caught:
            say("well")
        complain("not well")
    assert caught.value.exit_status == LOCAL


def test_nobody_reads() -> None:
    """What is written from then on goes nowhere."""
    end, pipe = os.pipe()
    with os.fdopen(pipe, "w") as stream, os.fdopen(end) as reader:
        stream.write("before")
        stream.flush()
        nobody_reads(stream)
        stream.write("after")
        stream.flush()
        assert reader.read() == "before"


@pytest.mark.parametrize(
    ("encoding", "line"), [("ascii", b"caf\\xe9 \\udcff\n"), ("utf-8", b"caf\xc3\xa9 \\udcff\n")]
)
def test_any_encoding(encoding: str, line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it lacks is escaped."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    say("caf\xe9 \udcff")
    assert raw.getvalue() == line


@pytest.mark.parametrize(
    ("name", "shown"),
    [("men\xfc.ipxe", "men\xfc.ipxe"), ("a b", "a b"), ("a\x1b[2J\n", r"a\x1b[2J\x0a"), ("\udcff", r"\xff")],
)
def test_names(name: str, shown: str) -> None:
    """As they are, unless that would do something to a terminal."""
    assert readable(name) == shown
