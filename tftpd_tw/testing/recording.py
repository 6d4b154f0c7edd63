"""An observer that keeps all it is told, for a test to look at."""

from attrs import define, field
from zope.interface import implementer

from tftpd_tw.interfaces import Address, ITransfer, ITransferObserver, Outcome, TransferRecord


@implementer(ITransferObserver)
@define
class RecordingObserver:
    """Keeps everything it is told."""

    started: list[ITransfer] = field(factory=list)
    ended: list[TransferRecord] = field(factory=list)
    refused: list[TransferRecord] = field(factory=list)
    errors: list[int] = field(factory=list)
    ignored: list[tuple[Address, str]] = field(factory=list)
    """Clients whose requests got no answer, and why."""
    dropped: list[str] = field(factory=list)

    def transfer_started(self, transfer: ITransfer) -> None:
        """A session begins."""
        self.started.append(transfer)

    def transfer_ended(self, transfer: ITransfer, record: TransferRecord) -> None:
        """Its outcome is known."""
        self.ended.append(record)

    def request_refused(self, record: TransferRecord) -> None:
        """No session came of a request."""
        if record.outcome is Outcome.IGNORED:
            self.ignored.append((record.request.client, record.reason))
        else:
            self.refused.append(record)

    def error_sent(self, code: int) -> None:
        """An ERROR packet left."""
        self.errors.append(code)

    def datagram_dropped(self, why: str, sender: Address, detail: str) -> None:
        """No request."""
        self.dropped.append(why)
