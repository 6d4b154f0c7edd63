"""What can be configured: one frozen value, its sections and their defaults.

What the user is told of each setting stands here with it; how each type of value is read, written and named,
with its unit and range, is in :mod:`~tftpd_tw.service.kinds`. To add a setting, add a field to its section, and
if its type is a new one, that type here and its kind there.
"""

from typing import NewType

from attrs import frozen

from tftpd_tw.backends.reading import READ_AHEAD
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.protocol.lifecycle import MOST_HELD
from tftpd_tw.service.setting import section, setting

Port = NewType("Port", int)
BlockSize = NewType("BlockSize", int)
Slack = NewType("Slack", int)
WindowSize = NewType("WindowSize", int)
Size = NewType("Size", int)
BufferSize = NewType("BufferSize", int)
CacheSize = NewType("CacheSize", int)
Seconds = NewType("Seconds", float)
Lifetime = NewType("Lifetime", float)
Count = NewType("Count", int)
Threads = NewType("Threads", int)
Workers = NewType("Workers", int)
Host = NewType("Host", str)
Interface = NewType("Interface", str)
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
class PortRange:
    """Ports from the first to the last."""

    first: int
    last: int

    @property
    def ports(self) -> range:
        """All of them."""
        return range(self.first, self.last + 1)


ANY_PORTS = PortRange(0, -1)
"""The range ``any``: none of ours, the kernel chooses."""

EVERY_ADDRESS = Host("::")


@frozen
class NetworkListener:
    """One of the places where requests come in."""

    address: Host = setting(EVERY_ADDRESS, "Local address to listen on.")
    port: Port | None = setting(None, "UDP port. Without one it is that of the section.")
    interface: Interface | None = setting(
        None, "Take only what comes in by this interface. Without one, those of the section hold."
    )
    single_port: bool | None = setting(
        None, "Whether transfers stay on this port. Without it, it is as the section says."
    )


@frozen
class Network:
    """Where requests come in."""

    addresses: tuple[Host, ...] = setting(
        (),
        "Local addresses to listen on. `::` is every IPv6 and IPv4 address (IPv4 alone where there is no IPv6)"
        " and stands in if there are neither addresses nor `listeners`. A link-local one has its interface with"
        " it: `fe80::1%eth0`.",
        option="address",
    )
    port: Port = setting(Port(69), "UDP port to listen on.", option="port")
    answer_broadcast: bool = setting(
        False,
        "Serve requests that were sent to a broadcast address, as old Cisco devices do, instead of ignoring them.",
        option="answer-broadcast",
    )
    interfaces: tuple[Interface, ...] = setting(
        (),
        "Take only requests that come in by these interfaces, which must be there at the start; with none, by"
        " any. What comes in elsewhere is left to other servers.",
        option="interface",
    )
    single_port: bool = setting(
        False,
        "Answer from the port that was asked, instead of giving each transfer a port of its own: for clients"
        " that reach no other, as through NAT, in Docker and Kubernetes. Costs some CPU, and a forger of packets"
        " has one thing less to guess.",
        option="single-port",
    )
    port_range: PortRange = setting(
        ANY_PORTS,
        "Ports that transfers get, for firewalls; `any` is the kernel's choice. With as many transfers as ports"
        " further requests get no answer.",
        option="port-range",
    )
    listeners: tuple[NetworkListener, ...] = setting(
        (),
        "Further places to listen on, each with its own address, port, interface and single_port. What one does"
        " not say is as the section has it.",
    )


@frozen
class Filesystem:
    """Where the files are."""

    root: Folder = setting(
        Folder(""), "Folder to serve. The only setting that has to be made.", option="root", example="/var/tftp"
    )
    uploads: UploadPolicy = setting(
        UploadPolicy.DENY,
        "What clients may write: nothing (`deny`), new files only (`create`), new and existing ones"
        " (`overwrite`), existing files only (`existing`).",
        option="uploads",
    )


@frozen
class Performance:
    """How transfers are run."""

    block_size: BlockSize = setting(
        FIT_MTU,
        "Largest blksize granted; `mtu` is what reaches the client in one piece, by what the kernel knows of the"
        " route.",
        option="block-size",
    )
    window_size: WindowSize = setting(WindowSize(64), "Largest windowsize granted.", option="window-size")
    timeout: Seconds = setting(
        Seconds(5.0),
        "Longest wait before a packet is sent again. The actual wait follows the round trip, or the client's"
        " timeout option.",
        option="timeout",
    )
    max_retries: Count = setting(
        Count(5),
        "A transfer ends after timeout x (max_retries + 1) seconds of silence.",
        option="max-retries",
    )
    workers: Workers = setting(
        Workers(1),
        "Processes that serve; `auto` is one for each CPU that the daemon may use. With 1 it is the daemon"
        " itself.",
        option="workers",
    )
    engine: Engine = setting(
        Engine("auto"),
        "How sockets are waited for: in a loop of our own (`poll`, Linux only) or in Twisted's (`reactor`);"
        " `auto` is the best that works.",
        option="engine",
    )
    read_ahead: Size = setting(
        Size(READ_AHEAD),
        "What a thread reads of a file when it has to wait for a disk; the windows that follow find theirs in"
        " memory.",
        option="read-ahead",
    )
    cpu_affinity: bool = setting(
        False,
        "Pin each worker to one CPU, if there is more than one worker, instead of letting the kernel move them.",
        option="cpu-affinity",
    )
    mtu_slack: Slack = setting(
        Slack(0),
        "With block_size `mtu`: how much smaller packets stay than the route allows, for a tunnel on the way that"
        " the kernel does not know of.",
    )
    buffer_size: BufferSize = setting(
        BufferSize(MOST_HELD),
        "File data that one transfer may hold in memory: no window, and no block, is granted that does not fit,"
        " and the next window is read ahead where two fit. So it bounds what many transfers at once can take."
        " What has come of an upload may wait for the disk in 512 KiB more.",
    )
    thread_pool_size: Threads = setting(
        Threads(8),
        "Threads that open, read and write files where a disk may have to be waited for. With workers, each of"
        " them has so many.",
    )
    async_io: bool = setting(
        True,
        "Leave to threads whatever may have to wait for a disk. `false` does without threads, which is"
        " faster only where nothing ever waits and the kernel cannot tell (an image file in memory, such as"
        " SquashFS); on a disk each wait is one of all transfers. Local file systems only.",
    )


@frozen
class Cache:
    """What is shared by transfers of the same file."""

    enabled: bool = setting(
        True,
        "Keep files open for the next client, and the bytes of small files that are asked for often. Each request"
        " looks whether the file is still the same. `false`: each transfer opens its own.",
    )
    size: CacheSize = setting(
        CacheSize(8 << 20),
        "Memory for the bytes of small files, up to 64 KiB each; larger ones are left to the kernel's page cache."
        " Workers share it out among them. With 0 only open files are kept.",
        other_name=("performance", "cache_size"),
    )
    ttl: Lifetime = setting(
        Lifetime(60.0),
        "How long a file that was opened is given to further clients. It is then opened anew, and one that was"
        " removed gives back its room on the disk.",
    )


@frozen
class Monitoring:
    """How the daemon is watched."""

    http: HttpAddress = setting(
        HttpAddress("127.0.0.1", 9069), "Where /metrics and /healthz are served by HTTP.", option="http"
    )


@frozen
class Configuration:
    """Everything."""

    network: Network = section(Network, "Where requests come in.")
    filesystem: Filesystem = section(Filesystem, "Where the files are.")
    performance: Performance = section(Performance, "How transfers are run.")
    cache: Cache = section(Cache, "What is shared by transfers of the same file.")
    monitoring: Monitoring = section(Monitoring, "How the daemon is watched.")
