"""On which file system a folder is, as ``/proc/self/mountinfo`` lists them."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress

from attrs import frozen

from tftpd_tw.diagnosis.machine import Machine


@frozen
class Mount:
    """One of them."""

    point: str
    """Where it is."""
    options: frozenset[str]
    """Such as ``ro`` and ``noatime``."""
    kind: str
    """Such as ``ext4``."""


def mount_of(machine: Machine, folder: str, pid: int | None = None) -> Mount:
    """The one that ``folder`` is on, as the process ``pid`` sees it, or else ourselves.

    :raises OSError: the kernel does not show it
    """
    found: Mount | None = None
    for mount in _mounts(machine, pid):
        within = folder == mount.point or folder.startswith(mount.point.rstrip("/") + "/")
        # What was mounted later at the same place covers what was there.
        if within and (found is None or len(mount.point) >= len(found.point)):
            found = mount
    if found is None:
        raise OSError(f"no file system is listed for {folder}")
    return found


def _mounts(machine: Machine, pid: int | None) -> Iterator[Mount]:
    table = ""
    if pid is not None:
        with suppress(OSError):  # another user's, and we are not root
            table = machine.text(f"{pid}/mountinfo")
    for line in (table or machine.text("self/mountinfo")).splitlines():
        own, _, rest = line.partition(" - ")
        columns = own.split()
        yield Mount(_unescaped(columns[4]), frozenset(columns[5].split(",")), rest.split()[0])


def _unescaped(text: str) -> str:
    r"""Spaces and the like are written as ``\040``."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), os.fsencode(text)))
