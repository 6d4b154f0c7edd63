"""Mistakes that no value has by itself: rules that contradict each other, names that are there twice."""

from collections.abc import Iterator, Sequence

from tftpd_tw.policy.rewrite_rules import RewriteRulesError
from tftpd_tw.service.config_file import Path
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.folders import make_rewriting


def mistakes(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    """Each with the path of the value that it is about."""
    try:
        make_rewriting(configuration.filesystem.rewrite)
    except RewriteRulesError as error:
        for problem in error.problems:
            yield ("filesystem", "rewrite", problem.index, problem.key), problem.text
    yield from _twice(("security", "rules"), [rule.name for rule in configuration.security.rules])
    yield from _twice(("clients", "profiles"), [profile.name for profile in configuration.clients.profiles])


def _twice(path: Path, names: Sequence[str]) -> Iterator[tuple[Path, str]]:
    for index, name in enumerate(names):
        if name in names[:index]:
            yield (*path, index, "name"), f"expected a name of its own, got {name!r} again"
