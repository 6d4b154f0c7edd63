"""What to do about a transfer that failed: half a sentence for each way to fail."""

from tftpd_tw.interfaces import Direction
from tftpd_tw.net.client import SERVER_VANISHED, TransferFailed
from tftpd_tw.protocol.errors import ErrorCode, IllegalOperation, OptionRefused
from tftpd_tw.protocol.events import Reason

_PLAIN = "try --block-size 512 --window-size 1, with which no options are asked for"

_REFUSALS: dict[int, str] = {
    ErrorCode.UNDEFINED: "the log of the server may say why",
    ErrorCode.ACCESS_VIOLATION: "the server does not let this machine have that file",
    ErrorCode.FILE_NOT_FOUND: "look at NAME: it is seen from the folder that is served, and its case may matter",
    ErrorCode.ILLEGAL_OPERATION: _PLAIN,
    ErrorCode.OPTION_REFUSED: _PLAIN,
}
"""By the code of the server's ERROR."""

_REFUSED_UPLOADS: dict[int, str] = {
    ErrorCode.FILE_NOT_FOUND: "there may be no such folder, or the server only replaces files that it has",
    ErrorCode.ACCESS_VIOLATION: "the server may take no uploads (tftpd-tw: --uploads), or not of that name",
    ErrorCode.DISK_FULL: "it takes room on the server",
    ErrorCode.FILE_EXISTS: "choose another NAME, or have it removed there",
}
"""The same where a write means something else."""

_FAILURES: dict[str, str] = {
    Reason.NO_ANSWER: "is that the address and the port, and does a firewall let the answer through, which comes"
    " from another port?",
    SERVER_VANISHED: "try again; if it always ends there, with smaller packets: --block-size 512",
    OptionRefused.reason: _PLAIN,
    IllegalOperation.reason: _PLAIN,
}
"""By the reason of other failures."""


def advice(error: TransferFailed, direction: Direction) -> str:
    """What to do; empty where there is nothing to say."""
    code = error.ended.code
    if error.ended.reason == Reason.PEER_ERROR and code is not None:
        uploads = _REFUSED_UPLOADS if direction is Direction.WRITE else {}
        return uploads.get(code, _REFUSALS.get(code, ""))
    if error.reason == Reason.NO_ANSWER and error.ended.unreachable:
        return "does the server run, and on that port (see --port)?"
    return _FAILURES.get(error.reason, "")
