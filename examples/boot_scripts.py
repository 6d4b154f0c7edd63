"""Content that has to be waited for: each host gets its boot script out of a database.

Make one with ``sqlite3 hosts.db "CREATE TABLE hosts (address, script)"``, put a script for 127.0.0.1 into it, run
``python examples/boot_scripts.py``, then ``curl tftp://127.0.0.1:6969/boot.ipxe``.
"""

from attrs import frozen
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet import reactor
from zope.interface import implementer

from tftpd_tw.backends.memory import BytesReader
from tftpd_tw.interfaces import IBackend, IReader, IWriter, Request
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound


@implementer(IBackend)
@frozen
class BootScripts:
    database: ConnectionPool

    async def open_read(self, request: Request) -> IReader:
        host = request.client.host
        rows = await self.database.runQuery("SELECT script FROM hosts WHERE address = ?", [host])
        if not rows:
            raise FileNotFound(f"the database has no script for {host}")
        return BytesReader(rows[0][0].encode())

    def open_write(self, request: Request) -> IWriter:
        raise AccessViolation("scripts come from the database")


if __name__ == "__main__":
    scripts = BootScripts(ConnectionPool("sqlite3", "hosts.db", check_same_thread=False))
    Listener(Server(ENGINES["auto"](reactor), scripts)).listen("::", 6969)
    reactor.run()
