"""Who may do what: rules in an order, of which the first that fits decides.

A rule looks at the client's address, at the file's name and at the direction. What it does not mention fits
always; if none fits, the request is served. The simpler settings (:class:`Restrictions`) become rules of the same
kind, which come first: nothing that a later rule allows gets past them.

The name is the one that the client asked for, after normalisation, and before any rule or symlink makes another
file of it. Where names are rewritten, the rules are asked again about what became of the name
(:mod:`~tftpd_tw.backends.guarded`). A name that cannot be that of a file has no path: rules about names do not fit
it, those about clients do, and what is left is refused by whoever opens it.

All is worked out when the rules are made: a decision makes no object but the path, and what it costs does not
depend on the number of networks in a rule.
"""

import enum
import re
from collections.abc import Iterable, Sequence

from attrs import field, frozen
from zope.interface import implementer

from tftpd_tw.interfaces import Direction, IAuthorizer, Refusal, Request
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.globs import Globs
from tftpd_tw.policy.paths import Normalise, path_of
from tftpd_tw.protocol.errors import AccessViolation


class Action(enum.Enum):
    """What a rule does with a request that fits it."""

    ALLOW = "allow"
    """Serve it; later rules are not asked."""
    DENY = "deny"
    """Answer with ERROR 2."""
    SILENT = "silent"
    """Do not answer."""


@frozen
class Rule:
    """One rule. All that it mentions must fit."""

    name: str
    """For the log: ``denied-by-rule:<name>``."""
    action: Action
    clients: Networks | None = None
    """Only clients in one of these."""
    other_than: Networks | None = None
    """Only clients in none of these."""
    paths: Globs | None = None
    """Only names that match one of these."""
    other_paths_than: Globs | None = None
    """Only names that match none of these."""
    direction: Direction | None = None
    """Only reads, or only writes."""
    refusal: Refusal | None = field(init=False, eq=False, repr=False)
    """What it says to a request that fits; None if it allows it."""

    @refusal.default
    def _say(self) -> Refusal | None:
        if self.action is Action.ALLOW:
            return None
        reason = f"denied-by-rule:{self.name}"
        return Refusal(reason, AccessViolation(reason) if self.action is Action.DENY else None)

    @property
    def about_names(self) -> bool:
        """Whether it looks at the name."""
        return self.paths is not None or self.other_paths_than is not None

    def fits(self, direction: Direction, host: str, path: bytes | None) -> bool:
        """Whether it decides on such a request."""
        return (
            (self.direction is None or self.direction is direction)
            and (self.clients is None or host in self.clients)
            and (self.other_than is None or host not in self.other_than)
            and (not self.about_names or (path is not None and self._means(path)))
        )

    def _means(self, path: bytes) -> bool:
        return (self.paths is None or self.paths.match(path)) and (
            self.other_paths_than is None or not self.other_paths_than.match(path)
        )


@frozen
class Restrictions:
    """The simple settings. Networks are in text, as for :class:`~tftpd_tw.policy.addresses.Networks`."""

    read_enabled: bool = True
    write_enabled: bool = True
    allowed_clients: Sequence[str] = ()
    """Others get no answer; empty: everybody may ask."""
    denied_clients: Sequence[str] = ()
    """These get no answer, even if they are among the allowed."""
    allowed_extensions: Sequence[str] = ()
    """Files that end otherwise are refused, in both directions; empty: all may. ``""`` is for names without a dot.
    Case does not matter.
    """
    denied_patterns: Sequence[str] = ()
    """Globs (:mod:`~tftpd_tw.policy.globs`) of what is refused, in both directions. Case does not matter, so that
    no spelling gets past them where case-insensitive look-up finds the file.
    """

    def rules(self) -> tuple[Rule, ...]:
        """The same as rules, each named like its setting.

        :raises ValueError: for the first value that is no network, extension or glob
        """
        rules = []
        if self.denied_clients:
            rules.append(Rule("denied_clients", Action.SILENT, clients=Networks(self.denied_clients)))
        if self.allowed_clients:
            rules.append(Rule("allowed_clients", Action.SILENT, other_than=Networks(self.allowed_clients)))
        if not self.read_enabled:
            rules.append(Rule("read_enabled", Action.DENY, direction=Direction.READ))
        if not self.write_enabled:
            rules.append(Rule("write_enabled", Action.DENY, direction=Direction.WRITE))
        if self.denied_patterns:
            denied = Globs.compile(map(str.encode, self.denied_patterns), ignore_case=True)
            rules.append(Rule("denied_patterns", Action.DENY, paths=denied))
        if self.allowed_extensions:
            allowed = Globs.extensions(map(str.encode, self.allowed_extensions))
            rules.append(Rule("allowed_extensions", Action.DENY, other_paths_than=allowed))
        return tuple(rules)


_VERSION = re.compile(rb"\.~[0-9]+~\Z")
"""The end of what an old version of a file is called where uploads keep them."""


@implementer(IAuthorizer)
class Authorizer:
    """Decides on requests by ``rules``, in their order.

    :param rules: the first that fits decides
    :param normalise: how a name becomes a path
    """

    def __init__(self, rules: Iterable[Rule], normalise: Normalise) -> None:
        self._rules = tuple(rules)
        self._normalise = normalise
        self._about_names = any(rule.about_names for rule in self._rules)

    def refusal(self, request: Request) -> Refusal | None:
        """Why ``request`` is not served; None if it may be."""
        rule = self.deciding_rule(request)
        return rule.refusal if rule is not None else None

    def deciding_rule(self, request: Request) -> Rule | None:
        """The rule that decides on ``request``; None if none fits, and it is served."""
        direction, host = request.direction, request.client.host
        path = path_of(request.name, self._normalise) if self._about_names else None
        rule = self._decide(direction, host, path)
        version = _VERSION.search(path) if path is not None else None
        if path is not None and version is not None and (rule is None or rule.refusal is None):
            # An old version of a file is no easier to get than the file.
            of_file = self._decide(direction, host, path[: version.start()])
            if of_file is not None and of_file.refusal is not None:
                return of_file
        return rule

    def _decide(self, direction: Direction, host: str, path: bytes | None) -> Rule | None:
        for rule in self._rules:
            if rule.fits(direction, host, path):
                return rule
        return None
