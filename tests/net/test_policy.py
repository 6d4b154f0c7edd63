"""Rules, limits and endurance, as a client sees them."""

import pytest
from net_kit import CountingReader, Waiting, World, content, packet, rrq, words, wrq

from tftpd_tw.backends.memory import BytesWriter
from tftpd_tw.backends.names import normalise
from tftpd_tw.interfaces import Address, Outcome
from tftpd_tw.net.client import Client
from tftpd_tw.net.serving import Terms
from tftpd_tw.net.sockets import interface_name
from tftpd_tw.policy.access import Action, Authorizer, Restrictions, Rule
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.endurance import PERIOD, Endurance
from tftpd_tw.policy.globs import Globs
from tftpd_tw.policy.limits import Bounds, Limits
from tftpd_tw.policy.profiles import ALL_OPTIONS, Profile, Profiles
from tftpd_tw.policy.recent import CAPACITY
from tftpd_tw.protocol.errors import FileNotFound
from tftpd_tw.protocol.timing import Patience
from tftpd_tw.testing import CLIENT, REQUEST_PORT

FILES = {b"f": content(1300), b"k.key": b"secret"}


def restricted(**settings):
    """A server with the simple settings."""
    return ruled(*Restrictions(**settings).rules())


def ruled(*rules):
    """A server with these rules."""
    return World(dict(FILES), policy={"authorizer": Authorizer(rules, normalise)})


def limited(**bounds):
    """A server with these limits."""
    return World(dict(FILES), policy={"limits": Limits(Bounds(**bounds))})


def lasting(**bounds):
    """A server with these bounds, of a file of 20 MB."""
    return World({b"f": content(20_000_000)}, policy={"endurance": Endurance(**bounds)})


def refused(world):
    """Outcome and reason of the requests that were refused."""
    return [(record.outcome, record.reason) for record in world.records.refused]


def ignored(world):
    """Why requests got no answer."""
    return [why for _, why in world.records.ignored]


# Rules


def test_a_request_that_is_allowed():
    """Rules that do not fit change nothing."""
    world = restricted(allowed_clients=["192.0.2.0/24"], denied_patterns=["*.key"], write_enabled=False)
    assert world.ask(rrq("f")) == "D1/512"
    assert refused(world) == []


@pytest.mark.parametrize(
    ("rule", "setting", "request_"),
    [
        ("read_enabled", False, rrq("f")),
        ("write_enabled", False, wrq("new")),
        ("allowed_extensions", [".cfg"], rrq("k.key")),
        ("denied_patterns", ["*.key"], rrq("k.key")),
    ],
)
def test_a_request_that_is_denied(rule, setting, request_):
    """S01b, S016: ERROR 2, once, before the backend is asked; the record names the rule."""
    world = restricted(**{rule: setting})
    assert world.ask(request_) == "E2"
    assert world.quiet(60) == ""
    assert refused(world) == [(Outcome.REFUSED, f"denied-by-rule:{rule}")]
    assert world.files == FILES
    world.assert_nothing_left()


@pytest.mark.parametrize("settings", [{"allowed_clients": ["198.51.100.0/24"]}, {"denied_clients": [CLIENT]}])
def test_a_client_that_is_excluded(settings):
    """S03a: no answer, no transfer, however often it asks."""
    world = restricted(**settings)
    (rule,) = settings
    assert world.ask(rrq("f")) == ""
    assert world.ask(rrq("f", tsize=0)) == ""
    assert world.quiet(60) == ""
    assert ignored(world) == [f"denied-by-rule:{rule}"] * 2
    assert refused(world) == []
    world.assert_nothing_left()


def test_the_backend_does_not_hear_of_what_is_denied():
    """It is not even asked whether there is such a file."""
    world = World(lambda _: CountingReader(b""), policy={"authorizer": Authorizer([Rule("r", Action.DENY)], None)})
    assert world.ask(rrq("f")) == "E2"
    assert world.backend.requests == []


def test_an_authorizer_that_raises(logged):
    """Nobody is served whom it might have refused, and nothing stays of the request (F16)."""

    class Broken:
        def refusal(self, request):
            raise ValueError("rules")

    world = World(dict(FILES), policy={"authorizer": Broken()})
    assert world.ask(rrq("f")) == "E0"
    assert [str(failure.value) for failure in logged] == ["rules"]
    logged.clear()
    assert refused(world) == [(Outcome.REFUSED, "server-error")]
    world.assert_nothing_left()


def test_an_ordered_rule_by_network():
    """The lab may have keys, others may not."""
    lab = Rule("lab", Action.ALLOW, clients=Networks(["192.0.2.0/28"]))
    world = ruled(lab, Rule("others", Action.DENY))
    assert world.ask(rrq("k.key")) == "E2"
    assert words(world.another("192.0.2.9").ask(rrq("k.key"))) == "D1/6"


def test_a_broadcast_that_is_denied_hears_nothing():
    """C037: as for every refusal."""
    authorizer = Authorizer([Rule("r", Action.DENY)], normalise)
    world = World(answer_broadcasts=True, policy={"authorizer": authorizer})
    assert world.broadcast(rrq("f")) == ""
    assert refused(world) == [(Outcome.REFUSED, "denied-by-rule:r")]


# Limits


def test_no_place_left():
    """S032: silence, and a place again when a transfer is over."""
    world = limited(transfers=1)
    assert world.ask(rrq("f")) == "D1/512"
    other = world.another("192.0.2.9")
    assert words(other.ask(rrq("f"))) == ""
    assert ignored(world) == ["max-connections"]
    world.tell("A1", "A2", "A3")
    assert words(other.ask(rrq("f"))) == "D1/512"


def test_no_place_left_for_one_client():
    """S032: the third transfer of an address gets no answer, another address does."""
    world = limited(transfers_per_client=2)
    first, second, third = (world.another() for _ in range(3))
    assert [words(peer.ask(rrq("f"))) for peer in (first, second, third)] == ["D1/512", "D1/512", ""]
    assert words(world.another("192.0.2.9").ask(rrq("f"))) == "D1/512"
    assert world.records.ignored == [(third.socket.address, "client-connections")]


def test_no_place_left_for_strangers():
    """S032: who has never answered has a share of the places; the others go on to be served."""
    world = limited(transfers=4, unverified_share=0.5)
    assert world.ask(rrq("f")) == "D1/512"
    assert world.tell("A1") == "D2/512"
    silent = [world.another(f"192.0.2.{number}") for number in (9, 10, 11)]
    assert [words(peer.ask(rrq("f"))) for peer in silent] == ["D1/512", "D1/512", ""]
    assert ignored(world) == ["unverified"]
    world.quiet(0.1)
    assert words(silent[2].ask(rrq("f"))) == "D1/512"
    assert world.ended_as() == [(Outcome.UNANSWERED, "gave-way")]
    assert world.tell("A2") == "D3/276"


def test_the_place_of_a_transfer_that_never_began():
    """A refusal, a silent rule and a backend that fails later all give it back."""
    authorizer = Authorizer(Restrictions(denied_clients=["192.0.2.9"]).rules(), normalise)
    waiting = Waiting()
    limits = Limits(Bounds(transfers=1))
    world = World(waiting, policy={"limits": limits, "authorizer": authorizer})
    assert words(world.another("192.0.2.9").ask(rrq("f"))) == ""
    assert world.ask(rrq("f")) == ""
    waiting.deferreds[0].errback(FileNotFound("f"))
    assert world.quiet(0.1) == "E1"
    assert not limits._hosts
    assert ignored(world) == ["denied-by-rule:denied_clients"]


def test_repeats_of_an_answer_are_counted():
    """S031: a request that is repeated makes the server repeat, but not without end."""
    world = limited(answers=8, answers_per_second=0.1)
    for _ in range(100):
        world.peer.send(rrq("f"), REQUEST_PORT)
    assert world.quiet(0.5) == "D1/512 " + " ".join(["D1/512"] * 5)


def test_complaints_are_counted():
    """S031, C009: an ERROR 4 is an answer too."""
    world = limited(answers=4, answers_per_second=0.1)
    assert [world.ask(rrq(mode="mail")) for _ in range(6)] == ["E4"] * 4 + [""] * 2


def test_refusals_are_counted():
    """S031: and so is an ERROR 1; a file costs nothing once its client has answered."""
    world = limited(answers=6, answers_per_second=0.001)
    for _ in range(5):
        assert world.ask(rrq("k.key")) == "D1/6"
        world.tell("A1")
    # A transfer takes three tokens while it is not known whether its client is there; an ERROR puts two back.
    assert [world.ask(rrq(f"no{number}")) for number in range(6)] == ["E1"] * 4 + [""] * 2
    assert ignored(world) == ["answer-rate"] * 2


BOOT = [rrq(f"pxelinux.cfg/{number}", tsize=0, blksize=1408) for number in range(13)]


def test_a_boot_storm_passes():
    """F32: 256 machines ask for 13 files that are not there and fetch one, all at once."""
    world = World(dict(FILES), policy={"limits": Limits()})
    peers = [world.another(f"198.51.100.{number}") for number in range(256)]
    for datagram in BOOT:
        for peer in peers:
            peer.send(datagram, REQUEST_PORT)
        world.quiet(0.05)
    for peer in peers:
        peer.send(rrq("k.key"), REQUEST_PORT)
        world.quiet(0.003)
        peer.send(packet("A1"), peer.tid)
    world.quiet(0.1)
    assert ignored(world) == []
    assert {words(datagram for datagram, _ in peer.received) for peer in peers} == {"E1 " * 13 + "D1/6"}
    assert len(world.ended_as()) == 256


def test_a_flood_from_one_address():
    """S031: of 100,000 requests in ten seconds 64 and ten a second are answered; another client is served
    meanwhile, and in the end nothing is left of it all.
    """
    limits = Limits()
    world = World(dict(FILES), policy={"limits": limits})
    flooder = "198.51.100.1"
    datagrams = [rrq("f"), rrq("missing"), rrq("f", tsize=0), wrq("new"), rrq(mode="mail")]
    got = []
    for tick in range(1000):
        for number in range(100):
            port = 1024 + (tick * 100 + number) % 60_000
            world.listener.request_received(datagrams[number % 5], Address(flooder, port), REQUEST_PORT, False)
        if tick == 500:
            got.append(world.network.get(b"f"))
        world.clock.advance(0.01)
        assert world.listener.active <= 64
    answers = [destination for _, destination, _ in world.network.sent if destination.host == flooder]
    assert got == [FILES[b"f"]]
    assert 64 <= len(answers) <= 64 + 10 * 10
    assert set(ignored(world)) <= {"answer-rate", "unverified", "client-connections"}
    world.network.run_until_idle()
    world.assert_nothing_left()
    assert not limits._hosts
    assert not limits._unverified
    assert len(limits._buckets) == 2


def test_a_flood_from_many_addresses():
    """S01a, S032: 10,000 forged addresses a second never have more than a quarter of the places, and a real client
    gets in between them by asking again.
    """
    limits = Limits()
    world = World(dict(FILES), policy={"limits": limits})
    # Nobody is at home at those addresses, not even to say so.
    world.network.drop = lambda datagram: world.network.sent[-1][1].host.startswith("10.")
    got = []
    client = Client(world.network.host(CLIENT), REQUEST_PORT, patience=Patience(timeout=0.23, max_retries=20))
    most = 0
    for number in range(30_000):
        if number == 5000:
            client.get(b"f", BytesWriter(got.append))
        host = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        world.listener.request_received(rrq("f"), Address(host, 2000), REQUEST_PORT, False)
        if number % 10 == 0:
            world.clock.advance(0.001)
            most = max(most, world.listener.active)
    assert got == [FILES[b"f"]]
    assert 240 <= most <= 251
    assert len(limits._buckets) <= CAPACITY
    assert "unverified" in ignored(world)
    assert (Outcome.UNANSWERED, "gave-way") in world.ended_as()
    world.network.run_until_idle()
    world.assert_nothing_left()


# Endurance


def crawl(world, seconds, pause):
    """Acknowledge a block each ``pause`` seconds; what came last."""
    assert world.ask(rrq("f")) == "D1/512"
    last = ""
    for block in range(1, int(seconds / pause)):
        last = world.tell(f"A{block}", wait=pause)
        if last.startswith("E") or " E" in last:
            return last, block * pause
    return last, seconds


def test_too_slow():
    """S034: who takes less than the lowest rate for a minute is let go, with an ERROR."""
    world = lasting(lifetime=None, slowest=1000)
    said, seconds = crawl(world, 600, 0.9)
    assert said.endswith("E0")
    assert PERIOD - 1 <= seconds <= PERIOD + 1
    assert world.ended_as() == [(Outcome.FAILED, "too-slow")]
    world.assert_nothing_left()


def test_slow_but_fast_enough():
    """The same pace is fine with a lower bound."""
    world = lasting(lifetime=None, slowest=500)
    assert crawl(world, 300, 0.9)[1] == 300


def test_slow_after_a_quick_beginning():
    """S034: what was quick before does not count."""
    world = lasting(lifetime=None, slowest=1000)
    assert world.ask(rrq("f")) == "D1/512"
    for block in range(1, 2000):
        world.tell(f"A{block}", wait=0.005)
    for block in range(2000, 2300):
        if world.tell(f"A{block}", wait=0.9).endswith("E0"):
            break
    assert world.ended_as() == [(Outcome.FAILED, "too-slow")]


def test_lifetime():
    """S034: and who is quick enough, but never done, is let go in the end."""
    world = lasting(lifetime=90.0)
    said, seconds = crawl(world, 600, 0.9)
    assert said.endswith("E0")
    assert 89 <= seconds <= 91
    assert world.ended_as() == [(Outcome.FAILED, "lifetime-over")]
    world.assert_nothing_left()


# Profiles


def test_one_broken_rom_is_cured():
    """It gets no blksize and no windows, by its network or by the name that it asks for; the others get all."""
    lab = Profile("lab", clients=Networks([CLIENT]), refused=frozenset({b"blksize"}), window_size=1)
    old = Profile("old", paths=Globs.compile([b"k.key"]), refused=ALL_OPTIONS)
    profiles, general = Profiles([lab, old], normalise, interface_name), Terms()
    terms = {
        profile: Terms(profile.policy(general.policy), profile.patience(general.patience))
        for profile in (lab, old)
    }
    world = World(dict(FILES), policy={"terms_for": lambda request: terms.get(profiles.find(request), general)})
    options = {"blksize": 1000, "windowsize": 4, "tsize": 0}
    assert world.ask(rrq("f", **options)) == "OA(windowsize=1,tsize=1300)"
    other = world.another("192.0.2.9")
    assert words(other.ask(rrq("f", **options))) == "OA(blksize=1000,windowsize=4,tsize=1300)"
    assert words(other.ask(rrq("k.key", **options))) == "D1/6"


def test_patience_of_a_profile():
    """C063: a client that is slow by nature is waited for longer, also before the backend has answered."""
    slow = Profile("slow", clients=Networks([CLIENT]), timeout=20.0)
    profiles = Profiles([slow], normalise, interface_name)

    def terms_for(request):
        profile = profiles.find(request)
        return Terms() if profile is None else Terms(patience=profile.patience(Patience()))

    world = World(dict(FILES), policy={"terms_for": terms_for})
    other = world.another("192.0.2.9")
    assert world.ask(rrq("f")) == "D1/512"
    other.send(rrq("f"), REQUEST_PORT)
    world.quiet(35)
    assert [record.request.client.host for record in world.records.ended] == ["192.0.2.9"]
    world.quiet(90)
    assert len(world.records.ended) == 2
