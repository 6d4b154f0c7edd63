"""The configuration written out: as a file, as an example with comments, and as the reference page.

All three come from the model (:mod:`~tftpd_tw.service.configuration`), so that they are true.
"""

import textwrap
from collections.abc import Iterator
from typing import Any

import attrs
import yaml

from tftpd_tw.service.config_file import DEFAULT_FILE
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.kinds import KINDS, expected, write
from tftpd_tw.service.setting import About, Setting, about, item_kind, without_none

_WIDTH = 100


def effective(configuration: Any) -> str:
    """``configuration`` as a YAML file, without what has no value yet."""
    tree: dict[str, Any] = {}
    for section in attrs.fields(type(configuration)):
        values, part = {}, getattr(configuration, section.name)
        for key in attrs.fields(section.type):
            value = getattr(part, key.name)
            if not _unset(value, about(key)):
                values[key.name] = write(value, key.type)
        tree[section.name] = values
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=_WIDTH)


def example(model: type = Configuration) -> str:
    """A YAML file that has every key, with its default and what it is for."""
    lines = [*_comment(f"Every setting, at its default. Keep what you change; the file is {DEFAULT_FILE}."), ""]
    for section in attrs.fields(model):
        lines += [*_comment(about(section).doc), f"{section.name}:"]
        for key in attrs.fields(section.type):
            lines += [*_key(key, "  "), ""]
    return "\n".join(lines)


def reference(model: type = Configuration) -> str:
    """The reference page, in Markdown."""
    lines = [_INTRODUCTION]
    for section in attrs.fields(model):
        lines += [f"## `{section.name}`", "", about(section).doc, "", *_table(section.type)]
        lines += _tables_of_items(section.name, section.type)
    return "\n".join(lines)


def described(setting: Setting) -> str:
    """What ``--help`` says of it."""
    told = setting.about
    if setting.kind is bool:
        return told.doc
    several = item_kind(setting.kind)
    value = f"Value: {expected(several or setting.kind)}{'; may be given several times' if several else ''}."
    if _unset(setting.default, told):
        return f"{told.doc} {value}"
    default = write(setting.default, setting.kind)
    return f"{told.doc} {value} [default: {(', '.join(default) or 'none') if several else default}]"


_INTRODUCTION = f"""\
# Settings

<!-- Written by `make reference` from tftpd_tw/service/configuration.py. -->

The daemon reads the file that `--config` names, or else `{DEFAULT_FILE}` if it is there. What the command line
says goes before it. Nothing has to be in it but `filesystem.root`, and not even that if there is a `--root`.

* The file is YAML. If its name ends in `.json` it is JSON, in which `//` and `#` begin a comment.
* **Sizes** are bytes, or have a unit: `64KiB` or `64Ki` (also Mi, Gi, Ti) count in 1024s, `512MB` (also KB, GB,
  TB) in 1000s.
* **Times** are seconds, or have a unit: `500ms`, `30s`, `5m`, `1h`, `7d`.
* `tftpd-tw check FILE` names every mistake with its line, or prints all settings that the file leads to, as a
  file, and warns of those that have no effect beside the others, as the log does. `tftpd-tw check --example`
  prints a file with every key, its default and what it is for.
* **An address**, where something holds for one, is one IPv4 or one IPv6 address, and not a network: so it is for
  `connections_per_client`, `rate_limit_per_client` and `quota_per_client`. Only `answers` and
  `answers_per_second` take all of an IPv6 /64 for one (`answers_ipv6_prefix`), since whoever forges one address
  of it can forge them all; but link-local addresses each for itself. An IPv4 address that is written as IPv6
  (`::ffff:192.0.2.1`) is IPv4.
* **Globs** are as in `.gitignore`: `*.key` and `secret` are files or folders of that name in any folder, `secret/`
  is what is in such folders; with another slash, as in `/secret` or `boot/*.cfg`, it is the whole name from the
  root on. `*` and `?` stand for no slash, `**/` for any folders, `[a-z]` and `[!a-z]` for one character. A folder
  stands for all that is in it.
* **Placeholders**: `{{ip}}` is the client's address, `192.0.2.9` or `2001:db8::9`; `{{ip_hex}}` the same in
  hexadecimal digits as PXELINUX has it, `C0000209`; `{{mac}}` its hardware address, `52-54-00-12-34-56`, which is
  not known behind a router; `{{interface}}` the interface that its request came in by, `eth0`. A folder or rule
  that needs what is not known is passed over. The daemon makes no folders: where a client's is not there, it has
  none.
* A mistake keeps the daemon from starting. An unknown key is a mistake, and so is one that is there twice.
* `tftpd-tw reload`, or SIGHUP, has a running daemon read the file again. New requests are served by what it says
  then; transfers in progress go on as they began. If there is a mistake in it, nothing changes.
"""


def _key(key: "attrs.Attribute[Any]", indent: str) -> Iterator[str]:
    """The lines of one key in the example."""
    told = about(key)
    yield from (indent + line for line in _comment(f"{told.doc} {_expects(key.type)}{_elsewhere(told)}"))
    item = _item(key.type)
    if item is not None:
        for inner in attrs.fields(item):
            yield from (f"{indent}# {line}" for line in _key(inner, "  "))
    if key.default is attrs.NOTHING:
        yield f"{indent}{key.name}: # must be given"
    else:
        value = told.example if _unset(key.default, told) else write(key.default, key.type)
        yield f"{indent}{key.name}: {_flow(value)}"


def _table(model: type) -> list[str]:
    lines = ["| key | what it sets | value | default |", "|---|---|---|---|"]
    for key in attrs.fields(model):
        told = about(key)
        default = "none" if _unset(key.default, told) else f"`{_flow(write(key.default, key.type))}`"
        what = told.doc + _elsewhere(told)
        lines.append(f"| `{key.name}` | {what} | {expected(key.type)} | {default} |")
    return [*lines, ""]


def _tables_of_items(name: str, model: type) -> Iterator[str]:
    """For each list or map of classes in ``model``, and in those."""
    for key in attrs.fields(model):
        if (item := _item(key.type)) is not None:
            inner = f"{name}.{key.name}"
            yield from (f"### `{inner}`: each item", "", *_table(item))
            yield from _tables_of_items(inner, item)


def _elsewhere(told: About) -> str:
    text = " A change takes a restart." if told.restart else ""
    if told.option:
        text += f" On the command line: `--{told.option}`."
    return f"{text} Also called `{'.'.join(told.other_name)}`." if told.other_name else text


def _expects(kind: Any) -> str:
    return f"Value: {expected(kind)}."


def _unset(value: Any, told: About) -> bool:
    """Whether there is no value because there is no default."""
    return value is attrs.NOTHING or (told.example is not None and not value)


def _item(kind: Any) -> Any:
    """The class of the items of a list or map, or of an optional part; None if it is made of values."""
    inner = without_none(kind)
    inner = item_kind(inner) or inner
    return inner if attrs.has(inner) and inner not in KINDS else None


def _flow(value: Any) -> str:
    """On one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=1 << 20)
    return text.removesuffix("...\n").strip()


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH)]
