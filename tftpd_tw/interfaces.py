r"""What a backend provides, and what it is asked: the seam between the protocol and the content.

A backend is an object with two methods. This one is complete::

    @implementer(IBackend)
    class Greetings:
        def open_read(self, request):
            return BytesReader(b"hello " + request.client.host.encode() + b"\n")

        def open_write(self, request):
            raise AccessViolation("greetings cannot be changed")

Rules that hold for every method here:

* All are called in the reactor thread and must not block it. What could wait for a disk or a network
  returns a :class:`~twisted.internet.defer.Deferred` (or is an ``async def``); what has its answer at hand
  returns it as it is, which costs nothing.
* To refuse or to fail, raise (or fail the Deferred with) a class of :mod:`tftpd_tw.protocol.errors`: the
  client gets its code and fixed text, the log your message. Any other exception is logged with its
  traceback, and the client gets ERROR 0.
"""

import enum
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeAlias, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from tftpd_tw.protocol.errors import TFTPError
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.packets import Mode, Options

T = TypeVar("T")

Eventually: TypeAlias = Deferred[T] | Coroutine[Any, Any, T] | T
"""What a method gives that may take time: the answer itself, a Deferred of it, or an ``async def``'s coroutine."""

Buffer = bytes | bytearray | memoryview
"""Bytes of content. Whoever gets one does not change it, and whoever gave it does not change it later."""


class Address(NamedTuple):
    """One end of a transfer."""

    host: str
    """IPv4 or IPv6 in text; an IPv4 client of an IPv6 socket is shown as IPv4."""
    port: int
    scope: int = 0
    """The interface's index for a link-local IPv6 address, else 0."""

    def __str__(self) -> str:
        host = f"{self.host}%{self.scope}" if self.scope else self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class Direction(enum.StrEnum):
    """Seen from the client, as the packets' names are."""

    READ = "read"
    WRITE = "write"


@frozen
class Request:
    """What a client asks for."""

    direction: Direction
    name: bytes
    """The file's name as it came: any bytes but NUL, never empty. See :mod:`tftpd_tw.backends.names`."""
    mode: Mode
    options: Options
    """What was asked, in the client's order and spelling; the first of each name."""
    client: Address
    local: Address
    """The address that was asked, and that answers."""
    size: int | None = None
    """For a write: the size in bytes that the client announced (``tsize``), if it did. Not to be trusted."""
    broadcast: bool = False
    """The request was sent to everybody on the network: it gets content, but no ERROR if there is none."""
    interface: int = 0
    """The number of the network interface that it came in by; 0 if the system does not tell."""


@frozen
class Source:
    """Where the content of a transfer comes from, or where it goes: for records, the page and the commands."""

    backend: str
    """The kind of backend: ``directory``, ``memory``."""
    name: bytes
    """What that calls it: of a directory the path of the file."""


class IReader(Interface):
    """Content being read. Belongs to one transfer.

    A reader or writer may also have an attribute ``source``, a :class:`Source`, for whoever wants to know.
    """

    size: int | None = Attribute(
        """Bytes in all, or None if not known. Where it is known, the transfer ends after that many bytes,
        and content that ends earlier makes it fail."""
    )

    def read(offset: int, length: int) -> Eventually[Buffer]:
        """Up to ``length`` bytes from ``offset``; empty only at the end.

        Calls come one at a time, each from where the one before ended. ``length`` is 512 to some megabytes.
        """

    def close() -> None:
        """No more will be read; release everything. Called exactly once, maybe while a Deferred of
        :meth:`read` is still waiting, whose result is then ignored.
        """


class IWriter(Interface):
    """Content being stored. Belongs to one transfer. Nothing is visible to others before :meth:`finish`."""

    def write(data: Buffer) -> Eventually[None]:
        """Store ``data`` after what came before. Calls come one at a time; while a Deferred waits, the
        client is made to wait too.
        """

    def finish() -> Eventually[None]:
        """All is there: make it durable and visible. Only then is the client told that it succeeded."""

    def cancel() -> Eventually[None]:
        """Leave nothing behind. Called at most once: instead of :meth:`finish`, or after it failed, maybe while a
        Deferred of either method is still waiting. What :meth:`finish` has published by then stays.
        """


class IBackend(Interface):
    """Where content comes from and goes to.

    A Deferred that is returned here is cancelled when the client is gone before it fires. If the work behind it
    cannot be stopped, what it brings all the same must be released by the backend itself;
    :func:`tftpd_tw.backends.threads.shielded` does that.
    """

    def open_read(request: Request) -> "Eventually[IReader]":
        """The content for ``request``. Its size must be known now, since the answer to the client may promise
        it; name and permission are settled here too, because some clients hang on a later ERROR (rule C031).
        """

    def open_write(request: Request) -> "Eventually[IWriter]":
        """A place for what the client will send. ``request.size`` larger than what there is room for should
        fail with :class:`~tftpd_tw.protocol.errors.DiskFull` here, before any data.
        """


RunBlocking = Callable[..., "Deferred[object]"]
"""``run(function, *arguments)``: call it where it may block, and return a Deferred of the result.

In the daemon that is a thread of its own pool; in a test it can be :func:`twisted.internet.defer.maybeDeferred`.
"""


@frozen
class Refusal:
    """Why a request is not served."""

    reason: str
    """A word for the log: ``denied-by-rule:<name>``."""
    error: TFTPError | None
    """What the client is told; None: nothing, as if nobody were there."""


class IAuthorizer(Interface):
    """Says who may do what, before the backend is asked."""

    def refusal(request: Request) -> Refusal | None:
        """Why ``request`` is not served; None if it may be. Must be quick, and should not raise: then nobody is
        served, and gets ERROR 0.
        """


class Outcome(enum.StrEnum):
    """What became of a request, in one of six words."""

    COMPLETED = "completed"
    FAILED = "failed"
    """It began and did not end well."""
    REFUSED = "refused"
    """It did not begin: no such file, not allowed, no room."""
    SIZE_PROBE = "size-probe"
    """The client only wanted to know the size."""
    UNANSWERED = "unanswered"
    """The client never reacted to the answer; a spoofed request ends so."""
    IGNORED = "ignored"
    """It got no answer, because a rule or a limit has it so, or for want of a socket."""


@frozen
class TransferRecord:
    """One finished transfer, or one request that none came of: what an operator wants to know of it."""

    request: Request
    agreed: Agreed | None
    """The negotiated terms; None if it did not come to that."""
    outcome: Outcome
    reason: str
    """Why, in a word: a :class:`~tftpd_tw.protocol.events.Reason`, or the ``reason`` of an error of
    :mod:`tftpd_tw.protocol.errors`; ``denied-by-rule:<name>``, or the name of a limit. Of what is ignored also
    ``no-socket:<errno>``, and ``port-in-use`` where the client has a transfer on the very port that it asks."""
    detail: str = ""
    """What only the log may say: an exception's message, the text of the client's ERROR. Not escaped."""
    byte_count: int = 0
    """Bytes of payload that the client acknowledged, or that came from it in order."""
    block_count: int = 0
    """Blocks that the client acknowledged, or that came from it in order."""
    retransmits: int = 0
    """Packets that were sent again."""
    seconds: float = 0.0
    """From the request to the end."""
    response_seconds: float | None = None
    """From the request to the first packet of the answer; None if there was none."""
    round_trip: float | None = None
    """Smoothed, in seconds; None if nothing could be measured."""
    source: Source | None = None
    """Where the content was; None if it did not come to that, or the backend does not say."""
    profile: str = ""
    """Which of the profiles it was treated by; empty for none."""
    burst_fallback: str = ""
    """Why its packets went through the kernel one by one, though windows go in one piece where that works: the
    name of an errno, such as ``EMSGSIZE``; empty if nothing was refused."""


class ITransfer(Interface):
    """A transfer in progress, for whoever counts or shows it. Once it is over its record says more: what it shows
    itself is gone with its socket.
    """

    request: Request = Attribute("""What the client asked.""")
    agreed: Agreed = Attribute("""The negotiated terms.""")
    source: Source | None = Attribute("""Where the content is; None if the backend does not say.""")
    profile: str = Attribute("""Which of the profiles it is treated by; empty for none.""")
    began: float = Attribute("""When the request came, in seconds of the engine's clock.""")
    byte_count: int = Attribute("""Bytes of payload so far.""")
    block_count: int = Attribute("""Blocks so far.""")
    retransmits: int = Attribute("""Packets sent again so far.""")
    round_trip: float | None = Attribute("""Smoothed, in seconds; None if nothing could be measured yet.""")
    verified: bool = Attribute("""Whether the client has answered once.""")


class ITransferObserver(Interface):
    """Is told what happens, for counters and logs, in the reactor thread and in the middle of serving: must be
    quick. What it raises is logged, and changes nothing else.
    """

    def transfer_started(transfer: ITransfer) -> None:
        """A session begins."""

    def transfer_ended(transfer: ITransfer, record: TransferRecord) -> None:
        """Its outcome is known. Called once for each that started."""

    def request_refused(record: TransferRecord) -> None:
        """No session came of a request. Anybody can cause this at any rate."""

    def error_sent(code: int) -> None:
        """An ERROR packet with this code left."""

    def datagram_dropped(why: str, sender: Address, detail: str) -> None:
        """Something arrived at the request port that is no request; ``why`` is one word of a fixed list,
        ``detail`` what is wrong with one that is malformed. Anybody can cause this at any rate.
        """
