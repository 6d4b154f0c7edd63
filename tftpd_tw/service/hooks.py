"""Hooks from the settings, and what can be said of them before they are needed."""

import os
import re
from collections.abc import Iterator, Sequence

from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.rule_settings import TransferHook
from tftpd_tw.service.setting import Path
from tftpd_tw.telemetry.hook_command import Command
from tftpd_tw.telemetry.hook_post import Post
from tftpd_tw.telemetry.hook_queue import Action, Hook

MORE_PATIENCE = 1.0
"""Seconds that a connection gets beyond the time of its hook, so that it is always the hook that took too long."""


def make_hooks(settings: Sequence[TransferHook]) -> list[Hook]:
    """What is done with each report."""
    return [_hook(number, setting) for number, setting in enumerate(settings)]


def missing_programs(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    """The path of each command that cannot be run as it is, and why; looks at the disk."""
    for number, hook in enumerate(configuration.monitoring.on_transfer):
        path = ("monitoring", "on_transfer", number, "command")
        for program in hook.command[:1]:
            if not os.path.isfile(program):
                yield path, f"there is no program {program} on this machine"
            elif not os.access(program, os.X_OK):
                yield path, f"{program} is not executable"


def host_of(url: str) -> str:
    """Its scheme and host; what else there is of it may be secret."""
    scheme, _, host, *_ = re.split("[/?]", url)
    return f"{scheme}//{host}"


def _hook(number: int, setting: TransferHook) -> Hook:
    action: Action
    if setting.url is None:
        what: str = setting.command[0]
        action = Command(setting.command)
    else:
        what = host_of(setting.url)
        action = Post(setting.url, setting.timeout + MORE_PATIENCE)
    return Hook(
        f"monitoring.on_transfer[{number}] ({what})",
        action,
        setting.timeout,
        setting.at_once,
        frozenset(setting.outcomes),
        setting.only,
    )
