"""How one kind of client is treated, so that one broken ROM is cured without touching the others.

A profile says which requests it is for, by the client's network, by the address that was asked, by the interface
that the request came in by, by the name of the file, or by several of these, which must all fit then. The first
profile that fits counts and no other: profiles are not merged with each other. What the profile does not set stays
as it is for everybody; what it sets counts, be it more or less than that.

Names are those that the client asked for, normalised as for the rules of :mod:`~tftpd_tw.policy.access`.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from attrs import evolve, frozen

from tftpd_tw.interfaces import Request
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.globs import Globs
from tftpd_tw.policy.paths import Normalise, path_of
from tftpd_tw.protocol.options import Policy
from tftpd_tw.protocol.timing import Patience

T = TypeVar("T")

InterfaceName = Callable[[int], str | None]
"""Gives the name of the interface with that number; None if there is none."""

ALL_OPTIONS = frozenset({b"blksize", b"blksize2", b"windowsize", b"timeout", b"utimeout", b"tsize", b"rollover"})
"""Refused, they leave plain RFC 1350: no OACK, blocks of 512 bytes."""


@frozen(eq=False)
class Profile:
    """One kind of client, and what is different for it. None leaves a thing as it is for all."""

    name: str
    """For the log, and to find what belongs to it."""

    clients: Networks | None = None
    """Only clients in one of these."""
    local: Networks | None = None
    """Only requests that came to one of these addresses of ours."""
    interfaces: frozenset[str] | None = None
    """Only requests that came in by an interface of one of these names."""
    paths: Globs | None = None
    """Only names that match one of these."""

    root: str | None = None
    """The folder that is served."""
    block_size: int | None = None
    """The largest blksize that is granted, in bytes."""
    fit_mtu: bool | None = None
    """Whether less is granted where the route to the client would have to fragment; settle it with ``block_size``.
    """
    window_size: int | None = None
    """The largest windowsize that is granted, in blocks."""
    timeout: float | None = None
    """The longest wait before a repeat, in seconds."""
    refused: frozenset[bytes] | None = None
    """Lower-case names of options that are treated as unknown; :data:`ALL_OPTIONS` for all."""
    single_port: bool | None = None
    """Whether it is served from the port that it asked."""

    def fits(self, host: str, local: str, interface: str | None, path: bytes | None) -> bool:
        """Whether it is for such a request; ``interface`` is None if it is not known, ``path`` if the name is that
        of no file.
        """
        return (
            (self.clients is None or host in self.clients)
            and (self.local is None or local in self.local)
            and (self.interfaces is None or interface in self.interfaces)
            and (self.paths is None or (path is not None and self.paths.match(path)))
        )

    def policy(self, general: Policy) -> Policy:
        """Which options it is granted, where ``general`` is for everybody."""
        return evolve(
            general,
            max_blksize=_first(self.block_size, general.max_blksize),
            max_windowsize=_first(self.window_size, general.max_windowsize),
            refused=_first(self.refused, general.refused),
        )

    def patience(self, general: Patience) -> Patience:
        """How long it is waited for, where ``general`` is for everybody."""
        return evolve(general, timeout=_first(self.timeout, general.timeout))


def _first(own: T | None, general: T) -> T:
    return general if own is None else own


class Profiles:
    """Finds the profile of a request.

    :param profiles: the first that fits counts
    :param normalise: how a name becomes a path
    """

    def __init__(self, profiles: Iterable[Profile], normalise: Normalise, interface_name: InterfaceName) -> None:
        self._profiles = tuple(profiles)
        self._normalise = normalise
        self._interface_name = interface_name
        self._about_names = any(profile.paths is not None for profile in self._profiles)
        self._about_interfaces = any(profile.interfaces is not None for profile in self._profiles)

    def find(self, request: Request) -> Profile | None:
        """The profile that ``request`` is treated by; None if none fits."""
        path = path_of(request.name, self._normalise) if self._about_names else None
        # Asked for each request: an interface that comes again has another number.
        interface = self._interface_name(request.interface) if self._about_interfaces else None
        for profile in self._profiles:
            if profile.fits(request.client.host, request.local.host, interface, path):
                return profile
        return None
