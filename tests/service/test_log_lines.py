"""Which lines of twistd's log are written, and as what."""

import io
import json
import syslog
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from twisted.logger import (
    FileLogObserver,
    LegacyLogObserverWrapper,
    LogBeginner,
    LogEvent,
    Logger,
    LogPublisher,
    textFileLogObserver,
)
from twisted.python.syslog import SyslogObserver

from tftpd_tw.service.configuration import Logging
from tftpd_tw.service.log_lines import LogLines
from tftpd_tw.service.value_types import LeastLevel, LogFormat

JSON = Logging(LogFormat.JSON)
LEVELS = ["debug", "info", "warn", "error", "critical"]


def all_levels(observer: Callable[[LogEvent], object]) -> None:
    """A line of each."""
    log = Logger("a.b", observer=observer)  # type: ignore[arg-type]
    for level in LEVELS:
        getattr(log, level)("it is " + level)


def lines(settings: Logging) -> list[str]:
    """What becomes of a line of each level in a file."""
    file = io.StringIO()
    all_levels(LogLines(settings).around(textFileLogObserver(file)))
    return file.getvalue().splitlines()


@pytest.mark.parametrize("format", LogFormat)
@pytest.mark.parametrize("level", LeastLevel)
def test_the_least_level(level: LeastLevel, format: LogFormat) -> None:
    """What is less important is not written; what is critical always is."""
    expected = LEVELS[LEVELS.index(level) :]
    found = lines(Logging(format, level))
    assert [line.rpartition("it is ")[2].rstrip('"}') for line in found] == expected


def test_text_is_that_of_twistd() -> None:
    """As if nobody were around it."""
    plain, around = io.StringIO(), io.StringIO()
    observers = [textFileLogObserver(plain), LogLines().around(textFileLogObserver(around))]
    log = Logger("a.b", observer=LogPublisher(*observers))
    log.info("one\ntwo")
    assert around.getvalue() == plain.getvalue()
    assert "[a.b#info] one\n\ttwo\n" in plain.getvalue()


def test_json() -> None:
    """An object for each line."""
    assert [json.loads(line)["level"] for line in lines(JSON)] == LEVELS[1:]


def test_another_setting() -> None:
    """It holds from the next line on."""
    file = io.StringIO()
    log_lines = LogLines()
    log = Logger("a.b", observer=log_lines.around(textFileLogObserver(file)))
    log.info("one")
    log_lines.use(Logging(LogFormat.JSON, LeastLevel.WARN))
    log.info("two")
    log.warn("three")
    log_lines.use(Logging())
    log.info("four")
    first, second, third = file.getvalue().splitlines()
    assert first.endswith("[a.b#info] one")
    assert json.loads(second)["text"] == "three"
    assert third.endswith("[a.b#info] four")


def test_it_is_around_what_twistd_begins_with() -> None:
    """Also for what was logged before; a file's observer stays the one that twistd takes away at the end."""
    file, publisher = io.StringIO(), LogPublisher()
    beginner = LogBeginner(
        publisher, io.StringIO(), SimpleNamespace(), SimpleNamespace(showwarning=warnings.showwarning)
    )
    LogLines(JSON).begin_with(beginner)
    log = Logger("a.b", observer=publisher)
    log.info("early")
    observer = textFileLogObserver(file)
    beginner.beginLoggingTo([observer], redirectStandardIO=False)
    log.info("late")
    publisher.removeObserver(observer)
    log.info("too late")
    assert [json.loads(line)["text"] for line in file.getvalue().splitlines()] == ["early", "late"]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What syslog was told, with priorities."""
    said: list[tuple[int, str]] = []
    monkeypatch.setattr(syslog, "syslog", lambda priority, text: said.append((priority, text)))
    monkeypatch.setattr(SyslogObserver, "syslog", staticmethod(syslog.syslog))
    monkeypatch.setattr(SyslogObserver, "openlog", lambda *_: None)
    return said


def test_syslog(said: list[tuple[int, str]]) -> None:
    """A line of JSON is the whole message, with the priority of its level; text is twistd's."""
    log_lines = LogLines(JSON)
    observer = log_lines.around(LegacyLogObserverWrapper(SyslogObserver("tftpd").emit))
    all_levels(observer)
    assert [(priority, json.loads(text)["text"]) for priority, text in said] == [
        (syslog.LOG_INFO, "it is info"),
        (syslog.LOG_WARNING, "it is warn"),
        (syslog.LOG_ERR, "it is error"),
        (syslog.LOG_ALERT, "it is critical"),
    ]
    said.clear()
    log_lines.use(Logging(level=LeastLevel.ERROR))
    all_levels(observer)
    assert [text for _, text in said] == ["[-] it is error", "[-] it is critical"]


def test_somebody_elses_logger() -> None:
    """It gets the events themselves, those that are important enough."""
    events: list[LogEvent] = []
    all_levels(LogLines(JSON).around(events.append))  # type: ignore[arg-type]
    assert [event["log_level"].name for event in events] == LEVELS[1:]


def test_nothing_is_written_twice() -> None:
    """A file's observer is changed, not wrapped."""
    observer = textFileLogObserver(io.StringIO())
    assert isinstance(observer, FileLogObserver)
    assert LogLines().around(observer) is observer
