"""py3tftp serving a folder: ``py3tftp_server.py ADDRESS PORT ROOT``, with the time-outs of its own command."""

import asyncio
import logging
import os
import sys

from py3tftp.protocols import TFTPServerProtocol


async def serve(address: str, port: int) -> None:
    """Serve the working folder until killed."""
    loop = asyncio.get_running_loop()
    timeouts = {b"timeout": 0.5, b"conn_timeout": 3.0}
    await loop.create_datagram_endpoint(
        lambda: TFTPServerProtocol(address, loop, timeouts), local_addr=(address, port)
    )
    await asyncio.Event().wait()


logging.disable(logging.WARNING)
os.chdir(sys.argv[3])
asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
