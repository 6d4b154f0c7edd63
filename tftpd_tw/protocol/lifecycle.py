"""The life of a transfer, and what both ends of it share.

::

    OPENING --answered--> FLOWING --acknowledged--------------------> ENDED     a sender
    OPENING --answered--> FLOWING --last block--> STORING --stored--> DALLYING --dallied--> ENDED   a receiver
    OPENING, FLOWING, STORING --failed--> ENDED

A machine is driven by four calls that all take the time (``start``, ``datagram_received``, the answer to its
last event, ``timer_fired``), after each of which the shell takes its ``bursts()`` and ``events()`` and looks at
its ``deadline``. It raises only if the shell breaks this order, never because of what a peer sent.
"""

import enum
from abc import ABC, abstractmethod
from typing import Final

from attrs import evolve

from tftpd_tw.protocol.errors import BackendStalled, IllegalOperation, TFTPError
from tftpd_tw.protocol.events import Ended, Event, Reason
from tftpd_tw.protocol.options import MAX_WINDOW_BYTES, Agreed
from tftpd_tw.protocol.packets import Error, decode, encode_failure
from tftpd_tw.protocol.timing import RetransmitTimer

MAX_UNVERIFIED_SENDS: Final = 3
"""How often the first packet goes out to somebody who never answered: TFTP must not flood a third party (S030)."""

READ_AHEAD: Final = 32 << 10
"""Bytes of content that a transfer holds, if that is more than its windows need and not more than it may."""

MOST_HELD: Final = 2 * MAX_WINDOW_BYTES
"""Bytes of content that a transfer may hold, if nobody says otherwise: the largest window, and the next one."""

Burst = list[bytes | bytearray | memoryview]
"""What one system call sends: a lone packet, or header, payload, header, payload... of equal blocks
(only the last may be shorter)."""


class State(enum.Enum):
    """Where a transfer is."""

    OPENING = enum.auto()
    """The first packet is out and the peer has not answered it."""
    FLOWING = enum.auto()
    """Blocks go one way and ACKs the other."""
    STORING = enum.auto()
    """All blocks are here; the last ACK waits until they are stored."""
    DALLYING = enum.auto()
    """Done; only a lost last ACK is sent again (RFC 1350 section 6)."""
    ENDED = enum.auto()
    """Nothing will be sent any more."""


class Trigger(enum.Enum):
    """What moves a transfer on."""

    ANSWERED = enum.auto()
    LAST_BLOCK = enum.auto()
    STORED = enum.auto()
    ACKNOWLEDGED = enum.auto()
    DALLIED = enum.auto()
    FAILED = enum.auto()


TRANSITIONS: Final = {
    (State.OPENING, Trigger.ANSWERED): State.FLOWING,
    (State.OPENING, Trigger.FAILED): State.ENDED,
    (State.FLOWING, Trigger.ACKNOWLEDGED): State.ENDED,
    (State.FLOWING, Trigger.LAST_BLOCK): State.STORING,
    (State.FLOWING, Trigger.FAILED): State.ENDED,
    (State.STORING, Trigger.STORED): State.DALLYING,
    (State.STORING, Trigger.FAILED): State.ENDED,
    (State.DALLYING, Trigger.DALLIED): State.ENDED,
}
"""Every step there is. A pair that is not listed is a bug in this package, and raises KeyError."""

_UNFINISHED = frozenset({State.OPENING, State.FLOWING, State.STORING})

_ESTABLISHED = frozenset({State.FLOWING, State.STORING})

_NEEDS_PEER = frozenset({State.OPENING, State.FLOWING})
"""Once everything has come, a peer that leaves does not undo it."""


class Machine(ABC):
    """What the sender, the receiver and a client's opening have in common."""

    __slots__ = (
        "_progress_at",
        "agreed",
        "deadline",
        "happened",
        "outbox",
        "retransmits",
        "state",
        "timer",
    )

    def __init__(self, agreed: Agreed, timer: RetransmitTimer) -> None:
        self.agreed = agreed
        self.timer = timer
        self.state = State.OPENING
        self.deadline: float | None = None
        """When ``timer_fired`` wants to be called, or None."""
        self.retransmits = 0
        """Packets sent more than once."""
        self.outbox: list[Burst] = []
        """What ``bursts`` will give, to see at a glance whether there is any."""
        self.happened: list[Event] = []
        """The same for ``events``."""
        self._progress_at = 0.0

    @property
    @abstractmethod
    def byte_count(self) -> int:
        """Bytes of payload that the other end has acknowledged, or that have come in order."""

    @property
    @abstractmethod
    def block_count(self) -> int:
        """The same in blocks."""

    @abstractmethod
    def start(self, now: float) -> None:
        """Begin."""

    @abstractmethod
    def datagram_received(self, datagram: bytes, now: float) -> None:
        """Something came from the peer."""

    @abstractmethod
    def timer_fired(self, now: float) -> None:
        """``deadline`` has come; an early call does no harm."""

    def bursts(self) -> list[Burst]:
        """What to send now, in order. The buffers stay valid until the next call into the machine."""
        outbox, self.outbox = self.outbox, []
        return outbox

    def events(self) -> list[Event]:
        """What happened since the last call, in order."""
        happened, self.happened = self.happened, []
        return happened

    def busy(self, now: float) -> bool:
        """Whether the transfer is getting on: then a new request from its port must not end it (rule C096)."""
        return self.state in _ESTABLISHED and now - self._progress_at < self.timer.wait

    def outlasts_repeat(self, now: float) -> bool:
        """Whether the request that began it, when it comes again, is an old copy of that (rule C096).

        At a server with much to do a copy may wait for seconds, until the transfer has long begun, and a client
        with much to do may just then not answer. One that has really begun anew asks more than once.
        """
        return self.state in _ESTABLISHED and now - self._progress_at < self.timer.longest

    def fail(self, error: TFTPError) -> None:
        """End it because of ``error``, and tell the peer."""
        if self.state not in _UNFINISHED:
            return
        self.outbox.append([encode_failure(error)])
        self._end(Trigger.FAILED, Ended(error.reason, code=error.code, error=error))

    def peer_unreachable(self) -> None:
        """The peer's host said that nobody listens on its port (ICMP)."""
        if self.state in _NEEDS_PEER:
            self._end(Trigger.FAILED, evolve(self._silence(), unreachable=True))

    def abandon(self) -> None:
        """End it without a word: the client has begun another transfer from the same port (rule C096)."""
        if self.state in _UNFINISHED:
            self._end(Trigger.FAILED, Ended(Reason.SUPERSEDED))
        elif self.state is State.DALLYING:
            self._move(Trigger.DALLIED)
            self.deadline = None

    def _move(self, trigger: Trigger) -> None:
        self.state = TRANSITIONS[self.state, trigger]

    def _end(self, trigger: Trigger, outcome: Ended) -> None:
        self._move(trigger)
        self.deadline = None
        self.happened.append(outcome)

    def _other_packet(self, datagram: bytes) -> None:
        """Anything but the packet that carries this transfer: only an ERROR means something."""
        if self.state not in _NEEDS_PEER:
            return
        try:
            packet = decode(datagram)
        except IllegalOperation:
            return
        if isinstance(packet, Error):
            self._end(Trigger.FAILED, self._peer_error(packet))

    def _peer_error(self, error: Error) -> Ended:
        """What the peer's ERROR means just now."""
        return Ended(Reason.PEER_ERROR, error.code, error.text)

    def _silence(self) -> Ended:
        """What it means that the peer does not answer any more."""
        unheard = self.state is State.OPENING
        return Ended(Reason.NO_ANSWER if unheard else Reason.PEER_VANISHED)

    def _give_up(self) -> None:
        """The patience is over: with the peer, or with our own storage."""
        if self._stalled():
            self.fail(BackendStalled("no answer from the backend"))
        else:
            self._end(Trigger.FAILED, self._silence())

    def _stalled(self) -> bool:
        """Whether the transfer waits for our side rather than for the peer."""
        return False
