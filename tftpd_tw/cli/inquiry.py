"""What ``tftpd-tw explain`` finds out: what the daemon remembers of a client, and where a name leads."""

import ipaddress
import os
import shlex
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tftpd_tw.cli.asking import NoDaemonError, RunningDaemon, fetch_json, fit, read_figures
from tftpd_tw.cli.client_case import Case, suggestions
from tftpd_tw.cli.explanations import Circumstances, Explanation, explain, quoted
from tftpd_tw.cli.told import transfers
from tftpd_tw.interfaces import Direction, Outcome
from tftpd_tw.protocol.text import escaped
from tftpd_tw.service.config_file import DEFAULT_FILE, ConfigFile, ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.looking_up import look_up
from tftpd_tw.service.opening import OpenError
from tftpd_tw.telemetry.families import DROPPED
from tftpd_tw.telemetry.figures import Figures


@frozen
class Memory:
    """How much the daemon remembers of everybody."""

    up_seconds: float | None
    """Since it was started."""
    count: int
    """Transfers that have ended, and requests that none came of."""
    since: float | None
    """When the first of them ended, in seconds since 1970."""
    dropped: dict[str, int]
    """Why what came was no request or got no answer, and how often, since the start; nobody knows from whom."""


@frozen
class LookedUp:
    """Where a name leads."""

    served: bool | None
    """Whether the client would be served; None if that cannot be found out here."""
    lines: tuple[str, ...]
    """Each step; or why it cannot."""


@frozen
class Inquiry:
    """All that was found out."""

    daemon: RunningDaemon
    case: Case
    """What is asked about: all of the client, or what it asked for by that name."""
    others: tuple[str, ...]
    """If it did not ask for that name: those that it asked for, the last one first."""
    explanations: tuple[Explanation, ...]
    memory: Memory | None
    """None if there is something to explain."""
    looked_up: LookedUp | None
    """None if no name is asked about."""
    ports: tuple[int, ...]
    """Where requests come in."""


def inquire(daemon: RunningDaemon, client: str, name: str | None) -> Inquiry:
    """Ask the daemon, and look where ``name`` leads.

    :raises NoDaemonError: there is none that answers
    """
    answer = fetch_json(daemon, "/api/transfers", client=client)
    misses = (
        _misses(daemon, client)
        if any(told.outcome == Outcome.REFUSED for told in transfers(answer, "ended"))
        else {}
    )
    whole = Case.of(client, answer, misses)
    # As it is typed, or as it is shown.
    case = whole if name is None else whole.about({name, escaped(os.fsencode(name))})
    configuration, why = _configuration(daemon)
    looked_up = None
    if name is not None:
        uploaded = case.last is not None and case.last.direction == Direction.WRITE
        if configuration is None:
            looked_up = LookedUp(None, (why,))
        elif uploaded:
            # To try it would write by settings of whoever answers, with the rights of whoever asks.
            looked_up = LookedUp(
                None, (f"of an upload, ask: tftpd-tw map {quoted(name)} --client {client} --write",)
            )
        else:
            looked_up = _look_up(configuration, case, whole, name)
    around = Circumstances(
        client,
        suggestions(misses),
        _Command(daemon, client, named=name is not None),
        single_port=configuration is not None and configuration.network.single_port,
    )
    return Inquiry(
        daemon,
        case,
        tuple(asked.name for asked in whole.asked) if not case.asked else (),
        tuple(explain(asked, whole, around) for asked in case.asked),
        None if case.asked else _memory(daemon),
        looked_up,
        (69,) if configuration is None else _ports(configuration),
    )


@frozen
class _Command:
    """What shows where a name leads."""

    daemon: RunningDaemon
    client: str
    named: bool
    """That is being shown just now."""

    def __call__(self, direction: str, name: str) -> str:
        if self.named:
            return ""
        if not self.daemon.file:
            # The daemon tells its settings, wherever it has them from.
            return f"tftpd-tw explain {self.client} {quoted(name)} --http {self.daemon.address}"
        config = "" if self.daemon.file == DEFAULT_FILE else f" --config {shlex.quote(self.daemon.file)}"
        write = " --write" if direction == Direction.WRITE else ""
        return f"tftpd-tw map {quoted(name)} --client {self.client}{write}{config}"


def _misses(daemon: RunningDaemon, client: str) -> Mapping[str, Any]:
    try:
        return fetch_json(daemon, "/api/misses", client=client)
    except NoDaemonError:
        return {}  # it looks through its folders for names that may be meant, which may take too long


def _configuration(daemon: RunningDaemon) -> tuple[Configuration | None, str]:
    """Its settings, as far as they hold here; else why there are none."""
    here = ipaddress.ip_address(daemon.address.host).is_loopback
    try:
        told = fetch_json(daemon, "/api/status").get("settings")
        if here and isinstance(told, str):
            return _structured(ConfigFile.parse("its settings", told)), ""
    except (NoDaemonError, ConfigurationError):
        pass  # of another version
    if not daemon.file:
        where = "its settings are not known" if here else "its folders are on another host"
        return None, f"{where}; ask there: tftpd-tw map NAME --client IP"
    try:
        return _structured(ConfigFile.read(daemon.file)), ""
    except ConfigurationError as error:
        return None, error.problems[0]


def _structured(file: ConfigFile) -> Configuration:
    sources = Sources()
    sources.add_parsed(file)
    configuration: Configuration = sources.configuration()
    return configuration


def _look_up(configuration: Configuration, case: Case, whole: Case, name: str) -> LookedUp:
    names = {key: whole.told(key).replace(":", "-") for key in ("mac", "interface")}
    told = {key: value.encode() for key, value in names.items() if value}
    try:
        found = look_up(configuration, Direction.READ, os.fsencode(name), case.client, told)
    except OpenError as error:
        return LookedUp(None, (error.text,))
    return LookedUp(found.served, tuple(fit(line, 2048) for line in found.lines))


def _memory(daemon: RunningDaemon) -> Memory:
    ended = transfers(fetch_json(daemon, "/api/transfers"), "ended")
    try:
        _, figures = read_figures(daemon)
    except NoDaemonError:
        figures = Figures({})  # one of another version
    dropped = {dict(labels).get("reason", ""): int(n) for labels, n in figures.values(DROPPED.name).items()}
    return Memory(
        figures.uptime or None,
        len(ended),
        min((told.time for told in ended if told.time is not None), default=None),
        {reason: count for reason, count in dropped.items() if count},
    )


def _ports(configuration: Configuration) -> tuple[int, ...]:
    network = configuration.network
    ports = [listener.port for listener in network.listeners if listener.port is not None]
    if network.addresses or len(ports) < len(network.listeners) or not network.listeners:
        ports.append(network.port)
    return tuple(sorted(set(ports)))
