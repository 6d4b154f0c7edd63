"""One log line for each report: of a finished transfer, or of a request that none came of.

The line is one structured event: its text is for people, its report for who writes JSON
(:mod:`~tftpd_tw.telemetry.json_lines`).
What came from the network is escaped, so that a name is never more than one harmless word of the line.
"""

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher

from tftpd_tw.protocol.packets import Options
from tftpd_tw.protocol.text import escaped
from tftpd_tw.telemetry.report_fields import PATH_LENGTH
from tftpd_tw.telemetry.reports import Report

_EVENT = {
    "log_format": "{text}",
    "log_level": LogLevel.info,
    "log_namespace": "tftpd_tw.transfers",
    "log_system": "tftpd_tw.transfers#info",
}
"""What all lines have in common."""


@frozen
class TransferLog:
    """Writes the lines."""

    _observer: ILogObserver = globalLogPublisher

    def __call__(self, report: Report) -> None:
        """Write the line of ``report``."""
        self._observer({**event_of(report), "text": _text(report)})


def event_of(report: Report) -> LogEvent:
    """The event of its line, without the text."""
    return {**_EVENT, "log_time": report.at, "report": report}


def _text(report: Report) -> str:
    # Put together here: with a format of thirteen fields the logger takes 30 us for it, and with Logger.info 4
    # more, which is as much as all system calls of a request.
    record = report.record
    request, agreed, source, mac = record.request, record.agreed, record.source, report.neighbour.mac
    text = (
        f"{request.direction} {record.outcome} reason={escaped(record.reason.encode())} client={request.client}"
        f' local={request.local.host} name="{escaped(request.name)}" mode={request.mode.decode()}'
        f" asked={_options(request.options)} agreed={_options(agreed.options) if agreed else '-'}"
        f" bytes={record.byte_count} seconds={record.seconds:.3f} retransmits={record.retransmits}"
    )
    if source is not None:
        text += f' file="{escaped(source.name, PATH_LENGTH)}"'
    if mac:
        text += f" mac={mac.hex(':')}"
    if record.profile:
        text += f" profile={record.profile}"
    if record.detail:
        text += f' detail="{escaped(record.detail.encode(errors="backslashreplace"))}"'
    return f"{text} more={report.more}" if report.more else text


def _options(options: Options) -> str:
    """``blksize=1428,tsize=0``, or a dash for none."""
    return escaped(b",".join([b"%b=%b" % pair for pair in options])) if options else "-"
