"""tftpy serving a folder: ``tftpy_server.py ADDRESS PORT ROOT``."""

import logging
import sys

import tftpy

logging.disable(logging.WARNING)
tftpy.TftpServer(sys.argv[3]).listen(sys.argv[1], int(sys.argv[2]))
