"""Rules of access: which one decides, and what the client gets."""

import pytest

from tftpd_tw.backends.names import normalise
from tftpd_tw.interfaces import Address, Direction, IAuthorizer, Request
from tftpd_tw.policy.access import Action, Authorizer, Restrictions, Rule
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.globs import Globs
from tftpd_tw.protocol.errors import AccessViolation, ErrorCode
from tftpd_tw.protocol.packets import Mode

READ, WRITE = Direction.READ, Direction.WRITE
LAB, ELSEWHERE = "192.0.2.7", "198.51.100.7"


def asked(name=b"f", host=LAB, direction=READ):
    """A request."""
    return Request(direction, name, Mode.OCTET, (), Address(host, 2000), Address("192.0.2.1", 69))


def decided(rules, *arguments):
    """The name of the rule that refuses such a request, with its action; None if it is served."""
    rule = Authorizer(rules, normalise).deciding_rule(asked(*arguments))
    return (rule.name, rule.action) if rule is not None and rule.refusal is not None else None


def restricted(*arguments, **settings):
    """What the simple settings make of such a request."""
    return decided(Restrictions(**settings).rules(), *arguments)


def globs(*texts):
    """A set of globs."""
    return Globs.compile(text.encode() for text in texts)


def test_is_an_authorizer():
    """It provides what the interface asks for."""
    assert IAuthorizer.providedBy(Authorizer((), normalise))


def test_without_rules_everything_is_served():
    """Settings that are not made make no rule."""
    assert Restrictions().rules() == ()
    assert decided(()) is None


def test_denied():
    """ERROR 2, and the log names the rule."""
    refusal = Authorizer([Rule("lab", Action.DENY)], normalise).refusal(asked())
    assert refusal.reason == "denied-by-rule:lab"
    assert refusal.error.code == ErrorCode.ACCESS_VIOLATION
    assert isinstance(refusal.error, AccessViolation)


def test_silent():
    """S03a: nothing is answered, and the log names the rule."""
    refusal = Authorizer([Rule("lab", Action.SILENT)], normalise).refusal(asked())
    assert refusal.reason == "denied-by-rule:lab"
    assert refusal.error is None


def test_a_decision_makes_no_object():
    """What a rule says is worked out when it is made."""
    authorizer = Authorizer([Rule("lab", Action.DENY)], normalise)
    assert authorizer.refusal(asked()) is authorizer.refusal(asked(b"other"))


def test_the_first_that_fits_decides():
    """An exception stands before its rule."""
    rules = [
        Rule("boot files", Action.ALLOW, paths=globs("boot/**")),
        Rule("lab only", Action.DENY, other_than=Networks(["192.0.2.0/24"])),
        Rule("no keys", Action.DENY, paths=globs("*.key")),
    ]
    assert decided(rules, b"boot/a.key", ELSEWHERE) is None
    assert decided(rules, b"f", ELSEWHERE) == ("lab only", Action.DENY)
    assert decided(rules, b"a.key") == ("no keys", Action.DENY)
    assert decided(rules, b"f") is None


def test_all_that_a_rule_mentions_must_fit():
    """Network, name and direction together."""
    rule = Rule("r", Action.DENY, Networks(["192.0.2.0/24"]), Networks([LAB]), globs("a/**"), globs("*.ok"), WRITE)
    assert decided([rule], b"a/f", "192.0.2.8", WRITE) == ("r", Action.DENY)
    assert decided([rule], b"a/f", "192.0.2.8", READ) is None
    assert decided([rule], b"a/f", LAB, WRITE) is None
    assert decided([rule], b"a/f", ELSEWHERE, WRITE) is None
    assert decided([rule], b"b/f", "192.0.2.8", WRITE) is None
    assert decided([rule], b"a/f.ok", "192.0.2.8", WRITE) is None


@pytest.mark.parametrize("name", [b"/a/k", b"//a//k", b"\\a\\k", b"C:\\a\\k", b"./a/./k"])
def test_no_spelling_gets_past_a_glob(name):
    """C033, C034: names are compared as they will be opened."""
    assert decided([Rule("r", Action.DENY, paths=globs("/a/k"))], name) == ("r", Action.DENY)


@pytest.mark.parametrize("name", [b"../k", b"a/", b".", b"x" * 256])
def test_a_name_of_no_file_fits_rules_about_clients_only(name):
    """S020: the backend refuses it, with the error that is right; an excluded client still hears nothing."""
    rules = [
        Rule("names", Action.DENY, paths=globs("**")),
        Rule("others", Action.DENY, other_paths_than=globs("x")),
    ]
    assert decided(rules, name) is None
    rules.append(Rule("clients", Action.SILENT, clients=Networks([LAB])))
    assert decided(rules, name) == ("clients", Action.SILENT)


def test_names_are_not_looked_at_for_nothing():
    """Where no rule is about names, none is normalised."""
    assert Authorizer([Rule("r", Action.DENY)], normalise=None).refusal(asked()) is not None


# The simple settings


def test_read_enabled():
    """Off: no reads; writes are another matter."""
    assert restricted(b"f", LAB, READ, read_enabled=False) == ("read_enabled", Action.DENY)
    assert restricted(b"f", LAB, WRITE, read_enabled=False) is None


def test_write_enabled():
    """C112: off: no writes."""
    assert restricted(b"f", LAB, WRITE, write_enabled=False) == ("write_enabled", Action.DENY)
    assert restricted(b"f", LAB, READ, write_enabled=False) is None


def test_allowed_clients():
    """S03a: all others get no answer."""
    settings = {"allowed_clients": ["192.0.2.0/24", "2001:db8::1"]}
    assert restricted(b"f", LAB, **settings) is None
    assert restricted(b"f", "2001:db8::1", **settings) is None
    assert restricted(b"f", ELSEWHERE, **settings) == ("allowed_clients", Action.SILENT)


def test_denied_clients():
    """S03a: no answer, also for one of a network that is allowed."""
    settings = {"allowed_clients": ["192.0.2.0/24"], "denied_clients": [LAB]}
    assert restricted(b"f", LAB, **settings) == ("denied_clients", Action.SILENT)
    assert restricted(b"f", "192.0.2.8", **settings) is None


def test_allowed_extensions():
    """In both directions, in any case; the last component counts."""
    settings = {"allowed_extensions": [".cfg", "0", ""]}
    for name in (b"a.cfg", b"A.CFG", b"pxelinux.0", b"vmlinuz", b"pxelinux.cfg/01-aa-bb"):
        assert restricted(name, **settings) is None, name
    assert restricted(b"a.key", **settings) == ("allowed_extensions", Action.DENY)
    assert restricted(b"a.cfg/b.key", LAB, WRITE, **settings) == ("allowed_extensions", Action.DENY)


def test_denied_patterns():
    """In both directions, in any case, and for all beneath a folder."""
    settings = {"denied_patterns": ["*.key", "/secret", ".*"]}
    for name in (b"a.key", b"sub/A.KEY", b"secret/f", b"SECRET/f", b".ssh/id", b"a/.b"):
        assert restricted(name, **settings) == ("denied_patterns", Action.DENY), name
    assert restricted(b"a/secret", **settings) is None


@pytest.mark.parametrize(
    "settings", [{"allowed_clients": ["lab"]}, {"denied_patterns": ["["]}, {"allowed_extensions": ["a/b"]}]
)
def test_settings_that_mean_nothing(settings):
    """They are refused."""
    with pytest.raises(ValueError, match="expected"):
        Restrictions(**settings).rules()
