"""The settings that are lists of rules: who may do what, what names become, who is treated differently, what is
done at the end.

Each class is one item of such a list, as the file has it; what the server asks is made of them in
:mod:`~tftpd_tw.service.treatment`, :mod:`~tftpd_tw.service.folders` and :mod:`~tftpd_tw.service.hooks`.
"""

import attrs
from attrs import frozen

from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.policy.access import Action
from tftpd_tw.policy.rewrite_rules import Occurrences, Then
from tftpd_tw.service.setting import setting
from tftpd_tw.service.value_types import (
    Argument,
    BlockSize,
    ClientNetwork,
    ErrorNumber,
    Interface,
    NameGlob,
    OptionName,
    Runs,
    Seconds,
    Text,
    TreePath,
    WebAddress,
    WindowSize,
    Word,
)


@frozen
class AccessRule:
    """One rule of who may do what. All that it mentions must fit."""

    name: Word = setting(attrs.NOTHING, "What the log calls it: `denied-by-rule:<name>`.", example="no-secrets")
    action: Action = setting(
        attrs.NOTHING,
        "Serve it and ask no later rule (`allow`), answer with ERROR 2 (`deny`), or do not answer (`silent`).",
        example="deny",
    )
    clients: tuple[ClientNetwork, ...] = setting((), "Only clients in one of these networks.")
    other_clients_than: tuple[ClientNetwork, ...] = setting((), "Only clients in none of these.")
    paths: tuple[NameGlob, ...] = setting((), "Only names that one of these means.")
    other_paths_than: tuple[NameGlob, ...] = setting((), "Only names that none of these means.")
    only: Direction | None = setting(None, "Only reads, or only writes.")


@frozen
class Abort:
    """The request is refused."""

    code: ErrorNumber = setting(ErrorNumber(2), "Code of the ERROR.")
    text: Text = setting(
        Text(""), "Its text, in which groups and placeholders may stand; empty for that of the code."
    )


@frozen
class Rewrite:
    """One rule of what a name becomes. All its conditions must hold."""

    match: Text = setting(Text(""), "A regular expression (RE2) that fits somewhere in the name.")
    unless: Text | None = setting(None, "One that must fit nowhere.")
    ignore_case: bool = setting(False, "Upper or lower case does not matter in both.")
    only: Direction | None = setting(None, "Only reads, or only writes.")
    clients: tuple[ClientNetwork, ...] = setting((), "Only clients in one of these networks.")
    if_missing: bool = setting(
        False,
        "Only if there is no file of the name that it has by now: for a read in none of the folders, for an upload"
        " not where it goes. Who may have it makes no difference.",
    )
    replace: Text | None = setting(
        None,
        r"What takes the place of what `match` fits. `\0` is that, `\1` to `\9` are its groups, `\U` and `\L`"
        r" begin upper and lower case, which `\E` ends; `{ip}`, `{ip_hex}`, `{mac}` and `{interface}` are the"
        r" client's.",
    )
    occurrences: Occurrences = setting(
        Occurrences.FIRST, "Which places are replaced: the `first`, `all`, or one by one `until-none` is left."
    )
    then: Then = setting(
        Then.CONTINUE,
        "What comes next: the next rule (`continue`), none (`stop`), none if there is a file of the new name"
        " (`stop-if-found`), or the first rule again (`restart`).",
    )
    jump: Text | None = setting(None, "The label of the rule that comes next.")
    abort: Abort | None = setting(None, "Refuse the request.")
    label: Text = setting(Text(""), "What `jump` calls this rule.")


@frozen
class ClientProfile:
    """What is different for some clients. All that it mentions of them must fit; what it does not set stays."""

    name: Word = setting(attrs.NOTHING, "What it is called.", example="old-phones")
    clients: tuple[ClientNetwork, ...] = setting((), "For clients in one of these networks.")
    asked: tuple[ClientNetwork, ...] = setting((), "For requests to one of these addresses of this host.")
    interfaces: tuple[Interface, ...] = setting((), "For requests that come in by one of these interfaces.")
    paths: tuple[NameGlob, ...] = setting((), "For names that one of these means.")
    root: TreePath | None = setting(None, "Another folder in the place of filesystem.root.")
    block_size: BlockSize | None = setting(None, "Another performance.block_size.")
    window_size: WindowSize | None = setting(None, "Another performance.window_size.")
    timeout: Seconds | None = setting(None, "Another performance.timeout.")
    refused_options: tuple[OptionName, ...] = setting(
        (), "Options that are treated as unknown; `all` leaves plain RFC 1350."
    )
    single_port: bool | None = setting(None, "Another network.single_port, whatever the port that was asked has.")


@frozen
class TransferHook:
    """What is done with a record: exactly one of ``command`` and ``url``."""

    command: tuple[Argument, ...] = setting(
        (),
        "A program, by its absolute path, and its arguments. It gets the record as one line of JSON on its"
        " standard input, and some of it in its environment. There is no shell; the user is that of the daemon.",
    )
    url: WebAddress | None = setting(None, "Where the record is posted, as JSON.")
    outcomes: tuple[Outcome, ...] = setting((), "Only with transfers and requests that ended so. Empty: all.")
    only: Direction | None = setting(None, "Only with reads, or only with writes.")
    timeout: Seconds = setting(Seconds(10.0), "How long it may take before it is ended.")
    at_once: Runs = setting(
        Runs(4),
        "How many may run at the same time; of further records a thousand wait. Workers share it out among them,"
        " and each has one at least.",
    )
