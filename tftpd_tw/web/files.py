"""The page itself: three files, that load nothing from anywhere else.

They are read once. The Content-Security-Policy lets the browser run that one script and no other, so that a name
that looks like HTML stays a name even if the script had a fault.
"""

from importlib.resources import files

from twisted.web.http import Request
from twisted.web.resource import Resource

from tftpd_tw.web.resources import Page

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_FILES = {
    b"": ("page.html", "text/html; charset=utf-8"),
    b"page.css": ("page.css", "text/css; charset=utf-8"),
    b"page.js": ("page.js", "text/javascript; charset=utf-8"),
    b"icon.svg": ("icon.svg", "image/svg+xml"),
}
"""By their paths: the name of the file, and its type."""


def put_files(folder: Resource) -> None:
    """Have them served from ``folder``."""
    for path, (name, kind) in _FILES.items():
        folder.putChild(path, _page(files("tftpd_tw.web").joinpath("static", name).read_bytes(), kind))


def _page(content: bytes, kind: str) -> Page:
    def render(request: Request) -> bytes:
        request.setHeader("content-type", kind)
        request.setHeader("content-security-policy", POLICY)
        request.setHeader("x-content-type-options", "nosniff")
        request.setHeader("referrer-policy", "no-referrer")
        request.setHeader("cache-control", "no-cache")
        return content

    return Page(render)
