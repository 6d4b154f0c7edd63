"""The types of the values of settings; how each is read and written is in :mod:`~tftpd_tw.service.kinds`."""

import enum
from typing import NewType

from attrs import frozen

AnswerRate = NewType("AnswerRate", float)
Answers = NewType("Answers", int)
Argument = NewType("Argument", str)
BlockSize = NewType("BlockSize", int)
BufferSize = NewType("BufferSize", int)
CacheSize = NewType("CacheSize", int)
ClientNetwork = NewType("ClientNetwork", str)
Connections = NewType("Connections", int)
Count = NewType("Count", int)
DrainTime = NewType("DrainTime", float)
Duration = NewType("Duration", float)
Engine = NewType("Engine", str)
ErrorNumber = NewType("ErrorNumber", int)
Extension = NewType("Extension", str)
File = NewType("File", str)
FileMode = NewType("FileMode", int)
FileSize = NewType("FileSize", int)
Folder = NewType("Folder", str)
Host = NewType("Host", str)
Interface = NewType("Interface", str)
Lifetime = NewType("Lifetime", float)
NameGlob = NewType("NameGlob", str)
OptionName = NewType("OptionName", str)
Owner = NewType("Owner", str)
Port = NewType("Port", int)
Prefix = NewType("Prefix", int)
Rate = NewType("Rate", float)
Recent = NewType("Recent", int)
Runs = NewType("Runs", int)
Seconds = NewType("Seconds", float)
Share = NewType("Share", float)
Size = NewType("Size", int)
Slack = NewType("Slack", int)
Text = NewType("Text", str)
Threads = NewType("Threads", int)
TreePath = NewType("TreePath", str)
Versions = NewType("Versions", int)
WebAddress = NewType("WebAddress", str)
WindowSize = NewType("WindowSize", int)
Word = NewType("Word", str)
Workers = NewType("Workers", int)


class LogFormat(enum.StrEnum):
    """What a line of the log is."""

    TEXT = "text"
    JSON = "json"


class LeastLevel(enum.StrEnum):
    """The least important lines that are written; the names are those of Twisted's levels."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


ALL_OPTIONS = OptionName("all")
"""Refuses every option."""

FIT_MTU = BlockSize(0)
"""The block size ``mtu``: as large as the route to the client takes in one piece."""

AUTO = Workers(0)
"""The number of workers ``auto``: one for each CPU that this process may use."""

MAX_WORKERS = 256


@frozen
class HttpAddress:
    """Where the HTTP port is; no host means that there is none."""

    host: str
    port: int


HTTP_OFF = HttpAddress("", 0)


@frozen
class PortRange:
    """Ports from the first to the last."""

    first: int
    last: int

    @property
    def ports(self) -> range:
        """All of them."""
        return range(self.first, self.last + 1)


ANY_PORTS = PortRange(0, -1)
"""The range ``any``: none of ours, the kernel chooses."""

EVERY_ADDRESS = Host("::")
