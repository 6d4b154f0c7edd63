"""All checks, in the order in which they are shown, and how they are made: none can hide the others.

A check reads what it needs and does not mind what is missing: an OSError or a text that does not read as expected
becomes a finding that says so. Each has a thread and a few seconds, since a dead file server keeps whoever looks
at it waiting for ever.
"""

import threading
from collections.abc import Callable, Iterable

from tftpd_tw.diagnosis import (
    buffers,
    cards,
    daemon,
    drops,
    firewall,
    folders,
    limits,
    mistakes,
    request_port,
    software,
    system,
    traffic,
    uploads,
)
from tftpd_tw.diagnosis.case import Case
from tftpd_tw.diagnosis.findings import FAIL, SKIP, Finding

PATIENCE = 10.0
"""Seconds that a check may take."""

Check = Callable[[Case], Iterable[Finding]]


CHECKS: tuple[tuple[str, Check], ...] = (
    ("settings", mistakes.settings),
    ("daemon", daemon.daemon),
    ("reload", daemon.reload),
    ("workers", daemon.workers),
    ("event-loop", daemon.event_loop),
    ("retransmits", traffic.retransmits),
    ("ignored-requests", traffic.ignored_requests),
    ("single-packets", traffic.single_packets),
    ("request-port", request_port.request_ports),
    ("folder", folders.folders),
    ("file-system", folders.file_systems),
    ("files", folders.files),
    ("uploads", uploads.uploads),
    ("receive-buffer", buffers.receive_buffer),
    ("send-buffer", buffers.send_buffer),
    ("upload-buffer", buffers.upload_buffer),
    ("window-buffer", buffers.window_buffer),
    ("drops", drops.drops),
    ("segmentation", cards.segmentation),
    ("interface", cards.interfaces),
    ("block-size", cards.block_size),
    ("receive-offload", cards.receive_offload),
    ("descriptors", limits.descriptors),
    ("host-descriptors", limits.host_descriptors),
    ("transfer-ports", limits.transfer_ports),
    ("connection-tracking", firewall.connection_tracking),
    ("tracking-timeout", firewall.tracking_timeout),
    ("tracking-helper", firewall.tracking_helper),
    ("clock", system.clock),
    ("cpus", system.cpus),
    ("memory", system.memory),
    ("pressure", system.pressure),
    ("software", software.software),
)
"""Each with the name that its finding has if it could not look."""


def examine(case: Case, checks: Iterable[tuple[str, Check]] = CHECKS, patience: float = PATIENCE) -> list[Finding]:
    """What all ``checks`` find, in their order."""
    found: list[Finding] = []
    for name, check in checks:
        found += _look(name, check, case, patience)
    return found


def _look(name: str, check: Check, case: Case, patience: float) -> list[Finding]:
    found: list[Finding] = []

    def look() -> None:
        try:
            for finding in check(case):
                found.append(finding)  # noqa: PERF402 - those before something goes wrong count
        except OSError as error:
            what = f"{error.filename}: " if error.filename else ""
            found.append(Finding(SKIP, name, "cannot be looked at", f"{what}{error.strerror or error}"))
        except Exception as error:
            reason = f"what this system says is not understood ({type(error).__name__}: {error})"
            found.append(Finding(SKIP, name, "cannot be looked at", reason))

    thread = threading.Thread(target=look, name=name, daemon=True)
    thread.start()
    thread.join(patience)
    if thread.is_alive():
        reason = "What is looked at hangs, such as a disk, or a file system of a machine that is gone."
        return [*found, Finding(FAIL, name, f"no answer within {patience:g} seconds", reason)]
    return found
