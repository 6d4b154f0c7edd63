"""What a command and a worker do without when they start: each pays for what it imports, every time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS_READER = {"tftpd_tw.service.config_reader", "tftpd_tw.service.config_file", "yaml"}
PAGE = {"tftpd_tw.web", "twisted.web", "prometheus_client"}
REACTOR = {"twisted.internet.reactor"}

WITHOUT = {
    "--help": {"twisted", "attr", "tftpd_tw.service", "tftpd_tw.cli.get"},
    "get": {
        *SETTINGS_READER,
        *PAGE,
        *REACTOR,
        "cattrs",
        "fractions",
        "tftpd_tw.cli.check",
        "tftpd_tw.service.configuration",
    },
    "metrics": {*REACTOR, "cattrs", "twisted.web", "tftpd_tw.net.client", "tftpd_tw.service.config_reader"},
    "check": {*PAGE, *REACTOR, "tftpd_tw.cli.get"},
}
"""Packages and modules."""


def after(script: str, tmp_path: Path) -> tuple[set[str], int]:
    """What is imported after ``script``, and how often the garbage collector has run, in a process of its own."""
    told = "print(json.dumps([list(sys.modules), sum(each['collections'] for each in gc.get_stats())]))"
    result = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport gc, json, sys\n{told}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    modules, collections = json.loads(result.stdout.splitlines()[-1])
    return set(modules), collections


def ended(*arguments: str) -> str:
    """A command that ends by itself."""
    return f"import tftpd_tw.cli\ntry: tftpd_tw.cli.main({arguments})\nexcept SystemExit: pass"


@pytest.mark.parametrize("command", WITHOUT)
def test_a_command_imports_only_what_it_needs(command: str, tmp_path: Path) -> None:
    """Whoever gets a file does not wait for what reads settings."""
    modules, collections = after(ended(*dict.fromkeys([command, "--help"])), tmp_path)
    assert "tftpd_tw.cli" in modules
    assert not modules & WITHOUT[command]
    assert collections < 20  # some 80 if all that is imported is looked through as it comes


def test_a_worker_imports_only_what_it_needs(tmp_path: Path) -> None:
    """It is replaced at once when it ends: the daemon reads the settings, shows the page and knows commands."""
    modules, _ = after("import tftpd_tw.service.worker", tmp_path)
    assert "tftpd_tw.service.transfers" in modules
    assert not modules & {
        *SETTINGS_READER,
        *PAGE,
        *REACTOR,
        "argparse",
        "tftpd_tw.cli",
        "tftpd_tw.service.supervision",
    }
