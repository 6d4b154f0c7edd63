"""Who may look at the pages of the HTTP port."""

import base64
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from web_kit import FakeServing, ask, body, shown

from tftpd_tw.web.site import make_page, make_site

SECRET = b"s\xc3\xa4crit: 7"


def site(**options: Any) -> Resource:
    """One with a page."""
    page = make_page(Clock(), shown(FakeServing()))
    resource: Resource = make_site(page=page, **options).resource
    return resource


def basic(user: bytes, password: bytes) -> str:
    """What a browser sends."""
    return "Basic " + base64.b64encode(user + b":" + password).decode()


PATHS = ["/", "/page.js", "/api/status", "/api/transfers", "/events"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9069", "127.0.0.1:9069", "[::1]:9069", "::1", "a.localhost", "192.0.2.1", ""]
)
def test_by_its_own_name(path: str, host: str) -> None:
    """Without a secret everybody on this host sees everything."""
    assert ask(site(), path, {"host": host}).responseCode in (None, 200)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9069", "localhost.evil.example", "127.0.0.1.nip.io"]
)
def test_by_another_name(path: str, host: str) -> None:
    """S03d: a page of somebody else's whose name leads here sees nothing."""
    answer = ask(site(), path, {"host": host})
    assert answer.responseCode == 403
    assert b"ask for this by an address or as localhost" in body(answer)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_by_a_proxy(path: str, header: str) -> None:
    """A proxy on this host opens nothing to those who reach it, unless they know the secret."""
    assert ask(site(), path, {header: "for=203.0.113.7"}).responseCode == 403
    shown = {header: "for=203.0.113.7", "authorization": basic(b"", SECRET)}
    assert ask(site(secret=SECRET), path, shown).responseCode in (None, 200)


@pytest.mark.parametrize("path", ["/metrics", "/healthz"])
def test_figures_by_any_name(path: str) -> None:
    """They tell no names, and Prometheus may call the host what it likes."""
    assert ask(site(), path, {"host": "tftp.example"}).responseCode in (None, 200)
    assert ask(site(private=False), path, {"host": "tftp.example"}).responseCode in (None, 200)


@pytest.mark.parametrize("path", [*PATHS, "/no/such/page"])
def test_an_address_that_others_reach(path: str) -> None:
    """Without a secret there is no page; it says what to do."""
    answer = ask(site(private=False), path)
    assert answer.responseCode == 403
    assert b"monitoring.secret_file" in body(answer)


@pytest.mark.parametrize("private", [True, False])
@pytest.mark.parametrize("path", [*PATHS, "/metrics"])
@pytest.mark.parametrize(
    "shown",
    [
        "Bearer " + SECRET.decode("latin-1"),
        "bearer  " + SECRET.decode("latin-1"),
        basic(b"anybody", SECRET),
        basic(b"", SECRET),
    ],
)
def test_with_the_secret(path: str, shown: str, private: bool) -> None:
    """As a token or a password, whatever name the host is called by."""
    request = ask_showing(site(secret=SECRET, private=private), path, shown)
    assert request.responseCode in (None, 200)


WRONG = [
    None,
    "",
    "Bearer",
    "Bearer wrong",
    "Bearer " + SECRET.decode("latin-1") + "x",
    "Digest " + SECRET.decode("latin-1"),
    basic(SECRET, b""),
    basic(b"user", SECRET[:-1]),
    "Basic ====",
    "Basic " + base64.b64encode(SECRET).decode(),
    "Basic \xff",
]


@pytest.mark.parametrize("path", [*PATHS, "/metrics", "/no/such/page"])
@pytest.mark.parametrize("shown", WRONG)
def test_without_the_secret(path: str, shown: str | None) -> None:
    """Nothing is to be seen, not even what there is; a browser asks for the password."""
    answer = ask_showing(site(secret=SECRET), path, shown)
    assert answer.responseCode == 401
    assert answer.responseHeaders.getRawHeaders("www-authenticate") == ['Basic realm="tftpd-tw", charset="UTF-8"']
    assert b"secret" in body(answer)


def test_health_is_for_everybody() -> None:
    """Also where there is a secret."""
    assert body(ask(site(secret=SECRET), "/healthz")) == b"ok\n"


def test_without_a_page() -> None:
    """There are the figures and nothing else."""
    resource = make_site().resource
    assert body(ask(resource, "/healthz")) == b"ok\n"
    assert ask(resource, "/").responseCode == 404


def ask_showing(resource: Resource, path: str, shown: str | None) -> Any:
    """With such a header, of any bytes."""
    headers = {} if shown is None else {"authorization": shown}
    return ask(resource, path, {"host": "tftp.example", **headers})
