"""What the daemon and its workers say to each other: lines of JSON on two pipes.

==========  ========================================================
to worker   its :class:`Assignment`, once; then :data:`ASK_FIGURES`,
            :func:`ask_view`, :class:`Change` and :data:`HURRY`
to daemon   ``{"ready": true}`` once it serves; ``{"figures": ...}``
            and ``{"view": ...}`` for each question; ``{"changed": why_not}`` for each
            change, empty if it was made; ``{"staying": places}``
            with that, when it has to end and whenever it is less:
            where it has transfers though it takes no more requests;
            ``{"log": ...}`` for each log event
==========  ========================================================

A worker finds these descriptors: its standard input is the pipe from the daemon, :data:`REPLIES` the one back,
and, over :data:`PASSAGE`, a Unix socket, the daemon passes folders and further request sockets before a change
that needs them. From :data:`FIRST_FOLDER` on are the folders (:func:`~tftpd_tw.service.folders.bases`) and then
the request sockets to begin with. What it writes to its standard output or error, which only a crash does, becomes
log lines too.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field, frozen
from cattrs import BaseConverter
from twisted.logger import LogEvent, LogLevel

from tftpd_tw.service.configuration import Configuration
from tftpd_tw.service.opening import Place
from tftpd_tw.telemetry.json_lines import event_text, fields_of_report

REPLIES = 3
PASSAGE = 4
FIRST_FOLDER = 5

ASK_FIGURES = b'{"ask": "figures"}\n'


def ask_view(seen: int) -> bytes:
    """Asks for :meth:`View.since(seen) <tftpd_tw.telemetry.view.View.since>`."""
    return b'{"ask": "view", "seen": %d}\n' % seen


HURRY = b'{"hurry": true}\n'
"""End at once, and all transfers with it."""

LONGEST_LINE = 1 << 26
"""Bytes, of which settings with many networks take some; what is longer is no message."""

LONGEST_TEXT = 1 << 16
"""Characters of a log line that are kept."""

Message = Mapping[str, Any]

_converter = BaseConverter()
"""Writes no code for each class, which would take a worker ten times as long as reading the one line it gets."""


@frozen
class Assignment:
    """What a worker has to do."""

    number: int
    """Its own, from 1."""
    configuration: Configuration
    places: tuple[Place, ...]
    """Those of the request sockets that it has got."""
    cpu: int | None = None
    """Where it must run; None for anywhere."""

    def line(self) -> bytes:
        """As a message."""
        return encode(_converter.unstructure(self))

    @classmethod
    def from_line(cls, line: bytes) -> "Assignment":
        """What :meth:`line` gave."""
        return _converter.structure(json.loads(line), cls)


@frozen
class Change:
    """What a worker has to do from now on."""

    configuration: Configuration
    places: tuple[Place, ...]
    """Where it is to listen, and nowhere else."""
    new_sockets: int = 0
    """For how many of these, the last ones, sockets wait at :data:`PASSAGE`."""
    new_folders: int = 0
    """How many folders wait there before them: all that the settings name, or none if they are as before."""

    def line(self) -> bytes:
        """As a message."""
        return encode({"change": _converter.unstructure(self)})

    @classmethod
    def from_message(cls, message: Message) -> "Change":
        """What :meth:`line` gave."""
        return _converter.structure(message["change"], cls)


def encode(message: Message) -> bytes:
    """A line."""
    return json.dumps(message).encode() + b"\n"


def pack_places(places: Sequence[Place]) -> Message:
    """Where a worker stays, as a message."""
    return {"staying": _converter.unstructure(places)}


def unpack_places(message: Message) -> Sequence[Place]:
    """What :func:`pack_places` was given."""
    return _converter.structure(message["staying"], tuple[Place, ...])


def pack_event(event: LogEvent, *, with_report: bool = False) -> Message:
    """A log event as a message: its text, and those of its fields that JSON has a word for.

    :param with_report: what :func:`~tftpd_tw.telemetry.json_lines.json_line` needs too
    """
    fields = {
        name: value
        for name, value in event.items()
        if not name.startswith("log_") and isinstance(value, str | int | float | None)
    }
    return {
        "log": {
            "time": event["log_time"],
            "level": event["log_level"].name,
            "namespace": event["log_namespace"],
            "text": event_text(event)[:LONGEST_TEXT],
            "fields": fields,
            "report": fields_of_report(event) if with_report else None,
        }
    }


def unpack_event(packed: Message, worker: int) -> LogEvent:
    """The event again, as one of ``worker``, which shows in its line and as a field.

    :raises KeyError: there is something missing
    """
    level = LogLevel.lookupByName(packed["level"])
    return {
        **packed["fields"],
        "worker": worker,
        "text": packed["text"],
        "report_fields": packed.get("report"),
        "log_format": "{text}",
        "log_time": packed["time"],
        "log_level": level,
        "log_namespace": packed["namespace"],
        "log_system": f"{packed['namespace']}#{level.name} worker {worker}",
    }


@define
class Lines:
    """Whole lines out of pieces."""

    _pieces: list[bytes] = field(init=False, factory=list)
    _length: int = field(init=False, default=0)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends."""
        first, *others = data.split(b"\n")
        self._pieces.append(first)
        self._length += len(first)
        if not others:
            if self._length > LONGEST_LINE:
                self._pieces, self._length = [], 0
            return []
        *lines, rest = others
        # Joined once, and not with each piece: a long line comes in a thousand of them.
        lines.insert(0, b"".join(self._pieces))
        self._pieces, self._length = [rest], len(rest)
        return lines
