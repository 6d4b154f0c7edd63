"""How uploads are stored: what an operator may want otherwise."""

from attrs import frozen


@frozen
class Storing:
    """The settings. What an upload may replace is :class:`~tftpd_tw.backends.uploading.UploadPolicy`."""

    versions: int = 10
    """How many old files of each name the policy ``versions`` keeps."""
    reserve: int = 0
    """Bytes of the disk that uploads leave free. Uploads at the same time do not know of each other: together they
    may take more than there is above it.
    """
    mode: int | None = None
    """Permissions of a new file, exactly; only the bits of 0666 count. None: 0640 less the umask."""
    owner: int = -1
    """Number of the user who owns a new file; -1 for ourselves, anybody else takes root (CAP_CHOWN)."""
    group: int = -1
    """The same of its group; one of our own groups takes no root."""
    durable: bool = True
    """Whether an upload is on the disk before the client is told that it is stored. Without it a power cut takes
    what was acknowledged in the last seconds, but still leaves no half of a file under its name on most file
    systems.
    """


AS_USUAL = Storing()
"""Where nothing else is wanted."""
