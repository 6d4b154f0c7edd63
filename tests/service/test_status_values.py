"""What `/api/status` says of a daemon, and what it keeps for itself."""

from types import SimpleNamespace
from typing import Any

import yaml
from attrs import evolve

from tftpd_tw.service.configuration import Configuration, Monitoring
from tftpd_tw.service.rule_settings import TransferHook
from tftpd_tw.service.status import status
from tftpd_tw.service.value_types import Argument, WebAddress

HOOKS = (
    TransferHook(url=WebAddress("https://hooks.example:8443/services/T0/SECRET?token=SECRET")),
    TransferHook(command=(Argument("/usr/local/bin/notify"), Argument("--password=SECRET"))),
)


def test_secrets_of_hooks() -> None:
    """Of a hook only where it goes is told: its address or its arguments may be a password."""
    configuration = evolve(Configuration(), monitoring=Monitoring(on_transfer=HOOKS))
    reloader: Any = SimpleNamespace(successful=True, at=1790000000.0, configuration=configuration)
    serving: Any = SimpleNamespace(healthy=True, uptime=12.3456)
    found = status(serving, reloader, None)
    assert "SECRET" not in str(found)
    first, second = yaml.safe_load(found["settings"])["monitoring"]["on_transfer"]
    assert (first["url"], second["command"]) == ("https://hooks.example:8443", ["/usr/local/bin/notify"])
    assert (found["workers"], found["up_seconds"], found["healthy"]) == (None, 12.346, True)
    assert found["reload"] == {"successful": True, "at": 1790000000.0}
