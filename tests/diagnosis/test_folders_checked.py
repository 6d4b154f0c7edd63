"""Folders, their files and file systems, and room for uploads."""

import os
from pathlib import Path

import pytest
from fake_host import STRANGER, FakeHost

from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN
from tftpd_tw.diagnosis.folders import MOST_FILES, file_systems, files, folders
from tftpd_tw.diagnosis.uploads import uploads

UPLOADS = {"uploads": UploadPolicy.CREATE}


def as_somebody_else(host: FakeHost) -> None:
    """Have a daemon that may not do what we may."""
    host.daemon(812, uid=STRANGER, capabilities=0)


def mounted(host: FakeHost, options: str, kind: str = "ext4", place: str | None = None) -> None:
    """On what the folder is."""
    place = (place or str(host.root)).replace(" ", "\\040")
    rows = ["27 1 254:0 / / rw,relatime - ext4 /dev/vda rw", f"28 27 0:9 / {place} {options} - {kind} disk rw"]
    host.write("self/mountinfo", "\n".join(rows) + "\n")


def test_no_folder(host: FakeHost) -> None:
    """That is no failure of the machine."""
    finding = host.find(folders, filesystem={"root": ""})
    assert (finding.state, finding.figure) == (SKIP, "no folder is named")
    assert finding.reason == "name one with --root, or a settings file with --config"  # behind a semicolon


def test_a_folder(host: FakeHost) -> None:
    """One that we may read."""
    finding = host.find(folders)
    assert (finding.state, finding.about) == (OK, str(host.root))


def test_a_folder_that_is_not_there(host: FakeHost) -> None:
    """Nor is a file."""
    (host.root / "it's").touch()
    for name in ("nothing", "it's"):
        finding = host.find(folders, filesystem={"root": f"{host.root}/{name}"})
        assert (finding.state, finding.figure) == (FAIL, "there is no such folder")
    assert finding.remedies == (f"mkdir -p '{host.root}/it'\"'\"'s'",)


def test_a_folder_that_the_daemon_may_not_read(host: FakeHost) -> None:
    """It is tried as that user, if we are root; else nobody can tell."""
    host.root.chmod(0o700)
    as_somebody_else(host)
    host.changes["user"] = os.geteuid
    finding = host.find(folders)
    if os.geteuid() == 0:
        assert (finding.state, finding.figure) == (FAIL, "not readable for user 64000")
        assert finding.remedies == (f"chmod a+rx {host.root}", f"namei -l {host.root}")
    host.changes["user"] = lambda: 1000
    finding = host.find(folders)
    assert (finding.state, finding.remedies) == (SKIP, ("sudo tftpd-tw doctor",))


def test_several_folders(host: FakeHost) -> None:
    """Each once, without what is another one for each client."""
    more = {"fallback_roots": (str(host.root), f"{host.root}/none/{{mac}}")}
    found = host.look(folders, filesystem={"root": f"{host.root}/{{ip}}", **more})
    assert [(finding.state, finding.about) for finding in found] == [
        (OK, str(host.root)),
        (FAIL, f"{host.root}/none"),
    ]


@pytest.mark.parametrize("options", ["rw,noatime", "rw,relatime", "ro"])
def test_file_systems(host: FakeHost, options: str) -> None:
    """What is mounted last, and nearest, counts."""
    mounted(host, options, "xfs")
    finding = host.find(file_systems)
    assert (finding.state, finding.figure) == (OK, "xfs")


def test_a_file_system_that_writes_reads_down(host: FakeHost, tmp_path: Path) -> None:
    """Places with spaces are quoted."""
    place = tmp_path / "a disk"
    (place / "tftp").mkdir(parents=True)
    mounted(host, "rw,nosuid", place=str(place))
    (tmp_path / "a disk too").mkdir()
    assert host.find(file_systems).state is OK
    assert host.find(file_systems, filesystem={"root": str(tmp_path / "a disk too")}).state is OK
    finding = host.find(file_systems, filesystem={"root": str(place / "tftp")})
    assert (finding.state, finding.remedies) == (WARN, (f"mount -o remount,noatime '{place}'",))


def test_a_file_system_that_may_keep_us_waiting(host: FakeHost) -> None:
    """It is one for threads only; /proc is as good as one of another machine."""
    filesystem = {"root": "/proc"}
    finding = host.find(file_systems, filesystem=filesystem)
    assert (finding.state, "in threads" in finding.reason) == (OK, True)
    finding = host.find(file_systems, filesystem=filesystem, performance={"async_io": False})
    assert (finding.state, finding.remedies) == (FAIL, ("performance.async_io: true",))


def test_the_daemon_may_see_another_file_system(host: FakeHost) -> None:
    """One that its unit has made read-only."""
    host.daemon(812)
    host.write("812/mountinfo", "27 1 254:0 / / ro,relatime - ext4 /dev/vda rw\n")
    finding = host.find(uploads, filesystem=UPLOADS)
    assert (finding.state, finding.figure) == (FAIL, "read-only")
    assert finding.remedies == (f"ReadWritePaths={host.root}", "mount -o remount,rw /")


def test_files_that_clients_will_not_get(host: FakeHost) -> None:
    """With names that are fit for a terminal; what is in a closed folder is not looked at."""
    names = ("open", "closed", "in\nside")
    for name in names:
        (host.root / name).touch(mode=0o644)
    assert host.find(files).figure == "3 looked at, all readable"
    os.mkfifo(host.root / "pipe", 0o600)
    (host.root / "nowhere").symlink_to("nothing")
    (host.root / "folder").mkdir(mode=0o700)
    (host.root / "folder" / "more").touch(mode=0o600)
    for name in names[1:]:
        (host.root / name).chmod(0o600)
    as_somebody_else(host)
    finding = host.find(files)
    assert (finding.state, finding.figure) == (WARN, "3 of 5 not readable")
    assert "in\\x0aside" in finding.reason
    assert finding.remedies == (f"chmod -R a+rX {host.root}",)


def test_files_that_only_some_may_read(host: FakeHost) -> None:
    """Whose they are counts, unless everybody has to be able to."""
    (host.root / "own").touch(mode=0o600)
    (host.root / "own").chmod(0o600)
    host.process("self", capabilities=0)
    assert host.find(files).state is OK
    finding = host.find(files, filesystem={"world_readable_only": True})
    assert (finding.state, "world_readable_only" in finding.reason) == (WARN, True)


def test_a_tree_that_is_too_large(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of it has to do."""
    monkeypatch.setattr("tftpd_tw.diagnosis.folders.MOST_FILES", 5)
    for number in range(9):
        (host.root / str(number)).touch()
    assert host.find(files).figure == "5 looked at, all readable"
    assert MOST_FILES == 10_000


def test_no_uploads(host: FakeHost) -> None:
    """Then no room is needed."""
    assert host.find(uploads).figure == "denied by the settings"
    finding = host.find(uploads, filesystem={**UPLOADS, "reserve": 1 << 60}, security={"write_enabled": False})
    assert finding.state is OK


def test_room_for_uploads(host: FakeHost) -> None:
    """Where they go."""
    place = host.root / "incoming"
    place.mkdir()
    finding = host.find(uploads, filesystem={**UPLOADS, "upload_root": str(place)})
    assert finding.about == str(place)
    assert finding.state in (OK, WARN)  # the disk of whoever runs this
    assert " free" in finding.figure


def test_a_reserve_that_takes_it_all(host: FakeHost) -> None:
    """Every upload would be refused."""
    finding = host.find(uploads, filesystem={**UPLOADS, "reserve": 1 << 60})
    assert (finding.state, finding.remedies) == (FAIL, (f"df -h {host.root}",))


class Disk:
    """As statvfs(3) tells it."""

    f_frsize, f_blocks, f_bavail, f_files, f_favail = 4096, 1000, 500, 100, 50


@pytest.mark.parametrize(
    ("attribute", "value", "state"),
    [
        ("f_bavail", 50, OK),
        ("f_bavail", 49, WARN),
        ("f_bavail", 0, FAIL),
        ("f_favail", 0, FAIL),
        ("f_files", 0, OK),
    ],
)
def test_disks(host: FakeHost, monkeypatch: pytest.MonkeyPatch, attribute: str, value: int, state: object) -> None:
    """With little room, without any, without room for names; some do not count these."""
    disk = type("Disk", (Disk,), {attribute: value})
    monkeypatch.setattr(os, "statvfs", lambda folder: disk)
    finding = host.find(uploads, filesystem=UPLOADS)
    assert finding.state is state
    assert bool(finding.remedies) is (state is not OK)


def test_a_folder_that_cannot_be_written_to(host: FakeHost) -> None:
    """By the daemon, that is."""
    as_somebody_else(host)
    host.changes["user"] = lambda: 1000
    assert host.find(uploads, filesystem=UPLOADS).state is SKIP
    host.root.chmod(0o555)
    host.changes["user"] = os.geteuid
    if os.geteuid() != 0:
        host.process("self", capabilities=0)
        host.write("net/unix", "")
    finding = host.find(uploads, filesystem=UPLOADS)
    user = host.case().runner.user
    assert (finding.state, finding.figure) == (FAIL, f"not writable for {user}")
    assert finding.remedies == (f"chown {host.case().runner.name} {host.root}",)
