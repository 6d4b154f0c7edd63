"""The same raw requests to the daemon and to other servers (F43): every difference is known and has its reason."""

import os
from collections import Counter
from pathlib import Path

import page
import pytest
from attrs import evolve
from case import OTHERS, OUTSIDE, ROOT, VERSIONS, Case, read
from cases import CASES
from comparing import SERVERS, asked, serving
from lacking import lacking

from benchmarks.peers import OURS, Unavailable


def packet(case: Case, root: Path) -> bytes:
    """With the paths that it has here."""
    return case.packet.replace(ROOT, os.fsencode(root)).replace(OUTSIDE, os.fsencode(root.parent / "outside"))


def differences(server: str, root: Path) -> dict[str, tuple[str, str]]:
    """What it answers otherwise than the table has it: what came, and what should."""
    packets = [packet(case, root) for case in CASES]
    expected = [case.answer_of(server) for case in CASES]
    with serving(SERVERS[server], root) as address:
        came = asked(address, packets, expected)
    return {
        case.what: (answer, wanted)
        for case, answer, wanted in zip(CASES, came, expected, strict=True)
        if answer != wanted
    }


def test_the_daemon_answers_as_the_table_has_it(root: Path) -> None:
    """Each request alone, in the order of the table."""
    assert differences(OURS, root) == {}


@pytest.mark.long
@pytest.mark.parametrize("server", OTHERS)
def test_another_server_answers_as_the_table_has_it(server: str, root: Path) -> None:
    """What Debian 12 has; of another version there may be other answers."""
    try:
        version = SERVERS[server].fetch()
    except Unavailable as reason:
        lacking(f"{server}: {reason}")
    if not version.startswith(VERSIONS[server]):
        lacking(f"{server} is {version} here, and the answers are those of {VERSIONS[server]}")
    assert differences(server, root) == {}


def test_rules_that_take_names_as_others_do(root: Path, tmp_path: Path) -> None:
    """Those of the page lead to what the others give; no name gets out by them."""
    settings = tmp_path / "tftpd.yaml"
    settings.write_text(page.RULES.replace("/srv/tftp", str(root)))
    ours = SERVERS[OURS]
    with_rules = evolve(ours, command=lambda *where: [*ours.command(*where), "--config", str(settings)])
    packets = [
        read(b"folder/../file"),
        read(os.fsencode(root / "file")),
        read(b"../outside"),
        read(b"a/../../file"),
    ]
    expected = ["DATA 512", "DATA 512", "ERROR 2", "ERROR 2"]
    with serving(with_rules, root) as address:
        assert asked(address, packets, expected) == expected


def test_every_difference_has_its_reason() -> None:
    """A difference is one, there is a reason for it, and there is none where all are alike."""
    assert [name for name, count in Counter(case.what for case in CASES).items() if count > 1] == []
    for case in CASES:
        assert case.ours not in case.others.values(), case.what
        assert bool(case.others) == bool(case.why), case.what
        assert case.others or not case.note, case.what


def test_the_page_is_that_of_the_table() -> None:
    """``make reference`` writes it."""
    assert page.PAGE.read_text() == page.text()
