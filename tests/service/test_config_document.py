"""The configuration written out: what is printed is read as the same, and says everything."""

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest
import yaml
from attrs import NOTHING, evolve, frozen
from other_settings import OTHERWISE

from tftpd_tw.interfaces import Address, Direction, Request
from tftpd_tw.policy.client_names import PLACEHOLDERS, names_by_address
from tftpd_tw.policy.globs import Globs
from tftpd_tw.protocol.packets import Mode
from tftpd_tw.service import value_types as types
from tftpd_tw.service.config_document import effective, example, reference
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import (
    Configuration,
    Filesystem,
    Monitoring,
    Performance,
)
from tftpd_tw.service.setting import about, section, setting, settings


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
