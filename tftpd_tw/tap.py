"""What ``twistd tftpd`` calls: the command line, and the service built from it.

The options are those settings of :mod:`tftpd_tw.service.configuration` that have a name for the command line.
What they say is read and checked as if it stood in the file. A mistake ends twistd with one line for each,
status 1.
"""

import os
import sys
from collections.abc import Callable

from twisted.application.service import MultiService
from twisted.logger import Logger, globalLogBeginner
from twisted.python import usage

from tftpd_tw import __version__
from tftpd_tw.service.config_document import described
from tftpd_tw.service.config_file import DEFAULT_FILE, ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.config_warnings import without_effect
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.daemon import make_service
from tftpd_tw.service.folders import named_folders
from tftpd_tw.service.hooks import missing_programs
from tftpd_tw.service.log_lines import LogLines
from tftpd_tw.service.opening import StartError
from tftpd_tw.service.privileges import Becoming, unknown_names
from tftpd_tw.service.process import prepare_process
from tftpd_tw.service.setting import Setting, settings
from tftpd_tw.service.systemd import Systemd

log = Logger()


class Options(usage.Options):
    """The command line of the plugin."""

    synopsis = "[options]"
    longdesc = "Serves a folder by TFTP to boot loaders, phones, switches and boards, and its figures by HTTP."

    def __init__(self) -> None:
        self._given: list[Callable[[Sources], None]] = []
        self.file: str | None = None
        """The file that is read, if any; set by ``parseOptions``, like the next one."""
        self.configuration = Configuration()
        """What the options came to."""
        super().__init__()

    def opt_config(self, file: str) -> None:
        self.file = file

    opt_config.__doc__ = (
        f"File with settings, YAML or JSON; the command line goes before it. [default: {DEFAULT_FILE}, if there]"
    )

    def opt_version(self) -> None:
        """Display the version and exit."""
        print(f"tftpd-tw {__version__}")  # noqa: T201 - that is what was asked for
        sys.exit(0)

    def postOptions(self) -> None:
        """Check everything.

        :raises StartError: something is wrong; its text has a line for each mistake
        """
        if refused := list(self._becoming().refusals()):
            raise StartError("\ntftpd: ".join(refused))
        try:
            self.configuration = self.read()
        except ConfigurationError as error:
            raise StartError("\ntftpd: ".join(error.problems)) from None
        if self.file is not None:
            # For the next time, when this may be another folder.
            self.file = os.path.abspath(self.file)

    def read(self) -> Configuration:
        """What the file, as it is now, and the command line come to; in any thread, and any number of times.

        :raises ConfigurationError: something is wrong
        """
        sources = Sources()
        if self.file is None and os.path.exists(DEFAULT_FILE):
            self.file = DEFAULT_FILE
        if self.file is not None:
            sources.add_file(self.file)
        for add in self._given:
            add(sources)
        configuration: Configuration = sources.configuration()
        if not configuration.filesystem.root:
            told = "--root: missing; name the folder to serve, or have filesystem.root in the settings file"
            raise ConfigurationError([told])
        wrong = [
            sources.told(path, f"there is no folder {base}")
            for path, base in named_folders(configuration)
            if not os.path.isdir(base)
        ]
        owners = (*unknown_names(configuration), *self._becoming().ownership_refusals(configuration))
        wrong += [sources.told(path, text) for path, text in owners]
        if wrong:
            raise ConfigurationError(wrong)
        for path, text in (*without_effect(configuration), *missing_programs(configuration)):
            log.warn("{warning}", warning=sources.told(path, text))
        return configuration

    def _becoming(self) -> Becoming:
        """What twistd's own options say, if it is there: a ``.tac`` file knows nothing of them."""
        return Becoming(self.parent["uid"], self.parent["gid"]) if self.parent is not None else Becoming()


def _method(setting: Setting) -> Callable[..., None]:
    """What usage.Options calls for ``setting``; it tells from the signature whether a value follows."""
    option = f"--{setting.about.option}"

    def given(self: Options, value: str) -> None:
        self._given.append(lambda sources: sources.add_option(option, setting, value))

    def switched_on(self: Options) -> None:
        given(self, "true")

    method = switched_on if setting.kind is bool else given
    method.__doc__ = described(setting)
    return method


for _setting in settings(Configuration):
    if _setting.about.option:
        setattr(Options, "opt_" + _setting.about.option.replace("-", "_"), _method(_setting))
Options.opt_c = Options.opt_config  # type: ignore[attr-defined]
Options.opt_r = Options.opt_root  # type: ignore[attr-defined]
Options.opt_p = Options.opt_port  # type: ignore[attr-defined]


def makeService(options: Options) -> MultiService:
    """The service for ``options``, on the global reactor: this is twistd's process.

    :raises OpenError: what systemd has passed cannot be used
    """
    from twisted.internet import reactor

    prepare_process(reactor)
    if options.file is not None:
        log.info("settings of {file}", file=options.file)
    log_lines = LogLines(options.configuration.logging)
    log_lines.begin_with(globalLogBeginner)
    return make_service(options.configuration, reactor, options.read, Systemd.take(os.environ), log_lines)
