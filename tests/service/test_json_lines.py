"""A line of the log as JSON: what is in it, and that it stays one line."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import LogEvent, Logger, globalLogPublisher

from tftpd_tw.service.messages import pack_event, unpack_event
from tftpd_tw.telemetry.json_lines import json_line
from tftpd_tw.testing import MemoryNetwork, RawPeer

DOCUMENT = (Path(__file__).parents[2] / "docs" / "records.md").read_text()


@pytest.fixture
def events() -> Iterator[list[LogEvent]]:
    """Those of transfers since the test began."""
    events: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace") == "tftpd_tw.transfers":
            events.append(event)

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


def written(event: LogEvent) -> Any:
    """The object in the line of ``event``, which is one line whatever reads it."""
    line = json_line(event)
    assert line.isascii()
    assert line.isprintable()
    return json.loads(line)


def message(write: Any) -> Any:
    """The object in the line that ``write`` has a logger write."""
    events: list[LogEvent] = []
    write(Logger("a.b", observer=events.append))
    return written(events[0])


def documented(heading: str) -> list[str]:
    """The fields in the table below ``heading``."""
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_a_download(network: MemoryNetwork, events: list[LogEvent]) -> None:
    """Every field of its record."""
    network.get(b"file", block_size=500, window_size=2)
    network.run_until_idle()
    record = written(events[0])
    assert abs((datetime.fromisoformat(record.pop("time")) - datetime.now(UTC)).total_seconds()) < 60
    times = {name: record.pop(name) for name in ("round_trip_ms", "response_seconds", "seconds", "rate")}
    assert record == {
        "version": 1,
        "event": "transfer",
        "level": "info",
        "namespace": "tftpd_tw.transfers",
        "worker": None,
        "client": "192.0.2.100",
        "port": 49152,
        "local": "192.0.2.1",
        "direction": "read",
        "name": "file",
        "mode": "octet",
        "mac": None,
        "interface": None,
        "profile": None,
        "backend": "memory",
        "served": "file",
        "asked": {"blksize": "500", "windowsize": "2", "tsize": "0"},
        "agreed": {"blksize": 500, "windowsize": 2, "tsize": 1000},
        "size": 1000,
        "bytes": 1000,
        "blocks": 3,
        "retransmits": 0,
        "outcome": "completed",
        "reason": "completed",
        "detail": "",
        "more": 0,
    }
    ended = events[0]["report"].record
    assert times["round_trip_ms"] == pytest.approx(ended.round_trip * 1000, abs=0.001)
    assert times["response_seconds"] == pytest.approx(ended.response_seconds, abs=1e-6)
    assert times["seconds"] == pytest.approx(ended.seconds, abs=1e-6)
    assert times["rate"] == round(1000 / ended.seconds)
    assert times["rate"] > 0


def test_the_time_is_that_of_the_event() -> None:
    """In UTC, wherever the host is."""
    assert written({"log_time": 0.5, "log_format": "text"})["time"] == "1970-01-01T00:00:00.500Z"


def test_an_upload(network: MemoryNetwork, events: list[LogEvent]) -> None:
    """Its size is what the client announced."""
    network.put(b"new", b"1234567")
    network.run_until_idle()
    record = written(events[0])
    assert (record["direction"], record["size"], record["bytes"], record["blocks"]) == ("write", 7, 7, 1)


def test_a_refused_upload(peer: RawPeer, events: list[LogEvent]) -> None:
    """Also where nothing was agreed."""
    peer.ask(b"\0\2new\0mail\0")
    peer.ask(b"\0\2../new\0octet\0TSIZE\x0012\0")
    record = written(events[-1])
    assert (record["direction"], record["size"], record["agreed"]) == ("write", 12, None)


def test_without_options(peer: RawPeer, events: list[LogEvent]) -> None:
    """None asked, none agreed, and no size said."""
    peer.ask(b"\0\1file\0octet\0")
    peer.send(b"\0\5\0\3enough\n\0", peer.tid)
    peer.wait(1)
    record = written(events[0])
    assert (record["asked"], record["agreed"], record["size"]) == ({}, {}, None)
    assert (record["outcome"], record["reason"], record["detail"]) == ("failed", "client-error:3", r"enough\x0a")


HOSTILE = bytes(range(1, 256))


def test_a_hostile_request(peer: RawPeer, network: MemoryNetwork, events: list[LogEvent]) -> None:
    """Any bytes stay within their field of one line, and look as in the text (C028, S038)."""
    name, option, value = HOSTILE[:40], b"A\n\x1b\xff", HOSTILE[:30]
    peer.send(b"\0\1" + name + b"\0octet\0" + option + b"\0" + value + b"\0")
    network.run_until_idle()
    record = written(events[0])
    assert f' name="{record["name"]}" ' in events[0]["text"]
    assert record["name"].startswith(r"\x01\x02")
    assert list(record["asked"]) == [r"a\x0a\x1b\xff"]
    assert record["asked"][r"a\x0a\x1b\xff"].startswith(r"\x01\x02")
    assert (record["agreed"], record["size"], record["outcome"]) == (None, None, "refused")


def test_a_message() -> None:
    """What is no record has its text; line feeds and halves of characters break nothing."""
    found = message(lambda log: log.warn("a {thing}", thing="\n\u2028\udc80\x1b"))
    assert found.pop("time")
    assert found == {
        "version": 1,
        "event": "message",
        "level": "warn",
        "namespace": "a.b",
        "worker": None,
        "text": "a \n\u2028\udc80\x1b",
    }


def test_a_failure() -> None:
    """With its traceback, on the same line."""

    def write(log: Logger) -> None:
        try:
            raise ValueError("broken")
        except ValueError:
            log.failure("it is")

    found = message(write)
    assert found["level"] == "critical"
    assert found["text"].startswith("it is\nTraceback")
    assert "ValueError: broken" in found["text"]


def test_from_a_worker(network: MemoryNetwork, events: list[LogEvent]) -> None:
    """The same object, with the number of the worker; also where the event comes to it as text."""
    network.get(b"file", block_size=500)
    network.run_until_idle()
    packed = json.loads(json.dumps(pack_event(events[0], with_report=True)))
    assert written(unpack_event(packed["log"], 3)) == {**written(events[0]), "worker": 3}


def test_from_a_worker_that_writes_text(network: MemoryNetwork, events: list[LogEvent]) -> None:
    """It does without what only JSON needs."""
    network.get(b"file")
    network.run_until_idle()
    packed = pack_event(events[0])
    assert packed["log"]["report"] is None
    assert written(unpack_event(packed["log"], 3))["text"] == events[0]["text"]


def test_the_document(network: MemoryNetwork, events: list[LogEvent]) -> None:
    """docs/records.md has the fields that are written, in their order, and no other; and their version."""
    network.get(b"file")
    network.run_until_idle()
    every = documented("Every line")
    assert list(written(events[0])) == every + documented("A record")
    assert list(message(lambda log: log.info("text"))) == every + documented("A message")
    assert f"| `version` | {written(events[0])['version']} |" in DOCUMENT
