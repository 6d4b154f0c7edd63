"""The files of the page: how they are served, and that they need nothing else."""

import re
from pathlib import Path

import pytest
from twisted.web.resource import Resource
from web_kit import ask, body

import tftpd_tw.web
from tftpd_tw.web.files import POLICY, put_files
from tftpd_tw.web.resources import Folder

STATIC = Path(tftpd_tw.web.__file__).parent / "static"
FILES = {path.name: path.read_text() for path in STATIC.iterdir()}
SCRIPTS = {name: text for name, text in FILES.items() if name.endswith(".js")}
PATHS = ["/", *(f"/{name}" for name in FILES if name != "page.html")]

TYPES = {
    "": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@pytest.fixture(scope="module")
def folder() -> Resource:
    """Where they are."""
    folder = Folder()
    put_files(folder)
    return folder


@pytest.mark.parametrize("path", PATHS)
def test_every_file(folder: Resource, path: str) -> None:
    """It has its type and the policy; and browsers look whether it is still the same, after an update."""
    request = ask(folder, path)
    headers = {name.lower(): values for name, values in request.responseHeaders.getAllRawHeaders()}
    assert body(request).decode() == FILES[path[1:] or "page.html"]
    assert headers == {
        b"content-type": [TYPES[Path(path).suffix].encode()],
        b"content-security-policy": [POLICY.encode()],
        b"content-length": [str(len(body(request))).encode()],
        b"x-content-type-options": [b"nosniff"],
        b"referrer-policy": [b"no-referrer"],
        b"cache-control": [b"no-cache"],
    }


def test_the_policy() -> None:
    """Nothing but what comes from the daemon, no script or style within a page, in nobody else's frame."""
    policy = dict(directive.strip().split(" ", 1) for directive in POLICY.split(";"))
    assert policy.pop("default-src") == "'none'"
    assert {policy.pop(name) for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert set(policy) == {"script-src", "style-src", "connect-src", "img-src"}
    assert set(policy.values()) == {"'self'"}


@pytest.mark.parametrize(
    "path", ["/page.html", "/nothing.js", "/static/page.js", "/../files.py", "/files.py", "/PAGE.JS"]
)
def test_nothing_else(folder: Resource, path: str) -> None:
    """There is no such page, and no way to another file."""
    assert ask(folder, path).responseCode == 404


def test_what_they_load() -> None:
    """Each other, and the pages of the daemon."""
    loaded = set(re.findall(r'(?:src|href)="([^"#]+)"', FILES["page.html"]))
    for text in SCRIPTS.values():
        loaded |= {name.removeprefix("./") for name in re.findall(r'from "([^"]+)"', text)}
    answered = {"metrics", *(f"api/{name}" for name in ("transfers", "misses", "history", "status"))}
    assert loaded - answered == set(FILES) - {"page.html"}
    assert answered <= loaded
    assert "url(" not in FILES["page.css"]
    assert "@import" not in FILES["page.css"]


def test_nothing_within_the_page() -> None:
    """No script, no style and no handler, which the policy would not let run."""
    page = FILES["page.html"]
    assert re.findall(r"<script[^>]*>", page) == ['<script type="module" src="page.js">']
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_text_is_only_ever_text(name: str) -> None:
    """No script makes HTML or code of what it was given."""
    ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|srcdoc"
    assert re.findall(ways, SCRIPTS[name]) == []
