"""One log line for each finished transfer and each refused request, and one a minute for each client that is
ignored or that never answers.

The line is one structured event: its text is for people, its record for who writes JSON
(:mod:`~tftpd_tw.telemetry.json_lines`).
What came from the network is escaped, so that a name is never more than one harmless word of the line.
"""

from collections.abc import Callable
from time import monotonic, time

from attrs import define, field
from twisted.logger import ILogObserver, Logger, LogLevel, globalLogPublisher
from zope.interface import implementer

from tftpd_tw.interfaces import Address, ITransfer, ITransferObserver, Outcome, TransferRecord
from tftpd_tw.policy.notices import Notices
from tftpd_tw.protocol.packets import Options
from tftpd_tw.protocol.text import escaped

_EVENT = {
    "log_format": "{text}",
    "log_level": LogLevel.info,
    "log_namespace": "tftpd_tw.transfers",
    "log_system": "tftpd_tw.transfers#info",
}
"""What all lines have in common."""

IGNORED_LINE = "request ignored reason={reason} client={client} more={more}"
"""``more``: how many of this client's requests were ignored since its last line."""


@implementer(ITransferObserver)
@define
class TransferLog:
    """Writes the lines."""

    _observer: ILogObserver = globalLogPublisher
    _log: Logger = Logger("tftpd_tw.transfers")
    _seconds: Callable[[], float] = monotonic
    _notices: Notices = field(init=False, factory=Notices)

    def transfer_started(self, transfer: ITransfer) -> None:
        """Only the end is written."""

    def transfer_ended(self, transfer: ITransfer, record: TransferRecord) -> None:
        """Write its line; who never answers has one a minute, since that costs him one packet each."""
        if record.outcome is not Outcome.UNANSWERED or self._due(record.request.client) is not None:
            self._write(record)

    def request_refused(self, record: TransferRecord) -> None:
        """Write its line."""
        self._write(record)

    def error_sent(self, code: int) -> None:
        """The record says it."""

    def request_ignored(self, client: Address, why: str) -> None:
        """Write a line, unless this client had one a short while ago."""
        more = self._due(client)
        if more is not None:
            self._log.info(IGNORED_LINE, reason=escaped(why.encode()), client=str(client), more=more)

    def datagram_dropped(self, why: str) -> None:
        """Counted, not written: anybody can send anything at any rate."""

    def _due(self, client: Address) -> int | None:
        return self._notices.due(client.host, self._seconds())

    def _write(self, record: TransferRecord) -> None:
        request = record.request
        direction, outcome, reason = request.direction, record.outcome, record.reason
        client, local = str(request.client), request.local.host
        name, mode = escaped(request.name), request.mode.value.decode()
        asked = _options(request.options)
        agreed = _options(record.agreed.options) if record.agreed else "-"
        detail = _detail(record.detail) if record.detail else ""
        # Put together here: with a format of thirteen fields the logger takes 30 us for it, and with Logger.info 4
        # more, which is as much as all system calls of a request.
        text = (
            f'{direction} {outcome} reason={reason} client={client} local={local} name="{name}" mode={mode}'
            f" asked={asked} agreed={agreed} bytes={record.byte_count} seconds={record.seconds:.3f}"
            f" retransmits={record.retransmits}{detail}"
        )
        self._observer(
            {
                **_EVENT,
                "log_time": time(),
                "text": text,
                "record": record,
                "direction": direction,
                "outcome": outcome,
                "reason": reason,
                "client": client,
                "local": local,
                "name": name,
                "mode": mode,
                "asked": asked,
                "agreed": agreed,
                "bytes": record.byte_count,
                "seconds": record.seconds,
                "retransmits": record.retransmits,
                "detail": detail,
            }
        )


def _options(options: Options) -> str:
    """``blksize=1428,tsize=0``, or a dash for none."""
    return escaped(b",".join([b"%b=%b" % pair for pair in options])) if options else "-"


def _detail(text: str) -> str:
    return f' detail="{escaped(text.encode(errors="backslashreplace"))}"'
