"""Hooks that post to a web server: a small one of the test's own, which answers what it is told to."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path

import pytest
from lacking import need
from running import PATIENCE, soon

from tftpd_tw import __version__
from tftpd_tw.telemetry import hook_post
from tftpd_tw.telemetry.hook_post import Post
from tftpd_tw.telemetry.hook_queue import HookError

RECORD = {"version": 1, "name": r"a\x0a\"b"}

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Server:
    """Keeps what comes, and answers each time the same."""

    def __init__(self, answer: bytes | Iterable[bytes], context: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.requests: list[bytes] = []
        self.over = threading.Event()
        """Somebody has broken the connection off, or read all."""
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, rest: str = "/", scheme: str = "http") -> str:
        """Where it is."""
        return f"{scheme}://127.0.0.1:{self.port}{rest}"

    def close(self) -> None:
        """Take no more."""
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                sock = self._listening.accept()[0]
                with suppress(OSError), self._wrapped(sock) as sock:
                    self._talk(sock)
                self.over.set()

    def _wrapped(self, sock: socket.socket) -> socket.socket:
        return sock if self._context is None else self._context.wrap_socket(sock, server_side=True)

    def _talk(self, sock: socket.socket) -> None:
        request = b""
        while not request.endswith(b"}"):
            piece = sock.recv(65536)
            if not piece:
                return
            request += piece
        self.requests.append(request)
        for piece in [self._answer] if isinstance(self._answer, bytes) else self._answer:
            sock.sendall(piece)
        if self._answer == b"":
            sock.recv(1)


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server."""
    servers: list[Server] = []

    def start(answer: bytes | Iterable[bytes], context: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(answer, context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def post(url: str) -> None:
    """Do it once."""
    Post(url, PATIENCE).prepare(RECORD)()


def why(url: str) -> str:
    """What goes wrong with it."""
    with pytest.raises(HookError) as caught:
        post(url)
    return str(caught.value)


def test_what_is_posted(serve: Serve) -> None:
    """The record, and what it is."""
    server = serve(OK)
    post(server.url("/a/b?key=1"))
    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    assert first == "POST /a/b?key=1 HTTP/1.1"
    assert set(headers) >= {
        f"Host: 127.0.0.1:{server.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"User-Agent: tftpd-tw/{__version__}",
        "Connection: close",
    }
    assert json.loads(body) == RECORD


@pytest.mark.parametrize(("rest", "path"), [("", "/"), ("/", "/"), ("?a=b", "/?a=b"), ("//x", "//x")])
def test_the_path(serve: Serve, rest: str, path: str) -> None:
    """It is that of the address."""
    server = serve(OK)
    post(server.url(rest))
    assert server.requests[0].startswith(f"POST {path} HTTP/1.1\r\n".encode())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 500 Oh no\r\n\r\nall is lost", "the server answered 500 Oh no"),
        (b"HTTP/1.1 404\r\n\r\n", "the server answered 404"),
        (b"HTTP/1.1 400 \x1b[2J\r\n\r\n", r"the server answered 400 \x1b[2J"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", r"the answer makes no sense: SSH-2.0-OpenSSH_9.2\x0d\x0a"),
        (
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
            "the answer makes no sense: got more than 100 headers",
        ),
        ([], "Remote end closed connection without response"),
    ],
)
def test_other_answers(serve: Serve, answer: bytes, expected: str) -> None:
    """They are told, escaped."""
    assert why(serve(answer).url()) == expected


def test_a_redirection(serve: Serve) -> None:
    """It is not followed."""
    elsewhere = serve(OK)
    answer = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere.url()}\r\nContent-Length: 0\r\n\r\n"
    assert why(serve(answer.encode()).url()) == "the server answered 302 Found"
    assert elsewhere.requests == []


def test_an_answer_without_end(serve: Serve) -> None:
    """The status counts; not much of the rest is read."""

    def endless() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield bytes(1 << 16)

    server = serve(endless())
    post(server.url())
    assert server.over.wait(PATIENCE)


def test_nobody_listens(serve: Serve) -> None:
    """That is told."""
    server = serve(OK)
    server.close()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        assert why(f"http://127.0.0.1:{sock.getsockname()[1]}/") == "Connection refused"


def test_a_name_that_there_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name server says so."""

    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert why("http://nobody.invalid/") == "Name or service not known"


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://[2001:db8::5]/x", ("2001:db8::5", 80)),
        ("https://[fd00::abcd]", ("fd00::abcd", 443)),
        ("http://[::1]:8080/", ("::1", 8080)),
        ("https://hooks.example/a:7", ("hooks.example", 443)),
    ],
)
def test_the_place(url: str, place: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """An IPv6 address has no port that is not named."""
    asked = []

    def connect(connection: HTTPConnection) -> None:
        asked.append((connection.host, connection.port))
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(HTTPConnection, "connect", connect)
    monkeypatch.setattr(HTTPSConnection, "connect", connect)
    with pytest.raises(HookError, match="Connection refused"):
        Post(url, 1.0).prepare(RECORD)()
    assert asked == [place]


@pytest.mark.parametrize("secure", [False, True])
def test_a_server_that_never_answers(serve: Serve, secure: bool, certificate: tuple[Path, Path]) -> None:
    """It is left alone when it has had its time, with TLS and without."""
    server = serve(b"", _context(certificate) if secure else None)
    run = Post(server.url(scheme="https" if secure else "http"), PATIENCE).prepare(RECORD)
    failures: list[str] = []

    def go() -> None:
        try:
            run()
        except HookError as error:
            failures.append(str(error))

    thread = threading.Thread(target=go, daemon=True)
    thread.start()
    assert soon(lambda: bool(server.requests))
    assert thread.is_alive()
    run.stop()
    thread.join(PATIENCE)
    assert len(failures) == 1
    assert server.over.wait(PATIENCE)
    run.stop()  # of what is over, nothing happens


def test_stop_before_it_has_begun(serve: Serve) -> None:
    """It is not posted."""
    server = serve(OK)
    run = Post(server.url(), PATIENCE).prepare(RECORD)
    run.stop()
    with pytest.raises(HookError):
        run()
    assert server.requests == []


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """That of 127.0.0.1, with its key; it is trusted."""
    file, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test -addext"
    subject = ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(file)]
    made = [need("openssl", "openssl"), *command.split(), *subject]
    subprocess.run(made, check=True, capture_output=True, timeout=PATIENCE)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    hook_post.trusted.cache_clear()
    yield file, key
    hook_post.trusted.cache_clear()


def _context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_https(serve: Serve, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificate has to be one that the system trusts."""
    server = serve(OK, _context(certificate))
    post(server.url(scheme="https"))
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == RECORD
    monkeypatch.setenv("SSL_CERT_FILE", "/dev/null")
    hook_post.trusted.cache_clear()
    assert "certificate verify failed" in why(server.url(scheme="https"))
