"""What is measured, and what must come out of it."""

from typing import Literal

from attrs import evolve, frozen

from benchmarks.peers import OURS, OURS_2

KB, MB = 1000, 1000_000
BARE = "bare loop of UDP_SEGMENT"
TWO = ("tftpd-hpa", "atftpd")

Measure = Literal["rate", "cpu", "failures", "spread", "first", "rest", "session", "peak"]
AT_LEAST: tuple[Measure, ...] = ("rate",)
"""The measures that should be large; all others should be small."""


@frozen
class Goal:
    """A bound for one measure: as it is, or divided by a peer's."""

    measure: Measure
    bound: float
    of: tuple[str, ...] | None = None
    """The peers that it is divided by, each in turn; empty for the best of all; None for a measure as it is."""


def rate(bound: float, of: tuple[str, ...] = ()) -> Goal:
    """At least so many times the rate."""
    return Goal("rate", bound, of)


def cpu(bound: float, of: tuple[str, ...] = ()) -> Goal:
    """At most this part of the CPU for each GB."""
    return Goal("cpu", bound, of)


@frozen
class Case:
    """One row of the comparison."""

    name: str
    title: str
    size: int
    """Of one file, in bytes."""
    blksize: int = 1428
    windowsize: int = 1
    clients: int = 1
    transfers: int = 0
    """In all; 0 for one for each client."""
    upload: bool = False
    loss: float = 0
    """Per cent, in each direction."""
    unit: Literal["MB/s", "transfers/s", "MB/s each"] = "MB/s"
    """The rate: of all clients together, or of the median transfer alone."""
    deadline: int = 20
    """Seconds after which a measurement ends as it is."""
    together: bool = False
    """Whether the servers of a round run at the same time: they mostly wait."""
    pinned: bool = True
    """Whether server and clients have one CPU each."""
    servers: tuple[str, ...] = ()
    """Those that run; none for all but the one with two workers."""
    goals: tuple[Goal, ...] = ()

    @property
    def crowd(self) -> bool:
        """Whether the Python peers must be far behind: large windows or many clients."""
        return self.windowsize >= 16 or self.clients >= 100

    @property
    def count(self) -> int:
        """Transfers in one measurement."""
        return max(self.transfers, self.clients)


def lossy(percent: int, window: int) -> Case:
    """Eight clients at once, each 1 MB, over a line that loses packets."""
    kind = "lockstep" if window == 1 else f"windowsize {window}"
    goals = (rate(15, ("tftpd-hpa",)), rate(8))
    name, title = f"loss{percent}-ws{window}", f"{percent} % loss both ways, 1 MB, {kind}"
    return Case(
        name,
        title,
        MB,
        windowsize=window,
        clients=8,
        loss=percent,
        unit="MB/s each",
        together=True,
        deadline=40,
        goals=goals,
    )


CASES = (
    Case("lockstep-512", "one client, lockstep, blksize 512", 16 * MB, 512, goals=(rate(0.95), cpu(1.2))),
    Case("lockstep-1428", "one client, lockstep, blksize 1428", 32 * MB, goals=(rate(0.95), cpu(1.2))),
    Case("ws4", "one client, windowsize 4", 64 * MB, windowsize=4, goals=(rate(1.3),)),
    Case("ws16", "one client, windowsize 16", 64 * MB, windowsize=16, goals=(rate(1.8), cpu(0.6))),
    Case("ws64", "one client, windowsize 64", 64 * MB, windowsize=64, goals=(rate(3), cpu(0.4))),
    Case("large", "one client, blksize 65464, lockstep", 256 * MB, 65464, goals=(rate(1),)),
    Case("large-ws8", "one client, blksize 65464, windowsize 8", 256 * MB, 65464, 8, goals=(rate(1.5),)),
    Case("100", "100 clients, lockstep", MB, clients=100, goals=(rate(1), rate(1.6, TWO), cpu(0.6, TWO))),
    Case("100-ws16", "100 clients, windowsize 16", 2 * MB, windowsize=16, clients=100, goals=(rate(2),)),
    Case(
        *("1000-ws8", "1000 clients, windowsize 8, 1 MB each", MB),
        windowsize=8,
        clients=1000,
        goals=(Goal("failures", 0), Goal("spread", 1.5), Goal("first", 1)),
    ),
    Case(
        *("small", "3,000 files of 1 kB, 50 at a time", KB),
        clients=50,
        transfers=3000,
        unit="transfers/s",
        goals=(rate(1.5, ("tftpd-hpa",)),),
    ),
    Case("upload", "upload, lockstep", 32 * MB, upload=True, goals=(rate(0.9),)),
    Case("upload-ws16", "upload, windowsize 16", 64 * MB, windowsize=16, upload=True, goals=(rate(1.5),)),
    Case("upload-100", "upload, 100 clients, lockstep", MB, clients=100, upload=True, goals=(rate(1),)),
    lossy(1, 1),
    lossy(1, 16),
    lossy(5, 1),
    lossy(5, 16),
    Case(
        *("memory", "memory: 1000 sessions at windowsize 16", MB),
        windowsize=16,
        clients=1000,
        goals=(Goal("rest", 60), Goal("session", 64), Goal("peak", 130)),
    ),
    Case(
        *("workers", "two workers on two CPUs, 100 clients; the clients share them", 2 * MB),
        clients=100,
        pinned=False,
        servers=(OURS, OURS_2),
        goals=(Goal("rate", 1.3, (OURS,)),),
    ),
    Case(
        *("limit", "share of the limit, windowsize 64", 64 * MB),
        windowsize=64,
        servers=(OURS, BARE),
        goals=(rate(0.5, (BARE,)),),
    ),
)


def quick(case: Case) -> Case:
    """The same with less of it, to see that everything works."""
    return evolve(
        case,
        size=case.size if case.size <= 2 * MB else case.size // 8,
        clients=min(case.clients, 200),
        transfers=min(case.transfers, 300),
        deadline=10,
    )
