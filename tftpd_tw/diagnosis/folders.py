"""The folders that are served: whether they are there, what they are on, and whether their files can be read."""

import errno
import os
import shlex
import stat
import time
from collections.abc import Iterator

from tftpd_tw.backends.filesystems import answers_at_once
from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN, Finding
from tftpd_tw.diagnosis.mounts import mount_of
from tftpd_tw.diagnosis.permissions import ENTER, READ, CannotBecomeError, allows, may, untried
from tftpd_tw.protocol.text import escaped
from tftpd_tw.service.folders import bases

MOST_FILES = 10_000
"""Files that are looked at."""

LONGEST_LOOK = 3.0
"""Seconds in which as many as possible are."""


def folders(case: Case) -> Iterator[Finding]:
    """Each folder that the settings name: whether it is one, and the daemon may read it."""
    named = bases(case.configuration)
    if not named:
        reason = "name one with --root, or a settings file with --config"
        yield Finding(SKIP, "folder", "no folder is named", reason)
    for folder in named:
        yield _folder(case, folder)


def file_systems(case: Case) -> Iterator[Finding]:
    """What they are on: whether each read is written down there, and whether somebody else keeps us waiting."""
    for folder in _existing(case):
        mount = mount_of(case.machine, os.path.realpath(folder), case.runner.pid)
        if not mount.options & {"noatime", "relatime", "ro"}:
            yield Finding(
                WARN,
                "file-system",
                f"{mount.kind}, every read is written down",
                "Each time that a file is read, the time of that is written to the disk.",
                (f"mount -o remount,noatime {shlex.quote(mount.point)}",),
                folder,
            )
        elif _is_local(folder):
            yield Finding(OK, "file-system", mount.kind, about=folder)
        elif case.configuration.performance.async_io:
            reason = "it may keep us waiting, so that all is opened and read in threads"
            yield Finding(OK, "file-system", mount.kind, reason, about=folder)
        else:
            reason = "It may be on another machine, for which everybody would have to wait: the daemon refuses it."
            yield Finding(FAIL, "file-system", mount.kind, reason, ("performance.async_io: true",), folder)


def files(case: Case) -> Iterator[Finding]:
    """Whether there are files that clients will be refused."""
    for folder in _existing(case):
        looked, refused = _refused(case, folder)
        if not refused:
            yield Finding(OK, "files", f"{looked} looked at, all readable", about=folder)
            continue
        world = case.configuration.filesystem.world_readable_only
        whom = "everybody on this host, as filesystem.world_readable_only wants it" if world else case.runner.user
        names = ", ".join(escaped(os.fsencode(os.path.relpath(path, folder))) for path in refused[:3])
        yield Finding(
            WARN,
            "files",
            f"{len(refused)} of {looked} not readable",
            f"Clients get an ERROR for what is not readable for {whom}, such as {names}.",
            (f"chmod -R a+rX {shlex.quote(folder)}",),
            folder,
        )


def _existing(case: Case) -> list[str]:
    return [folder for folder in bases(case.configuration) if os.path.isdir(folder)]


def _folder(case: Case, folder: str) -> Finding:
    user, quoted = case.runner.user, shlex.quote(folder)
    if not os.path.isdir(folder) and not _is_hidden(folder):
        reason = "The daemon does not start without it."
        return Finding(FAIL, "folder", "there is no such folder", reason, (f"mkdir -p {quoted}",), folder)
    try:
        allowed = may(case, folder, "-r", "-x")
    except CannotBecomeError:
        return untried(case, "folder", folder)
    if not allowed:
        reason = f"{user}, as whom the daemon runs, cannot open it, or one that it is in."
        remedies = (f"chmod a+rx {quoted}", f"namei -l {quoted}")
        return Finding(FAIL, "folder", f"not readable for {user}", reason, remedies, folder)
    return Finding(OK, "folder", f"readable for {user}", about=folder)


def _is_hidden(folder: str) -> bool:
    """Whether we may not even see if it is there."""
    try:
        os.stat(folder)
    except OSError as error:
        return error.errno == errno.EACCES
    return False


def _refused(case: Case, folder: str) -> tuple[int, list[str]]:
    """How many files and folders were looked at, and which of them clients will not get."""
    looked, refused, until = 0, [], time.monotonic() + LONGEST_LOOK
    for place, below, names in os.walk(folder):
        for name in (*below, *names):
            path = os.path.join(place, name)
            try:
                about = os.stat(path)
            except OSError:
                continue  # a link to nowhere, or gone
            looked += 1
            if not _is_served(case, about):
                refused.append(path)
                below[:] = [other for other in below if other != name]
            if looked >= MOST_FILES or time.monotonic() > until:
                return looked, refused
    return looked, refused


def _is_served(case: Case, about: os.stat_result) -> bool:
    if stat.S_ISDIR(about.st_mode):
        return allows(case, about, ENTER)
    world = case.configuration.filesystem.world_readable_only
    return not stat.S_ISREG(about.st_mode) or (
        allows(case, about, READ) and (not world or bool(about.st_mode & READ))
    )


def _is_local(folder: str) -> bool:
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        return answers_at_once(handle)
    finally:
        os.close(handle)
