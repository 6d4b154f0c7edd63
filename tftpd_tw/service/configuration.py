"""What can be configured: one frozen value, its sections and their defaults.

Each kind of value is a type with a parser in :data:`PARSERS`, which takes what YAML made of the text and either
returns the value or raises :class:`ValueError` saying what was expected. Field docstrings are for the reader of
the code; ``--help`` has the user's wording.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from types import UnionType
from typing import NewType

from attrs import field, frozen

from tftpd_tw.backends.reading import READ_AHEAD
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.protocol.options import MAX_BLKSIZE, MAX_WINDOW_BLOCKS, MIN_BLKSIZE

Port = NewType("Port", int)
BlockSize = NewType("BlockSize", int)
WindowSize = NewType("WindowSize", int)
Size = NewType("Size", int)
Seconds = NewType("Seconds", float)
Count = NewType("Count", int)
Workers = NewType("Workers", int)
Host = NewType("Host", str)
Folder = NewType("Folder", str)
Engine = NewType("Engine", str)

FIT_MTU = BlockSize(0)
"""The block size ``mtu``: as large as the route to the client takes in one piece."""

AUTO = Workers(0)
"""The number of workers ``auto``: one for each CPU that this process may use."""

MAX_WORKERS = 256


@frozen
class HttpAddress:
    """Where the HTTP port is; no host means that there is none."""

    host: str
    port: int


HTTP_OFF = HttpAddress("", 0)


@frozen
class Network:
    """Where requests come in."""

    addresses: tuple[Host, ...] = (Host("::"),)
    """Local addresses; ``::`` is every address of both families."""
    port: Port = Port(69)
    """UDP port."""
    answer_broadcast: bool = False
    """Serve requests that were sent to a broadcast address."""


@frozen
class Filesystem:
    """Where the files are."""

    root: Folder = Folder("")
    """The folder that is served. The only setting without a default."""
    uploads: UploadPolicy = UploadPolicy.DENY
    """What clients may write."""


@frozen
class Performance:
    """How transfers are run."""

    block_size: BlockSize = FIT_MTU
    """The largest blksize that is granted, in bytes."""
    window_size: WindowSize = WindowSize(64)
    """The largest windowsize that is granted, in blocks."""
    timeout: Seconds = Seconds(5.0)
    """The longest wait before a repeat."""
    max_retries: Count = Count(5)
    """Repeats at that pace before a transfer is given up."""
    workers: Workers = Workers(1)
    """Processes that serve; with 1 it is the daemon's own and no other."""
    engine: Engine = Engine("auto")
    """How sockets are waited for, by its name in :data:`~tftpd_tw.net.engines.ENGINES`."""
    read_ahead: Size = Size(READ_AHEAD)
    """Bytes that a thread reads of a file when it has to wait for a disk."""
    cpu_affinity: bool = False
    """Pin each worker to one of the CPUs that the daemon may use."""


@frozen
class Monitoring:
    """How the daemon is watched."""

    http: HttpAddress = HttpAddress("127.0.0.1", 9069)
    """Where ``/metrics`` and ``/healthz`` are."""


@frozen
class Configuration:
    """Everything."""

    network: Network = field(factory=Network)
    filesystem: Filesystem = field(factory=Filesystem)
    performance: Performance = field(factory=Performance)
    monitoring: Monitoring = field(factory=Monitoring)


def _expected(what: str, value: object) -> ValueError:
    return ValueError(f"expected {what}, got {value!r}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _port(value: object) -> Port:
    if isinstance(value, int) and _is_integer(value) and 0 <= value <= 65535:
        return Port(value)
    raise _expected("a port, 0 to 65535", value)


def _block_size(value: object) -> BlockSize:
    if value == "mtu":
        return FIT_MTU
    if isinstance(value, int) and _is_integer(value) and MIN_BLKSIZE <= value <= MAX_BLKSIZE:
        return BlockSize(value)
    raise _expected(f"'mtu' or bytes, {MIN_BLKSIZE} to {MAX_BLKSIZE}", value)


def _window_size(value: object) -> WindowSize:
    if isinstance(value, int) and _is_integer(value) and 1 <= value <= MAX_WINDOW_BLOCKS:
        return WindowSize(value)
    raise _expected(f"blocks, 1 to {MAX_WINDOW_BLOCKS}", value)


_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
_LARGEST = 1 << 30


def _size(value: object) -> Size:
    # A lone K or M is refused: half of the world means 1024 by it, and half 1000.
    found = re.fullmatch(r"([0-9]{1,12}) ?((?:[KMG]B)?|([KMG]i)B?)", str(value))
    if found and not isinstance(value, bool):
        size = int(found[1]) * _UNITS[found[3] or found[2]]
        if size <= _LARGEST:
            return Size(size)
    raise _expected("bytes, such as 65536, 64KiB or 1MB, up to 1GiB", value)


def _seconds(value: object) -> Seconds:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0.1 <= value <= 255:
        return Seconds(float(value))
    raise _expected("seconds, 0.1 to 255", value)


def _count(value: object) -> Count:
    if isinstance(value, int) and _is_integer(value) and 0 <= value <= 1000:
        return Count(value)
    raise _expected("a number, 0 to 1000", value)


def _workers(value: object) -> Workers:
    if value == "auto":
        return AUTO
    if isinstance(value, int) and _is_integer(value) and 1 <= value <= MAX_WORKERS:
        return Workers(value)
    raise _expected(f"'auto' or a number, 1 to {MAX_WORKERS}", value)


def _host(value: object) -> Host:
    try:
        if isinstance(value, str):
            return Host(str(ipaddress.ip_address(value)))
    except ValueError:
        pass
    raise _expected("an IPv4 or IPv6 address of this host", value)


def _folder(value: object) -> Folder:
    if isinstance(value, str) and value and "\0" not in value:
        return Folder(value)
    raise _expected("a folder", value)


def _uploads(value: object) -> UploadPolicy:
    words = ", ".join(policy.value for policy in UploadPolicy)
    try:
        return UploadPolicy(value)
    except ValueError:
        raise _expected(f"one of {words}", value) from None


def _http(value: object) -> HttpAddress:
    # YAML reads a bare `off` as False.
    if value in ("off", False):
        return HTTP_OFF
    if isinstance(value, str):
        host, colon, port = value.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        try:
            if colon and port.isascii() and port.isdigit() and int(port) <= 65535:
                return HttpAddress(str(ipaddress.ip_address(host)), int(port))
        except ValueError:
            pass
    raise _expected("ADDRESS:PORT or 'off'", value)


def _engine(value: object) -> Engine:
    if isinstance(value, str) and value in ENGINES:
        return Engine(value)
    raise _expected(f"one of {', '.join(ENGINES)}", value)


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _expected("true or false", value)


PARSERS: Mapping[type | UnionType | NewType, Callable[[object], object]] = {
    Port: _port,
    BlockSize: _block_size,
    WindowSize: _window_size,
    Size: _size,
    Seconds: _seconds,
    Count: _count,
    Workers: _workers,
    Host: _host,
    Folder: _folder,
    UploadPolicy: _uploads,
    HttpAddress: _http,
    Engine: _engine,
    bool: _switch,
}
"""How each kind of value is read."""
