"""What the README says, tried."""

import argparse
import re
import signal
from pathlib import Path

import pytest

from tftpd_tw import cli
from tftpd_tw.cli import client_options, explain, local_files, status, transfers
from tftpd_tw.cli import exit_statuses as ends_as
from tftpd_tw.cli.asking import PATIENCE
from tftpd_tw.policy.limits import Bounds
from tftpd_tw.service.config_document import reference
from tftpd_tw.service.config_reader import Sources, dotted
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.setting import settings
from tftpd_tw.service.treatment import make_bounds
from tftpd_tw.tap import Options
from tftpd_tw.telemetry.families import FAMILIES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
SETTINGS = [text for language, text in BLOCKS if language == "yaml"]
(BACKEND,) = (text for language, text in BLOCKS if language == "python")


def test_the_backend_is_the_example():
    """The README shows examples/greetings.py as it is, but for its docstring."""
    example = (ROOT / "examples" / "greetings.py").read_text()
    assert example.partition('"""\n\n')[2] == BACKEND


def test_the_settings_are_valid(tmp_path: Path):
    """The pieces of a settings file are accepted, one by one."""
    found = []
    for text in SETTINGS:
        file = tmp_path / "tftpd.yaml"
        file.write_text(text)
        sources = Sources()
        sources.add_file(str(file))
        found.append(sources.configuration())
    assert {each.filesystem.root for each in found} == {"", "/var/tftp", "/srv/tftp/hosts/{mac}"}
    assert max(len(each.network.listeners) for each in found) == 3


def test_the_reference_is_up_to_date():
    """docs/configuration.md is what `make reference` writes."""
    assert (ROOT / "docs" / "configuration.md").read_text() == reference()


def test_every_option_is_in_the_table():
    """The table of options has those of --help, and no other."""
    table = README[README.index("### Options") : README.index("### Commands")]
    shown = set(re.findall(r"^\| `--([a-z-]+)", table, re.MULTILINE))
    known = {option.rstrip("=") for option in Options().longOpt}
    assert shown == known - {"help", "version"}


def test_the_options_of_the_client():
    """Each has the default that the command has, and the exit statuses are those that it ends with."""
    section = README[README.index("### The client") : README.index("### Limits")]
    defaults = dict(re.findall(r"^\| `--([a-z-]+) [A-Z]+` \| [^|]+ \| ([^|]+) \|$", section, re.MULTILINE))
    parser = argparse.ArgumentParser()
    client_options.add_options(parser)
    known = vars(parser.parse_args([]))
    assert {option.replace("-", "_") for option in defaults} == set(known) - {"port"}
    assert defaults["block-size"] == str(known["block_size"])
    assert defaults["window-size"].startswith(f"{client_options.WINDOW_SIZE}, ")
    assert defaults["timeout"] == f"{known['timeout']:g} seconds"
    assert defaults["retries"] == str(known["retries"])
    statuses = re.findall(r"^\| (\d+) \| ", section, re.MULTILINE)
    ends = (ends_as.TRANSFERRED, ends_as.FAILED, ends_as.WRONG_OPTIONS, ends_as.NO_ANSWER, ends_as.LOCAL)
    assert statuses == [*map(str, ends), str(ends_as.Interrupted(signal.SIGINT).exit_status)]
    assert f"{local_files.HELD >> 20} MiB are kept" in section


def test_the_commands(capsys: pytest.CaptureFixture[str]):
    """The table has all that there are, in the order of --help."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    known = re.findall(r"^    (\w+)(?: +\w.*)?$", capsys.readouterr().out, re.MULTILINE)
    assert re.findall(r"^\| `tftpd-tw (\w+)", README, re.MULTILINE) == known


def test_the_exit_statuses():
    """Those of `status`, and those of `explain`."""
    tables = [text for text in README.split("\n\n") if text.startswith("| status | meaning |")]
    of_status, of_explain = (dict(re.findall(r"^\| (\d) \| ([^|]+) \|$", table, re.MULTILINE)) for table in tables)
    assert "well" in of_status[str(status.HEALTHY)]
    assert "it answers, but" in of_status[str(status.UNHEALTHY)]
    assert "does not run" in of_status[str(status.NOT_RUNNING)]
    assert f"within {({5: 'five'})[int(PATIENCE)]} seconds" in of_status[str(status.NOT_RUNNING)]
    assert len(of_status) == 4
    assert "was served" in of_explain[str(explain.SERVED)]
    assert "was not" in of_explain[str(explain.NOT_SERVED)]
    assert "no daemon" in of_explain[str(ends_as.NO_ANSWER)]
    assert "nothing of the client" in of_explain[str(explain.UNKNOWN)]
    assert len(of_explain) == 5


def test_how_many_transfers():
    """As many as there are if nobody says otherwise."""
    assert f"the last {transfers.LAST} transfers" in README


def test_metrics_are_those_of_the_daemon():
    """The table of metrics names every family that the collectors give, with its labels."""
    source = (ROOT / "tftpd_tw" / "telemetry" / "prometheus.py").read_text()
    fixed = set(re.findall(r'"(tftp_\w+)"', source)) - {"tftp_build"} | {"tftp_build_info"}
    table = README[README.index("### Metrics") : README.index("## A backend of your own")]
    shown = dict(re.findall(r"`(tftp_\w+?)(?:_total)?(?:\{([\w,]+)\})?`", table))
    assert set(shown) == fixed | {family.name for family in FAMILIES}
    assert {family.name: ",".join(family.labels) for family in FAMILIES}.items() <= shown.items()


def test_the_limits():
    """Each has the default and the reason that the README gives."""
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `([^|]+)` \| `([a-z-]+)` \|$", README, re.MULTILINE)
    bounds = Bounds()
    assert {reason: default for default, _, reason in rows} == {
        "max-connections": str(bounds.transfers),
        "client-connections": str(bounds.transfers_per_client),
        "unverified": {0.25: "a quarter of all"}[bounds.unverified_share],
        "answer-rate": f"{bounds.answers}, then {bounds.answers_per_second:g} per second",
    }
    assert make_bounds(Configuration()) == bounds
    known = {word for each in settings(Configuration) for word in (dotted(each.path), each.key)}
    for _, names, _ in rows:
        assert known.issuperset(re.findall(r"[a-z_0-9.]{3,}", names))
