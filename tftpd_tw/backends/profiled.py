"""Another folder for some kinds of clients, by the profile that a request fits."""

from collections.abc import Mapping

from attrs import frozen
from zope.interface import implementer

from tftpd_tw.interfaces import Eventually, IBackend, IReader, IWriter, Request
from tftpd_tw.policy.profiles import Profiles


@implementer(IBackend)
@frozen
class ProfiledBackend:
    """Asks the backend of the profile of a request, or ``general``."""

    general: IBackend
    profiles: Profiles
    own: Mapping[str, IBackend]
    """Of those profiles that have one, by their names."""

    def open_read(self, request: Request) -> "Eventually[IReader]":
        """What that backend has."""
        return self.backend_for(request).open_read(request)

    def open_write(self, request: Request) -> "Eventually[IWriter]":
        """A place of that backend."""
        return self.backend_for(request).open_write(request)

    def backend_for(self, request: Request) -> IBackend:
        """Which one ``request`` is for."""
        profile = self.profiles.find(request)
        return self.general if profile is None else self.own.get(profile.name, self.general)
