"""The rules of access once more, for the name that other rules have made of the one in the request.

Before a backend is asked at all, the rules decide on the name that the client sent. Where names are rewritten,
that is not the name of the file; so whatever stands behind the rewriting is guarded by the same rules again. By
then the client is owed an answer: what a rule would leave unanswered gets ERROR 2 here.
"""

from attrs import frozen
from zope.interface import implementer

from tftpd_tw.interfaces import Eventually, IAuthorizer, IBackend, IReader, IWriter, Request
from tftpd_tw.protocol.errors import AccessViolation
from tftpd_tw.protocol.text import escaped


class DeniedByRule(AccessViolation):
    """A rule forbids the name that others have made. Its ``reason`` names the rule."""

    def __init__(self, reason: str, name: bytes) -> None:
        super().__init__(f"{reason}, which was asked again for the rewritten name {escaped(name)}")
        self.reason = reason


@implementer(IBackend)
@frozen
class GuardedBackend:
    """Asks ``authorizer`` before ``inner``."""

    inner: IBackend
    authorizer: IAuthorizer

    def open_read(self, request: Request) -> "Eventually[IReader]":
        """What ``inner`` has, if it may be had.

        :raises DeniedByRule: a rule forbids it; and what ``inner`` raises
        """
        self._check(request)
        return self.inner.open_read(request)

    def open_write(self, request: Request) -> "Eventually[IWriter]":
        """A place of ``inner``; raises as :meth:`open_read`."""
        self._check(request)
        return self.inner.open_write(request)

    def _check(self, request: Request) -> None:
        refusal = self.authorizer.refusal(request)
        if refusal is not None:
            raise DeniedByRule(refusal.reason, request.name)
