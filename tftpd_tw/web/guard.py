"""Who may look: the pages tell names of files and addresses of clients, and what the settings are.

Whoever has the secret may, as a bearer token or as the password of any user. Without a secret everybody may who
can reach the port, and so it has to be on the loopback interface, and has to be asked by its own name: a page of
somebody else's, in a browser on this host, can make a name of its own lead here (DNS rebinding), but not
`localhost`. A proxy on this host would open the pages to whoever reaches that, so what comes by one is refused
too.
"""

import base64
import binascii
import ipaddress
from hmac import compare_digest

from twisted.web.http import FORBIDDEN, UNAUTHORIZED, Request
from twisted.web.resource import IResource, Resource

from tftpd_tw.web.resources import Page


class Guarded(Resource):
    """``inner``, for those who may look.

    :param secret: what they have to show; None: nothing
    """

    def __init__(self, inner: Resource, secret: bytes | None) -> None:
        super().__init__()
        self._inner = inner
        self._secret = secret

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:  # noqa: N802 - Twisted's
        """What is inside, or a page that says why not."""
        if self._secret is not None:
            if not _shows(request, self._secret):
                return Page(_ask)
        elif not _by_own_name(request):
            return Page(_refuse)
        child: IResource = self._inner.getChildWithDefault(path, request)
        return child


def _shows(request: Request, secret: bytes) -> bool:
    kind, _, shown = (request.getHeader(b"authorization") or b"").partition(b" ")
    if kind.lower() == b"basic":
        try:
            _, _, shown = base64.b64decode(shown.strip(), validate=True).partition(b":")
        except binascii.Error:
            return False
    elif kind.lower() != b"bearer":
        return False
    return compare_digest(shown.strip(), secret)


def _by_own_name(request: Request) -> bool:
    if request.getHeader(b"x-forwarded-for") is not None or request.getHeader(b"forwarded") is not None:
        return False
    host = (request.getHeader(b"host") or b"").decode("latin-1").lower()
    name = host.rpartition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _ask(request: Request) -> bytes:
    request.setResponseCode(UNAUTHORIZED)
    request.setHeader("www-authenticate", 'Basic realm="tftpd-tw", charset="UTF-8"')
    return _text(
        request,
        "This needs the secret of monitoring.secret_file: as the password of any user, or as a bearer token.",
    )


def _refuse(request: Request) -> bytes:
    request.setResponseCode(FORBIDDEN)
    return _text(request, "Without a secret, ask for this by an address or as localhost, and not by a proxy.")


def _text(request: Request, text: str) -> bytes:
    request.setHeader("content-type", "text/plain; charset=utf-8")
    return text.encode() + b"\n"


class Closed(Resource):
    """In the place of pages that nobody may see: on an address that others reach too, without a secret."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Say what to do."""
        request.setResponseCode(FORBIDDEN)
        return _text(
            request,
            "This address is not only reached from this host. To see the page here, name a file with a secret as"
            " monitoring.secret_file; /metrics and /healthz are served without.",
        )
