"""Runs an example, under twistd if it is an application, but on ports that are free; and says which.

``example_runner.py python|twistd FILE [ARGUMENT...]``
"""

import runpy
import sys
from typing import Any

from twisted.application.internet import TCPServer
from twisted.scripts.twistd import run as twistd

from tftpd_tw.interfaces import Address
from tftpd_tw.net.listener import Listener

_listen = Listener.listen
_listen_tcp = TCPServer._getPort


def listen(self: Listener, host: str, port: int, **how: Any) -> Address:
    """On any port."""
    address = _listen(self, host, 0, **how)
    sys.stdout.write(f"serving {port} on UDP {host}:{address.port}\n")
    sys.stdout.flush()
    return address


def listen_tcp(self: TCPServer) -> Any:
    """On any port."""
    self.args = [0, *self.args[1:]]
    opened = _listen_tcp(self)
    sys.stdout.write(f"metrics on http://127.0.0.1:{opened.getHost().port}/metrics\n")
    sys.stdout.flush()
    return opened


if __name__ == "__main__":
    Listener.listen = listen  # type: ignore[method-assign]
    TCPServer._getPort = listen_tcp
    under, path, *arguments = sys.argv[1:]
    if under == "twistd":
        sys.argv = ["twistd", "-n", "--pidfile=", "-y", path]
        twistd()
    else:
        sys.argv = [path, *arguments]
        runpy.run_path(path, run_name="__main__")
