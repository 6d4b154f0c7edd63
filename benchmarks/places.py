"""Where things are, and the two programs in C."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent
BUILD = HERE / "build"
PROGRAMS = ("load", "bare_send")


def build() -> None:
    """Compile what is older than its source."""
    BUILD.mkdir(exist_ok=True)
    compiler = os.environ.get("CC") or shutil.which("cc") or "gcc"
    for name in PROGRAMS:
        source, program = HERE / f"{name}.c", BUILD / name
        if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
            subprocess.run([compiler, "-O2", "-Wall", "-o", program, source], check=True)


def scratch_folder() -> Path:
    """A folder for the files that are transferred, in memory if that can be: no disk is measured."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="tftp-bench-", dir=memory if os.access(memory, os.W_OK) else None))
