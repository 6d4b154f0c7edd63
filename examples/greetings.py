"""A backend of one's own: whatever name is asked for, the answer greets the client.

Run it with ``python examples/greetings.py``, then ``curl tftp://127.0.0.1:6969/anything``.
"""

from twisted.internet import reactor
from zope.interface import implementer

from tftpd_tw.backends.memory import BytesReader
from tftpd_tw.interfaces import IBackend, IReader, IWriter, Request
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.protocol.errors import AccessViolation


@implementer(IBackend)
class Greetings:
    def open_read(self, request: Request) -> IReader:
        return BytesReader(f"hello, {request.client.host}\n".encode())

    def open_write(self, request: Request) -> IWriter:
        raise AccessViolation("greetings cannot be changed")


if __name__ == "__main__":
    Listener(Server(ENGINES["auto"](reactor), Greetings())).listen("::", 6969)
    reactor.run()
