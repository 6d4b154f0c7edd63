"""The settings that the daemon has or would have, in spite of mistakes in them."""

from attrs import frozen

from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.config_warnings import without_effect
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.setting import Setting

Options = tuple[tuple[str, Setting, str], ...]
"""Of the command line: as it is written there, what it sets, its value."""


@frozen
class Settings:
    """The settings that the daemon has or would have."""

    configuration: Configuration
    file: str | None = None
    mistakes: tuple[str, ...] = ()
    """What is wrong with the file; the settings are then those without it."""
    idle: tuple[str, ...] = ()
    """What has no effect."""

    @classmethod
    def read(cls, file: str | None, options: Options = ()) -> "Settings":
        """What ``file`` and the ``options`` come to.

        :raises ConfigurationError: an option is wrong
        """
        alone: Configuration = _sources(None, options).configuration()
        try:
            sources = _sources(file, options)
            configuration: Configuration = sources.configuration()
        except ConfigurationError as error:
            return cls(alone, file, tuple(error.problems))
        idle = tuple(sources.told(path, text) for path, text in without_effect(configuration))
        return cls(configuration, file, (), idle)


def _sources(file: str | None, options: Options) -> Sources:
    sources = Sources()
    if file is not None:
        sources.add_file(file)
    for option, setting, text in options:
        sources.add_option(option, setting, text)
    return sources
