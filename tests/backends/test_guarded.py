"""The rules of access in front of a backend."""

import pytest
from backend_kit import fetch, store
from zope.interface.verify import verifyObject

from tftpd_tw.backends.guarded import GuardedBackend
from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.backends.names import normalise
from tftpd_tw.interfaces import Direction, IBackend
from tftpd_tw.policy.access import Action, Authorizer, Rule
from tftpd_tw.policy.globs import Globs
from tftpd_tw.protocol.errors import AccessViolation


def guarded(files, *rules):
    """A backend with these files behind these rules."""
    return GuardedBackend(MemoryBackend(files, writable=True), Authorizer(rules, normalise))


def test_is_a_backend():
    """It provides what the interface asks for."""
    assert verifyObject(IBackend, guarded({}))


@pytest.mark.parametrize("action", [Action.DENY, Action.SILENT])
def test_what_is_denied(action):
    """The inner backend is not asked, in neither direction, and the log names the rule."""
    files = {b"a.key": b"secret", b"f": b"file"}
    backend = guarded(files, Rule("keys", action, paths=Globs.compile([b"*.key"])))
    with pytest.raises(AccessViolation, match=r"rewritten name a\.key") as denied:
        fetch(backend, b"a.key")
    assert denied.value.reason == "denied-by-rule:keys"
    with pytest.raises(AccessViolation, match="denied-by-rule:keys"):
        store(backend, b"new.key", b"x")
    assert b"new.key" not in files


def test_what_is_allowed():
    """The inner backend answers."""
    files = {b"f": b"file"}
    backend = guarded(files, Rule("keys", Action.DENY, paths=Globs.compile([b"*.key"]), direction=Direction.READ))
    assert fetch(backend, b"f") == b"file"
    store(backend, b"new.key", b"x")
    assert files[b"new.key"] == b"x"
