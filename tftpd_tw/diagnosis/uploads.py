"""Whether what clients send can be stored."""

import os
import shlex
from collections.abc import Iterator

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import FAIL, OK, WARN, Finding
from tftpd_tw.diagnosis.mounts import mount_of
from tftpd_tw.diagnosis.permissions import CannotBecomeError, may, untried
from tftpd_tw.policy.client_names import Tree
from tftpd_tw.service.folders import upload_places
from tftpd_tw.service.units import size

LITTLE_ROOM = 0.05
"""The part of a disk below which that what is free is worth a warning."""


def takes_uploads(case: Case) -> bool:
    """Whether clients may send anything."""
    whole = case.configuration
    return whole.filesystem.uploads is not UploadPolicy.DENY and whole.security.write_enabled


def uploads(case: Case) -> Iterator[Finding]:
    """Whether each folder that takes them can be written to and has room."""
    if not takes_uploads(case):
        yield Finding(OK, "uploads", "denied by the settings")
        return
    for folder in sorted({Tree.parse(place).base for place in upload_places(case.configuration) if place}):
        if os.path.isdir(folder):
            yield _writable(case, folder) or _room(case, folder)


def _writable(case: Case, folder: str) -> Finding | None:
    """What is wrong with it; None: nothing."""
    runner, quoted = case.runner, shlex.quote(folder)
    mount = mount_of(case.machine, os.path.realpath(folder), runner.pid)
    if "ro" in mount.options:
        reason = "What the daemon sees there cannot be written to, because of its systemd unit or the file system."
        remedies = (f"ReadWritePaths={folder}", f"mount -o remount,rw {shlex.quote(mount.point)}")
        return Finding(FAIL, "uploads", "read-only", reason, remedies, folder)
    try:
        allowed = may(case, folder, "-w", "-x")
    except CannotBecomeError:
        return untried(case, "uploads", folder)
    if allowed:
        return None
    reason = f"{runner.user}, as whom the daemon runs, can store nothing there."
    mend = (f"chown {runner.name} {quoted}",)
    return Finding(FAIL, "uploads", f"not writable for {runner.user}", reason, mend, folder)


def _room(case: Case, folder: str) -> Finding:
    disk, reserve, quoted = os.statvfs(folder), case.configuration.filesystem.reserve, shlex.quote(folder)
    free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    figure = f"{size(free)} free" + (f", {size(reserve)} reserved" if reserve else "")
    look = (f"df -h {quoted}",)
    if free <= reserve:
        reason = "Uploads are refused for want of room, which filesystem.reserve has a part in if it is set."
        return Finding(FAIL, "uploads", figure, reason, look, folder)
    if disk.f_files and not disk.f_favail:
        reason = "The file system has no room for another file, however small."
        return Finding(FAIL, "uploads", "no inode is free", reason, (f"df -i {quoted}",), folder)
    if free - reserve < LITTLE_ROOM * whole:
        return Finding(
            WARN, "uploads", figure, "There is little room; without any, uploads are refused.", look, folder
        )
    return Finding(OK, "uploads", figure, about=folder)
