"""Between sessions and sockets: what an engine must do, whichever way it waits for packets.

:class:`~tftpd_tw.net.reactor_engine.ReactorEngine` does it with real sockets on a reactor,
:class:`tftpd_tw.testing.MemoryNetwork` with simulated ones. On the path of a block an address is the plain
tuple that the socket gave (``SocketAddress``); everywhere else it is an :class:`~tftpd_tw.interfaces.Address`.
"""

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Attribute, Interface

from tftpd_tw.interfaces import Address
from tftpd_tw.protocol.lifecycle import Burst

SocketAddress = tuple[Any, ...]
"""``(host, port)`` or ``(host, port, flow, scope)``, as :meth:`socket.socket.recvfrom` gives it."""

_MAPPED = "::ffff:"


def from_socket_address(raw: SocketAddress) -> Address:
    """The address in ``raw``; an IPv4 peer of an IPv6 socket becomes plain IPv4 (rule C155)."""
    host = raw[0]
    if host.startswith(_MAPPED) and "." in host:
        return Address(host[len(_MAPPED) :], raw[1])
    return Address(host, raw[1], raw[3] if len(raw) > 3 else 0)


def to_socket_address(address: Address, *, mapped: bool = False) -> SocketAddress:
    """What a socket of the address's own family calls it, or, ``mapped``, an IPv6 socket."""
    if ":" in address.host:
        return (address.host, address.port, 0, address.scope)
    return (_MAPPED + address.host, address.port, 0, 0) if mapped else (address.host, address.port)


class IRequestHandler(Interface):
    """Gets what arrives at a request port."""

    def request_received(
        datagram: bytes,
        peer: Address,
        local: Address,
        broadcast: bool,
        port: "IRequestSocket",
        interface: int,
    ) -> None:
        """``local`` is the address to answer from, ``port`` where it came; ``broadcast`` says that the request was
        sent to many; ``interface`` is the number of the one that it came in by, 0 if that is not known.
        """


class ISessionHandler(Interface):
    """Gets what happens to a session's socket."""

    def datagramReceived(datagram: bytes, peer: SocketAddress) -> None:
        """A packet came, from anybody."""

    def datagrams_received(datagrams: list[bytes], peer: SocketAddress) -> int:
        """At least one came, one after the other, where :meth:`ISessionSocket.expect` said that several might;
        returns how many more of the same window should follow at once.
        """

    def unreachable(peer: SocketAddress) -> None:
        """A host said that nobody listens on the port that we sent to."""

    def resume_sending() -> None:
        """After :meth:`ISessionSocket.wait_writable`: there is room again."""


class ISessionSocket(Interface):
    """The socket of one transfer: bound to one local address, not connected, since a packet from a stranger
    must be seen to be answered (RFC 1350 section 4).
    """

    address = Attribute("""The bound :class:`~tftpd_tw.interfaces.Address`.""")
    fallback: str = Attribute(
        """Why packets have to go through the kernel one by one, to it or from it: the name of the errno with which
        it refused to cut a burst, or to join one, such as ``EMSGSIZE``. Empty as long as it did not.
        """
    )

    def expect(size: int, count: int) -> None:
        """Datagrams may have ``size`` bytes, and ``count`` of them may come in a row."""

    def receive() -> None:
        """Hand over what has come by now, for whoever must not be late: a process that had to wait for its CPU has
        timers that are due and, behind them, the packets that they wait for.
        """

    def send(bursts: list[Burst], peer: SocketAddress) -> list[Burst]:
        """Send ``bursts``; what is returned did not fit into the socket's buffer. Anything else that goes
        wrong counts as loss.
        """

    def wait_writable() -> None:
        """Call the handler's ``resume_sending`` once there is room."""

    def close() -> None:
        """Free the port. The handler is not called any more."""


class IAnswers(Interface):
    """Where answers leave from: from a port of their own each, or all from the port that was asked."""

    def open_session(local: Address, peer: Address, handler: ISessionHandler) -> ISessionSocket:
        """A socket on ``local.host`` for a transfer with ``peer``.

        :raises OSError: descriptors or ports have run out, or ``peer`` has a transfer on this very port
        """

    def send_once(datagram: bytes, local: Address, peer: Address) -> None:
        """Send one packet, of no transfer. Never raises."""


class IRequestSocket(IAnswers):
    """An open request port. As :class:`IAnswers` it answers by itself: what then comes from ``peer`` to ``local``
    and is no request is the transfer's.
    """

    address = Attribute("""The bound :class:`~tftpd_tw.interfaces.Address`.""")
    single_port = Attribute("""Whether transfers stay on it, unless something else is said of one.""")
    closed: "Deferred[None]" = Attribute("""Fires when it is closed.""")

    def retire() -> None:
        """Take no more requests. It is closed once no transfer is on it."""

    def resume() -> None:
        """Take requests again: a retired port that is not closed yet."""


class IEngine(IAnswers):
    """Opens sockets and knows the time. As :class:`IAnswers` it takes a free port of ``local.host`` (or of any
    address, where that is empty).
    """

    clock: IReactorTime = Attribute("""Seconds and delayed calls.""")

    def listen(host: str, port: int, handler: IRequestHandler, single_port: bool = False) -> IRequestSocket:
        """Open a request port on the local address ``host``.

        :raises OSError: it is taken, not allowed, or not an address of this host
        """

    def path_mtu(local: Address, peer: Address) -> int | None:
        """Bytes of the largest IP packet that reaches ``peer`` in one piece, or None if not known."""


def joined(bursts: Iterable[Burst]) -> list[bytes]:
    """The datagrams in ``bursts``, for whoever sends or shows them one by one."""
    datagrams = []
    for burst in bursts:
        step = 1 if len(burst) == 1 else 2
        datagrams += [b"".join(burst[at : at + step]) for at in range(0, len(burst), step)]
    return datagrams
