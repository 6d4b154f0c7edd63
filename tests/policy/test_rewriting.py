"""What rewrite rules make of names."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.policy.client_names import ClientNames
from tftpd_tw.policy.rewrite_rules import Abort, Occurrences, RewriteRulesError, Then
from tftpd_tw.policy.rewrite_rules import RewriteRule as Rule
from tftpd_tw.policy.rewriting import LONGEST_NAME, SPARE_STEPS, RefusedByRule, Rewriting
from tftpd_tw.protocol.errors import ErrorCode, TFTPError
from tftpd_tw.protocol.packets import Mode, encode_failure

NAMES = ClientNames(b"192.0.2.9", b"C0000209", b"52-54-00-ab-cd-ef")
READ, WRITE = Direction.READ, Direction.WRITE
ALL, UNTIL_NONE = Occurrences.ALL, Occurrences.UNTIL_NONE


def request(name, direction=READ, host="192.0.2.9"):
    return Request(direction, name, Mode.OCTET, {}, Address(host, 2000), Address("192.0.2.1", 69))


def rewrite(rules, name, *, direction=READ, host="192.0.2.9", files=(), steps=None, asked=None):
    """The new name; ``files`` are those that exist, ``asked`` collects what was asked for."""
    tell = steps.append if steps is not None else None
    evaluation = Rewriting(rules).evaluate(request(name, direction, host), NAMES, tell)
    answer = None
    try:
        while True:
            name = next(evaluation) if answer is None else evaluation.send(answer)
            if asked is not None:
                asked.append(name)
            answer = name in files
    except StopIteration as end:
        return end.value


SINGLE = {
    "no rules": ([], b"a/b", b"a/b"),
    "first": ([Rule("a", replace="x")], b"banana", b"bxnana"),
    "no match": ([Rule("z", replace="x")], b"banana", b"banana"),
    "all": ([Rule("a", replace="x", occurrences=ALL)], b"banana", b"bxnxnx"),
    "all, not what was put in": ([Rule("a", replace="aa", occurrences=ALL)], b"banana", b"baanaanaa"),
    "all, empty places": ([Rule("x*", replace="-", occurrences=ALL)], b"axb", b"-a--b-"),
    "until none": ([Rule("//", replace="/", occurrences=UNTIL_NONE)], b"a///////b", b"a/b"),
    "until none, from the beginning": ([Rule("ab", replace="b", occurrences=UNTIL_NONE)], b"aaab", b"b"),
    "deleted": ([Rule("^/?tftpboot/", replace="")], b"/tftpboot/f", b"f"),
    "put in front": ([Rule(replace="pub/")], b"f", b"pub/f"),
    "groups": ([Rule("^(.*)/([^/]*)$", replace=r"\2 in \1, was \0")], b"a/b/c", b"c in a/b, was a/b/c"),
    "group without part": ([Rule("(a)|(b)", replace=r"[\1\2]")], b"b", b"[b]"),
    "case": ([Rule("^(.)(.*)$", replace=r"\U\1x\L\2Y\E-\2Z")], b"aBc", b"AXbcy-BcZ"),
    "case of a placeholder": ([Rule("f", replace=r"\U{mac}")], b"f", b"52-54-00-AB-CD-EF"),
    "backslash": ([Rule(r"\\", replace="/", occurrences=ALL)], rb"\Boot\BCD", b"/Boot/BCD"),
    "a backslash put in": ([Rule("/", replace=r"\\")], b"a/b", rb"a\b"),
    "client": ([Rule("^", replace="{ip}/{ip_hex}/")], b"f", b"192.0.2.9/C0000209/f"),
    "not known": ([Rule("^", replace="{interface}/")], b"f", b"f"),
    "braces of the name's own": ([Rule("x", replace="{12-ab}{}")], b"x", b"{12-ab}{}"),
    "ignore case": ([Rule("boot", ignore_case=True, replace="x")], b"BooT", b"x"),
    "case counts": ([Rule("boot", replace="x")], b"BooT", b"BooT"),
    "case is ASCII's": ([Rule("é", ignore_case=True, replace="x")], "É".encode(), "É".encode()),
    "bytes": ([Rule(r"\xff.*$", replace="")], b"lpxelinux.0\xff\x00\xfe", b"lpxelinux.0"),
    "UTF-8": ([Rule("é", replace="ü")], "é".encode(), "ü".encode()),
    "a dot is any byte": ([Rule("^(.*)$", replace=r"x\1")], b"a\n\xff", b"xa\n\xff"),
    "the end is the end": ([Rule("a$", replace="x")], b"a\n", b"a\n"),
    "junk": ([Rule(r"^pxelinux\.bin.*$", replace="pxelinux.bin")], b"pxelinux.biny\n;o\x1e", b"pxelinux.bin"),
    "unless": ([Rule(unless="^pub/", replace="pub/")], b"f", b"pub/f"),
    "unless matches": ([Rule(unless="^pub/", replace="pub/")], b"pub/f", b"pub/f"),
    "unless ignores case too": ([Rule(unless="^pub/", ignore_case=True, replace="pub/")], b"PUB/f", b"PUB/f"),
    "match and unless": ([Rule("a", unless="b", replace="x")], b"ab", b"ab"),
    "in order": ([Rule("a", replace="b"), Rule("b", replace="c")], b"a", b"c"),
    "stop": ([Rule("a", replace="b", then=Then.STOP), Rule("b", replace="c")], b"a", b"b"),
    "no stop without match": ([Rule("z", then=Then.STOP), Rule("a", replace="c")], b"a", b"c"),
    "restart": ([Rule("b", replace="c"), Rule("a", replace="b", then=Then.RESTART)], b"aa", b"cc"),
    "jump": ([Rule("a", jump="end"), Rule("a", replace="x"), Rule(label="end")], b"a", b"a"),
    "jump back": ([Rule("a", replace="b", label="top"), Rule("a", jump="top")], b"aaa", b"bbb"),
    "replace and jump": ([Rule("a", replace="b", jump="z"), Rule("b", replace="x"), Rule(label="z")], b"a", b"b"),
    "jump by name": ([Rule("^.", jump=r"\L\0"), Rule(replace="z"), Rule(replace="!", label="a")], b"A", b"!A"),
}  # fmt: skip


@pytest.mark.parametrize(("rules", "name", "expected"), SINGLE.values(), ids=SINGLE)
def test_what_becomes_of_a_name(rules, name, expected):
    """Each rule sees what the ones before have made of the name."""
    assert rewrite(rules, name) == expected


@pytest.mark.parametrize(
    ("rule", "direction", "host", "applies"),
    [
        (Rule(only=READ, replace="x"), READ, "192.0.2.9", True),
        (Rule(only=READ, replace="x"), WRITE, "192.0.2.9", False),
        (Rule(only=WRITE, replace="x"), READ, "192.0.2.9", False),
        (Rule(only=WRITE, replace="x"), WRITE, "192.0.2.9", True),
        (Rule(clients={"192.0.2.9"}, replace="x"), READ, "192.0.2.9", True),
        (Rule(clients={"192.0.2.9"}, replace="x"), READ, "192.0.2.8", False),
        (Rule(clients={"fe80::1"}, replace="x"), READ, "fe80::1", True),
    ],
)
def test_conditions(rule, direction, host, applies):
    """A rule may be for reads, for writes, for some clients only."""
    assert rewrite([rule], b"f", direction=direction, host=host) == (b"xf" if applies else b"f")


class TestFiles:
    """Rules that ask whether there is a file."""

    def test_only_if_missing(self):
        """What is there under its own name keeps it."""
        rules = [Rule(if_missing=True, replace="common/")]
        assert rewrite(rules, b"f", files={b"f"}) == b"f"
        assert rewrite(rules, b"f") == b"common/f"

    def test_stop_if_found(self):
        """The first of several places that has the file ends it; what was tried in vain is undone."""
        rules = [
            Rule(replace="a/", then=Then.STOP_IF_FOUND),
            Rule(replace="b/", then=Then.STOP_IF_FOUND),
            Rule(replace="c/"),
        ]
        assert rewrite(rules, b"f", files={b"a/f", b"b/f"}) == b"a/f"
        assert rewrite(rules, b"f", files={b"b/f"}) == b"b/f"
        assert rewrite(rules, b"f") == b"c/f"

    def test_stop_if_found_without_change(self):
        """A name that leads to a file already can be left alone."""
        rules = [Rule(then=Then.STOP_IF_FOUND), Rule(replace="x/")]
        assert rewrite(rules, b"f", files={b"f"}) == b"f"
        assert rewrite(rules, b"f") == b"x/f"

    def test_nobody_asks_twice(self):
        """A name is looked for once, however many rules want to know, and not by rules that do not apply."""
        asked = []
        rules = [Rule("z", if_missing=True, replace="y"), *[Rule("q|f", if_missing=True, replace="f")] * 3]
        assert rewrite(rules, b"f", asked=asked) == b"f"
        assert asked == [b"f"]


class TestAbort:
    """Rules that refuse."""

    def test_code_and_text(self):
        """The client gets the code and the words of the rule, the log the rule's number and the name."""
        rule = Rule("^(secret)/", abort=Abort(ErrorCode.FILE_NOT_FOUND, r"no \1 for {ip}"))
        with pytest.raises(RefusedByRule) as caught:
            rewrite([Rule("z", replace=""), rule], b"secret/f")
        assert encode_failure(caught.value) == b"\0\5\0\1no secret for 192.0.2.9\0"
        assert str(caught.value) == "rewrite rule 2 refuses secret/f"
        assert caught.value.reason == "refused-by-rule"

    def test_without_text(self):
        """By default it is an access violation, in the usual words."""
        with pytest.raises(RefusedByRule) as caught:
            rewrite([Rule(abort=Abort())], b"f")
        assert encode_failure(caught.value).startswith(b"\0\5\0\2")
        assert rewrite([Rule("z", abort=Abort())], b"f") == b"f"

    def test_text_with_an_unknown_name(self):
        """Nobody is let through because there are no words to refuse him with."""
        with pytest.raises(RefusedByRule) as caught:
            rewrite([Rule(abort=Abort(text="not on {interface}"))], b"f")
        assert encode_failure(caught.value) == b"\0\5\0\2not on \0"

    def test_unless(self):
        """Everything but what is listed can be refused."""
        rules = [Rule(unless="^(pxelinux|grub)", abort=Abort())]
        assert rewrite(rules, b"grub/x") == b"grub/x"
        with pytest.raises(RefusedByRule):
            rewrite(rules, b"etc")


class TestBounds:
    """Nothing goes on for ever, whatever the name."""

    GROWING = {
        "restart": (1, [Rule("^", replace="x", then=Then.RESTART)]),
        "replacement": (1, [Rule("(x)", replace=r"\1\1", occurrences=UNTIL_NONE)]),
        "swapped": (1, [Rule("(a)(b)|(b)(a)", replace=r"\2\1\4\3", occurrences=UNTIL_NONE)]),
        "two rules": (3, [Rule("a", replace="b"), Rule("b", replace="a"), Rule("a", then=Then.RESTART)]),
        "jumps": (3, [Rule(r"^(.)", jump=r"\1"), Rule(label="x", replace=""), Rule(then=Then.RESTART)]),
        "jump back": (2, [Rule("^", replace="x"), Rule("(x)", jump=r"\1", label="x"), Rule(then=Then.STOP)]),
    }  # fmt: skip

    @pytest.mark.parametrize(("to_blame", "rules"), GROWING.values(), ids=GROWING)
    def test_loops(self, to_blame, rules):
        """Rules that send each other around with a name are given up on, saying which one leads back."""
        with pytest.raises(
            TFTPError,
            match=rf"rewrite rule {to_blame}: given up after 50\d steps; the rules do not come to an end",
        ):
            rewrite(rules, b"xab")

    def test_length(self):
        """No name becomes longer than any path may be expected to be; the longest is fine."""
        assert len(rewrite([Rule(replace="x" * (LONGEST_NAME - 1))], b"f")) == LONGEST_NAME
        with pytest.raises(TFTPError, match="rewrite rule 1: makes the name longer than 1024 bytes"):
            rewrite([Rule(replace="x" * LONGEST_NAME)], b"f")

    def test_many_rules(self):
        """A long list of rules is no loop."""
        assert rewrite([Rule("x$", replace="xx")] * (SPARE_STEPS // 2) + [Rule("z", replace="")] * 3000, b"x")

    def test_unknown_label_of_a_name(self):
        """A jump to where the name says, and nothing is there, refuses the request."""
        with pytest.raises(TFTPError, match="rewrite rule 1: no rule has the label q"):
            rewrite([Rule("^(.)", jump=r"\1")], b"q")

    HOSTILE = [
        (Rule("(a+)+$", replace="x"), b"a" * 500 + b"b"),
        (Rule("(x+x+)+y", replace="x"), b"x" * 500),
        (Rule("^(.*)*$", replace=r"\1"), b"/" * 500),
        (Rule(r"(.{0,60}){4}x", replace="x"), b"a" * 500),
        (Rule(r"\\", replace="/", occurrences=UNTIL_NONE), b"\\" * 500),
    ]

    @pytest.mark.parametrize(("rule", "name"), HOSTILE)
    def test_hostile_names(self, rule, name):
        """Where others would try for years, it takes some milliseconds; a second is for busy machines."""
        began = time.perf_counter()
        rewrite([rule], name)
        assert time.perf_counter() - began < 1.0


pieces = st.sampled_from(["a", "b", "/", "^", "$", ".*", "(a|b)", r"\\", "x?"])
texts = st.sampled_from(["", "a", "b/", r"\0", r"\0\0", r"\U\0\E", "{ip}", "{interface}"])
rules = st.builds(
    Rule,
    match=st.lists(pieces, max_size=3).map("".join),
    unless=st.none() | pieces,
    ignore_case=st.booleans(),
    only=st.none() | st.sampled_from(Direction),
    if_missing=st.booleans(),
    replace=st.none() | texts,
    occurrences=st.sampled_from(Occurrences),
    then=st.sampled_from(Then),
    label=st.sampled_from(["", "x"]),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(rules, max_size=4), st.binary(min_size=1, max_size=60), st.data())
def test_any_rules_end(some, name, data):
    """Rules are refused when they are made, or end with a name or an error of ours, and the steps fit together."""
    try:
        rewriting = Rewriting(some)
    except RewriteRulesError:
        return
    steps = []
    evaluation = rewriting.evaluate(request(name), NAMES, steps.append)
    result = None
    try:
        next(evaluation)
        while True:
            evaluation.send(data.draw(st.booleans()))
    except StopIteration as end:
        result = end.value
    except TFTPError:
        pass
    known = name
    for step in steps:
        assert step.before == known
        known = step.after
    assert len(known) <= LONGEST_NAME
    assert result in (None, known)


def test_steps():
    """Each rule that was looked at says what it did, or why it did nothing."""
    steps = []
    rules = [
        Rule("z", replace=""),
        Rule(only=WRITE, replace=""),
        Rule(clients=(), replace=""),
        Rule("f", unless="f", replace=""),
        Rule("f", replace="{interface}"),
        Rule("f", if_missing=True, replace=""),
        Rule("f", replace="g", then=Then.STOP_IF_FOUND),
        Rule("f", replace="h"),
        Rule("h", jump="end"),
        Rule("h", replace="never"),
        Rule(label="end"),
        Rule("h", then=Then.STOP),
    ]
    assert rewrite(rules, b"f", files={b"f"}, steps=steps) == b"h"
    assert [(step.rule, step.outcome, step.before, step.after) for step in steps] == [
        (1, "no match", b"f", b"f"),
        (2, "only for writes", b"f", b"f"),
        (3, "not for this client", b"f", b"f"),
        (4, "'unless' matches", b"f", b"f"),
        (5, "{interface} is not known", b"f", b"f"),
        (6, "there is such a file", b"f", b"f"),
        (7, "undone: there is no file g", b"f", b"f"),
        (8, "replaced", b"f", b"h"),
        (9, "go to rule 11", b"h", b"h"),
        (11, "nothing to do", b"h", b"h"),
        (12, "stop", b"h", b"h"),
    ]


def test_placeholders():
    """Whoever sets up the rules learns whether the kernel has to be asked."""
    rules = [Rule(replace="{ip}"), Rule(abort=Abort(text="{mac}")), Rule("a", replace="b", jump="{interface}")]
    assert Rewriting(rules).placeholders == {"ip", "mac", "interface"}
    assert Rewriting([]).placeholders == frozenset()
