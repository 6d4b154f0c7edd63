"""What becomes of the log that twistd writes: its lines as text or as JSON, and which of them.

twistd chooses where the log goes (standard output, a file that it rotates, syslog) by its own options, which a
``.tac`` file does not see. So that is left to it: what it begins to log to is changed as it begins, which is after
the service was made and before the first line is written.
"""

import syslog
from collections.abc import Callable, Iterable
from typing import Any

from attrs import define
from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LegacyLogObserverWrapper,
    LogBeginner,
    LogEvent,
    LogLevel,
)
from twisted.python.syslog import SyslogObserver
from zope.interface import implementer

from tftpd_tw.service.configuration import Logging
from tftpd_tw.service.value_types import LogFormat
from tftpd_tw.telemetry.json_lines import json_line

_PRIORITIES = {
    LogLevel.debug: syslog.LOG_DEBUG,
    LogLevel.info: syslog.LOG_INFO,
    LogLevel.warn: syslog.LOG_WARNING,
    LogLevel.error: syslog.LOG_ERR,
    LogLevel.critical: syslog.LOG_ALERT,
}


class LogLines:
    """Applies ``settings``, which may change at any time, to what it is put around."""

    def __init__(self, settings: Logging = Logging()) -> None:  # noqa: B008 - it is frozen
        self.use(settings)

    def use(self, settings: Logging) -> None:
        """From the next line on."""
        self.are_json = settings.format is LogFormat.JSON
        self._least = LogLevel.lookupByName(settings.level)

    def wants(self, event: LogEvent) -> bool:
        """Whether it is important enough."""
        level = event.get("log_level")
        return level is None or level >= self._least

    def begin_with(self, beginner: LogBeginner) -> None:
        """Be around what ``beginner`` is told to log to.

        It is twistd that tells it, with an observer for where its options say; to replace the method is the one
        place to put something around whichever that is.
        """
        begin = beginner.beginLoggingTo

        def begin_logging_to(observers: Iterable[ILogObserver], *arguments: Any, **options: Any) -> None:
            begin([self.around(each) for each in observers], *arguments, **options)

        beginner.beginLoggingTo = begin_logging_to  # type: ignore[method-assign]

    def around(self, observer: ILogObserver) -> ILogObserver:
        """What to log to instead. A file stays the same observer, since twistd takes it away at the end."""
        if isinstance(observer, FileLogObserver):
            as_text = observer.formatEvent
            observer.formatEvent = lambda event: self._line(event, as_text)
            return observer
        legacy = observer.legacyObserver if isinstance(observer, LegacyLogObserverWrapper) else None
        is_syslog = isinstance(getattr(legacy, "__self__", None), SyslogObserver)
        return _Around(self, observer, is_syslog)

    def _line(self, event: LogEvent, as_text: Callable[[LogEvent], str | None]) -> str | None:
        if not self.wants(event):
            return None
        return json_line(event) + "\n" if self.are_json else as_text(event)


@implementer(ILogObserver)
@define
class _Around:
    """Syslog, to which a line of JSON goes without a prefix, or an observer of somebody else's."""

    _lines: LogLines
    _observer: ILogObserver
    _is_syslog: bool

    def __call__(self, event: LogEvent) -> None:
        if not self._lines.wants(event):
            return
        if self._is_syslog and self._lines.are_json:
            syslog.syslog(_PRIORITIES.get(event.get("log_level"), syslog.LOG_INFO), json_line(event))
        else:
            self._observer(event)
