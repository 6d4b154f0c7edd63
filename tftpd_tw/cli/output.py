"""What a command says, on outputs that may be closed, a pipe whose reader has gone, or in any encoding."""

import os
import sys
from typing import TextIO

from tftpd_tw.cli.exit_statuses import LOCAL, CommandError
from tftpd_tw.protocol.text import escaped


def say(text: str) -> None:
    """Write ``text`` and a line feed to standard output.

    :raises CommandError: it cannot be written, for another reason than that nobody reads it
    """
    try:
        _write(text, sys.stdout)
    except BrokenPipeError:
        nobody_reads(sys.stdout)
    except OSError as error:
        nobody_reads(sys.stdout)
        raise CommandError(LOCAL, f"cannot write standard output: {error.strerror}") from None


def complain(text: str) -> None:
    """Write ``text`` and a line feed to standard error; there is nobody to tell if that does not work."""
    try:
        _write(text, sys.stderr)
    except OSError:
        nobody_reads(sys.stderr)


def _write(text: str, stream: TextIO | None) -> None:
    if stream is not None:
        encoding = stream.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def nobody_reads(stream: TextIO) -> None:
    """Whoever read ``stream`` is gone. Python flushes it once more at its end, and would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def readable(name: str) -> str:
    """A name of the command line as it is, or escaped if that would do something to a terminal."""
    return name if name.isprintable() else escaped(os.fsencode(name))
