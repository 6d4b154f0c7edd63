"""Uploads into an object of one's own: switches save their configurations here, and nobody else may.

Run it with ``python examples/switch_configs.py``, then ``curl -T running.cfg tftp://127.0.0.1:6969/startup``.
"""

from functools import partial

from attrs import define, field
from twisted.internet import reactor
from zope.interface import implementer

from tftpd_tw.backends.memory import BytesWriter
from tftpd_tw.interfaces import IBackend, IReader, IWriter, Request
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.protocol.errors import AccessViolation, DiskFull, ErrorCode, TFTPError

LARGEST = 1 << 20


class UnknownSwitch(TFTPError):
    code = ErrorCode.NO_SUCH_USER
    wire_text = "Unknown switch"
    reason = "unknown-switch"


class Incomplete(TFTPError):
    wire_text = "Configuration has no end"
    reason = "incomplete"


@implementer(IBackend)
@define
class SwitchConfigs:
    switches: dict[str, str]
    saved: dict[str, bytes] = field(factory=dict)

    def open_read(self, request: Request) -> IReader:
        raise AccessViolation("configurations are only taken")

    def open_write(self, request: Request) -> IWriter:
        switch = self.switches.get(request.client.host)
        if switch is None:
            raise UnknownSwitch(f"{request.client.host} is none of our switches")
        if request.size is not None and request.size > LARGEST:
            raise DiskFull(f"{switch} announced {request.size} bytes")
        return BytesWriter(partial(self.save, switch), limit=LARGEST)

    def save(self, switch: str, configuration: bytes) -> None:
        if configuration.split()[-1:] != [b"end"]:
            raise Incomplete(f"{switch} sent {len(configuration)} bytes without an end")
        self.saved[switch] = configuration


if __name__ == "__main__":
    configs = SwitchConfigs({"127.0.0.1": "sw1"})
    Listener(Server(ENGINES["auto"](reactor), configs)).listen("::", 6969)
    reactor.run()
