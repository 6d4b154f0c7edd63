"""The page itself: a handful of files, that load nothing from anywhere else.

They are read once. The Content-Security-Policy lets the browser run these scripts and no other, so that a name
that looks like HTML stays a name even if they had a fault.
"""

from importlib.resources import files
from pathlib import PurePath

from twisted.web.http import Request
from twisted.web.resource import Resource

from tftpd_tw.web.resources import Page

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

_FRONT = "page.html"
"""The one that the address of the port leads to; the others are there by their names."""


def put_files(folder: Resource) -> None:
    """Have them served from ``folder``."""
    for file in files("tftpd_tw.web").joinpath("static").iterdir():
        kind = _TYPES.get(PurePath(file.name).suffix)
        if kind is not None:
            folder.putChild(b"" if file.name == _FRONT else file.name.encode(), _page(file.read_bytes(), kind))


def _page(content: bytes, kind: str) -> Page:
    def render(request: Request) -> bytes:
        request.setHeader("content-type", kind)
        request.setHeader("content-security-policy", POLICY)
        request.setHeader("referrer-policy", "no-referrer")
        request.setHeader("cache-control", "no-cache")
        return content

    return Page(render)
