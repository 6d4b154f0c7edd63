"""What lies between simulated hosts: it loses packets, doubles them and lets them wait, all from one seed.

The fate of a packet is decided when it is sent. Where it arrives is decided when it arrives: at a session's port,
at a request port, or at none, which comes back to the sender as ICMP does.
"""

import random
from collections.abc import Callable, Iterator
from itertools import count

from attrs import Factory, define, field
from twisted.internet.task import Clock

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import to_socket_address
from tftpd_tw.testing.sockets import MemoryRequestSocket, MemorySessionSocket

_IP_AND_UDP = 28

_REQUESTS = frozenset({b"\0\1", b"\0\2"})


@define(eq=False)
class Wire:
    """Ports of all hosts, what lies between them, and the time."""

    loss: float = 0.0
    """The share of packets that are lost, 0 to 1."""
    duplication: float = 0.0
    """The share that arrives twice."""
    reordering: float = 0.0
    """The share that is overtaken by those sent up to four delays later."""
    delay: float = 0.001
    """Seconds from host to host."""
    jitter: float = 0.0
    """Up to this many seconds more, evenly spread."""
    mtu: int = 65536
    """Bytes of an IP packet; a larger one is lost without a word, as in a broken tunnel."""
    seed: int = 0
    drop: Callable[[bytes], bool] = lambda datagram: False
    """A script: datagrams for which it is true are lost."""
    clock: Clock = field(init=False, factory=Clock)
    """Simulated time."""
    sent: list[tuple[Address, Address, bytes]] = field(init=False, factory=list)
    """Everything that was sent, lost or not: from, to, datagram."""
    request_sockets: dict[tuple[str, int], MemoryRequestSocket] = field(init=False, factory=dict)
    """The open ones, by host and port."""
    session_sockets: dict[tuple[str, int], MemorySessionSocket] = field(init=False, factory=dict)
    """The open ones that have a port of their own, by host and port."""
    _random: random.Random = field(
        init=False, default=Factory(lambda self: random.Random(self.seed), takes_self=True)
    )
    _ports: Iterator[int] = field(init=False, factory=lambda: count(49152))

    def transmit(self, datagram: bytes, source: Address, destination: Address) -> None:
        """Decide the fate of one packet."""
        self.sent.append((source, destination, datagram))
        chance = self._random.random
        too_large = len(datagram) + _IP_AND_UDP > self.mtu
        if too_large or self.drop(datagram) or (self.loss and chance() < self.loss):
            return
        copies = 2 if self.duplication and chance() < self.duplication else 1
        for _ in range(copies):
            delay = self.delay + (self.jitter * chance() if self.jitter else 0.0)
            if self.reordering and chance() < self.reordering:
                delay += 4 * self.delay
            self.clock.callLater(delay, self._arrive, datagram, source, destination)

    def _arrive(self, datagram: bytes, source: Address, destination: Address) -> None:
        where = (destination.host, destination.port)
        request = self.request_sockets.get(where)
        session = self._session_between(destination, source)
        if session is not None and (request is None or datagram[:2] not in _REQUESTS):
            session.handler.datagramReceived(datagram, to_socket_address(source))
        elif request is not None:
            request.received(datagram, source)
        # Else ICMP port unreachable, which only a session notices.
        elif (sender := self._session_between(source, destination)) is not None:
            self.clock.callLater(self.delay, sender.port_unreachable, destination)

    def _session_between(self, local: Address, peer: Address) -> MemorySessionSocket | None:
        """The session that has the port ``local``, for itself or for what comes from ``peer``."""
        request = self.request_sockets.get((local.host, local.port))
        if request is not None:
            return request.sessions.get(peer)
        return self.session_sockets.get((local.host, local.port))

    def free_port(self) -> int:
        """A port that nobody has had."""
        return next(self._ports)
