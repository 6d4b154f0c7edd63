"""One request, and the first answer that each server gives to it."""

from collections.abc import Mapping

from attrs import frozen

HPA, ATFTPD, DNSMASQ = OTHERS = ("tftpd-hpa", "atftpd", "dnsmasq")
VERSIONS = {HPA: "5.2", ATFTPD: "0.8.0", DNSMASQ: "2.90"}
"""Those whose answers are here, from Debian 12."""

NOTHING = "nothing"
READ, WRITE = 1, 2

ROOT, OUTSIDE = b"{root}", b"{outside}"
"""In a packet: the path of the served folder, and of a file beside it."""


@frozen
class Case:
    """A request, and what comes of it."""

    what: str
    """What is asked, for people."""
    packet: bytes
    ours: str
    """As :func:`comparing.answer` has it."""
    others: Mapping[str, str] = {}
    """Those that answer otherwise."""
    why: str = ""
    """The rule that ours follows, where others do otherwise."""
    note: str = ""
    """What a user of these may notice, and what helps; most differences are noticed by nobody."""

    def answer_of(self, server: str) -> str:
        """That server's."""
        return self.others.get(server, self.ours)


TAKES_NONE = "dnsmasq takes no uploads"


def upload(
    what: str, packet: bytes, ours: str, others: Mapping[str, str] = {}, why: str = TAKES_NONE, note: str = ""
) -> Case:
    """A case of a write request, all of which dnsmasq refuses."""
    return Case(what, packet, ours, {**others, DNSMASQ: "ERROR 4"}, why, note)


def everywhere(answer: str) -> dict[str, str]:
    """All others give this answer."""
    return dict.fromkeys(OTHERS, answer)


def read(name: bytes = b"file", *words: bytes, mode: bytes = b"octet") -> bytes:
    """A read request; ``words`` are options and values."""
    return _request(READ, name, mode, words)


def write(name: bytes, *words: bytes, mode: bytes = b"octet") -> bytes:
    """A write request."""
    return _request(WRITE, name, mode, words)


def asking(option: str, value: object, *more: bytes) -> bytes:
    """A read request with this option."""
    return read(b"file", option.encode(), str(value).encode(), *more)


def _request(opcode: int, name: bytes, mode: bytes, words: tuple[bytes, ...]) -> bytes:
    return b"\0%c" % opcode + b"".join(word + b"\0" for word in (name, mode, *words))
