"""The error tree: what can go wrong with a transfer, and how each is said on the wire.

A backend raises one of these classes; the session sends the class's code and fixed text to the client
(RFC 1350 section 5). The text never contains a path, an errno or a version: the client is a stranger.
What an operator needs to know goes into the exception's own message, which only the log shows.
"""

import enum


class ErrorCode(enum.IntEnum):
    """The codes of an ERROR packet (RFC 1350 appendix I; 8 is from RFC 2347)."""

    UNDEFINED = 0
    FILE_NOT_FOUND = 1
    ACCESS_VIOLATION = 2
    DISK_FULL = 3
    ILLEGAL_OPERATION = 4
    UNKNOWN_TID = 5
    FILE_EXISTS = 6
    NO_SUCH_USER = 7
    OPTION_REFUSED = 8


class TFTPError(Exception):
    """A transfer cannot go on. The base of the tree, and itself code 0.

    ``TFTPError("what the operator should know")``: the message is for the log only.
    """

    code: ErrorCode = ErrorCode.UNDEFINED
    wire_text: str = "Server error"
    """What the client is told: ASCII, short, the same for everybody, or what the operator wants him to be told."""
    reason: str = "server-error"
    """The word for it in transfer records and metrics."""


class FileNotFound(TFTPError):
    """There is no such file."""

    code = ErrorCode.FILE_NOT_FOUND
    wire_text = "File not found"
    reason = "not-found"


class AccessViolation(TFTPError):
    """The client may not have this file, or may not write here."""

    code = ErrorCode.ACCESS_VIOLATION
    wire_text = "Access violation"
    reason = "denied"


class DiskFull(TFTPError):
    """No room for the upload: disk, quota or size limit."""

    code = ErrorCode.DISK_FULL
    wire_text = "Disk full or allocation exceeded"
    reason = "disk-full"


class FileExists(TFTPError):
    """The upload's name is taken and may not be overwritten."""

    code = ErrorCode.FILE_EXISTS
    wire_text = "File already exists"
    reason = "file-exists"


class IllegalOperation(TFTPError):
    """A packet that breaks the protocol."""

    code = ErrorCode.ILLEGAL_OPERATION
    wire_text = "Illegal TFTP operation"
    reason = "illegal-operation"


class OptionRefused(IllegalOperation):
    """The server granted an option that was not asked, or more of one than was asked (RFC 2347)."""

    code = ErrorCode.OPTION_REFUSED
    wire_text = "Option refused"
    reason = "option-refused"


class UnknownTID(TFTPError):
    """A packet from an address and port that is not the transfer's other end."""

    code = ErrorCode.UNKNOWN_TID
    wire_text = "Unknown transfer ID"
    reason = "unknown-tid"


class ServerStopping(TFTPError):
    """The server is being stopped and could not wait for this transfer."""

    wire_text = "Server is stopping"
    reason = "server-stopping"


class Cancelled(TFTPError):
    """Whoever began the transfer does not want it any more."""

    wire_text = "Transfer was cancelled"
    reason = "cancelled"


class SourceTruncated(TFTPError):
    """The content ended before the size that was known when it was opened."""

    wire_text = "File changed while it was sent"
    reason = "source-truncated"


class BackendStalled(TFTPError):
    """The backend has not delivered, or not stored, for as long as the transfer may be silent."""

    wire_text = "Server storage does not answer"
    reason = "backend-stalled"


class TooSlow(TFTPError):
    """The client takes or gives less in a second than it must."""

    wire_text = "Transfer is too slow"
    reason = "too-slow"


class LifetimeOver(TFTPError):
    """The transfer is older than any may become."""

    wire_text = "Transfer takes too long"
    reason = "lifetime-over"
