"""What is opened while twistd is still root: the request ports; and the line that says why one cannot be."""

import errno
import os
import socket

from tftpd_tw.interfaces import Address
from tftpd_tw.net.sockets import bind_request_socket
from tftpd_tw.service.configuration import Network
from tftpd_tw.service.value_types import Host


class StartError(SystemExit):
    """The daemon cannot start. As a SystemExit it ends twistd with one line instead of a traceback."""

    def __init__(self, text: str) -> None:
        super().__init__(f"tftpd: {text}")
        self.text = text
        """The line without the name of the program."""


class OpenError(StartError, Exception):
    """A folder or a port cannot be opened. As an Exception too, it ends a twistd that went to the background:
    the process that waits in the foreground is told only of those, and would wait for ever.
    """


def open_request_sockets(network: Network, each: int = 1, *, beside: bool = False) -> list[list[socket.socket]]:
    """Bound sockets for every address of ``network``; ``each`` of them, which share what comes in.

    The kernel gives a client's packets to one of those that share an address, and always to the same one while
    all stay open. The first is bound alone and only then allows others to join, so that a second daemon cannot
    slip in, and nobody at all once root has been given up.

    :param beside: never mind sockets of ours that have ``SO_REUSEADDR`` set
    :raises OpenError: one cannot be opened
    """
    opened: list[list[socket.socket]] = []
    try:
        for host in network.addresses:
            group = [_open(host, network.port, beside)]
            opened.append(group)
            share(group, each, beside=beside)
    except BaseException:
        for sock in (sock for group in opened for sock in group):
            sock.close()
        raise
    return opened


def share(group: list[socket.socket], each: int, *, beside: bool = False) -> None:
    """Add to ``group``, which has at least one, what is missing to ``each`` sockets on the same address.

    :raises OpenError: one cannot be opened
    """
    if len(group) >= each:
        return
    group[0].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    host, port = group[0].getsockname()[:2]
    try:
        group += (bind_request_socket(host, port, shared=True, beside=beside) for _ in range(each - len(group)))
    except OSError as error:
        raise OpenError(f"--workers: {each} sockets for {host}: {error.strerror}") from None


def _open(host: Host, port: int, beside: bool) -> socket.socket:
    try:
        return bind_request_socket(host, port, beside=beside)
    except OSError as error:
        no_ipv6 = host == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
        if not no_ipv6:
            raise OpenError(cannot_listen("UDP", Address(host, port), error.errno, "--port")) from None
    try:
        return bind_request_socket("0.0.0.0", port, beside=beside)
    except OSError as error:
        raise OpenError(cannot_listen("UDP", Address("0.0.0.0", port), error.errno, "--port")) from None


def cannot_listen(kind: str, where: Address, number: int | None, option: str) -> str:
    """One line: what failed, why, and what to do about it."""
    advice = {
        errno.EADDRINUSE: f"another program has it; stop that one (`ss -lpn 'sport = :{where.port}'` names it)"
        f" or choose another with {option}",
        errno.EACCES: f"ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another with {option}, or start"
        " as root and give it up with `twistd --uid`",
        errno.EADDRNOTAVAIL: "this host has no such address; `ip address` lists those that it has",
    }.get(number or 0, f"choose another with {option}")
    reason = os.strerror(number) if number else "unknown error"
    return f"cannot listen on {kind} {where}: {reason}: {advice}"
