"""Why a name leads to a file, or to none: every rule and every folder on the way, in words.

The same backends answer that serve clients, so that nothing is explained that is not so. They must have been made
to do their work at once (:data:`at_once`), not in threads. An upload is begun and cancelled.
"""

from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from tftpd_tw.backends.caseless import CaselessBackend
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.guarded import GuardedBackend
from tftpd_tw.backends.profiled import ProfiledBackend
from tftpd_tw.backends.rewritten import RewritingBackend
from tftpd_tw.backends.searching import SearchBackend
from tftpd_tw.interfaces import Direction, IBackend, Request
from tftpd_tw.policy.access import Authorizer
from tftpd_tw.policy.rewriting import Step
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound, TFTPError
from tftpd_tw.protocol.text import escaped

at_once = maybeDeferred
"""What calls a function here and now, for backends that :func:`explain` asks."""


@frozen
class Explanation:
    """What became of a request."""

    served: bool
    """Whether the client would get a file, or a place for one."""
    lines: tuple[str, ...]
    """One for each step; the last one is the result."""


def explain(backend: IBackend, request: Request, authorizer: Authorizer | None = None) -> Explanation:
    """What ``backend`` would do with ``request``; it is made of those that this package puts together."""
    lines: list[str] = []

    def say(who: str, what: str) -> None:
        lines.append(f"{who:<10}{what}")

    refusal = None
    if authorizer is not None:
        rule = authorizer.deciding_rule(request)
        say("access", f"{rule.name}: {rule.action.value}" if rule is not None else "no rule fits")
        refusal = rule.refusal if rule is not None else None
    if refusal is not None and refusal.error is None:
        say("result", "no answer")
        return Explanation(False, tuple(lines))
    try:
        if refusal is not None and refusal.error is not None:
            raise refusal.error
        result = _follow(backend, request, say)
    except TFTPError as error:
        say("result", f"ERROR {error.code:d} ({error.wire_text}): {error}")
        return Explanation(False, tuple(lines))
    say("result", result)
    return Explanation(True, tuple(lines))


def _follow(backend: IBackend, request: Request, say: Callable[[str, str], None]) -> str:
    if isinstance(backend, ProfiledBackend):
        profile = backend.profiles.find(request)
        say("profile", profile.name if profile is not None else "none fits")
        backend = backend.backend_for(request)
    if isinstance(backend, RewritingBackend):
        steps: list[Step] = []
        try:
            request = _result(backend.rewrite(request, steps.append))
        finally:
            for step in steps:
                say(f"rule {step.rule}", _shown(step))
        backend = backend.inner
    if isinstance(backend, GuardedBackend):
        refusal = backend.authorizer.refusal(request)
        if refusal is not None:
            raise AccessViolation(refusal.reason)
        backend = backend.inner
    if not isinstance(backend, SearchBackend):
        try:
            return _open(backend, request)
        except FileNotFound as error:
            say("folder", f"{_folder(backend)}: {error}")
            raise
    names = _result(backend.identify(request))
    if request.direction is Direction.WRITE:
        place = backend.uploads
        if place is None:
            return str(_result(backend.open_write(request)))
        return _open(place.backend, place.request(request, names))
    missing = FileNotFound("")
    for place in backend.places:
        try:
            found = _open(place.backend, place.request(request, names))
        except TFTPError as error:
            say("folder", f"{place.tree}: {error}")
            if not isinstance(error, FileNotFound):
                raise
            missing = error
        else:
            say("folder", f"{place.tree}: found")
            return found
    raise missing


def _folder(backend: IBackend) -> str:
    """The one folder that a backend without a search looks in."""
    directory = backend.inner if isinstance(backend, CaselessBackend) else backend
    assert isinstance(directory, DirectoryBackend)
    return escaped(directory.shown or b"/", 1024)


def _open(backend: IBackend, request: Request) -> str:
    """What comes of opening it there."""
    if request.direction is Direction.WRITE:
        writer = _result(backend.open_write(request))
        _result(writer.cancel())
        return f"an upload may be stored as {escaped(writer.source.name, 1024)}"
    reader = _result(backend.open_read(request))
    reader.close()
    return f"{escaped(reader.source.name, 1024)}, {reader.size} bytes"


def _shown(step: Step) -> str:
    if step.before == step.after:
        return step.outcome
    return f"{escaped(step.before, 1024)} -> {escaped(step.after, 1024)}: {step.outcome}"


def _result(value: Any) -> Any:
    """What ``value`` is, or what the Deferred has fired with; what that has failed with is raised."""
    if not isinstance(value, Deferred):
        return value
    results: list[Any] = []
    value.addBoth(results.append)
    if not results:
        raise RuntimeError("a backend that is explained must not use threads")
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]
