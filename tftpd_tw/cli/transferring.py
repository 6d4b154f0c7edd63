"""What ``tftpd-tw get`` and ``tftpd-tw put`` have in common: one transfer, and what its user is told of it."""

import argparse
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from attrs import define, field

from tftpd_tw.cli import progress
from tftpd_tw.cli.advice import advice
from tftpd_tw.cli.client_options import Terms
from tftpd_tw.cli.exit_statuses import (
    FAILED,
    NO_ANSWER,
    TRANSFERRED,
    WRONG_OPTIONS,
    CommandError,
)
from tftpd_tw.cli.local_files import STANDARD, is_local, local_error
from tftpd_tw.cli.output import complain, readable, say
from tftpd_tw.cli.plain_progress import Position
from tftpd_tw.cli.running_client import RunningClient
from tftpd_tw.cli.servers import addresses_of
from tftpd_tw.interfaces import Address, Direction, IReader, IWriter, RunBlocking
from tftpd_tw.net.client import SILENT, Transfer, TransferFailed, Transferred
from tftpd_tw.protocol.errors import TFTPError
from tftpd_tw.protocol.events import Reason
from tftpd_tw.protocol.timing import RetransmitTimer
from tftpd_tw.service.units import size

C = TypeVar("C")

_COMMANDS = {Direction.READ: "get", Direction.WRITE: "put"}


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing of a success, nor on the way to it"
    )


@define(eq=False)
class Exchange:
    """A file's way from a server or to it."""

    direction: Direction
    name: bytes
    """What the server calls it."""
    file: str
    """What it is called here; a dash is standard input or output."""
    label: str
    """What its user is told of."""
    terms: Terms
    server: Address | None = field(init=False, default=None)
    """Who is asked."""
    transfer: Transfer | None = field(init=False, default=None)

    async def carry(self, running: RunningClient, content: IReader | IWriter) -> Transferred:
        """Ask one address of the server after the other, until one answers."""
        addresses = await addresses_of(self.terms.host, running.in_thread)
        while True:
            self.server = addresses.pop(0)
            client = self.terms.client(running.engine, self.server)
            try:
                self.transfer = client.begin(self.direction, self.name, content)
            except ValueError as error:
                raise CommandError(WRONG_OPTIONS, str(error)) from None
            try:
                return await self.transfer.done
            except TransferFailed as error:
                if error.reason != Reason.NO_ANSWER or not addresses:
                    raise

    def position(self) -> Position:
        """How far it is; in any thread."""
        transfer = self.transfer
        return Position(0, None) if transfer is None else Position(transfer.byte_count, transfer.size)

    def summary(self, done: Transferred) -> str:
        """What came of it."""
        rate = size(done.byte_count / max(done.seconds, 1e-6))
        told = (b" ".join(option).decode().lower() for option in done.agreed.options)
        agreed = [option for option in told if not option.startswith("tsize ")]
        return (
            f"{readable(self.label)}: {done.byte_count} bytes in {done.seconds:.3f} s, {rate}/s,"
            f" {done.retransmits} retransmits, {', '.join(agreed) or 'no options'}"
        )

    def failure(self, error: TransferFailed) -> CommandError:
        """How a command ends whose transfer has failed."""
        here = error.ended.error
        if here is not None and is_local(here):
            return local_error(here, self.direction, self.file)
        line = f"{self.server}: {error}"
        if error.reason == Reason.NO_ANSWER and not error.ended.unreachable:
            line += f" within {RetransmitTimer(self.terms.patience).give_up:g} seconds"
        what_to_do = advice(error, self.direction)
        return CommandError(
            NO_ANSWER if error.reason in SILENT else FAILED, f"{line}; {what_to_do}" if what_to_do else line
        )


def perform(
    exchange: Exchange,
    open_content: Callable[[str, RunBlocking], C],
    work: Callable[[RunningClient, Exchange, C], Coroutine[Any, Any, Transferred]],
    *,
    quiet: bool,
) -> int:
    """Do it, and say what came of it; the exit status.

    :param open_content: opens the local file, before anybody waits for anything
    :param quiet: nothing is said of a success, nor shown on the way to it
    """
    to_output = exchange.direction is Direction.READ and exchange.file == STANDARD
    # Not over the content, if that goes to the terminal.
    silent = quiet or (to_output and os.isatty(1))
    try:
        running = RunningClient()
        content = open_content(exchange.file, running.in_thread)
        with progress.shown(readable(exchange.label), exchange.position, None if silent else sys.stderr):
            done = running.run(work(running, exchange, content))
        if not quiet:
            (complain if to_output else say)(exchange.summary(done))
    except CommandError as error:
        return _ended(exchange, error)
    except TransferFailed as error:
        return _ended(exchange, exchange.failure(error))
    except TFTPError as error:  # of the content alone: before the transfer or after it
        return _ended(exchange, local_error(error, exchange.direction, exchange.file))
    return TRANSFERRED


def _ended(exchange: Exchange, error: CommandError) -> int:
    if line := str(error):
        complain(f"tftpd-tw {_COMMANDS[exchange.direction]}: {line}")
    return error.exit_status
