"""Which files clients may have meant that asked for one that is not there, of those that are served just now.

The tree is looked through in a thread of its own, at most once a minute, and never twice at the same time: it is
for the page and for ``tftpd-tw explain``, which ask again and again, and transfers must not notice. Comparing
names takes a while, in which the interpreter does little else; so each question has a limit of time, and what is
left is found with the next one.
"""

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tftpd_tw.backends.suggesting import Suggestions
from tftpd_tw.interfaces import RunBlocking
from tftpd_tw.service.folders import Folders

log = Logger()

KEPT = 60.0
"""Seconds."""

LONGEST = 0.1
"""Seconds that are spent comparing for one question."""


class Suggester:
    """Suggests files of ``folders``, which may be others at each call.

    :param run_blocking: calls a function in a thread of its own and gives a Deferred of its result.
    """

    def __init__(self, clock: IReactorTime, folders: Callable[[], Folders], run_blocking: RunBlocking) -> None:
        self._clock = clock
        self._folders = folders
        self._run_blocking = run_blocking
        self._one_at_a_time = DeferredLock()
        self._of: Folders | None = None
        self._suggestions = Suggestions(())
        self._expires = 0.0

    def __call__(self, names: Sequence[str]) -> "Deferred[list[list[str]]]":
        """For each of ``names``, escaped, the paths of up to three files, beneath the folder that has them; never
        fails.
        """

        def cannot(failure: Failure) -> list[list[str]]:
            log.warn("cannot look for files of other names: {error}", error=failure.getErrorMessage())
            return [[] for _ in names]

        found = self._one_at_a_time.run(lambda: Deferred.fromCoroutine(self._suggest(names)))
        return found.addErrback(cannot)

    async def _suggest(self, names: Sequence[str]) -> list[list[str]]:
        if not names:
            return []
        folders = self._folders()
        if self._of is not folders or self._clock.seconds() >= self._expires:
            self._suggestions = Suggestions(await folders.files(self._run_blocking))
            self._of, self._expires = folders, self._clock.seconds() + KEPT
        suggestions = self._suggestions
        if not suggestions.know(names):
            await self._run_blocking(suggestions.look_for, names, LONGEST)
        return [suggestions.for_name(name) for name in names]
