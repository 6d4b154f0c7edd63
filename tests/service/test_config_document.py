"""The configuration written out: what is printed is read as the same, and says everything."""

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest
import yaml
from attrs import NOTHING, evolve, frozen

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import Address, Direction, Outcome, Request
from tftpd_tw.policy.access import Action
from tftpd_tw.policy.client_names import PLACEHOLDERS, names_by_address
from tftpd_tw.policy.globs import Globs
from tftpd_tw.policy.rewrite_rules import Occurrences, Then
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service import value_types as types
from tftpd_tw.service.config_document import effective, example, reference
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import (
    Cache,
    Clients,
    Configuration,
    Filesystem,
    Logging,
    Monitoring,
    Network,
    NetworkListener,
    Performance,
    Security,
)
from tftpd_tw.service.rule_settings import Abort, AccessRule, ClientProfile, Rewrite, TransferHook
from tftpd_tw.service.setting import about, section, setting, settings

NETWORK = types.ClientNetwork("192.0.2.0/24")

OTHERWISE = Configuration(
    network=Network(
        addresses=(types.Host("127.0.0.1"), types.Host("::1")),
        port=types.Port(6969),
        answer_broadcast=True,
        interfaces=(types.Interface("eth0"), types.Interface("eth1")),
        single_port=True,
        port_range=types.PortRange(50000, 50100),
        listeners=(
            NetworkListener(types.Host("fe80::1%eth0"), types.Port(70), types.Interface("eth0"), False),
            NetworkListener(types.Host("192.0.2.1")),
        ),
    ),
    filesystem=Filesystem(
        root=types.Folder("/srv/tftp: a #folder"),
        fallback_roots=(types.TreePath("/srv/{ip}"), types.TreePath("/srv/common")),
        upload_root=types.TreePath("/srv/incoming/{mac}"),
        ignore_case=True,
        world_readable_only=True,
        rewrite=(
            Rewrite(
                match=types.Text("^a: (.*)$"),
                unless=types.Text("#"),
                ignore_case=True,
                only=Direction.READ,
                clients=(NETWORK,),
                if_missing=True,
                replace=types.Text(r"\U\1{ip}"),
                occurrences=Occurrences.ALL,
                then=Then.STOP,
                label=types.Text("first"),
            ),
            Rewrite(jump=types.Text("first"), match=types.Text("^z"), replace=types.Text("")),
            Rewrite(abort=Abort(types.ErrorNumber(1), types.Text("none"))),
        ),
        uploads=UploadPolicy.VERSIONS,
        versions=types.Versions(3),
        max_file_size=types.FileSize(1 << 20),
        quota=types.FileSize(1000),
        quota_per_client=types.FileSize(100),
        reserve=types.FileSize(1 << 30),
        upload_mode=types.FileMode(0o644),
        upload_owner=types.Owner("tftp"),
        upload_group=types.Owner("0"),
        fsync=False,
    ),
    security=Security(
        read_enabled=False,
        write_enabled=False,
        allowed_clients=(NETWORK,),
        denied_clients=(types.ClientNetwork("::1"),),
        allowed_extensions=(types.Extension("bin"), types.Extension("")),
        denied_patterns=(types.NameGlob("*.key"),),
        rules=(
            AccessRule(
                name=types.Word("a"),
                action=Action.SILENT,
                clients=(NETWORK,),
                other_clients_than=(NETWORK,),
                paths=(types.NameGlob("[*]"),),
                other_paths_than=(types.NameGlob("a/"),),
                only=Direction.WRITE,
            ),
        ),
        connections_per_client=types.Connections(3),
        unverified_share=types.Share(0.5),
        answers=types.Answers(10),
        answers_per_second=types.AnswerRate(0.5),
        answers_ipv6_prefix=types.Prefix(128),
        rate_limit=types.Rate(1000),
        rate_limit_per_client=types.Rate(2000),
        rate_limit_total=types.Rate(1 << 30),
        slowest_rate=types.Rate(10),
        longest_transfer=types.Duration(3600.0),
    ),
    performance=Performance(
        block_size=types.BlockSize(8192),
        window_size=types.WindowSize(1),
        timeout=types.Seconds(0.25),
        max_retries=types.Count(0),
        workers=types.AUTO,
        engine=types.Engine("reactor"),
        read_ahead=types.Size(4096),
        cpu_affinity=True,
        mtu_slack=types.Slack(28),
        buffer_size=types.BufferSize(65536),
        thread_pool_size=types.Threads(2),
        async_io=False,
        max_connections=types.Connections(10),
        drain_timeout=types.DrainTime(0.0),
    ),
    cache=Cache(False, types.CacheSize(4 << 30), types.Lifetime(3600.0)),
    logging=Logging(types.LogFormat.JSON, types.LeastLevel.WARN),
    monitoring=Monitoring(
        types.HttpAddress("::1", 80),
        types.File("/etc/tftpd/secret"),
        types.Recent(7),
        (
            TransferHook(
                (types.Argument("/bin/hook"), types.Argument("5")),
                outcomes=(Outcome.SIZE_PROBE,),
                only=Direction.READ,
                timeout=types.Seconds(0.5),
                at_once=types.Runs(1),
            ),
            TransferHook(url=types.WebAddress("http://192.0.2.1/?a=b")),
        ),
    ),
    clients=Clients(
        profiles=(
            ClientProfile(
                name=types.Word("rom"),
                clients=(NETWORK,),
                asked=(NETWORK,),
                paths=(types.NameGlob("*.0"),),
                root=types.TreePath("/srv/rom"),
                block_size=types.BlockSize(512),
                window_size=types.WindowSize(1),
                timeout=types.Seconds(1.0),
                refused_options=(types.OptionName("tsize"),),
                single_port=True,
            ),
        )
    ),
)
"""Nothing at its default."""


def read(text: str, tmp_path: Path, model: type = Configuration) -> object:
    """What ``text`` comes to."""
    file = tmp_path / "tftpd.yaml"
    file.write_text(text)
    sources = Sources(model)
    sources.add_file(str(file))
    return sources.configuration()


def test_nothing_is_at_its_default() -> None:
    """Or the next test would not test every setting."""
    for each in settings(Configuration):
        assert getattr(getattr(OTHERWISE, each.section), each.key) != each.default, each.path


@pytest.mark.parametrize(
    "configuration",
    [
        Configuration(),
        OTHERWISE,
        evolve(OTHERWISE, monitoring=Monitoring(types.HTTP_OFF), performance=Performance(types.FIT_MTU)),
    ],
    ids=["defaults", "otherwise", "special values"],
)
def test_what_is_printed_can_be_used_as_a_file(configuration: Configuration, tmp_path: Path) -> None:
    """And comes to the same."""
    assert read(effective(configuration), tmp_path) == configuration


def test_all_is_printed() -> None:
    """Every key of every section."""
    tree = yaml.safe_load(effective(OTHERWISE))
    assert [(part, key) for part, values in tree.items() for key in values] == [
        each.path for each in settings(Configuration)
    ]


def test_the_example_is_the_defaults(tmp_path: Path) -> None:
    """But for the folder, which has none; every key is in it."""
    found = read(example(), tmp_path)
    assert found == evolve(Configuration(), filesystem=Filesystem(types.Folder("/var/tftp")))
    tree = yaml.safe_load(example())
    assert [(part, key) for part, values in tree.items() for key in values] == [
        each.path for each in settings(Configuration)
    ]


def test_the_example_says_what_each_setting_is_for() -> None:
    """What its field was told, with the values that it may have; in lines that fit a terminal."""
    comments = " ".join(line.strip().removeprefix("# ") for line in example().splitlines())
    for each in settings(Configuration):
        assert f"{each.about.doc} Value: " in comments
    assert max(map(len, example().splitlines())) <= 115


def test_the_reference_has_every_setting() -> None:
    """With what it is told."""
    page = reference()
    for each in settings(Configuration):
        assert f"| `{each.key}` | {each.about.doc}" in page
    for part in attrs.fields(Configuration):
        assert f"## `{part.name}`\n\n{about(part).doc}\n" in page


@frozen
class Rule:
    """An item."""

    networks: tuple[types.Host, ...] = setting(NOTHING, "Whom it is for.")
    wait: types.Seconds | None = setting(None, "How long.")


@frozen
class Profile:
    """An item with items."""

    rules: tuple[Rule, ...] = setting((), "Of its own.")


@frozen
class Rules:
    """A section with a list of classes."""

    rules: tuple[Rule, ...] = setting((), "What is tried in order.")
    profiles: Mapping[str, Profile] = setting({}, "By name.")


@frozen
class Model:
    """What others will add, on a small scale."""

    security: Rules = section(Rules, "Who may do what.")


def test_the_reference_says_what_globs_mean() -> None:
    """As they are matched."""
    [told] = [part for part in reference().split("\n* ") if part.startswith("**Globs**")]
    for glob, meant, others in (
        ("*.key", (b"a.key", b"x/a.key"), (b"key",)),
        ("secret", (b"secret", b"x/secret", b"secret/a"), (b"secrets",)),
        ("secret/", (b"secret/a", b"x/secret/a"), (b"secret",)),
        ("/secret", (b"secret", b"secret/a"), (b"x/secret",)),
        ("boot/*.cfg", (b"boot/a.cfg",), (b"x/boot/a.cfg", b"boot/x/a.cfg")),
    ):
        assert f"`{glob}`" in told
        globs = Globs.compile([glob.encode()])
        assert all(map(globs.match, meant))
        assert not any(map(globs.match, others))


def test_the_reference_says_how_clients_are_called() -> None:
    """Whoever makes a folder for each has to know how it is spelled."""
    [told] = [part for part in reference().split("\n* ") if part.startswith("**Placeholders**")]
    client, server = Address("192.0.2.9", 2000), Address("192.0.2.1", 69)
    names = names_by_address(Request(Direction.READ, b"f", Mode.OCTET, {}, client, server))
    assert f"`{{ip}}` is the client's address, `{names.ip.decode()}`" in told
    assert f"as PXELINUX has it, `{names.ip_hex.decode()}`" in told
    assert all(f"`{{{name}}}`" in told for name in PLACEHOLDERS)


def test_lists_of_classes(tmp_path: Path) -> None:
    """Their keys are in the example, as comments, and in the reference."""
    text = example(Model)
    assert read(text, tmp_path, Model) == Model()
    assert "  #   # Whom it is for. Value: a list, each: an IPv4 or IPv6 address of this host.\n" in text
    assert "  #   # How long. Value: seconds (or such as 500ms, 5m, 1h), 100ms to 255s, or null.\n" in text
    assert "  #   wait: null\n" in text
    assert "  #   networks: # must be given\n" in text
    page = reference(Model)
    for part in ("security.rules", "security.profiles", "security.profiles.rules"):
        assert f"### `{part}`: each item" in page
    assert "| `networks` | Whom it is for. | a list, each: an IPv4 or IPv6 address of this host | none |" in page


def test_lists_of_classes_are_printed(tmp_path: Path) -> None:
    """As a file has them."""
    rule = Rule((types.Host("::1"),), types.Seconds(0.5))
    model = Model(Rules((rule, Rule((types.Host("127.0.0.1"),))), {"phones": Profile((rule,))}))
    assert read(effective(model), tmp_path, Model) == model
