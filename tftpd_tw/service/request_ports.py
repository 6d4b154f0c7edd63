"""The request ports that are open, and how they change when the settings do.

A change has two steps, since nothing may change if a part of it fails: :meth:`RequestPorts.open` opens what is
new, and then :meth:`RequestPorts.finish` closes what is not wanted any more, or :meth:`RequestPorts.undo` what was
opened. A port that stays is not touched, so that nothing is lost of what waits in it.

A new address may overlap with one that goes, as ``::`` and ``127.0.0.1`` do on the same port, and both are open
for a moment. While the new one is being bound, both have ``SO_REUSEADDR``; afterwards neither does, so that no
other program can join.

Sockets that were inherited replace the addresses of the settings, for good.
"""

import socket
from collections.abc import Mapping, Sequence

from attrs import evolve, frozen
from twisted.logger import Logger

from tftpd_tw.interfaces import Address
from tftpd_tw.net.engine import from_socket_address
from tftpd_tw.service.configuration import Network
from tftpd_tw.service.opening import OpenError, open_request_sockets, share
from tftpd_tw.service.value_types import Host, Port

log = Logger()

Wanted = tuple[Host, Port]
"""What the settings say; the port may be 0, for any."""

Group = list[socket.socket]
"""Sockets on one address, one for each worker."""


@frozen
class Change:
    """What has been opened, and what is to be closed."""

    opened: Mapping[Wanted, Group]
    closing: Mapping[Wanted, Group]
    gone: Sequence[Address]
    """Where those are that are to be closed."""


class RequestPorts:
    """Groups of ``each`` sockets.

    :param inherited: serve these, whatever the settings say
    :raises OpenError: they cannot be shared by ``each``
    """

    def __init__(self, each: int = 1, inherited: Sequence[socket.socket] = ()) -> None:
        self._each = each
        self._groups: dict[Wanted, Group] = {}
        self._inherited = _in_groups(inherited, each)

    @property
    def groups(self) -> list[Group]:
        """All that are open."""
        return [*self._inherited, *self._groups.values()]

    @property
    def addresses(self) -> list[Address]:
        """Where they are."""
        return [bound(group) for group in self.groups]

    def open(self, network: Network) -> Change:
        """Open what ``network`` has and is not open yet.

        :raises OpenError: some of it cannot be opened, and nothing is then
        """
        wanted = [] if self._inherited else [(host, network.port) for host in network.addresses]
        new = [place for place in wanted if place not in self._groups]
        closing = {place: group for place, group in self._groups.items() if place not in wanted}
        going = [sock for group in closing.values() for sock in group]
        _allow_beside(going, True)
        try:
            there = evolve(network, addresses=tuple(host for host, _ in new))
            opened = dict(zip(new, open_request_sockets(there, self._each, beside=bool(going)), strict=True))
        finally:
            _allow_beside(going, False)
        self._groups.update(opened)
        return Change(opened, closing, [bound(group) for group in closing.values()])

    def finish(self, change: Change) -> None:
        """Close what is not wanted any more."""
        self._drop(change.closing)
        for address in change.gone:
            log.info("closed UDP {address}; transfers that began there go on", address=str(address))

    def undo(self, change: Change) -> None:
        """Close what has been opened."""
        self._drop(change.opened)

    def close(self) -> None:
        """Close all."""
        self._drop(self._groups)
        for sock in (sock for group in self._inherited for sock in group):
            sock.close()
        self._inherited = []

    def _drop(self, groups: Mapping[Wanted, Group]) -> None:
        for place, group in list(groups.items()):
            self._groups.pop(place, None)
            for sock in group:
                sock.close()


def bound(group: Group) -> Address:
    """Where the sockets of ``group`` are."""
    return from_socket_address(group[0].getsockname())


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
