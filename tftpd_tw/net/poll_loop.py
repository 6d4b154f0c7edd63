"""A poll loop of our own, inside the reactor's: what makes lockstep transfers cheap on Linux.

All sockets of the daemon are in one :class:`select.epoll`, and that is the only thing the reactor watches. When
something is ready, the loop serves it and goes on waiting by itself for a moment, since a client's next ACK
mostly follows within one. That saves, for each ACK, a turn of the reactor and two system calls. It returns to
the reactor when nothing comes, when its slice of time is over, and when the reactor is woken: by a thread that
has finished, or by a signal.

Falling asleep and waking up costs more than a block does, in CPU and in delay, most of all in a virtual machine.
A client on a fast network answers sooner than that. So the loop looks again and again for some microseconds before
it sleeps, for as long as that finds something. Clients that are farther away never pay off, and the loop stops
trying but for one wait in sixty-four. Each look yields the CPU to whoever else wants it.

To the sockets the loop is a reactor: it has the four methods that they use.
"""

import os
import select
import time
from typing import Any, Protocol

from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

log = Logger()

SLICE = 0.004
"""Seconds after which the reactor has its turn, however much there is to do: its timers are no more precise."""

LINGER = 0.001
"""Seconds to wait for more before returning to the reactor; the finest that epoll knows."""

READY_AT_ONCE = 256
"""Sockets served between two looks at the clock."""

SPIN = 50e-6
"""Seconds to look for more before falling asleep."""

SPINS_IN_VAIN = 8
"""After so many in a row it does not pay off."""

TRY_AGAIN = 64
"""Waits until the next try."""

_IN, _OUT, _ERROR = select.EPOLLIN, select.EPOLLOUT, select.EPOLLERR | select.EPOLLHUP


class Descriptor(Protocol):
    """What a socket in the loop provides."""

    def fileno(self) -> int:
        """Its number while it is open."""

    def doRead(self) -> None:
        """Something has come."""

    def doWrite(self) -> None:
        """There is room."""

    def read_errors(self) -> None:
        """The kernel has an ICMP error for it."""

    def close(self) -> None:
        """Close it."""


def can_poll(reactor: Any) -> bool:
    """Whether the loop can work inside ``reactor``: epoll, and a bell that threads and signals ring."""
    return hasattr(select, "epoll") and hasattr(reactor, "addReader") and hasattr(reactor, "waker")


@implementer(IReadDescriptor)
class PollLoop:
    """Watches descriptors for ``reactor``."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._epoll = select.epoll()
        self._watched: dict[int, tuple[Descriptor, int]] = {}
        self._waker = reactor.waker.fileno()
        self._waits = 0
        self._spins_in_vain = 0
        self._epoll.register(self._waker, _IN)
        reactor.addReader(self)

    running = True

    def fileno(self) -> int:
        """The loop's own descriptor, which is readable when one of its sockets is ready."""
        return self._epoll.fileno() if not self._epoll.closed else -1

    @property
    def busy(self) -> bool:
        """Whether any socket is watched."""
        return bool(self._watched)

    def addReader(self, descriptor: Descriptor) -> None:
        """Call ``doRead`` when something comes."""
        self._watch(descriptor, _IN, 0)

    def addWriter(self, descriptor: Descriptor) -> None:
        """Call ``doWrite`` when there is room."""
        self._watch(descriptor, _OUT, 0)

    def removeReader(self, descriptor: Descriptor) -> None:
        """Do not call ``doRead`` any more."""
        self._watch(descriptor, 0, _IN)

    def removeWriter(self, descriptor: Descriptor) -> None:
        """Do not call ``doWrite`` any more."""
        self._watch(descriptor, 0, _OUT)

    def _watch(self, descriptor: Descriptor, more: int, less: int) -> None:
        number = descriptor.fileno()
        before = self._watched.get(number, (descriptor, 0))[1]
        after = before & ~less | more
        if after == before:
            return
        if not before:
            self._epoll.register(number, after)
        elif after:
            self._epoll.modify(number, after)
        else:
            self._epoll.unregister(number)
            del self._watched[number]
            return
        self._watched[number] = (descriptor, after)

    def doRead(self) -> None:
        """Serve what is ready, and what becomes ready while we are at it."""
        watched, waker = self._watched, self._waker
        end = time.monotonic() + SLICE
        ready = self._epoll.poll(0, READY_AT_ONCE)
        while ready:
            woken = False
            for number, events in ready:
                found = watched.get(number)
                if found is None:
                    # Closed since by another's turn, or the reactor's own bell.
                    woken = woken or number == waker
                    continue
                try:
                    if events & _IN:
                        found[0].doRead()
                    elif events & _ERROR:
                        found[0].read_errors()
                    if events & _OUT and number in watched:
                        found[0].doWrite()
                except Exception:
                    log.failure("A socket's handler failed")
            if woken or self._epoll.closed or time.monotonic() >= end:
                return
            ready = self._wait()

    def _wait(self) -> list[tuple[int, int]]:
        """What becomes ready within :data:`LINGER`."""
        poll = self._epoll.poll
        if self._spins_in_vain >= SPINS_IN_VAIN:
            self._waits += 1
            if self._waits % TRY_AGAIN:
                return poll(LINGER, READY_AT_ONCE)
        ready = poll(0, READY_AT_ONCE)
        if ready:
            return ready
        end = time.monotonic() + SPIN
        while time.monotonic() < end:
            os.sched_yield()
            ready = poll(0, READY_AT_ONCE)
            if ready:
                self._spins_in_vain = 0
                return ready
        self._spins_in_vain += 1
        return poll(LINGER, READY_AT_ONCE)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor is stopping."""
        self.close()

    def logPrefix(self) -> str:
        """A name for the log."""
        return "tftp"

    def close(self) -> None:
        """Close all sockets, and stop watching."""
        for descriptor, _ in list(self._watched.values()):
            descriptor.close()
        self._watched.clear()
        self._reactor.removeReader(self)
        self._epoll.close()
