"""Which files clients may have meant that asked for one that is not there, of those that are served just now.

The tree is looked through in a thread, and that is kept for a minute: it is for the page and for ``tftpd-tw
explain``, which ask again and again.
"""

from collections.abc import Callable, Sequence
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tftpd_tw.backends.suggesting import Suggestions
from tftpd_tw.service.folders import Folders

log = Logger()

KEPT = 60.0
"""Seconds."""


class Suggester:
    """Suggests files of ``folders``, which may be others at each call."""

    def __init__(self, clock: IReactorTime, folders: Callable[[], Folders]) -> None:
        self._clock = clock
        self._folders = folders
        self._of: Folders | None = None
        self._suggestions = Suggestions(())
        self._expires = 0.0

    def __call__(self, names: Sequence[str]) -> "Deferred[list[list[str]]]":
        """For each of ``names``, escaped, the paths of up to three files, beneath the folder that has them; never
        fails.
        """

        def cannot(failure: Failure) -> list[list[str]]:
            log.failure("Cannot look for files of other names", failure)
            return [[] for _ in names]

        return Deferred.fromCoroutine(self._suggest(names)).addErrback(cannot)

    async def _suggest(self, names: Sequence[str]) -> list[list[str]]:
        if not names:
            return []
        folders = self._folders()
        if self._of is not folders or self._clock.seconds() >= self._expires:
            self._suggestions = Suggestions(await folders.files())
            self._of, self._expires = folders, self._clock.seconds() + KEPT
        suggestions = self._suggestions
        found = folders.run_blocking(lambda: [suggestions.for_name(name) for name in names])
        return cast(list[list[str]], await found)
