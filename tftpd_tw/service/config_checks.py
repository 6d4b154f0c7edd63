"""Mistakes that no value has by itself: settings that contradict each other, names that are there twice."""

import os
from collections.abc import Iterator, Sequence

from tftpd_tw.policy.rewrite_rules import RewriteRulesError
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.folders import make_rewriting
from tftpd_tw.service.rule_settings import TransferHook
from tftpd_tw.service.setting import Path
from tftpd_tw.service.units import write_size


def mistakes(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    """Each with the path of the value that it is about."""
    try:
        make_rewriting(configuration.filesystem.rewrite)
    except RewriteRulesError as error:
        for problem in error.problems:
            yield ("filesystem", "rewrite", problem.index, problem.key), problem.text
    yield from _twice(("security", "rules"), [rule.name for rule in configuration.security.rules])
    yield from _twice(("clients", "profiles"), [profile.name for profile in configuration.clients.profiles])
    yield from _strangled(configuration)
    for index, hook in enumerate(configuration.monitoring.on_transfer):
        for text in _of_hook(hook):
            yield ("monitoring", "on_transfer", index), text


def _of_hook(hook: TransferHook) -> Iterator[str]:
    if bool(hook.command) == (hook.url is not None):
        yield f"expected either a command or a url, got {'both' if hook.command else 'neither'}"
    if hook.command and not os.path.isabs(hook.command[0]):
        yield f"expected the absolute path of a program, got {hook.command[0]!r}"


def _strangled(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    """Rates at which every transfer would be ended for being too slow."""
    security = configuration.security
    for key in ("rate_limit", "rate_limit_per_client", "rate_limit_total"):
        rate, slowest = getattr(security, key), security.slowest_rate
        if rate is not None and slowest is not None and rate <= slowest:
            text = (
                f"expected more than security.slowest_rate ({write_size(int(slowest))}), or every transfer ends"
                f" for being too slow, got {write_size(int(rate))}"
            )
            yield ("security", key), text


def _twice(path: Path, names: Sequence[str]) -> Iterator[tuple[Path, str]]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*path, index, "name"), f"expected a name of its own, got {name!r} again"
