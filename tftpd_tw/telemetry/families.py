"""Every figure that is counted: its name, what it says, its labels. From this table come the counters, what
workers send to their daemon and what ``/metrics`` shows.

The names follow Prometheus' rules. Label values come from fixed lists, or from the settings, never from a file
name or an address, so that no client can make them grow.
"""

import enum
from itertools import product

from attrs import frozen

from tftpd_tw.interfaces import Direction, Outcome

Labels = tuple[str, ...]
"""Values, in the order of the family's labels."""


class Kind(enum.Enum):
    """How a family behaves."""

    COUNTER = "counter"
    """It only grows, and what a process has counted stays when it is gone."""
    GAUGE = "gauge"
    """What is so now."""
    HISTOGRAM = "histogram"
    """How many values fell below each of some bounds."""


class HookResult(enum.StrEnum):
    """What became of a report for a hook."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    """It took too long, and was ended."""
    DROPPED = "dropped"
    """It never had its turn, since too many waited or the daemon stopped."""


@frozen(eq=False)
class Family:
    """One figure."""

    kind: Kind
    name: str
    """Without the ``_total`` of a counter."""
    text: str
    labels: tuple[str, ...] = ()
    known: tuple[Labels, ...] = ()
    """Values that are shown before anything happened: a counter that appears with its first event hides that from
    ``rate()``."""
    bounds: tuple[float, ...] = ()
    """Of a histogram: upper ones, in ascending order."""


_NO_LABELS: tuple[Labels, ...] = ((),)
_DIRECTIONS: tuple[Labels, ...] = tuple((direction.value,) for direction in Direction)
_DIRECTION = ("direction",)


def _gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Family:
    return Family(Kind.GAUGE, name, text, labels, () if labels else _NO_LABELS)


def _counter(name: str, text: str, labels: tuple[str, ...] = (), known: tuple[Labels, ...] = ()) -> Family:
    return Family(Kind.COUNTER, name, text, labels, known if labels else _NO_LABELS)


def _histogram(name: str, text: str, bounds: tuple[float, ...]) -> Family:
    return Family(Kind.HISTOGRAM, name, text, _DIRECTION, _DIRECTIONS, bounds)


ACTIVE = _gauge("tftp_connections_active", "Transfers in progress.")
UNVERIFIED = _gauge("tftp_connections_unverified", "Transfers in progress whose client has not answered yet.")
OPENING = _gauge("tftp_connections_opening", "Requests that wait for their file to be opened.")
TRANSFERS = _counter(
    "tftp_transfers",
    "Finished transfers and requests that none came of; size-probe is a client that only asked for the size.",
    ("direction", "outcome"),
    tuple((direction.value, outcome.value) for direction, outcome in product(Direction, Outcome)),
)
REASONS = _counter(
    "tftp_transfer_endings", "The same, by the reason that the log gives.", ("direction", "outcome", "reason")
)
BYTES = _counter(
    "tftp_bytes_transferred",
    "Bytes of payload that clients acknowledged (read) or that came from them in order (write).",
    _DIRECTION,
    _DIRECTIONS,
)
BLOCKS = _counter("tftp_blocks_transferred", "The same in blocks.", _DIRECTION, _DIRECTIONS)
RETRANSMITS = _counter("tftp_retransmits", "Packets that were sent again.", _DIRECTION, _DIRECTIONS)
ERRORS = _counter("tftp_errors", "ERROR packets sent, by their code.", ("code",))
DROPPED = _counter(
    "tftp_datagrams_dropped",
    "Datagrams at the request port that began no transfer: no proper request, or one that was ignored.",
    ("reason",),
)
FALLBACKS = _counter(
    "tftp_burst_fallbacks",
    "Transfers whose packets went through the kernel one by one, since it refused with this errno to cut a window"
    " into packets (read) or to join one (write).",
    ("direction", "errno"),
)
OPTIONS = _counter("tftp_options_agreed", "Transfers that had this option agreed.", ("direction", "option"))
BLKSIZE = _histogram(
    "tftp_agreed_blksize_bytes",
    "Bytes of payload in a block, of each transfer that ended.",
    (512, 1024, 1432, 1468, 4096, 8192, 16384, 32768, 65464),
)
WINDOWSIZE = _histogram(
    "tftp_agreed_windowsize_blocks", "Blocks in a window, of each transfer that ended.", (1, 2, 4, 8, 16, 32, 64)
)
RESPONSE_TIME = _histogram(
    "tftp_response_time_seconds",
    "Seconds from a request to the first packet of the answer.",
    (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
ROUND_TRIP = _histogram(
    "tftp_round_trip_seconds",
    "Seconds from a packet to its answer, of each transfer that ended and had that measured.",
    (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
DURATION = _histogram(
    "tftp_transfer_duration_seconds",
    "Seconds from a request to the end of its transfer, of those that were completed.",
    (0.01, 0.05, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600),
)
RATE = _histogram(
    "tftp_transfer_rate_bytes_per_second",
    "Bytes of payload for each second, of the transfers that were completed.",
    (1e4, 1e5, 5e5, 1e6, 2.5e6, 5e6, 1e7, 2.5e7, 5e7, 1e8, 2.5e8, 5e8, 1e9),
)
CACHE_HITS = _counter("tftp_cache_hits", "Reads that shared what an earlier one opened.")
CACHE_MISSES = _counter("tftp_cache_misses", "Reads that opened their file.")
CACHE_EVICTIONS = _counter("tftp_cache_evictions", "Files that were given up for want of room in the cache.")
CACHE_BYTES = _gauge("tftp_cache_bytes", "Bytes of small files that are held in memory.")
CACHE_DESCRIPTORS = _gauge("tftp_cache_open_files", "Files that are open for the next who asks, or in use.")
LOOP_LAG = Family(
    Kind.HISTOGRAM,
    "tftp_event_loop_lag_seconds",
    "Seconds by which a timer that is set each second came late: how long everybody had to wait.",
    (),
    _NO_LABELS,
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
)
HOOK_RUNS = _counter(
    "tftp_hook_runs",
    "Reports of transfers for hooks (monitoring.on_transfer), by what became of them.",
    ("result",),
    tuple((result.value,) for result in HookResult),
)
CPU = _counter("tftp_process_cpu_seconds", "CPU time that the daemon and its workers used, in seconds.")
MEMORY = _gauge("tftp_process_resident_memory_bytes", "Memory that they have; what they share counts twice.")
DESCRIPTORS = _gauge("tftp_process_open_descriptors", "Descriptors that they have open.")
MOST_DESCRIPTORS = _gauge("tftp_process_max_descriptors", "Descriptors that they may have open.")

FAMILIES: tuple[Family, ...] = (
    ACTIVE,
    UNVERIFIED,
    OPENING,
    TRANSFERS,
    REASONS,
    BYTES,
    BLOCKS,
    RETRANSMITS,
    ERRORS,
    DROPPED,
    FALLBACKS,
    OPTIONS,
    BLKSIZE,
    WINDOWSIZE,
    RESPONSE_TIME,
    ROUND_TRIP,
    DURATION,
    RATE,
    CACHE_HITS,
    CACHE_MISSES,
    CACHE_EVICTIONS,
    CACHE_BYTES,
    CACHE_DESCRIPTORS,
    LOOP_LAG,
    HOOK_RUNS,
    CPU,
    MEMORY,
    DESCRIPTORS,
    MOST_DESCRIPTORS,
)
"""All of them, in the order in which they are shown."""
