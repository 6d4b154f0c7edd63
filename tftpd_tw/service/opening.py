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


class OpenError(StartError, Exception):
    """A folder or a port cannot be opened. As an Exception too, it ends a twistd that went to the background:
    the process that waits in the foreground is told only of those, and would wait for ever.
    """


def open_request_sockets(network: Network, each: int = 1) -> list[list[socket.socket]]:
    """Bound sockets for every address of ``network``; ``each`` of them, which share what comes in.

    The kernel gives a client's packets to one of those that share an address, and always to the same one while
    all stay open. The first is bound alone and only then allows others to join, so that a second daemon cannot
    slip in, and nobody at all once root has been given up.

    :raises OpenError: one cannot be opened
    """
    opened: list[list[socket.socket]] = []
    try:
        for host in network.addresses:
            first = _open(host, network.port)
            group = [first]
            opened.append(group)
            if each > 1:
                first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                bound, port = first.getsockname()[:2]
                group += (bind_request_socket(bound, port, shared=True) for _ in range(each - 1))
    except BaseException as error:
        for sock in (sock for group in opened for sock in group):
            sock.close()
        if isinstance(error, OSError):
            raise OpenError(f"--workers: {each} sockets for {host}: {error.strerror}") from None
        raise
    return opened


def _open(host: Host, port: int) -> socket.socket:
    try:
        return bind_request_socket(host, port)
    except OSError as error:
        no_ipv6 = host == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
        if not no_ipv6:
            raise OpenError(cannot_listen("UDP", Address(host, port), error.errno, "--port")) from None
    try:
        return bind_request_socket("0.0.0.0", port)
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
