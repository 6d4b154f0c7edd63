"""What a client may have meant."""

import os

import pytest

from tftpd_tw.backends import suggesting
from tftpd_tw.backends.confined import Root
from tftpd_tw.backends.suggesting import SUGGESTIONS, Suggestions, files_beneath

FILES = [
    "boot/grub/grub.cfg",
    "boot/pxelinux.0",
    "debian-12/vmlinuz",
    "debian-13/vmlinuz",
    "firmware/phone-2.1.bin",
    "firmware/phone-2.2.bin",
    "grub.cfg",
    "SEP001122334455.cnf.xml",
    r"odd\x0aname",
]

MEANT = {
    "/boot/grub/grub.cfg": ["boot/grub/grub.cfg", "grub.cfg"],
    "grub/grub.cfg": ["boot/grub/grub.cfg", "grub.cfg"],
    "pxelinux.0": ["boot/pxelinux.0"],
    "BOOT/PXELINUX.0": ["boot/pxelinux.0"],
    r"\\Boot\\pxelinux.0": ["boot/pxelinux.0"],
    "debian-13/vmlinux": ["debian-13/vmlinuz", "debian-12/vmlinuz"],
    "firmware/phone-2.3.bin": ["firmware/phone-2.1.bin", "firmware/phone-2.2.bin"],
    "sep001122334455.cnf.xml": ["SEP001122334455.cnf.xml"],
    r"odd\x0aname": [r"odd\x0aname"],
    "something-else.efi": [],
    "": [],
    "/": [],
}


@pytest.mark.parametrize(("asked", "meant"), MEANT.items(), ids=MEANT)
def test_suggestions(asked, meant):
    """Another folder, another spelling, a letter, a version; those in the folder that was asked first."""
    found = found_for(asked)
    assert found[:1] == meant[:1] or asked.startswith("firmware")
    assert sorted(found) == sorted(meant)


def test_no_more_than_anybody_reads():
    """Where many fit, the likeliest are told."""
    files = [f"{number}/vmlinuz" for number in range(1000)]
    found = found_for("boot/77/vmlinuz", files)
    assert len(found) == SUGGESTIONS
    assert found[0] == "77/vmlinuz"


def test_what_was_found_is_kept(monkeypatch):
    """A page asks for the same names every few seconds."""
    suggestions = Suggestions(FILES)
    suggestions.look_for(["debian-13/vmlinux", "nothing"], 10.0)
    assert suggestions.know(["debian-13/vmlinux", "nothing"])
    assert not suggestions.know(["something"])
    monkeypatch.setattr(suggesting, "get_close_matches", None)
    suggestions.look_for(["debian-13/vmlinux", "nothing"], 10.0)
    assert suggestions.for_name("debian-13/vmlinux")[0] == "debian-13/vmlinuz"
    assert suggestions.for_name("something") == []


def test_the_time_that_it_takes():
    """With none left it looks for one more, and no further."""
    suggestions = Suggestions(FILES)
    suggestions.look_for(["a", "b"], 0.0)
    assert [suggestions.know([name]) for name in "ab"] == [True, False]


def test_among_many():
    """The names that begin alike are compared, wherever they stand."""
    files = [f"{number:05}.cfg" for number in range(10_000)] + ["menu.cfg"]
    assert found_for("menus.cfg", files) == ["menu.cfg"]


def found_for(asked, files=FILES):
    """What is suggested."""
    suggestions = Suggestions(files)
    suggestions.look_for([asked], 10.0)
    return suggestions.for_name(asked)


@pytest.fixture
def tree(tmp_path):
    """Some folders."""
    for name in ("b/x", "a/z/1", "a/y", "c", "odd\nname", ".tftpd-tw-0123456789abcdef.part"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    root = Root.open(str(tmp_path))
    yield root
    root.close()


def test_files_of_a_tree(tree):
    """All of them, as they would be asked for; nothing stays open."""
    before = os.listdir("/proc/self/fd")
    assert files_beneath(tree) == ["c", r"odd\x0aname", "a/y", "a/z/1", "b/x"]
    assert os.listdir("/proc/self/fd") == before


def test_a_large_tree(tree, monkeypatch):
    """Some of them."""
    monkeypatch.setattr(suggesting, "MOST_ENTRIES", 3)
    assert len(files_beneath(tree)) == 2
