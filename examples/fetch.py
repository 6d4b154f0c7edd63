"""A client: reads a file from a server, says how far it is, and why it fails if it does.

Run it with ``python examples/fetch.py 127.0.0.1 6969 boot.ipxe``.
"""

import sys
from typing import Any

from twisted.internet.task import LoopingCall, react

from tftpd_tw.backends.memory import BytesWriter
from tftpd_tw.interfaces import Direction
from tftpd_tw.net.client import Client, Transfer, TransferFailed, Wishes, resolve
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.protocol.errors import TFTPError
from tftpd_tw.protocol.timing import Patience


def show(transfer: Transfer) -> None:
    print(f"{transfer.byte_count} of {transfer.size or 'unknown'} bytes", file=sys.stderr)


async def main(reactor: Any, host: str, port: str, name: str) -> None:
    writer = BytesWriter(limit=64 << 20)
    try:
        server = await resolve(reactor.nameResolver, host, int(port))
        wishes = Wishes(block_size=1400, window_size=32)
        client = Client(ENGINES["auto"](reactor), server, wishes, Patience(timeout=2.0, max_retries=4))
        transfer = client.begin(Direction.READ, name.encode(), writer)
        progress = LoopingCall(show, transfer)
        progress.start(1.0, now=False)
        try:
            done = await transfer.done.addTimeout(600, reactor)
        finally:
            progress.stop()
    except TransferFailed as failed:
        raise SystemExit(f"{name}: {failed} ({failed.reason})") from None
    except TFTPError as error:
        raise SystemExit(str(error)) from None
    print(f"{done.byte_count} bytes in {done.seconds:.3f} seconds, {done.retransmits} repeats", file=sys.stderr)
    sys.stdout.buffer.write(writer.data)


if __name__ == "__main__":
    react(main, sys.argv[1:])
