"""The request ports that are open, and how they change when the settings do.

A change has two steps, since nothing may change if a part of it fails: :meth:`RequestPorts.open` opens what is
new, and then :meth:`RequestPorts.finish` retires what is not wanted any more, or :meth:`RequestPorts.undo` what
was opened. A port that is in both is not touched, so that nothing is lost of what waits in it, nor of the
transfers that stay on it; whether others will is what its place says.

A retired port may still have such transfers, which only those know who serve on it. All its sockets stay open
until :meth:`RequestPorts.release` says that nobody has any: the kernel would deal the clients anew if one of
several were closed. Where the address is wanted again meanwhile, the same sockets come back.

A new address may overlap with one that goes, as ``::`` and ``127.0.0.1`` do on the same port, and both are open
for a moment. While the new one is being bound, both have ``SO_REUSEADDR``; afterwards neither does, so that no
other program can join.

An interface that goes and comes again is another one to the kernel, though its name is the same: a socket that was
bound to the old one hears nothing any more, and is replaced.

Sockets that were inherited replace the addresses of the settings, for good. Whether transfers stay on them is as
the section says.
"""

import socket
from collections.abc import Container, Sequence

from attrs import frozen
from twisted.logger import Logger

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import from_socket_address
from tftpd_tw.service.configuration import Network
from tftpd_tw.service.opening import OpenError, Place, open_request_sockets, places, share

log = Logger()

Group = list[socket.socket]
"""Sockets on one address, one for each worker."""

Port = tuple[Place, Group]
"""What the settings say, where the number may be 0, for any; and what has come of it."""


@frozen
class Change:
    """What has come, and what is to go."""

    before: Sequence[Port]
    after: Sequence[Port]
    opened: Sequence[Port]
    """Those that are new, or back."""
    closing: Sequence[Port]


class RequestPorts:
    """Groups of ``each`` sockets.

    :param inherited: serve these, whatever the settings say
    :raises OpenError: they cannot be shared by ``each``
    """

    def __init__(self, each: int = 1, inherited: Sequence[socket.socket] = ()) -> None:
        self._each = each
        self._inherited = _in_groups(inherited, each)
        self.all: Sequence[Port] = ()
        """Those that take requests."""
        self._retired: list[Port] = []

    @property
    def groups(self) -> list[Group]:
        """Their sockets."""
        return [group for _, group in self.all]

    @property
    def places(self) -> tuple[Place, ...]:
        """Where they are, as the settings say it."""
        return tuple(place for place, _ in self.all)

    @property
    def addresses(self) -> list[Address]:
        """Where they are."""
        return [bound(group) for group in self.groups]

    def open(self, network: Network) -> Change:
        """Open what ``network`` has and is not open yet; that comes last.

        :raises OpenError: some of it cannot be opened, and nothing is then
        """
        before = self.all
        if self._inherited:
            after = [(_place(group, network), group) for group in self._inherited]
            self.all = after
            return Change(before, after, (), ())
        there = dict(before)
        wanted = dict.fromkeys(place.numbered() for place in places(network))
        retired = dict(self._retired)
        staying = [(place, there[place]) for place in wanted if place in there]
        back = [(place, retired[place]) for place in wanted if place in retired and place not in there]
        closing = [(place, group) for place, group in before if place not in wanted]
        new = [place for place in wanted if place not in there and place not in retired]
        going = [sock for _, group in (*closing, *self._retired) for sock in group]
        _allow_beside(going, True)
        try:
            sockets = open_request_sockets(new, self._each, beside=bool(going))
        finally:
            _allow_beside(going, False)
        opened = [*back, *zip(new, sockets, strict=True)]
        self._retired = [port for port in self._retired if port not in back]
        self.all = [*closing, *staying, *opened]
        return Change(before, [*staying, *opened], opened, closing)

    def finish(self, change: Change) -> None:
        """Retire what is not wanted any more."""
        self.all = change.after
        self._retired += change.closing
        for _, group in change.closing:
            log.info("closed UDP {address}; transfers that began there go on", address=str(bound(group)))

    def undo(self, change: Change) -> None:
        """Retire what has been opened."""
        self.all = [port for port in change.before if port in self.all]
        self._retired += change.opened

    def retire(self) -> None:
        """Retire all."""
        self._retired += self.all
        self.all = ()

    def release(self, staying: Container[Place]) -> None:
        """Close what is retired, but where transfers are ``staying``."""
        for place, group in self._retired:
            if place not in staying:
                _close(group)
        self._retired = [(place, group) for place, group in self._retired if place in staying]

    def close(self) -> None:
        """Close all."""
        self.retire()
        self.release(())
        for group in self._inherited:
            _close(group)
        self._inherited = []


def bound(group: Group) -> Address:
    """Where the sockets of ``group`` are."""
    return from_socket_address(group[0].getsockname())


def _place(group: Group, network: Network) -> Place:
    host, port, _ = bound(group)
    return Place(host, port, single_port=network.single_port)


def _close(group: Group) -> None:
    for sock in group:
        sock.close()


def _allow_beside(sockets: Sequence[socket.socket], allowed: bool) -> None:
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, allowed)


def _in_groups(sockets: Sequence[socket.socket], each: int) -> list[Group]:
    """Those on the same address together, ``each`` of them; those that are missing are opened."""
    together: dict[object, Group] = {}
    for sock in sockets:
        together.setdefault((sock.family, sock.getsockname()), []).append(sock)
    groups = [same[at : at + each] for same in together.values() for at in range(0, len(same), each)]
    for group in groups:
        try:
            share(group, each)
        except OpenError as error:
            raise OpenError(
                f"{error.text}; have the socket unit open as many: `ReusePort=yes`, and `ListenDatagram=` once for"
                " each worker"
            ) from None
    return groups
