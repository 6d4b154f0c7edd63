"""The options that say which daemon is asked, and what it is shown.

The secret that a settings file names is shown to the address that it names, and to no other; one that the command
line names goes wherever that says.
"""

import argparse
import os
from typing import Any

from attrs import evolve

from tftpd_tw.cli.asking import RunningDaemon
from tftpd_tw.cli.output import complain
from tftpd_tw.interfaces import Address
from tftpd_tw.service.config_file import DEFAULT_FILE, ConfigFile, ConfigurationError
from tftpd_tw.service.configuration import Monitoring
from tftpd_tw.service.kinds import KINDS
from tftpd_tw.service.opening import OpenError
from tftpd_tw.service.secret_file import read_secret
from tftpd_tw.service.value_types import HTTP_OFF, File, HttpAddress

_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Whom to ask when the daemon listens everywhere."""

_KINDS: dict[str, Any] = {"http": HttpAddress, "secret_file": File}
"""Of the settings that are read here."""


def add_daemon(parser: argparse.ArgumentParser) -> None:
    """Add them; :func:`the_daemon` is what they come to."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--http",
        metavar="HOST:PORT",
        dest="daemon",
        type=_given,
        help=f"where the daemon answers [default: as {DEFAULT_FILE} says; {_written(Monitoring().http)} if it"
        " says nothing]",
    )
    either.add_argument(
        "-c", "--config", metavar="FILE", dest="daemon", type=_named_by, help="where these settings have it"
    )
    parser.add_argument(
        "--secret-file",
        metavar="FILE",
        dest="secret",
        type=_secret,
        help="a file with the secret of the daemon, if it has one [default: without --http, as its settings say]",
    )


def the_daemon(options: argparse.Namespace) -> RunningDaemon:
    """Whom to ask. If the usual settings do not tell, that gets a warning: it may run in spite of it."""
    found: RunningDaemon = options.daemon or _usual()
    return found if options.secret is None else evolve(found, secret=options.secret)


def configured(monitoring: Monitoring, file: str = "") -> RunningDaemon:
    """The daemon of this host that has these settings.

    :param file: where they stand
    :raises ValueError: it cannot be asked
    """
    address = _reachable(monitoring.http)
    try:
        return RunningDaemon(address, read_secret(monitoring.secret_file), file)
    except OpenError as error:
        # It may have been started without one, and everybody may see its health.
        return RunningDaemon(address, None, file, no_secret=error.text)


def _usual() -> RunningDaemon:
    usual = RunningDaemon(_reachable(Monitoring().http))
    if not os.path.exists(DEFAULT_FILE):
        return usual
    try:
        return _named_by(DEFAULT_FILE)
    except argparse.ArgumentTypeError as error:
        complain(f"warning: {error}; so {usual.address} is asked")
        return usual


def _given(text: str) -> RunningDaemon:
    try:
        return RunningDaemon(_reachable(KINDS[HttpAddress].structure(text)))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _secret(file: str) -> bytes | None:
    try:
        return read_secret(file)
    except OpenError as error:
        raise argparse.ArgumentTypeError(error.text) from None


def _named_by(file: str) -> RunningDaemon:
    """The daemon that has the settings in ``file``. Nothing else of them is looked at: a mistake elsewhere, for
    which it has refused a reload, is no reason not to ask it.
    """
    try:
        section = ConfigFile.read(file).tree.get("monitoring")
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(error.problems[0]) from None
    told = section if isinstance(section, dict) else {}
    found = {name: value for name in ("http", "secret_file") if (value := told.get(name)) is not None}
    for name, value in found.items():
        try:
            found[name] = KINDS[_KINDS[name]].structure(value)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{file}: monitoring.{name}: {error}") from None
    try:
        return configured(Monitoring(**found), file)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{file}: monitoring.http: {error}") from None


def _reachable(http: HttpAddress) -> Address:
    if http == HTTP_OFF:
        raise ValueError("is off, so there is nobody to ask")
    return Address(_LOOPBACK.get(http.host, http.host), http.port)


def _written(http: HttpAddress) -> str:
    return str(Address(http.host, http.port))
