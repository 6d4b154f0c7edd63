"""Settings that change while the daemon runs: all of them are read again, and all of them are taken, or none.

The file is read in a thread, which may have to wait for it. Whatever is wrong (a mistake in the file, a port that
cannot be opened) leaves everything as it was. Requests to reload that come while one is under way are answered
together by the next one, which sees what they want seen.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.config_reader import dotted
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.opening import OpenError
from tftpd_tw.service.setting import Setting, settings

log = Logger()

Read = Callable[[], Configuration]
"""Reads everything again; raises :class:`~tftpd_tw.service.config_file.ConfigurationError`."""

Apply = Callable[[Configuration], Awaitable[None]]
"""Serves by it; raises :class:`~tftpd_tw.service.opening.OpenError` and changes nothing if it cannot."""

InThread = Callable[[Callable[[], Any]], "Deferred[Any]"]


@frozen
class Outcome:
    """What became of a reload."""

    problems: Sequence[str] = ()
    """What is wrong, in lines. There are none if the settings were taken."""
    late: Sequence[str] = ()
    """The names of settings that were taken as they were before, since others take a restart."""


class Reloader:
    """Keeps ``configuration`` up to date.

    :param began: called before each reload
    :param ended: called after it, with its problems
    """

    def __init__(
        self,
        configuration: Configuration,
        read: Read,
        apply: Apply,
        in_thread: InThread,
        *,
        began: Callable[[], None],
        ended: Callable[[Sequence[str]], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.configuration = configuration
        """That by which requests are served."""
        self.successful = True
        """Whether what was read last was taken."""
        self.at = now()
        """When it was read, in seconds since 1970."""
        self.counts = {"success": 0, "failure": 0}
        """Reloads, by what became of them."""
        self._read = read
        self._apply = apply
        self._in_thread = in_thread
        self._began = began
        self._ended = ended
        self._now = now
        self._asked: list[Deferred[Outcome]] = []
        self._under_way = False

    def reload(self) -> "Deferred[Outcome]":
        """Read everything again. Never fails."""
        asked: Deferred[Outcome] = Deferred()
        self._asked.append(asked)
        if not self._under_way:
            self._begin()
        return asked

    def _begin(self) -> None:
        self._under_way = True
        asked, self._asked = self._asked, []
        self._began()
        Deferred.fromCoroutine(self._once()).addCallback(self._finish, asked)

    def _finish(self, outcome: Outcome, asked: "list[Deferred[Outcome]]") -> None:
        self._under_way = False
        self.successful, self.at = not outcome.problems, self._now()
        self.counts["success" if self.successful else "failure"] += 1
        for problem in outcome.problems:
            log.error("not reloaded, the settings stay as they were: {problem}", problem=problem)
        self._ended(outcome.problems)
        for each in asked:
            each.callback(outcome)
        if self._asked and not self._under_way:
            self._begin()

    async def _once(self) -> Outcome:
        before = self.configuration
        try:
            found = await self._in_thread(self._read)
            new, late = without_restart(before, found)
            await self._apply(new)
        except ConfigurationError as error:
            return Outcome(error.problems)
        except OpenError as error:
            return Outcome([error.text])
        except Exception:
            log.failure("The settings could not be changed")
            return Outcome(["an error of the daemon's own; see its log"])
        self.configuration = new
        log.info("reloaded; changed: {names}", names=", ".join(changed(before, new)) or "nothing")
        if late:
            log.warn("changed by a restart only: {names}", names=", ".join(late))
        return Outcome(late=late)


def changed(before: Configuration, after: Configuration) -> list[str]:
    """The names of the settings that differ."""
    return [dotted(one.path) for one in settings(Configuration) if _value(before, one) != _value(after, one)]


def without_restart(before: Configuration, found: Configuration) -> tuple[Configuration, list[str]]:
    """``found``, but ``before`` in what takes a restart; and the names of the settings that it changes back."""
    late = []
    for one in settings(Configuration):
        if one.about.restart and _value(found, one) != _value(before, one):
            late.append(dotted(one.path))
            section = evolve(getattr(found, one.section), **{one.key: _value(before, one)})
            found = evolve(found, **{one.section: section})
    return found, late


def _value(configuration: Configuration, setting: Setting) -> Any:
    return getattr(getattr(configuration, setting.section), setting.key)
