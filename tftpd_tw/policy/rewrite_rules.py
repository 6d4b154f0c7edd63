r"""Rewrite rules as they are written down, and what can be wrong with them before any client comes.

::

    rewrite:
      - {match: '^/?tftpboot/', replace: ''}
      - {match: '^(grub/|.*\.lst$)', ignore_case: true, replace: '\L\0'}
      - {clients: 192.0.2.0/24, only: read, if_missing: true, replace: 'common/'}
      - {match: '^secret/', abort: {code: 1, text: no such thing}}

All that the map file of tftp-hpa says can be said:

=====================  ==========================================================================
``r``                  ``replace``; ``g`` is ``occurrences: until-none``, ``gg`` is ``all``
``i``, ``~``           ``ignore_case``, ``unless`` in the place of ``match``
``G``, ``P``           ``only: read``, ``only: write``
``4``, ``6``           ``clients: 0.0.0.0/0``, ``clients: ::/0``
``e``, ``E``, ``s``    ``then: stop``, ``then: stop-if-found``, ``then: restart``
``a``, ``j``, ``:x``   ``abort``, ``jump``, ``label: x``
=====================  ==========================================================================
"""

import enum
from collections.abc import Container, Iterator, Sequence

from attrs import field, frozen

from tftpd_tw.interfaces import Direction
from tftpd_tw.policy.patterns import Pattern, compile_pattern
from tftpd_tw.policy.replacements import Replacement
from tftpd_tw.protocol.errors import ErrorCode
from tftpd_tw.protocol.packets import MAX_ERROR_TEXT


class Occurrences(enum.Enum):
    """Which of the places where ``match`` fits are replaced."""

    FIRST = "first"
    ALL = "all"
    """Each one, from the left; what has been put in is not looked at again."""
    UNTIL_NONE = "until-none"
    """The first one, again and again, until it fits nowhere."""


class Then(enum.Enum):
    """What comes after a rule that applied."""

    CONTINUE = "continue"
    """The next rule."""
    STOP = "stop"
    """No further rule."""
    STOP_IF_FOUND = "stop-if-found"
    """No further rule if there is a file of the new name; otherwise the name stays as it was before this rule."""
    RESTART = "restart"
    """The first rule again."""


@frozen
class Abort:
    """The request is refused."""

    code: ErrorCode = ErrorCode.ACCESS_VIOLATION
    text: str = ""
    """What the client is told, may hold groups and placeholders; empty for the words that go with the code."""


@frozen
class RewriteRule:
    """One rule: conditions, all of which must hold, and what is done then."""

    match: str = ""
    """A regular expression that fits somewhere in the name; the empty one fits everywhere."""
    unless: str | None = None
    """One that must fit nowhere."""
    ignore_case: bool = False
    """In both."""
    only: Direction | None = None
    """Only reads, or only writes."""
    clients: Container[str] | None = None
    """Only clients whose address is in it."""
    if_missing: bool = False
    """Only if no file has the name that it has by now."""
    replace: str | None = None
    """What takes the place of what ``match`` fits, see :mod:`~tftpd_tw.policy.replacements`."""
    occurrences: Occurrences = Occurrences.FIRST
    then: Then = Then.CONTINUE
    jump: str | None = None
    """The label of the rule that comes next; may hold groups and placeholders."""
    abort: Abort | None = None
    label: str = ""
    """What ``jump`` calls this rule."""


@frozen
class Problem:
    """A mistake in the rules."""

    index: int
    """Of the rule, from 0."""
    key: str
    """Of the value that is wrong, or that contradicts another one."""
    text: str
    """What is wrong and what to do."""


class RewriteRulesError(ValueError):
    """Rules that cannot be used; :attr:`problems` are all of their mistakes."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(f"rule {one.index + 1}: {one.key}: {one.text}" for one in problems))
        self.problems = tuple(problems)


@frozen
class CompiledRule:
    """A rule that is ready to be applied."""

    number: int
    """From 1, as people count."""
    rule: RewriteRule
    match: Pattern
    unless: Pattern | None
    replace: Replacement | None
    jump: Replacement | None
    text: Replacement | None
    """Of ``abort``."""
    placeholders: frozenset[str] = field(init=False)
    """Those in its texts."""
    needed: frozenset[str] = field(init=False)
    """Those without whose values it does not apply. What ``abort`` tells is not worth letting somebody through."""

    @placeholders.default
    def _placeholders(self) -> frozenset[str]:
        return _in(self.replace, self.jump, self.text)

    @needed.default
    def _needed(self) -> frozenset[str]:
        return _in(self.replace, self.jump)


def _in(*texts: Replacement | None) -> frozenset[str]:
    return frozenset(name for text in texts if text is not None for name in text.placeholders)


def compile_rules(rules: Sequence[RewriteRule]) -> tuple[CompiledRule, ...]:
    """Make ``rules`` ready for use.

    :raises RewriteRulesError: with all mistakes that there are
    """
    problems: list[Problem] = []
    compiled = [_compiled(index, rule, problems) for index, rule in enumerate(rules)]
    for index, rule in enumerate(rules):
        problems += (Problem(index, key, text) for key, text in _contradictions(rule))
    problems += _wrong_labels(rules)
    ready = tuple(rule for rule in compiled if rule is not None)
    problems += _feeding_themselves(ready)
    if not problems:
        problems += _endless(ready)
    if problems:
        raise RewriteRulesError(sorted(problems, key=lambda one: one.index))
    return ready


def _compiled(index: int, rule: RewriteRule, problems: list[Problem]) -> CompiledRule | None:
    def pattern(key: str, text: str) -> Pattern | None:
        try:
            return compile_pattern(text, ignore_case=rule.ignore_case)
        except ValueError as error:
            problems.append(Problem(index, key, str(error)))
            return None

    def replacement(key: str, text: str | None, groups: int) -> Replacement | None:
        try:
            return Replacement.parse(text, groups) if text is not None else None
        except ValueError as error:
            problems.append(Problem(index, key, str(error)))
            return None

    match = pattern("match", rule.match)
    unless = pattern("unless", rule.unless) if rule.unless is not None else None
    # Where the expression is wrong, nothing can be said about its groups.
    groups = match.groups if match is not None else 9
    replace = replacement("replace", rule.replace, groups)
    jump = replacement("jump", rule.jump, groups)
    text = replacement("abort", rule.abort.text if rule.abort is not None else None, groups)
    return CompiledRule(index + 1, rule, match, unless, replace, jump, text) if match is not None else None


def _contradictions(rule: RewriteRule) -> Iterator[tuple[str, str]]:
    changes = rule.replace is not None
    moves = rule.then is not Then.CONTINUE or rule.jump is not None
    if rule.occurrences is not Occurrences.FIRST and not changes:
        yield "occurrences", "there is no 'replace' that it could be about"
    if rule.then is not Then.CONTINUE and rule.jump is not None:
        yield "jump", f"'then: {rule.then.value}' says otherwise; keep one of them"
    if rule.abort is not None and (changes or moves):
        yield (
            "abort",
            "nothing comes after it; move 'replace', 'then' and 'jump' to a rule of their own",
        )
    if not (changes or moves or rule.abort is not None or rule.label):
        yield "match", "the rule does nothing; give it 'replace', 'then', 'jump' or 'abort'"
    if rule.abort is not None and not (rule.abort.text.isascii() and len(rule.abort.text) <= MAX_ERROR_TEXT):
        yield "abort", f"expected a text of at most {MAX_ERROR_TEXT} ASCII characters, got {rule.abort.text!r}"


def _wrong_labels(rules: Sequence[RewriteRule]) -> Iterator[Problem]:
    labels = [rule.label for rule in rules if rule.label]
    known = ", ".join(map(repr, labels)) or "none"
    for index, rule in enumerate(rules):
        first = next((other for other in range(index) if rules[other].label == rule.label), None)
        if rule.label and first is not None:
            yield Problem(index, "label", f"rule {first + 1} has the label {rule.label!r} already")
        if rule.jump is not None and rule.jump not in labels and not set(rule.jump) & set("\\{"):
            yield Problem(index, "jump", f"no rule has the label {rule.jump!r}; known are {known}")


def _endless(rules: Sequence[CompiledRule]) -> Iterator[Problem]:
    """Rules that would never come to an end. What depends on the name is found out when that name comes."""
    targets = [_target(one, rules) for one in rules]
    if None in targets:
        return  # a jump to wherever the name says
    for index, target in enumerate(targets):
        if target is None or target > index:
            continue
        span = range(target, index + 1)
        changes = any(rules[n].replace is not None and rules[n].rule.then is not Then.STOP_IF_FOUND for n in span)
        entered = any(n not in span and targets[n] in span[1:] for n in range(len(rules)))
        if not (changes or entered):
            key = "jump" if rules[index].jump is not None else "then"
            back = f"back to rule {target + 1}"
            yield Problem(
                index, key, f"{back}, and no rule from there to here changes the name: it would never end"
            )


def _feeding_themselves(rules: Sequence[CompiledRule]) -> Iterator[Problem]:
    """Rules each of which would never come to an end."""
    for one in rules:
        if one.rule.occurrences is Occurrences.UNTIL_NONE and _feeds_itself(one):
            text = "'match' fits what is put in, so that 'until-none' would never end"
            yield Problem(one.number - 1, "replace", text)


def _feeds_itself(one: CompiledRule) -> bool:
    """Whether what is put in, as a name of its own, is replaced for ever."""
    name = one.replace.constant if one.replace is not None else None
    if name is None or one.replace is None:
        return False
    for _ in range(len(name) + 1):
        match = one.match.search(name)
        if match is None:
            return False
        name = name[: match.start()] + one.replace.expand(match, None) + name[match.end() :]
    return True


def _target(one: CompiledRule, rules: Sequence[CompiledRule]) -> int | None:
    """The index of the rule that this one sends to, past the end if to none; None if only the name tells."""
    if one.jump is not None:
        label = one.jump.constant
        return next((n for n, other in enumerate(rules) if other.rule.label.encode() == label), None)
    return 0 if one.rule.then is Then.RESTART else len(rules)
