"""The daemon for ``twistd -y tftpd.tac``: the settings in ``TFTPD_CONFIG``, or else the folder ``TFTPD_ROOT``, or
else the settings in their usual place.
"""

import os

from twisted.application.service import Application

from tftpd_tw.service.config_file import DEFAULT_FILE
from tftpd_tw.tap import Options, makeService

options = Options()
if "TFTPD_CONFIG" in os.environ:
    options.parseOptions(["--config", os.environ["TFTPD_CONFIG"]])
elif "TFTPD_ROOT" in os.environ:
    options.parseOptions(["--root", os.environ["TFTPD_ROOT"]])
elif os.path.exists(DEFAULT_FILE):
    options.parseOptions([])
else:
    raise SystemExit("tftpd.tac: set TFTPD_CONFIG to a settings file or TFTPD_ROOT to the folder to serve")

application = Application("tftpd")
makeService(options).setServiceParent(application)
