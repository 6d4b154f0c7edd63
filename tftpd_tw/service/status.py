"""What there is to say of the daemon beside its transfers and figures."""

import os
from typing import Any

from attrs import evolve

from tftpd_tw.service.config_document import effective
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.hooks import host_of
from tftpd_tw.service.reloading import Reloader
from tftpd_tw.service.value_types import WebAddress
from tftpd_tw.telemetry.prometheus import VERSIONS, Crew
from tftpd_tw.web.shown import Serving


def status(serving: Serving, reloader: Reloader, crew: Crew | None) -> dict[str, Any]:
    """Values for JSON.

    :param crew: the workers, if there are any
    """
    return {
        **VERSIONS,
        "pid": os.getpid(),
        "up_seconds": round(serving.uptime, 3),
        "healthy": serving.healthy,
        "workers": crew
        and {"serving": crew.serving, "unresponsive": crew.unresponsive, "replaced": crew.restarts},
        "reload": {"successful": reloader.successful, "at": reloader.at},
        "settings": effective(without_secrets(reloader.configuration)),
    }


def without_secrets(configuration: Configuration) -> Configuration:
    """What everybody may see who may see the page: of hooks, no more than where they go."""
    hooks = tuple(
        evolve(hook, url=hook.url and WebAddress(host_of(hook.url)), command=hook.command[:1])
        for hook in configuration.monitoring.on_transfer
    )
    return evolve(configuration, monitoring=evolve(configuration.monitoring, on_transfer=hooks))
