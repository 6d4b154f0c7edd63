"""A TFTP client over the same machines as the server.

::

    client = Client(ReactorEngine(reactor), Address("192.0.2.1", 69))
    writer = BytesWriter()
    done = await client.get(b"pxelinux.0", writer)

Names of hosts are looked up by :func:`resolve`, in Twisted's resolver; a client itself takes an address.
"""

from ipaddress import IPv6Address, ip_address

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from tftpd_tw.interfaces import Address, IReader, IWriter
from tftpd_tw.net.content import release
from tftpd_tw.net.engine import IEngine
from tftpd_tw.net.session import Session
from tftpd_tw.protocol.errors import TFTPError
from tftpd_tw.protocol.events import Ended, Reason
from tftpd_tw.protocol.opening import Asking
from tftpd_tw.protocol.options import Agreed
from tftpd_tw.protocol.packets import Mode, Options
from tftpd_tw.protocol.timing import Patience


@frozen
class Wishes:
    """The options that a client asks for; None leaves one out."""

    block_size: int | None = 1428
    """Payload bytes of a block; the default fits every Ethernet, and a tunnel or two."""
    window_size: int | None = 16
    """Blocks before an ACK."""
    timeout: int | None = None
    """Whole seconds between repeats; without it both ends adapt."""
    size: bool = True
    """Ask for the size of the file, or tell it."""


class TransferFailed(TFTPError):
    """A client's transfer did not complete."""

    def __init__(self, ended: Ended) -> None:
        """From the machine's word for it."""
        text = ended.text.decode("latin-1") or (str(ended.error) if ended.error else "")
        remote = f"the server said ERROR {ended.code}: {text}"
        super().__init__(remote if ended.reason == Reason.PEER_ERROR else text or ended.reason)
        self.ended = ended
        """Reason, and the code and text of the server's ERROR if there was one."""


@frozen
class Transferred:
    """A client's transfer that completed."""

    agreed: Agreed
    byte_count: int
    block_count: int
    retransmits: int
    seconds: float
    round_trip: float | None
    """Smoothed, in seconds."""


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

    def get(self, name: bytes, writer: IWriter) -> "Deferred[Transferred]":
        """Read the file ``name`` into ``writer``.

        :returns: fires when it is stored; fails with :class:`TransferFailed`. Cancelling it ends the transfer.
        :raises ValueError: name and options do not fit into a request
        """
        return self._transfer(True, name, writer, 0 if self.wishes.size else None)

    def put(self, name: bytes, reader: IReader) -> "Deferred[Transferred]":
        """Write what ``reader`` gives to the file ``name``; otherwise as :meth:`get`."""
        announced = reader.size if self.wishes.size and self.mode is Mode.OCTET else None
        return self._transfer(False, name, reader, announced, reader.size)

    def _transfer(
        self,
        reading: bool,
        name: bytes,
        content: IReader | IWriter,
        tsize: int | None,
        size: int | None = None,
    ) -> "Deferred[Transferred]":
        clock = self.engine.clock
        began = clock.seconds()
        asking = Asking(
            reading=reading,
            name=name,
            mode=self.mode,
            options=self._options(tsize),
            patience=self.patience,
            size=size,
        )

        def ended(outcome: Ended) -> None:
            if done.called:
                return
            if not outcome.succeeded:
                done.errback(TransferFailed(outcome))
                return
            machine = session.machine
            done.callback(
                Transferred(
                    machine.agreed,
                    machine.byte_count,
                    machine.block_count,
                    machine.retransmits,
                    clock.seconds() - began,
                    machine.timer.round_trip,
                )
            )

        done: Deferred[Transferred] = Deferred(lambda _: session.fail(TFTPError("cancelled")))
        session = Session(self.engine, asking, self.server, content, on_ended=ended)
        try:
            session.open(Address("", 0))
        except OSError as error:
            release(content)
            ended(Ended("no-socket", error=TFTPError(str(error))))
        else:
            session.start()
        return done

    def _options(self, tsize: int | None) -> Options:
        wishes = self.wishes
        asked = (
            (b"blksize", wishes.block_size),
            (b"windowsize", wishes.window_size),
            (b"timeout", wishes.timeout),
            (b"tsize", tsize),
        )
        return tuple((name, b"%d" % value) for name, value in asked if value is not None)


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
    """The address of ``host``, by ``reactor.nameResolver``; fails with TFTPError if it has none."""
    found: Deferred[Address] = Deferred()
    resolver.resolveHostName(_FirstAddress(host, port, found), host, port)
    return found
