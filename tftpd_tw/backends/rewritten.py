"""Names are rewritten by rules before another backend sees them.

Where a rule asks whether there is a file of some name, somebody else may be asked than that backend, which may
refuse to some what is there (:mod:`~tftpd_tw.backends.finding`). A read asks where files are looked for, an upload
where it would go.
"""

from functools import partial

from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tftpd_tw.backends.chaining import Identify, then
from tftpd_tw.backends.finding import Find, exists
from tftpd_tw.interfaces import IBackend, IReader, IWriter, Request
from tftpd_tw.policy.client_names import ClientNames
from tftpd_tw.policy.rewriting import Evaluation, Rewriting, Tell
from tftpd_tw.protocol.errors import AccessViolation


@implementer(IBackend)
class RewritingBackend:
    """Gives ``inner`` the names that the rules make of those in the requests.

    :param inner: the backend that has the files.
    :param rewriting: the rules.
    :param identify: what a client is called, see :data:`~tftpd_tw.backends.chaining.Identify`.
    :param find: who is asked whether there is a file, see :meth:`~tftpd_tw.backends.finding.IFinder.find`.
    """

    name = "rewriting"

    def __init__(self, inner: IBackend, rewriting: Rewriting, identify: Identify, find: Find) -> None:
        self.inner = inner
        self._rewriting = rewriting
        self._identify = identify
        self._find = find

    def open_read(self, request: Request) -> "IReader | Deferred[IReader]":
        """What ``inner`` has of the new name.

        :raises RefusedByRule: a rule says so
        :raises TFTPError: the rules do not end; and what ``inner`` raises
        """
        return then(self.rewrite(request), self.inner.open_read)

    def open_write(self, request: Request) -> "IWriter | Deferred[IWriter]":
        """A place of the new name; raises as :meth:`open_read`."""
        return then(self.rewrite(request), self.inner.open_write)

    def rewrite(self, request: Request, tell: Tell | None = None) -> "Request | Deferred[Request]":
        """``request`` with its new name; ``tell`` is told of each rule. Raises as :meth:`open_read`."""

        def evaluate(names: ClientNames) -> "Request | Deferred[Request]":
            evaluation = self._rewriting.evaluate(request, names, tell)
            return self._advance(request, evaluation, None)

        return then(self._identify(request), evaluate)

    def _advance(
        self, request: Request, evaluation: Evaluation, answer: bool | None
    ) -> "Request | Deferred[Request]":
        """Let the evaluation go on with ``answer``, and with those to the questions that it has then."""
        while True:
            try:
                asked = next(evaluation) if answer is None else evaluation.send(answer)
            except StopIteration as end:
                if not end.value:
                    raise AccessViolation("the rewrite rules leave nothing of the name") from None
                return evolve(request, name=end.value)
            found = exists(self._find, evolve(request, name=asked))
            if isinstance(found, Deferred):
                return found.addCallback(partial(self._advance, request, evaluation))
            answer = found
