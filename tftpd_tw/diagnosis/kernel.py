"""What only calls of the kernel tell: whether the clock is synchronised, what a network card puts together, and
whether windows go through it in one piece.
"""

import array
import ctypes
import errno
import select
import socket
import struct

from attrs import frozen

from tftpd_tw.interfaces import Address
from tftpd_tw.net.sockets import (
    COALESCED,
    SEGMENTATION_ERRORS,
    bind_session_socket,
    coalesce,
    coalesced_size,
    name_of,
    segment_control,
)

LOOPBACK = "127.0.0.1"

_SIOCETHTOOL = 0x8946
_ETHTOOL_GET_GRO = 0x2B
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    # modes comes first; 0 asks, and changes nothing. The rest is room for whatever else is written.
    _fields_ = [("modes", ctypes.c_uint), ("rest", ctypes.c_char * 508)]


def clock_synchronised() -> bool:
    """Whether somebody keeps the clock right (NTP), as adjtimex(2) has it.

    :raises OSError: this system does not tell
    """
    adjtimex = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    state = adjtimex(ctypes.byref(_Timex())) if adjtimex is not None else -1
    if state < 0:
        raise OSError(errno.ENOSYS, "adjtimex does not tell")
    return bool(state != _TIME_ERROR)


def receive_offload(interface: str) -> bool:
    """Whether packets that come in there are put together (GRO), as ``ethtool -k`` shows it.

    :raises OSError: the interface is not there, or does not tell
    """
    import fcntl

    answer = array.array("B", struct.pack("=II", _ETHTOOL_GET_GRO, 0))
    question = struct.pack("16sP", interface.encode(), answer.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCETHTOOL, question)
    return bool(struct.unpack("=II", answer)[1])


@frozen
class Pieces:
    """How a window went through the kernel."""

    refusal: str
    """The errno with which it refused to cut it into packets (UDP_SEGMENT), such as ``EINVAL``; empty: it did."""
    joined: bool
    """It was handed over in one piece (UDP_GRO)."""


def send_window(blocks: int = 4, size: int = 512) -> Pieces:
    """Send a window on the loopback interface, as transfers do it.

    :raises OSError: there is no loopback interface, or not all of it arrives
    """
    local = Address(LOOPBACK, 0)
    with bind_session_socket(local, local) as sender, bind_session_socket(local, local) as receiver:
        joins = True
        try:
            coalesce(receiver)
        except OSError:
            joins = False
        try:
            sender.sendmsg([bytes(size)] * blocks, segment_control(size), 0, receiver.getsockname())
        except OSError as error:
            if error.errno in SEGMENTATION_ERRORS:
                return Pieces(name_of(error), joins)
            raise
        if not select.select([receiver], [], [], 1.0)[0]:
            raise TimeoutError("a window on the loopback interface did not arrive")
        _, control, _, _ = receiver.recvmsg(COALESCED, 64)
        return Pieces("", joins and coalesced_size(control) == size)
