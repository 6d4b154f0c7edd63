"""The daemon that runs: what it says of its health."""

from collections.abc import Iterator

from tftpd_tw import __version__
from tftpd_tw.diagnosis.case import Answer, Case, NoAnswer
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN, Finding
from tftpd_tw.diagnosis.runner import options_of
from tftpd_tw.service.units import duration
from tftpd_tw.telemetry.families import LOOP_LAG

LATE = 0.05
"""Seconds by which a timer may be late."""


def daemon(case: Case) -> Iterator[Finding]:
    """Whether it answers and serves."""
    answer, pid = case.answer, case.runner.pid
    if isinstance(answer, NoAnswer):
        if pid is None:
            yield Finding(SKIP, "daemon", "none seen", answer.reason)
        elif answer.off:
            yield Finding(OK, "daemon", f"runs (pid {pid})", answer.reason)
        else:
            reason = f"It may have other settings than those of this command: {answer.reason}."
            figure = f"runs (pid {pid}), does not answer"
            yield Finding(WARN, "daemon", figure, reason, options_of(case.machine, pid))
        return
    version = answer.figures.label("tftp_build_info", "version")
    figure = f"{version} at {answer.address}, up {duration(answer.figures.uptime)}"
    if not answer.serving:
        reason = "It answers, but nobody serves: its workers do not start. Its log says why."
        yield Finding(FAIL, "daemon", figure, reason, ("journalctl -u tftpd-tw",))
    elif version != __version__:
        reason = f"The daemon is of another version than this command, {__version__}: start it again to have that."
        yield Finding(WARN, "daemon", figure, reason, ("systemctl restart tftpd-tw",))
    else:
        yield Finding(OK, "daemon", figure)


def reload(case: Case) -> Iterator[Finding]:
    """Whether its settings were taken when they were read last."""
    if not isinstance(case.answer, Answer):
        return
    figures = case.answer.figures
    ago = duration(case.machine.now() - figures.value("tftp_config_last_reload_timestamp_seconds"))
    if figures.value("tftp_config_last_reload_success"):
        yield Finding(OK, "reload", f"settings taken {ago} ago")
    else:
        reason = "There was a mistake in them, and those before are used."
        yield Finding(FAIL, "reload", f"settings refused {ago} ago", reason, ("tftpd-tw check", "tftpd-tw reload"))


def workers(case: Case) -> Iterator[Finding]:
    """Whether all respond, where there are some."""
    if not isinstance(case.answer, Answer) or "tftp_workers" not in case.answer.figures.series:
        return
    figures = case.answer.figures
    silent, replaced = (int(figures.value(f"tftp_{name}")) for name in ("workers_unresponsive", "worker_restarts"))
    figure = f"{figures.value('tftp_workers'):.0f} serve"
    if silent:
        reason = "They hang, such as on a disk or a dead file server; nobody serves those of their clients."
        yield Finding(FAIL, "workers", f"{figure}, {silent} unresponsive", reason, ("systemctl restart tftpd-tw",))
    elif replaced:
        reason = "They ended by themselves, with the transfers that they had. The log says how."
        yield Finding(WARN, "workers", f"{figure}, {replaced} replaced", reason, ("journalctl -u tftpd-tw",))
    else:
        yield Finding(OK, "workers", figure)


def event_loop(case: Case) -> Iterator[Finding]:
    """How late timers are, which is how long everybody has to wait."""
    if not isinstance(case.answer, Answer):
        return
    late = case.answer.figures.histogram(LOOP_LAG.name).quantile(0.95)
    if late is None:
        yield Finding(SKIP, "event-loop", "not known yet")
        return
    figure = f"{duration(late)} late (p95)"
    if late > LATE:
        reason = "So long all transfers have to wait again and again: for a CPU, or a disk that is asked at once."
        remedies = ("--workers auto", "performance.async_io: true")
        yield Finding(WARN, "event-loop", figure, reason, remedies)
    else:
        yield Finding(OK, "event-loop", figure)
