"""What a machine tells its shell, apart from the packets to send: events, and the words for how it ended."""

import enum

from attrs import frozen

from tftpd_tw.protocol.errors import TFTPError


class Reason(enum.StrEnum):
    """How a transfer ended, as seen by the protocol. A local failure has its error's own ``reason`` instead."""

    COMPLETED = "completed"
    LAST_ACK_MISSING = "last-ack-missing"
    """All was sent and only the last ACK did not come; some clients never send it (rule C099)."""
    SIZE_PROBE = "size-probe"
    """The client asked for the size, got it and left with an ERROR; UEFI does so at every boot (rule C044)."""
    NO_ANSWER = "no-answer"
    """The peer never said anything after its request; a spoofed request looks like this."""
    PEER_VANISHED = "client-vanished"
    """The peer fell silent, or its host says that nobody listens there any more."""
    SUPERSEDED = "superseded"
    """The client began another transfer from the same port."""
    PEER_ERROR = "client-error"
    """The peer sent an ERROR."""


class Event:
    """Anything that a machine has to say."""

    __slots__ = ()


@frozen
class Read(Event):
    """Up to this many bytes of content are wanted next; answer with ``blocks_read``. One at a time."""

    length: int


@frozen
class Write(Event):
    """Content to store; answer with ``blocks_written``, after publishing it if ``final``. One at a time."""

    data: bytes
    final: bool


@frozen
class Ended(Event):
    """The outcome is known. The machine may still have something to send, and answers a lost last ACK."""

    reason: str
    """A value of :class:`Reason`, or the ``reason`` of a class of the error tree."""
    code: int | None = None
    """The code of the ERROR that ended it, whoever sent it."""
    text: bytes = b""
    """The text of the peer's ERROR."""
    error: TFTPError | None = None
    """The local failure, or the peer's breach of the protocol."""
    unreachable: bool = False
    """The peer's host said that nobody listens there (ICMP), so that it is not the network that is silent."""

    @property
    def succeeded(self) -> bool:
        """The content arrived, as far as anyone can know."""
        return self.reason in _SUCCESSES


_SUCCESSES = frozenset({Reason.COMPLETED, Reason.LAST_ACK_MISSING})
