"""fbtftp serving a folder: ``fbtftp_server.py ADDRESS PORT ROOT``."""

import os
import sys

from fbtftp.base_handler import BaseHandler, ResponseData
from fbtftp.base_server import BaseServer


class File(ResponseData):
    """A file of the folder."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 (closed by close)
        self._size = os.fstat(self._file.fileno()).st_size

    def read(self, n: int) -> bytes:
        """The next bytes."""
        return self._file.read(n)

    def size(self) -> int:
        """What tsize says."""
        return self._size

    def close(self) -> None:
        """The transfer is over."""
        self._file.close()


class Handler(BaseHandler):
    """One transfer."""

    def get_response_data(self) -> File:
        """The file that was asked for."""
        return File(os.path.join(sys.argv[3], self._path))


class Server(BaseServer):
    """All of them; 5 tries of 2 seconds, as in its own example."""

    def get_handler(self, server_addr: object, peer: object, path: str, options: object) -> Handler:
        """A handler for a request."""
        return Handler(server_addr, peer, path, options, lambda stats: None)


Server(sys.argv[1], int(sys.argv[2]), 5, 2).run()
