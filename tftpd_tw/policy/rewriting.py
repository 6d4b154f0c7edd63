"""Rewriting the name in a request, rule by rule, before it is looked up.

Whether there is a file of some name only a backend knows, and it may need time to tell. So an evaluation is a
generator: it yields the names that it wants to know about, is sent True or False for each, and returns the new
name. Most rules never ask::

    evaluation = rewriting.evaluate(request, names)
    try:
        asked = next(evaluation)
        while True:
            asked = evaluation.send(exists(asked))
    except StopIteration as end:
        name = end.value

The rules meet the name as it came; what they make of it is normalised and confined like any other (S020), so no
rule can lead out of a root. A name that makes rules send each other around for ever is refused after
:data:`SPARE_STEPS` steps more than there are rules.
"""

from collections.abc import Callable, Generator, Sequence

from attrs import field, frozen

from tftpd_tw.interfaces import Direction, Request
from tftpd_tw.policy.client_names import ClientNames
from tftpd_tw.policy.replacements import Match
from tftpd_tw.policy.rewrite_rules import CompiledRule, Occurrences, Then, compile_rules
from tftpd_tw.protocol.errors import ErrorCode, TFTPError
from tftpd_tw.protocol.text import escaped

SPARE_STEPS = 500
"""How many more rules may be looked at, and places replaced, than there are rules."""

LONGEST_NAME = 1024
"""Bytes that a rewritten name may have; a request has half of that at most."""


class RefusedByRule(TFTPError):
    """A rule says ``abort``."""

    reason = "refused-by-rule"

    def __init__(self, message: str, code: ErrorCode, wire_text: str) -> None:
        super().__init__(message)
        self.code = code
        if wire_text:
            self.wire_text = wire_text


@frozen
class Step:
    """What one rule did, for whoever wants it explained."""

    rule: int
    """Its number, from 1."""
    outcome: str
    before: bytes
    after: bytes


Tell = Callable[[Step], None]

Evaluation = Generator[bytes, bool, bytes]
"""Yields names, is sent whether there is such a file, returns the new name."""


@frozen
class Rewriting:
    """An ordered list of rules.

    :raises RewriteRulesError: with every mistake in them
    """

    _rules: tuple[CompiledRule, ...] = field(converter=compile_rules, alias="rules")

    @property
    def placeholders(self) -> frozenset[str]:
        """Those that its texts use."""
        return frozenset().union(*(rule.placeholders for rule in self._rules))

    def evaluate(self, request: Request, names: ClientNames, tell: Tell | None = None) -> Evaluation:
        """The name that takes the place of ``request.name``.

        :param names: what the client is called
        :param tell: is told of each rule that was looked at
        :raises RefusedByRule: a rule says so
        :raises TFTPError: the rules do not come to an end with this name, or make it too long
        """
        return _Evaluation(self._rules, request, names, tell).run()


class _Evaluation:
    """One name on its way through the rules."""

    def __init__(
        self, rules: Sequence[CompiledRule], request: Request, names: ClientNames, tell: Tell | None
    ) -> None:
        self._rules = rules
        self._request = request
        self._names = names
        self._tell = tell
        self._left = len(rules) + SPARE_STEPS
        self._went_back: CompiledRule | None = None
        self._known: dict[bytes, bool] = {}

    def run(self) -> Evaluation:
        rules, name, index = self._rules, self._request.name, 0
        while index < len(rules):
            one = rules[index]
            rule = one.rule
            index += 1
            self._count(one)
            match = self._applies(one, name)
            if isinstance(match, str):
                self._note(one, match, name, name)
                continue
            if rule.if_missing and (yield from self._exists(name)):
                self._note(one, "there is such a file", name, name)
                continue
            before, after = name, self._replaced(one, match, name)
            if rule.abort is not None:
                self._note(one, f"refused with code {rule.abort.code:d}", before, before)
                raise self._refusal(one, match, name)
            if rule.then is Then.STOP_IF_FOUND and not (yield from self._exists(after)):
                self._note(one, f"undone: there is no file {escaped(after)}", before, before)
                continue
            name = after
            if rule.then in (Then.STOP, Then.STOP_IF_FOUND):
                self._note(one, "stop", before, after)
                return name
            if rule.then is Then.RESTART:
                index = 0
            elif one.jump is not None:
                index = self._target(one, one.jump.expand(match, self._names))
            if index < one.number:
                self._went_back = one
            going = "" if index == one.number else f"go to rule {index + 1}"
            self._note(one, going or ("replaced" if rule.replace is not None else "nothing to do"), before, after)
        return name

    def _applies(self, one: CompiledRule, name: bytes) -> Match | str:
        """Where the rule fits; or why not."""
        rule, request = one.rule, self._request
        if rule.only not in (None, request.direction):
            return "only for reads" if rule.only is Direction.READ else "only for writes"
        if rule.clients is not None and request.client.host not in rule.clients:
            return "not for this client"
        match = one.match.search(name)
        if match is None:
            return "no match"
        if one.unless is not None and one.unless.search(name) is not None:
            return "'unless' matches"
        if one.needed and (missing := self._names.missing(one.needed)):
            return f"{{{missing[0]}}} is not known"
        return match

    def _exists(self, name: bytes) -> Generator[bytes, bool, bool]:
        if name not in self._known:
            self._known[name] = yield name
        return self._known[name]

    def _replaced(self, one: CompiledRule, match: Match, name: bytes) -> bytes:
        if one.replace is None:
            return name
        expand, names = one.replace.expand, self._names
        if one.rule.occurrences is Occurrences.ALL:
            pieces, end = [], 0
            for place in one.match.finditer(name):
                self._count(one)
                pieces += [name[end : place.start()], expand(place, names)]
                end = place.end()
            name = b"".join(pieces) + name[end:]
        else:
            name = name[: match.start()] + expand(match, names) + name[match.end() :]
        self._check_length(one, name)
        if one.rule.occurrences is Occurrences.UNTIL_NONE:
            again = one.match.search(name)
            while again is not None:
                self._count(one)
                name = name[: again.start()] + expand(again, names) + name[again.end() :]
                self._check_length(one, name)
                again = one.match.search(name)
        return name

    def _count(self, one: CompiledRule) -> None:
        self._left -= 1
        if self._left < 0:
            steps = len(self._rules) + SPARE_STEPS
            # The one that leads back again and again is to blame, wherever that happened to be given up.
            number = (self._went_back or one).number
            raise TFTPError(
                f"rewrite rule {number}: given up after {steps} steps; the rules do not come to an end"
            )

    def _check_length(self, one: CompiledRule, name: bytes) -> None:
        if len(name) > LONGEST_NAME:
            raise TFTPError(f"rewrite rule {one.number}: makes the name longer than {LONGEST_NAME} bytes")

    def _refusal(self, one: CompiledRule, match: Match, name: bytes) -> RefusedByRule:
        assert one.rule.abort is not None
        assert one.text is not None
        text = one.text.expand(match, self._names).decode("ascii", "replace")
        message = f"rewrite rule {one.number} refuses {escaped(name)}"
        return RefusedByRule(message, one.rule.abort.code, text)

    def _target(self, one: CompiledRule, label: bytes) -> int:
        for index, other in enumerate(self._rules):
            if other.rule.label and other.rule.label.encode() == label:
                return index
        raise TFTPError(f"rewrite rule {one.number}: no rule has the label {escaped(label)}")

    def _note(self, one: CompiledRule, outcome: str, before: bytes, after: bytes) -> None:
        if self._tell is not None:
            self._tell(Step(one.number, outcome, before, after))
