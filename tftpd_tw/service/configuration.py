"""What can be configured: one frozen value, its sections and their defaults.

What the user is told of each setting stands here with it; how each type of value is read, written and named,
with its unit and range, is in :mod:`~tftpd_tw.service.kinds`. To add a setting, add a field to its section, and
if its type is a new one, that type here and its kind there.
"""

from attrs import frozen

from tftpd_tw.backends.reading import READ_AHEAD
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.protocol.lifecycle import MOST_HELD
from tftpd_tw.service import value_types as types
from tftpd_tw.service.rule_settings import AccessRule, ClientProfile, Rewrite, TransferHook
from tftpd_tw.service.setting import section, setting


@frozen
class NetworkListener:
    """One of the places where requests come in."""

    address: types.Host = setting(types.EVERY_ADDRESS, "Local address to listen on.")
    port: types.Port | None = setting(None, "UDP port. Without one it is that of the section.")
    interface: types.Interface | None = setting(
        None, "Take only what comes in by this interface. Without one, those of the section hold."
    )
    single_port: bool | None = setting(
        None, "Whether transfers stay on this port. Without it, it is as the section says."
    )


@frozen
class Network:
    """Where requests come in."""

    addresses: tuple[types.Host, ...] = setting(
        (),
        "Local addresses to listen on. `::` is every IPv6 and IPv4 address (IPv4 alone where there is no IPv6)"
        " and stands in if there are neither addresses nor `listeners`. A link-local one has its interface with"
        " it: `fe80::1%eth0`.",
        option="address",
    )
    port: types.Port = setting(types.Port(69), "UDP port to listen on.", option="port")
    answer_broadcast: bool = setting(
        False,
        "Serve requests that were sent to a broadcast address, as old Cisco devices do, instead of ignoring them.",
        option="answer-broadcast",
    )
    interfaces: tuple[types.Interface, ...] = setting(
        (),
        "Take only requests that come in by these interfaces, which must be there at the time; with none, by"
        " any. What comes in elsewhere is left to other servers. One that went and came again, as bridges do, is"
        " another to the kernel, and takes a reload.",
        option="interface",
    )
    single_port: bool = setting(
        False,
        "Answer from the port that was asked, instead of giving each transfer a port of its own: for clients"
        " that reach no other, as through NAT, in Docker and Kubernetes. Costs some CPU, and a forger of packets"
        " has one thing less to guess.",
        option="single-port",
    )
    port_range: types.PortRange = setting(
        types.ANY_PORTS,
        "Ports that transfers get, for firewalls; `any` is the kernel's choice. With as many transfers as ports"
        " further requests get no answer.",
        option="port-range",
        restart=True,
    )
    listeners: tuple[NetworkListener, ...] = setting(
        (),
        "Further places to listen on, each with its own address, port, interface and single_port. What one does"
        " not say is as the section has it.",
    )


@frozen
class Filesystem:
    """Where the files are."""

    root: types.Folder = setting(
        types.Folder(""),
        "Folder to serve. The only setting that has to be made. With `{ip}`, `{ip_hex}`, `{mac}` or `{interface}`"
        " in it, each client has one of its own: `/srv/tftp/hosts/{mac}`.",
        option="root",
        example="/var/tftp",
    )
    fallback_roots: tuple[types.TreePath, ...] = setting(
        (), "Folders where a file is looked for that is not in `root`, in this order; like `root`."
    )
    upload_root: types.TreePath | None = setting(
        None, "Folder that takes uploads, if it is not `root`; like `root`."
    )
    ignore_case: bool = setting(
        False,
        "Find a file whose name differs from the one asked for only in upper and lower case, as Windows does it.",
    )
    world_readable_only: bool = setting(False, "Serve only files that everybody on this host may read.")
    rewrite: tuple[Rewrite, ...] = setting(
        (),
        "Rules that change the names that clients ask for, in this order. They need the extra `rewrite`:"
        " `pip install 'tftpd-tw[rewrite]'`.",
    )
    uploads: UploadPolicy = setting(
        UploadPolicy.DENY,
        "What clients may write: nothing (`deny`), new files only (`create`), new and existing ones"
        " (`overwrite`), existing files only (`existing`), or new and existing ones of which the old are kept"
        " (`versions`).",
        option="uploads",
    )
    versions: types.Versions = setting(
        types.Versions(10),
        "With uploads `versions`: how many old files of each name are kept, as `name.~1~` and so on.",
    )
    max_file_size: types.FileSize | None = setting(None, "Largest upload.")
    quota: types.FileSize | None = setting(
        None,
        "What all files beneath the upload folder may take together. They are measured before an upload begins and"
        " before it is stored, if that was not done within ten seconds; a tree that takes longer than half a"
        " second less often. Of more than a million files and folders, those beyond do not count. With several"
        " workers, uploads can exceed it by what other workers store in between.",
    )
    quota_per_client: types.FileSize | None = setting(
        None,
        "What the uploads of one address may take, old versions included, counted from the start of the daemon on,"
        " by each worker for itself.",
    )
    reserve: types.FileSize = setting(types.FileSize(0), "Room on the disk that uploads leave free.")
    upload_mode: types.FileMode | None = setting(
        None, "Permissions of uploaded files, such as '0640'; null for 0640 less the umask."
    )
    upload_owner: types.Owner | None = setting(None, "User who owns uploaded files; needs root.")
    upload_group: types.Owner | None = setting(None, "Group of uploaded files.")
    fsync: bool = setting(
        True,
        "Put an upload on the disk before its client is told that it is stored, so that no power cut takes it.",
    )


@frozen
class Security:
    """Who may do what, and how much of it."""

    read_enabled: bool = setting(True, "Answer read requests with files.")
    write_enabled: bool = setting(True, "Accept write requests, as far as filesystem.uploads allows.")
    allowed_clients: tuple[types.ClientNetwork, ...] = setting(
        (), "Networks whose clients are served; others get no answer. Empty: everybody."
    )
    denied_clients: tuple[types.ClientNetwork, ...] = setting(
        (), "Networks whose clients get no answer in any case."
    )
    allowed_extensions: tuple[types.Extension, ...] = setting(
        (),
        "Ends of names that are served, as `.cfg`; case does not matter, `''` is for names without a dot. Empty:"
        " all.",
    )
    denied_patterns: tuple[types.NameGlob, ...] = setting(
        (), "Names that are refused, as globs: `*.key`, `secret/`; case does not matter."
    )
    rules: tuple[AccessRule, ...] = setting(
        (),
        "Rules of who may do what, in this order; the first that fits decides, after the settings above. They are"
        " asked for the name in the request and, where filesystem.rewrite makes another one of it, again for that:"
        " both have to be allowed, and `silent` is then like `deny`.",
    )
    connections_per_client: types.Connections = setting(
        types.Connections(250),
        "Transfers of one address at once; what is more gets no answer. Each worker counts for itself.",
    )
    unverified_share: types.Share = setting(
        types.Share(0.25),
        "Part of performance.max_connections that clients may take which have not answered yet. When it is used"
        " up, the oldest of them gives way.",
    )
    answers: types.Answers = setting(
        types.Answers(64),
        "Packets at once to an address that never shows that it gets them: a request with a forged address must"
        " not become a flood. A client that answers does not count.",
    )
    answers_per_second: types.AnswerRate = setting(types.AnswerRate(10.0), "And from then on.")
    answers_ipv6_prefix: types.Prefix = setting(
        types.Prefix(64),
        "Bits of an IPv6 address that have these packets in common; 128 where a whole rack boots from one /64.",
    )
    rate_limit: types.Rate | None = setting(None, "Most bytes per second of one transfer.")
    rate_limit_per_client: types.Rate | None = setting(
        None, "Of all transfers of one address; each worker counts for itself."
    )
    rate_limit_total: types.Rate | None = setting(None, "Of all transfers.")
    slowest_rate: types.Rate | None = setting(
        None, "A transfer ends that moves fewer bytes per second, measured over a minute."
    )
    longest_transfer: types.Duration | None = setting(None, "A transfer ends that takes longer.")


@frozen
class Performance:
    """How transfers are run."""

    block_size: types.BlockSize = setting(
        types.FIT_MTU,
        "Largest blksize granted; `mtu` is what reaches the client in one piece, by what the kernel knows of the"
        " route.",
        option="block-size",
    )
    window_size: types.WindowSize = setting(
        types.WindowSize(64), "Largest windowsize granted.", option="window-size"
    )
    timeout: types.Seconds = setting(
        types.Seconds(5.0),
        "Longest wait before a packet is sent again. The actual wait follows the round trip, or the client's"
        " timeout option.",
        option="timeout",
    )
    max_retries: types.Count = setting(
        types.Count(5),
        "A transfer ends after timeout x (max_retries + 1) seconds of silence.",
        option="max-retries",
    )
    workers: types.Workers = setting(
        types.Workers(1),
        "Processes that serve; `auto` is one for each CPU that the daemon may use. With 1 it is the daemon"
        " itself.",
        option="workers",
        restart=True,
    )
    engine: types.Engine = setting(
        types.Engine("auto"),
        "How sockets are waited for: in a loop of our own (`poll`, Linux only) or in Twisted's (`reactor`);"
        " `auto` is the best that works.",
        option="engine",
        restart=True,
    )
    read_ahead: types.Size = setting(
        types.Size(READ_AHEAD),
        "What a thread reads of a file when it has to wait for a disk; the windows that follow find theirs in"
        " memory.",
        option="read-ahead",
    )
    cpu_affinity: bool = setting(
        False,
        "Pin each worker to one CPU, if there is more than one worker, instead of letting the kernel move them.",
        option="cpu-affinity",
        restart=True,
    )
    mtu_slack: types.Slack = setting(
        types.Slack(0),
        "With block_size `mtu`: how much smaller packets stay than the route allows, for a tunnel on the way that"
        " the kernel does not know of.",
    )
    buffer_size: types.BufferSize = setting(
        types.BufferSize(MOST_HELD),
        "File data that one transfer may hold in memory: no window, and no block, is granted that does not fit,"
        " and the next window is read ahead where two fit. So it bounds what many transfers at once can take."
        " What has come of an upload may wait for the disk in 512 KiB more.",
    )
    thread_pool_size: types.Threads = setting(
        types.Threads(8),
        "Threads that open, read and write files where a disk may have to be waited for. With workers, each of"
        " them has so many.",
    )
    async_io: bool = setting(
        True,
        "Leave to threads whatever may have to wait for a disk. `false` does without threads, which is"
        " faster only where nothing ever waits and the kernel cannot tell (an image file in memory, such as"
        " SquashFS); on a disk each wait is one of all transfers. Local file systems only.",
    )
    max_connections: types.Connections = setting(
        types.Connections(1000),
        "Transfers at once; what is more gets no answer until there is room.",
        option="max-connections",
    )
    drain_timeout: types.DrainTime = setting(
        types.DrainTime(10.0),
        "How long running transfers may take to finish when the daemon is stopped; what is left gets an ERROR. A"
        " second signal ends it at once.",
    )


@frozen
class Cache:
    """What is shared by transfers of the same file."""

    enabled: bool = setting(
        True,
        "Keep files open for the next client, and the bytes of small files that are asked for often. Each request"
        " looks whether the file is still the same. `false`: each transfer opens its own.",
    )
    size: types.CacheSize = setting(
        types.CacheSize(8 << 20),
        "Memory for the bytes of small files, up to 64 KiB each; larger ones are left to the kernel's page cache."
        " Workers share it out among them. With 0 only open files are kept.",
        other_name=("performance", "cache_size"),
    )
    ttl: types.Lifetime = setting(
        types.Lifetime(60.0),
        "How long a file that was opened is given to further clients. It is then opened anew, and one that was"
        " removed gives back its room on the disk.",
    )


@frozen
class Logging:
    """What is written to the log; where that is, twistd's own options say."""

    format: types.LogFormat = setting(
        types.LogFormat.TEXT,
        "Lines for people (`text`), or for machines (`json`): each line is one JSON object, that of a transfer or"
        " of a refused request a record with the fields in docs/records.md. With twistd's option `--logger` that"
        " logger decides.",
        option="log-format",
    )
    level: types.LeastLevel = setting(
        types.LeastLevel.INFO,
        "The least important lines that are written. Those of transfers and refused requests are `info`.",
        option="log-level",
    )


@frozen
class Monitoring:
    """How the daemon is watched."""

    http: types.HttpAddress = setting(
        types.HttpAddress("127.0.0.1", 9069),
        "Where the page, /metrics and /healthz are served by HTTP. The page is shown on a loopback address only,"
        " or to those who know the secret.",
        option="http",
        restart=True,
    )
    secret_file: types.File | None = setting(
        None,
        "File with a secret that has to be shown for everything but /healthz: as a bearer token, or as the"
        " password of any user.",
        restart=True,
    )
    recent_transfers: types.Recent = setting(
        types.Recent(1000),
        "Records of transfers and refused requests that are kept in memory, for the page and the commands. Each"
        " takes some kilobytes. If nobody looks, they are gathered every ten seconds, the last thousand of each"
        " worker's.",
        restart=True,
    )
    on_transfer: tuple[TransferHook, ...] = setting(
        (),
        "Hooks: what is done with the record of each transfer and refused request, as docs/records.md has it. No"
        " transfer waits for them.",
    )


@frozen
class Clients:
    """Clients that are treated differently."""

    profiles: tuple[ClientProfile, ...] = setting(
        (),
        "What is different for some clients; the first profile that fits a request counts, and no other. So one"
        " broken ROM is cured without touching the others.",
    )


@frozen
class Configuration:
    """Everything."""

    network: Network = section(Network, "Where requests come in.")
    filesystem: Filesystem = section(Filesystem, "Where the files are.")
    security: Security = section(Security, "Who may do what, and how much of it.")
    performance: Performance = section(Performance, "How transfers are run.")
    cache: Cache = section(Cache, "What is shared by transfers of the same file.")
    logging: Logging = section(Logging, "What is written to the log.")
    monitoring: Monitoring = section(Monitoring, "How the daemon is watched.")
    clients: Clients = section(Clients, "Clients that are treated differently.")
