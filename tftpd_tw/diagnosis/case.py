"""What is examined: a machine, the settings, and the daemon if there is one."""

from attrs import frozen

from tftpd_tw.diagnosis.machine import Machine
from tftpd_tw.diagnosis.runner import Runner
from tftpd_tw.diagnosis.settings import Settings
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.telemetry.figures import Figures


@frozen
class Answer:
    """What a daemon says at its HTTP address."""

    address: str
    serving: bool
    figures: Figures


@frozen
class NoAnswer:
    """None has answered there."""

    reason: str
    off: bool = False
    """It has no such address."""


@frozen
class Case:
    """All that checks look at."""

    machine: Machine
    settings: Settings
    runner: Runner
    answer: Answer | NoAnswer

    @property
    def configuration(self) -> Configuration:
        """The settings themselves."""
        return self.settings.configuration
