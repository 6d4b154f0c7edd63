"""The secret that monitoring.secret_file names, as the daemon and those who ask it read it."""

import os
import stat

from twisted.logger import Logger

from tftpd_tw.service.opening import OpenError

log = Logger()

LONGEST_SECRET = 4096
"""Bytes."""


def read_secret(file: str | None) -> bytes | None:
    """What is in ``file``, without white space around it; None if there is no such setting. One that everybody on
    this host may read gets a warning.

    :raises OpenError: it cannot be read, or is nothing that can be shown
    """
    if file is None:
        return None
    try:
        with open(file, "rb") as opened:
            secret = opened.read(LONGEST_SECRET + 1).strip()
            everybody = os.fstat(opened.fileno()).st_mode & stat.S_IROTH
    except OSError as error:
        raise OpenError(f"cannot read the secret in {file}: {error.strerror}") from None
    if not secret:
        raise OpenError(f"there is no secret in {file}, which is empty")
    if len(secret) > LONGEST_SECRET or min(secret) < 0x20:
        raise OpenError(
            f"the secret in {file} is longer than {LONGEST_SECRET} bytes or a line: nobody can show it"
        )
    if everybody:
        log.warn("everybody on this host may read the secret in {file}; chmod 640 it", file=file)
    return secret
