"""What ``twistd tftpd`` calls: the command line, and the service built from it.

The options are a table: each names the setting of :mod:`tftpd_tw.service.configuration` that it is, and what it
says is read and checked as if it stood in the file. A mistake ends twistd with one line for each, status 1.
"""

import os
import sys
from collections.abc import Callable

from attrs import frozen
from twisted.application.service import MultiService
from twisted.python import usage

from tftpd_tw import __version__
from tftpd_tw.service.config_reader import ConfigurationError, Setting, Sources
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.daemon import make_service
from tftpd_tw.service.opening import StartError
from tftpd_tw.service.transfers import prepare_process


@frozen
class _Option:
    name: str
    setting: Setting
    help: str
    repeatable: bool = False
    literal: bool = False
    """Text whatever it looks like: ``--root 2024`` is a folder, not a number."""


_OPTIONS = (
    _Option("root", ("filesystem", "root"), "Folder to serve. Required, here or in the file.", literal=True),
    _Option("port", ("network", "port"), "UDP port to listen on. [default: 69]"),
    _Option(
        "address",
        ("network", "addresses"),
        "Local address to listen on; may be given several times. [default: ::, which is every IPv6 and IPv4"
        " address, or every IPv4 address where there is no IPv6]",
        repeatable=True,
    ),
    _Option(
        "uploads",
        ("filesystem", "uploads"),
        "What clients may write: deny, create (new files only), overwrite (new and existing), existing"
        " (existing files only). [default: deny]",
    ),
    _Option(
        "http",
        ("monitoring", "http"),
        "ADDRESS:PORT of /metrics and /healthz, or off. [default: 127.0.0.1:9069]",
    ),
    _Option(
        "block-size",
        ("performance", "block_size"),
        "Largest blksize granted, in bytes, 8 to 65464; or mtu: what reaches the client in one piece."
        " [default: mtu]",
    ),
    _Option("window-size", ("performance", "window_size"), "Largest windowsize granted, in blocks. [default: 64]"),
    _Option(
        "timeout",
        ("performance", "timeout"),
        "Longest wait before a packet is sent again, in seconds, 0.1 to 255; the actual wait follows the round"
        " trip, or the client's timeout option. [default: 5]",
    ),
    _Option(
        "max-retries",
        ("performance", "max_retries"),
        "A transfer ends after timeout x (max-retries + 1) seconds of silence. [default: 5]",
    ),
    _Option(
        "workers",
        ("performance", "workers"),
        "Processes that serve, 1 to 256, or auto: one for each CPU that the daemon may use. [default: 1, the"
        " daemon itself]",
    ),
    _Option(
        "read-ahead",
        ("performance", "read_ahead"),
        "Bytes that a thread reads of a file when it has to wait for a disk, such as 65536, 64KiB or 1MB, up to"
        " 1GiB; the windows that follow find theirs in memory. [default: 1MiB]",
    ),
    _Option(
        "engine",
        ("performance", "engine"),
        "How sockets are waited for: poll (Linux), reactor, or auto: poll where it works. [default: auto]",
    ),
)

_ANSWER_BROADCAST: Setting = ("network", "answer_broadcast")
_CPU_AFFINITY: Setting = ("performance", "cpu_affinity")


class Options(usage.Options):
    """The command line of the plugin."""

    synopsis = "[options]"
    longdesc = "Serves a folder by TFTP to boot loaders, phones, switches and boards, and its figures by HTTP."

    def __init__(self) -> None:
        self._sources = Sources()
        self._given: list[Callable[[], None]] = []
        self._file: str | None = None
        self.configuration = Configuration()
        """What the options came to; set by ``parseOptions``."""
        super().__init__()

    def opt_config(self, file: str) -> None:
        """YAML file with settings; the command line goes before it."""
        self._file = file

    def opt_answer_broadcast(self) -> None:
        """Serve requests that were sent to a broadcast address, as old Cisco devices do. [default: ignore them]"""
        self._given.append(lambda: self._sources.add_option("--answer-broadcast", _ANSWER_BROADCAST, "true"))

    def opt_cpu_affinity(self) -> None:
        """Pin each worker to one CPU, if there is more than one worker. [default: the kernel moves them]"""
        self._given.append(lambda: self._sources.add_option("--cpu-affinity", _CPU_AFFINITY, "true"))

    def opt_version(self) -> None:
        """Display the version and exit."""
        print(f"tftpd-tw {__version__}")  # noqa: T201 - that is what was asked for
        sys.exit(0)

    def postOptions(self) -> None:
        """Check everything.

        :raises StartError: something is wrong; its text has a line for each mistake
        """
        try:
            if self._file is not None:
                self._sources.add_file(self._file)
            for add in self._given:
                add()
            self.configuration = self._sources.configuration()
        except ConfigurationError as error:
            raise StartError("\ntftpd: ".join(error.problems)) from None
        if not self.configuration.filesystem.root:
            raise StartError("--root: missing; name the folder to serve")
        if not os.path.isdir(self.configuration.filesystem.root):
            raise StartError(f"--root: there is no folder {self.configuration.filesystem.root}")


def _method(option: _Option) -> Callable[[Options, str], None]:
    def given(self: Options, value: str) -> None:
        sources, where = self._sources, f"--{option.name}"
        if option.repeatable:
            self._given.append(lambda: sources.add_option_item(where, option.setting, value))
        else:
            self._given.append(lambda: sources.add_option(where, option.setting, value, literal=option.literal))

    given.__doc__ = option.help
    return given


for _option in _OPTIONS:
    setattr(Options, "opt_" + _option.name.replace("-", "_"), _method(_option))
Options.opt_c = Options.opt_config  # type: ignore[attr-defined]
Options.opt_r = Options.opt_root  # type: ignore[attr-defined]
Options.opt_p = Options.opt_port  # type: ignore[attr-defined]


def makeService(options: Options) -> MultiService:
    """The service for ``options``, on the global reactor: this is twistd's process."""
    from twisted.internet import reactor

    prepare_process(reactor)
    return make_service(options.configuration, reactor)
