"""Option negotiation (RFC 2347): what the client asked, and what it is granted.

The rule that real clients enforce: nothing that was not asked is in the OACK, nothing is above what was
asked, and ``timeout`` is echoed exactly or left out. An option that cannot be granted is left out too.
The client's spelling and order are kept.

:func:`negotiate` is the server's side, :func:`agree` the client's reading of the OACK that came back.
"""

import re
from collections.abc import Callable

from attrs import define, frozen

from tftpd_tw.protocol.blocks import Rollover
from tftpd_tw.protocol.errors import OptionRefused
from tftpd_tw.protocol.packets import Options

DEFAULT_BLKSIZE = 512
"""Payload bytes of a block when nothing was negotiated (RFC 1350)."""

MIN_BLKSIZE, MAX_BLKSIZE = 8, 65464
"""RFC 2348."""

MAX_WINDOWSIZE = 65535
"""RFC 7440."""

MAX_WINDOW_BYTES = 4 << 20
"""What a window may hold, so that a client cannot make the server buffer gigabytes (rule C134)."""

MAX_WINDOW_BLOCKS = 32767
"""Half of the numbers on the wire: beyond it an ACK could mean two blocks (rule C134)."""

MAX_TSIZE = (1 << 63) - 1
"""What a file system can count; a larger number is not a size."""

SHORTEST_TIMEOUT = 0.1
"""Seconds; a ``utimeout`` below is not granted, since it would only repeat what is on its way."""

# int() takes "1_000", "+5", " 5 " and Arabic digits; the wire has plain digits (rule K8).
_NUMBER = re.compile(rb"[0-9]{1,20}")


@frozen
class Policy:
    """The most that a server grants."""

    max_blksize: int = MAX_BLKSIZE
    """Payload bytes of a block."""
    max_windowsize: int = 64
    """Blocks."""
    refused: frozenset[bytes] = frozenset()
    """Lower-case names of options that are treated as unknown."""
    max_window_bytes: int = MAX_WINDOW_BYTES
    """Payload bytes of a window, and so of a block; at least :data:`DEFAULT_BLKSIZE`."""


@frozen
class Facts:
    """What is known of a transfer when its options are negotiated."""

    reading: bool
    """The client reads."""
    size: int | None = None
    """Bytes on the wire, for the ``tsize`` of a read; None where it is not known (netascii, a stream)."""
    max_blksize: int = MAX_BLKSIZE
    """Payload bytes of the largest block that reaches this client in one piece."""


@frozen
class Agreed:
    """The terms of one transfer."""

    blksize: int = DEFAULT_BLKSIZE
    """Payload bytes of a block."""
    windowsize: int = 1
    """Blocks sent before an ACK must come."""
    timeout: float | None = None
    """Seconds between repeats if the client asked for it, else None: the timer adapts."""
    tsize: int | None = None
    """Bytes of the file, if it was asked and is known."""
    rollover: Rollover = Rollover.TO_ZERO
    options: Options = ()
    """The pairs of the OACK; empty means that there is none."""


@define
class _Terms:
    """Terms being worked out; becomes :class:`Agreed`."""

    policy: Policy
    facts: Facts
    blksize: int = DEFAULT_BLKSIZE
    windowsize: int = 1
    timeout: float | None = None
    tsize: int | None = None
    rollover: Rollover = Rollover.TO_ZERO


# Each of these looks at one option, keeps what it grants, and returns the OACK's value, or None to leave it out.


def _blksize(terms: _Terms, asked: int) -> int | None:
    if asked < MIN_BLKSIZE:
        return None
    terms.blksize = min(asked, terms.policy.max_blksize, terms.policy.max_window_bytes, terms.facts.max_blksize)
    return terms.blksize


def _blksize2(terms: _Terms, asked: int) -> int | None:
    """tftp-hpa: like blksize, but a power of two."""
    granted = _blksize(terms, asked)
    if granted is not None:
        terms.blksize = granted = 1 << (granted.bit_length() - 1)
    return granted


def _windowsize(terms: _Terms, asked: int) -> int | None:
    if not 1 <= asked <= MAX_WINDOWSIZE:
        return None
    room = min(terms.policy.max_window_bytes, MAX_WINDOW_BYTES) // terms.blksize
    terms.windowsize = min(asked, terms.policy.max_windowsize, room, MAX_WINDOW_BLOCKS)
    return terms.windowsize


def _timeout(terms: _Terms, asked: int) -> int | None:
    if not 1 <= asked <= 255:
        return None
    terms.timeout = float(asked)
    return asked


def _utimeout(terms: _Terms, asked: int) -> int | None:
    """tftp-hpa: the timeout in microseconds."""
    seconds = asked / 1e6
    if not SHORTEST_TIMEOUT <= seconds <= 255:
        return None
    terms.timeout = seconds
    return asked


def _tsize(terms: _Terms, asked: int) -> int | None:
    if asked > MAX_TSIZE:
        return None
    terms.tsize = terms.facts.size if terms.facts.reading else asked
    return terms.tsize


def _rollover(terms: _Terms, asked: int) -> int | None:
    """tftp-hpa: the number after 65535."""
    if asked not in (0, 1):
        return None
    terms.rollover = Rollover(asked)
    return asked


# Two spellings of one thing: the first that is granted keeps the other out.
_RIVAL = {b"blksize": b"blksize2", b"blksize2": b"blksize", b"timeout": b"utimeout", b"utimeout": b"timeout"}

_REDUCIBLE = frozenset({b"blksize", b"blksize2", b"windowsize"})
"""What a server may grant less of than was asked."""

_GRANT: dict[bytes, Callable[[_Terms, int], int | None]] = {
    b"blksize": _blksize,
    b"blksize2": _blksize2,
    b"windowsize": _windowsize,
    b"timeout": _timeout,
    b"utimeout": _utimeout,
    b"tsize": _tsize,
    b"rollover": _rollover,
}


def negotiate(asked: Options, policy: Policy, facts: Facts) -> Agreed:
    """What the server grants of ``asked``. Never raises: what cannot be granted is left out."""
    terms = _Terms(policy, facts)
    granted: dict[bytes, bytes] = {}
    for name, value in _in_order(asked):
        known = name.lower()
        grant = _GRANT.get(known)
        if grant is None or known in policy.refused or not _NUMBER.fullmatch(value):
            continue
        if known not in granted and _RIVAL.get(known) not in granted:
            number = grant(terms, int(value))
            if number is not None:
                granted[known] = b"%d" % number
    # The first of each name is answered, where it stood.
    answered = [(name, granted.pop(name.lower())) for name, _ in asked if name.lower() in granted]
    return _agreed(terms, tuple(answered))


def announced_size(asked: Options) -> int | None:
    """The ``tsize`` of a write: the bytes that the client says it will send, if it says so."""
    for name, value in asked:
        if name.lower() == b"tsize" and _NUMBER.fullmatch(value) and int(value) <= MAX_TSIZE:
            return int(value)
    return None


def agree(asked: Options, oack: Options) -> Agreed:
    """The client's terms after an OACK.

    :raises OptionRefused: the server granted what was not asked, or more than was asked (RFC 2347)
    """
    wanted = {name.lower(): value for name, value in asked}
    terms = _Terms(Policy(max_windowsize=MAX_WINDOWSIZE), Facts(reading=False))
    for name, value in _in_order(oack):
        known = name.lower()
        grant = _GRANT.get(known)
        numbers = _NUMBER.fullmatch(value) and _NUMBER.fullmatch(wanted.get(known, b""))
        if grant is None or not numbers:
            raise OptionRefused(f"the server's OACK has {name!r} = {value!r}, which was not asked")
        number, most = int(value), int(wanted[known])
        too_much = number > most if known in _REDUCIBLE else known != b"tsize" and number != most
        if too_much or grant(terms, number) != number:
            raise OptionRefused(f"the server's OACK has {name!r} = {value!r}; asked was {most}")
    return _agreed(terms, oack)


def _in_order(options: Options) -> Options | list[tuple[bytes, bytes]]:
    """With windowsize last: its byte limit depends on blksize, wherever that stands in the packet."""
    return options if len(options) == 1 else sorted(options, key=_is_windowsize)


def _is_windowsize(pair: tuple[bytes, bytes]) -> bool:
    return pair[0].lower() == b"windowsize"


def _agreed(terms: _Terms, options: Options) -> Agreed:
    return Agreed(terms.blksize, terms.windowsize, terms.timeout, terms.tsize, terms.rollover, options)
