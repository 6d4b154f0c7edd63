"""Mistakes in rewrite rules, which are found before any client comes."""

import sys
from collections.abc import Container

import pytest
import yaml
from cattrs import Converter

from tftpd_tw.interfaces import Direction
from tftpd_tw.policy import patterns
from tftpd_tw.policy.rewrite_rules import Abort, Occurrences, RewriteRulesError, Then, compile_rules
from tftpd_tw.policy.rewrite_rules import RewriteRule as Rule
from tftpd_tw.protocol.errors import ErrorCode

UNTIL_NONE = Occurrences.UNTIL_NONE


def problems(*rules):
    """What is wrong with them: ``index key: text`` of each."""
    try:
        compile_rules(rules)
    except RewriteRulesError as error:
        return [f"{one.index} {one.key}: {one.text}" for one in error.problems]
    return []


NO_PATTERN = "expected a regular expression of RE2, got"
ESCAPES = r"known are \0 to \9, \U, \L, \E, and \\ for a backslash"
PLACEHOLDERS = "known are {ip}, {ip_hex}, {mac}, {interface}"
OWN_RULE = "nothing comes after it; move 'replace', 'then' and 'jump' to a rule of their own"
TEXT = "expected a text of at most 120 ASCII characters, got"

WRONG = {
    "no expression": (Rule("(", replace=""), f"match: {NO_PATTERN} '(': missing ): ("),
    "look-around": (Rule("(?=x)", replace=""), f"match: {NO_PATTERN} '(?=x)': invalid perl operator: (?="),
    "reference": (Rule(r"(a)\1", replace=""), rf"match: {NO_PATTERN} '(a)\\1': invalid escape sequence: \1"),
    "no unless": (Rule("a", unless="[", replace=""), f"unless: {NO_PATTERN} '[': missing ]: ["),
    "group": (Rule("(a)b", replace=r"\2"), r"replace: there is no \2: the regular expression has 1 group"),
    "no group": (Rule("ab", replace=r"\1"), r"replace: there is no \1: the regular expression has no groups"),
    "escape": (Rule("a", replace=r"\n"), rf"replace: unknown escape \n; {ESCAPES}"),
    "last backslash": (Rule("a", replace="x\\"), f"replace: unknown escape \\; {ESCAPES}"),
    "tftp-hpa's ip": (Rule("a", replace=r"\i"), r"replace: unknown escape \i; write {ip}"),
    "tftp-hpa's hex": (Rule("a", replace=r"\x"), r"replace: unknown escape \x; write {ip_hex}"),
    "placeholder": (Rule("a", replace="{serial}"), f"replace: unknown placeholder {{serial}}; {PLACEHOLDERS}"),
    "NUL": (Rule("a", replace="\0"), "replace: expected a text without NUL bytes"),
    "label": (Rule("a", jump="there", label="here"), "jump: no rule has the label 'there'; known are 'here'"),
    "no label": (Rule("a", jump="there"), "jump: no rule has the label 'there'; known are none"),
    "nothing": (Rule("a"), "match: the rule does nothing; give it 'replace', 'then', 'jump' or 'abort'"),
    "replace what": (
        Rule("a", occurrences=Occurrences.ALL, then=Then.STOP),
        "occurrences: there is no 'replace' that it could be about",
    ),
    "two ways on": (
        Rule("a", then=Then.STOP, jump="x", label="x"),
        "jump: 'then: stop' says otherwise; keep one of them",
    ),
    "after the end": (Rule("a", replace="b", abort=Abort()), f"abort: {OWN_RULE}"),
    "abort text": (Rule("a", abort=Abort(text="nö")), f"abort: {TEXT} 'nö'"),
    "long text": (Rule("a", abort=Abort(text="n" * 121)), f"abort: {TEXT} '{'n' * 121}'"),
    "abort's group": (
        Rule("a", abort=Abort(text=r"\1")),
        r"abort: there is no \1: the regular expression has no groups",
    ),
}


@pytest.mark.parametrize(("rule", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_rules(rule, expected):
    """Each mistake is one line that says what is wrong and what to do."""
    assert problems(rule) == [f"0 {expected}"]


def test_all_mistakes_at_once():
    """Every mistake of every rule is reported, in the order of the rules, and the text counts from 1."""
    rules = [
        Rule("(", replace=r"\n"),
        Rule("a", replace="b"),
        Rule("a"),
        Rule("b", then=Then.STOP, label="x"),
        Rule(label="x"),
        Rule("a", replace="aa", occurrences=UNTIL_NONE),
    ]
    expected = ["0 match", "0 replace", "2 match", "4 label", "5 replace"]
    assert [line.split(":")[0] for line in problems(*rules)] == expected
    with pytest.raises(
        RewriteRulesError, match=r"(?s)^rule 1: match: .*rule 5: label: rule 4 has the label 'x' already\nrule 6: "
    ):
        compile_rules(rules)


def test_a_large_expression_is_refused():
    """What would take RE2 long is not taken."""
    (line,) = problems(Rule("((a{0,100}){0,100})", replace=""))
    assert "invalid repetition" in line
    (line,) = problems(Rule(".{700}", replace=""))
    assert "match: expected a regular expression of 500 steps at most, got one of 7" in line
    assert problems(Rule(".{400}", replace="")) == []


@pytest.mark.parametrize("module", [None, object()], ids=["not there", "another re2"])
def test_without_re2(monkeypatch, module):
    """Whoever has rules and not RE2 is told what to install; also when another package has taken its name."""
    monkeypatch.setitem(sys.modules, "re2", module)
    assert problems(Rule("a", replace="")) == [f"0 match: {patterns.NOT_INSTALLED}"]


ENDLESS = {
    "its own replacement": [Rule("a", replace="a", occurrences=UNTIL_NONE)],
    "within its replacement": [Rule("a", replace="bab", occurrences=UNTIL_NONE)],
    "ignoring case": [Rule("a", ignore_case=True, replace="A", occurrences=UNTIL_NONE)],
    "fits nothing at all": [Rule("x*", replace="", occurrences=UNTIL_NONE)],
    "anchored": [Rule("^/", replace="/", occurrences=UNTIL_NONE)],
    "jumps to itself": [Rule("a", jump="x", label="x")],
    "jumps back": [Rule(label="x"), Rule("b", unless="c", then=Then.STOP), Rule("a", jump="x")],
    "restarts": [Rule("b", abort=Abort()), Rule("a", then=Then.RESTART)],
    "only tries": [Rule("a", replace="b", then=Then.STOP_IF_FOUND, label="x"), Rule("a", jump="x")],
    "inside": [Rule(label="x"), Rule("c", jump="y"), Rule("d", label="y"), Rule("a", jump="x")],
}  # fmt: skip


@pytest.mark.parametrize("rules", ENDLESS.values(), ids=ENDLESS)
def test_endless_rules(rules):
    """What would go on for ever whenever it is reached is refused."""
    (line,) = problems(*rules)
    assert "would never end" in line


ENDING = {
    "gets shorter": [Rule("//", replace="/", occurrences=UNTIL_NONE)],
    "other case": [Rule("a", replace="A", occurrences=UNTIL_NONE)],
    "anchored": [Rule("^a", replace="xa", occurrences=UNTIL_NONE)],
    "depends": [Rule("(a)b", replace=r"\1", occurrences=UNTIL_NONE)],
    "once": [Rule("a", replace="a"), Rule("a", replace="a", occurrences=Occurrences.ALL)],
    "changes": [Rule("a", replace="b", then=Then.RESTART)],
    "changes on the way": [Rule("a", replace="b", label="x"), Rule("a", jump="x")],
    "forward": [Rule("a", jump="x"), Rule("b", replace="c"), Rule(label="x")],
    "entered": [Rule("a", jump="y"), Rule("a", then=Then.STOP, label="x"), Rule("a", jump="x", label="y")],
    "wherever the name says": [Rule(r"^(.)", jump=r"\1"), Rule("a", jump="x", label="x")],
}  # fmt: skip


@pytest.mark.parametrize("rules", ENDING.values(), ids=ENDING)
def test_rules_that_may_end(rules):
    """What comes to an end, or may for some names, is not refused."""
    assert problems(*rules) == []


def test_from_yaml():
    """The list in a settings file is the list of rules: keys are fields, words and numbers enumerations."""
    text = r"""
        - {match: '^/?tftpboot/', replace: ''}
        - {match: '^(grub/|.*\.lst$)', ignore_case: true, replace: '\L\0', occurrences: all}
        - {clients: [192.0.2.9], only: read, if_missing: true, replace: 'common/', then: stop-if-found}
        - {unless: ^pub/, abort: {code: 1, text: no such thing}}
        - {label: end}
    """
    converter = Converter(forbid_extra_keys=True)
    converter.register_structure_hook(Container[str] | None, lambda value, _: frozenset(value))
    rules = converter.structure(yaml.safe_load(text), tuple[Rule, ...])
    assert rules == (
        Rule("^/?tftpboot/", replace=""),
        Rule(r"^(grub/|.*\.lst$)", ignore_case=True, replace=r"\L\0", occurrences=Occurrences.ALL),
        Rule(
            clients=frozenset({"192.0.2.9"}),
            only=Direction.READ,
            if_missing=True,
            replace="common/",
            then=Then.STOP_IF_FOUND,
        ),
        Rule(unless="^pub/", abort=Abort(ErrorCode.FILE_NOT_FOUND, "no such thing")),
        Rule(label="end"),
    )
    compile_rules(rules)
