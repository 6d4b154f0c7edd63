"""``twistd tftpd``: names the module that builds the service, and imports nothing of it.

This file is read whenever anybody's ``twistd`` looks for plugins.
"""

from twisted.application.service import ServiceMaker

tftpd = ServiceMaker(
    "tftpd-tw",
    "tftpd_tw.tap",
    "A fast, safe TFTP server with metrics.",
    "tftpd",
)
