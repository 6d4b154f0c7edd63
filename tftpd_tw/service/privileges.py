"""What takes root, and whether the daemon will have it when it is needed.

Files are given to another user when an upload is complete, long after twistd has given up root. What cannot work
then is refused at the start.
"""

import grp
import os
import pwd
from collections.abc import Callable, Iterator

from attrs import frozen

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.setting import Path
from tftpd_tw.service.value_types import Owner

CAP_CHOWN, CAP_SETGID, CAP_SETUID = 0, 6, 7
"""Bits of Linux's sets of capabilities (linux/capability.h)."""


@frozen
class Becoming:
    """Whom twistd is told to become; None for whom it is."""

    uid: int | None = None
    gid: int | None = None

    def refusals(self) -> Iterator[str]:
        """Why it cannot, in lines."""
        if self.uid is not None and self.uid != os.getuid() and not capable(CAP_SETUID):
            yield f"--uid: to become {_name(self.uid)} takes root; start as root, or as that user without --uid"
        if self.gid is not None and self.gid != os.getgid() and not capable(CAP_SETGID):
            yield f"--gid: to take the group {self.gid} takes root; start as root, or without --gid"

    def ownership_refusals(self, configuration: Configuration) -> Iterator[tuple[Path, str]]:
        """Settings of whom uploads belong to that it will not be able to keep, and why."""
        filesystem = configuration.filesystem
        if filesystem.uploads is UploadPolicy.DENY or not configuration.security.write_enabled:
            return
        changes = self.uid is not None and self.uid != os.geteuid()
        if capable(CAP_CHOWN) and not changes:
            return
        lacking = f"needs root (CAP_CHOWN), which {'--uid gives up' if changes else 'the daemon does not have'}"
        owner = _number(filesystem.upload_owner, _user)
        user = self.uid if self.uid is not None else os.geteuid()
        if owner not in (None, user):
            yield ("filesystem", "upload_owner"), f"to give uploads to {filesystem.upload_owner} {lacking}"
        group = _number(filesystem.upload_group, _group)
        if group is not None and group not in self._groups(changes):
            text = f"uploads of the group {filesystem.upload_group}, in which {_name(user)} is not: this {lacking}"
            yield ("filesystem", "upload_group"), text

    def _groups(self, changes: bool) -> list[int]:
        if not changes or self.uid is None:
            return [os.getegid(), *os.getgroups(), *([] if self.gid is None else [self.gid])]
        # As twistd does it.
        entry = pwd.getpwuid(self.uid)
        return os.getgrouplist(entry.pw_name, entry.pw_gid if self.gid is None else self.gid)


def unknown_names(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    """Settings of whom uploads belong to that name nobody; asks the system, in whatever thread this is."""
    filesystem = configuration.filesystem
    for key, what, name, look_up in (
        ("upload_owner", "user", filesystem.upload_owner, _user),
        ("upload_group", "group", filesystem.upload_group, _group),
    ):
        if name is not None and _number(name, look_up) is None:
            yield ("filesystem", key), f"there is no {what} {name}"


def capable(capability: int) -> bool:
    """Whether this process has ``capability``; where the kernel does not say, whether it is root."""
    try:
        with open("/proc/self/status") as status:
            [found] = [line.split()[1] for line in status if line.startswith("CapEff:")]
        return bool(int(found, 16) >> capability & 1)
    except (OSError, ValueError):
        return os.geteuid() == 0


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _user(name: str) -> int:
    return pwd.getpwnam(name).pw_uid


def _group(name: str) -> int:
    return grp.getgrnam(name).gr_gid


def _number(name: Owner | None, look_up: Callable[[str], int]) -> int | None:
    """None also for a name that there is not, see :func:`unknown_names`."""
    if name is None:
        return None
    try:
        return int(name) if name.isdigit() else look_up(name)
    except KeyError:
        return None
