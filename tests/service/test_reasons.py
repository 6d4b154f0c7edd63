"""What reasons mean: all that there are, in words that hold."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import tftpd_tw
from tftpd_tw.interfaces import Direction
from tftpd_tw.net.outcomes import GAVE_WAY
from tftpd_tw.policy.access import Restrictions
from tftpd_tw.protocol.errors import TFTPError
from tftpd_tw.protocol.events import Reason
from tftpd_tw.service.config_reader import dotted
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.setting import settings
from tftpd_tw.telemetry.reasons import MEANINGS, meaning_of

PACKAGE = Path(tftpd_tw.__file__).parent

GIVING = {"ignore": 1, "Refusal": 0, "tell": 1}
"""What is called with a reason: the place of that among the arguments; `tell` has it after `datagram_dropped`."""


def of_errors() -> set[str]:
    """Those of the error tree, wherever in the package a class is."""
    for module in pkgutil.walk_packages([str(PACKAGE)], "tftpd_tw."):
        importlib.import_module(module.name)
    classes, found = [TFTPError], set()
    for cls in classes:
        classes += cls.__subclasses__()
        if cls.__module__.startswith("tftpd_tw."):
            found.add(cls.reason)
    return found


def in_the_code() -> Iterator[str]:
    """Those that are written where a reason is given: without what follows a colon, if that is worked out."""
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {
            node.targets[0].id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                place = GIVING.get(called, len(node.args))
                if place < len(node.args) and (
                    called != "tell" or ast.unparse(node.args[0]) == "'datagram_dropped'"
                ):
                    given = node.args[place]
                    yield from words(names.get(given.id, given) if isinstance(given, ast.Name) else given)
            elif isinstance(node, ast.FunctionDef) and node.name == "admit":
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Return) and inner.value is not None:
                        yield from words(inner.value)


def words(node: ast.expr) -> Iterator[str]:
    """The text that ``node`` is, or begins with."""
    if isinstance(node, ast.JoinedStr):
        node = node.values[0]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value.partition(":")[0]


def restrictions() -> set[str]:
    """Those of the simple settings."""
    rules = Restrictions(False, False, ("192.0.2.0/24",), ("192.0.2.0/24",), ("x",), ("x",)).rules()
    return {f"denied-by-rule:{rule.name}" for rule in rules}


def test_every_reason_has_its_words() -> None:
    """Whatever a record or a counter may have; and no word is about a reason that there is not."""
    written = set(in_the_code())
    assert {"max-connections", "port-in-use", "no-socket", "denied-by-rule", "malformed"} <= written
    known = {*Reason, GAVE_WAY, *of_errors(), *written, *restrictions()}
    assert [each for each in MEANINGS if meaning_of(each.reason, each.direction) is not each] == []
    assert len({(each.reason, each.direction) for each in MEANINGS}) == len(MEANINGS)
    assert known - {meaning.reason for meaning in MEANINGS} == set()
    assert {meaning.reason.partition(":")[0] for meaning in MEANINGS} - known == set()


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("not-found", "not-found"),
        ("client-error:3", "client-error:3"),
        ("client-error:77", "client-error"),
        ("denied-by-rule:a:b", "denied-by-rule"),
        ("denied-by-rule:denied_clients", "denied-by-rule:denied_clients"),
        ("no-socket:ENOBUFS", "no-socket"),
    ],
)
def test_the_part_before_the_colon(reason: str, found: str) -> None:
    """It says what is known of all pairs with it, unless more is known of one."""
    meaning = meaning_of(reason)
    assert meaning is not None
    assert meaning.reason == found


@pytest.mark.parametrize("reason", ["not-found", "denied"])
def test_uploads(reason: str) -> None:
    """Some reasons mean something else of a write."""
    of_uploads, of_reads = meaning_of(reason, Direction.WRITE), meaning_of(reason)
    assert of_uploads is not None
    assert of_reads is not None
    assert (of_uploads.direction, of_reads.direction) == ("write", "")
    assert of_uploads.advice != of_reads.advice
    assert meaning_of("completed", Direction.WRITE) is meaning_of("completed")


@pytest.mark.parametrize("reason", ["", ":", "x", "not-found ", ":not-found"])
def test_unknown_reasons(reason: str) -> None:
    """They mean nothing."""
    assert meaning_of(reason) is None


def test_the_settings_that_are_named() -> None:
    """There are such."""
    text = "\n".join(f"{meaning.meaning} {meaning.advice}" for meaning in MEANINGS)
    sections = {each.path[0] for each in settings(Configuration)}
    named = set(re.findall(rf"\b((?:{'|'.join(sections)})\.\w+)", text))
    assert len(named) > 15
    assert named - {dotted(each.path) for each in settings(Configuration)} == set()


def test_sentences() -> None:
    """Each text is one, or several."""
    for meaning in MEANINGS:
        for text in (meaning.meaning, meaning.advice):
            assert re.fullmatch(r"[A-Z].*\.", text)
            assert "  " not in text
