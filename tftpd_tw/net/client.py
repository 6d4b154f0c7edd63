"""A TFTP client over the same machines as the server.

::

    client = Client(ReactorEngine(reactor), Address("192.0.2.1", 69))
    writer = BytesWriter()
    done = await client.get(b"pxelinux.0", writer)
    print(f"{len(writer.data)} bytes in {done.seconds:.3f} seconds")

What fails fails with :class:`TransferFailed`, whatever it was. Names of hosts are looked up by :func:`resolve`, in
Twisted's resolver; a client itself takes an address.
"""

from ipaddress import IPv6Address, ip_address
from typing import Any

from attrs import field, frozen
from attrs.validators import ge, instance_of, le, optional
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from tftpd_tw.interfaces import Address, Direction, IReader, IWriter
from tftpd_tw.net.content import release
from tftpd_tw.net.engine import IEngine
from tftpd_tw.net.session import Session
from tftpd_tw.protocol.errors import Cancelled, TFTPError
from tftpd_tw.protocol.events import Ended, Reason
from tftpd_tw.protocol.lifecycle import Machine
from tftpd_tw.protocol.opening import Asking
from tftpd_tw.protocol.options import MAX_BLKSIZE, MAX_WINDOWSIZE, MIN_BLKSIZE, Agreed
from tftpd_tw.protocol.packets import Mode, Options
from tftpd_tw.protocol.text import escaped
from tftpd_tw.protocol.timing import Patience

BLOCK_SIZE = 1428
"""Payload bytes of a block that fits every Ethernet, and a tunnel or two."""


def _within(least: int, most: int) -> Any:
    return optional([instance_of(int), ge(least), le(most)])


@frozen
class Wishes:
    """The options that a client asks for; None leaves one out.

    :raises ValueError: one is outside its range, in which the RFCs have it
    :raises TypeError: one is no whole number
    """

    block_size: int | None = field(default=BLOCK_SIZE, validator=_within(MIN_BLKSIZE, MAX_BLKSIZE))
    """Payload bytes of a block, 8 to 65464."""
    window_size: int | None = field(default=16, validator=_within(1, MAX_WINDOWSIZE))
    """Blocks before an ACK, 1 to 65535."""
    timeout: int | None = field(default=None, validator=_within(1, 255))
    """Whole seconds between repeats, 1 to 255; without it both ends adapt."""
    size: bool = True
    """Ask for the size of the file, or tell it."""

    def options(self, tsize: int | None) -> Options:
        """As a request has them; ``tsize`` is its value, if there is one."""
        asked = (
            (b"blksize", self.block_size),
            (b"windowsize", self.window_size),
            (b"timeout", self.timeout),
            (b"tsize", tsize if self.size else None),
        )
        return tuple((name, b"%d" % value) for name, value in asked if value is not None)


_SAID: dict[str, str] = {
    Reason.NO_ANSWER: "no answer from the server",
    Reason.PEER_VANISHED: "the server stopped answering",
}
"""What the silence of the other end is to a client."""

SERVER_VANISHED = "server-vanished"
"""The reason of a transfer whose server answered and then fell silent."""

SILENT = frozenset({Reason.NO_ANSWER, SERVER_VANISHED})
"""Reasons of transfers whose server did not answer, or not any more."""


class TransferFailed(TFTPError):
    """A client's transfer did not complete."""

    def __init__(self, ended: Ended) -> None:
        """From the machine's word for it."""
        reason = ended.reason
        if reason == Reason.PEER_ERROR:
            text, reason = f"the server said ERROR {ended.code}: {escaped(ended.text)}", f"error:{ended.code}"
        elif reason in _SAID:
            text = _SAID[reason] + (": nobody listens on its port" if ended.unreachable else "")
        else:
            text = str(ended.error or "") or reason
        super().__init__(text)
        self.__cause__ = ended.error  # and of that what a reader or writer raised, if it was no TFTPError
        self.ended = ended
        """As the machine has it; the text of the server's ERROR is not escaped there."""
        self.reason = SERVER_VANISHED if reason == Reason.PEER_VANISHED else reason
        """Why, in a word: ``error:<code>`` of the server's ERROR, ``no-answer``, ``server-vanished``,
        ``no-socket``, or the ``reason`` of an error of :mod:`tftpd_tw.protocol.errors`, which happened here and is
        the ``__cause__``."""


@frozen
class Transferred:
    """A client's transfer that completed."""

    agreed: Agreed
    byte_count: int
    block_count: int
    retransmits: int
    """Packets sent again, the request included."""
    seconds: float
    round_trip: float | None
    """Smoothed, in seconds."""


class Transfer:
    """A client's transfer, from its request on: how far it is, and what becomes of it."""

    def __init__(self, client: "Client", asking: Asking, content: IReader | IWriter, size: int | None) -> None:
        """Begin; a :class:`Client` does this."""
        self._clock = client.engine.clock
        self._began = self._clock.seconds()
        self._asking = asking
        self._size = size
        self._dally = client.dally
        self._session = Session(client.engine, asking, client.server, content, on_ended=self._ended)
        self.done: Deferred[Transferred] = Deferred(lambda _: self._session.fail(Cancelled()))
        """Fires when the content is stored at its destination; fails with :class:`TransferFailed`. Cancelling it
        ends the transfer, and the server is told."""
        try:
            self._session.open(Address("", 0))
        except OSError as error:
            release(content)
            self._ended(Ended("no-socket", error=TFTPError(str(error))))
        else:
            self._session.start()

    @property
    def byte_count(self) -> int:
        """Bytes of payload so far: that have come in order, or that the server has acknowledged."""
        return self._machine.byte_count

    @property
    def size(self) -> int | None:
        """Bytes in all; None if not known, or of a read before the server has told it."""
        return self._machine.agreed.tsize if self._size is None else self._size

    @property
    def agreed(self) -> Agreed:
        """The terms; those of RFC 1350 until the server has answered."""
        return self._machine.agreed

    @property
    def retransmits(self) -> int:
        """Packets sent again so far, the request included."""
        return self._machine.retransmits

    @property
    def response_seconds(self) -> float | None:
        """From the request to the server's first answer, which may be an ERROR; None while there is none."""
        return self._asking.response_seconds

    @property
    def _machine(self) -> Machine:
        machine: Machine = self._session.machine
        return machine

    def _ended(self, outcome: Ended) -> None:
        if self.done.called:
            return  # cancelled from within a call of the session's
        if not outcome.succeeded:
            self.done.errback(TransferFailed(outcome))
            return
        if not self._dally:
            self._session.abandon()
        machine = self._machine
        self.done.callback(
            Transferred(
                machine.agreed,
                machine.byte_count,
                machine.block_count,
                machine.retransmits,
                self._clock.seconds() - self._began,
                machine.timer.round_trip,
            )
        )


def _canonical(address: Address) -> Address:
    """As the kernel writes it, since answers are told by the text of their address; mapped IPv4 as IPv4."""
    host = ip_address(address.host)
    mapped = host.ipv4_mapped if isinstance(host, IPv6Address) else None
    return address._replace(host=str(mapped or host))


@frozen
class Client:
    """Reads from and writes to one server."""

    engine: IEngine
    server: Address = field(converter=_canonical)
    wishes: Wishes = Wishes()
    patience: Patience = Patience()
    mode: Mode = field(default=Mode.OCTET)
    dally: bool = True
    """After a read, keep the socket open for some seconds, to acknowledge the last block once more if the first
    ACK was lost (RFC 1350 section 6). Otherwise such a server finds the port closed."""

    def get(self, name: bytes, writer: IWriter) -> "Deferred[Transferred]":
        """Read the file ``name`` into ``writer``: :attr:`Transfer.done` of :meth:`begin`."""
        return self.begin(Direction.READ, name, writer).done

    def put(self, name: bytes, reader: IReader) -> "Deferred[Transferred]":
        """Write what ``reader`` gives to the file ``name``; otherwise as :meth:`get`."""
        return self.begin(Direction.WRITE, name, reader).done

    def begin(self, direction: Direction, name: bytes, content: IReader | IWriter) -> Transfer:
        """Begin a transfer, to look at how far it is.

        :param content: an IWriter to read the file into, an IReader to write it from; the transfer ends it
        :raises ValueError: name and options do not fit into a request
        """
        reading = direction is Direction.READ
        size: int | None = None if reading else content.size  # type: ignore[union-attr]
        tsize = 0 if reading else size if self.mode is Mode.OCTET else None
        asking = Asking(
            reading=reading,
            name=name,
            mode=self.mode,
            options=self.wishes.options(tsize),
            patience=self.patience,
            size=size,
        )
        return Transfer(self, asking, content, size)


@implementer(IResolutionReceiver)
class _FirstAddress:
    """Takes the first address of a host."""

    def __init__(self, host: str, port: int, found: "Deferred[Address]") -> None:
        self._host = host
        self._port = port
        self._found = found

    def resolutionBegan(self, resolution: IHostResolution) -> None:
        """Nothing to do."""

    def addressResolved(self, address: object) -> None:
        """One address; the first is taken."""
        if not self._found.called:
            scope = getattr(address, "scopeID", 0)  # only IPv6 has one
            self._found.callback(Address(address.host, self._port, scope))  # type: ignore[attr-defined]

    def resolutionComplete(self) -> None:
        """There are no more."""
        if not self._found.called:
            self._found.errback(TFTPError(f"no address is known for host {self._host!r}"))


def resolve(resolver: IHostnameResolver, host: str, port: int = 69) -> "Deferred[Address]":
    """The address of ``host``; fails with TFTPError if it has none.

    :param resolver: ``reactor.nameResolver``, of a reactor that is typed
        ``IReactorPluggableNameResolver(reactor).nameResolver``
    """
    found: Deferred[Address] = Deferred()
    resolver.resolveHostName(_FirstAddress(host, port, found), host, port)
    return found
