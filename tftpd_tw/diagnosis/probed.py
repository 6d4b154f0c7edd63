"""What a probe has measured, as findings, and as values for programs."""

import os
import shlex
from collections.abc import Iterator
from typing import Any

from tftpd_tw.diagnosis.download import Downloaded
from tftpd_tw.diagnosis.findings import FAIL, OK, SKIP, WARN, Finding
from tftpd_tw.diagnosis.probe import ETHERNET_BLOCK, NEARLY, NO_FILE, Probed
from tftpd_tw.interfaces import Address
from tftpd_tw.service.units import duration, size

SMALL = 1 << 20
"""Bytes; with a smaller file the rates are mostly those of requests."""


def findings(probed: Probed) -> Iterator[Finding]:
    """All that there is to say."""
    yield _answers(probed)
    if probed.mtu is None:
        yield Finding(FAIL, "route", "there is none", "This host has no way to that address.", ("ip route",))
    else:
        yield Finding(OK, "route", f"MTU {probed.mtu}", f"blocks of {probed.largest_block} bytes fit it")
    for one in probed.downloads:
        again = f"{one.retransmits} packets were sent again" if one.retransmits else ""
        figure = f"{size(one.rate)}/s"
        yield Finding(OK, "download", figure, again, about=f"blksize {one.blksize} windowsize {one.windowsize}")
    if probed.best is not None:
        yield _best(probed, probed.best)
    elif probed.name == NO_FILE and probed.round_trips.seconds:
        reason = "name a file that the server has with --name, to know which block and window sizes are best"
        yield Finding(SKIP, "download", "not tried", reason)


def as_values(probed: Probed) -> dict[str, Any]:
    """The same in numbers: sizes in bytes, times in seconds, rates in bytes per second."""
    asked, best = probed.round_trips, probed.best
    return {
        "server": str(probed.server),
        "mtu": probed.mtu,
        "requests": asked.sent,
        "answers": len(asked.seconds),
        "round_trip": {"least": asked.seconds[0], "median": asked.median, "most": asked.seconds[-1]}
        if asked.seconds
        else None,
        "downloads": [_values(one) for one in probed.downloads],
        "best": _values(best) if best is not None else None,
    }


def _values(one: Downloaded) -> dict[str, Any]:
    return {
        "blksize": one.blksize,
        "windowsize": one.windowsize,
        "size": one.size,
        "seconds": one.seconds,
        "rate": one.rate,
        "retransmits": one.retransmits,
    }


def _answers(probed: Probed) -> Finding:
    asked, server = probed.round_trips, probed.server
    if asked.refused:
        reason = "The host is there, and says that nobody listens at that port: start the daemon there."
        return Finding(FAIL, "answers", "port closed", reason, _looks(server))
    if not asked.seconds and asked.elsewhere:
        reason = (
            f"Answers came from {asked.elsewhere}, which was not asked. A server with several addresses has to"
            " answer from the one that was; clients and firewalls take nothing else."
        )
        return Finding(FAIL, "answers", "from another address", reason, (f"ip route get {server.host}",))
    if not asked.seconds:
        reason = (
            "The host may be off or another one, a firewall may be in the way (UDP, and answers come from another"
            " port than that which was asked), or nobody serves there and nothing says so."
        )
        return Finding(FAIL, "answers", f"none to {asked.sent} requests", reason, _looks(server))
    figure = (
        f"{len(asked.seconds)} of {asked.sent}, after {duration(asked.median)} (median)"
        f" to {duration(asked.seconds[-1])}"
    )
    if len(asked.seconds) < asked.sent:
        reason = f"Requests or answers were lost on the way. What was answered: {asked.answer}."
        return Finding(WARN, "answers", figure, reason, (f"mtr -u -P {server.port} {server.host}",))
    if probed.name != NO_FILE and not asked.there:
        reason = f"The server does not give the file, so that nothing can be downloaded: {asked.answer}."
        return Finding(WARN, "answers", figure, reason, ("ls -l FOLDER",))
    return Finding(OK, "answers", figure, asked.answer)


def _looks(server: Address) -> tuple[str, ...]:
    return f"ping {server.host}", f"ss -lun 'sport = :{server.port}'"


def _quoted(server: Address) -> str:
    return shlex.quote(str(server))


def _profile(probed: Probed, best: Downloaded) -> Iterator[str]:
    """What keeps a client that asks for more to that, where more does harm; others need their windows.

    What windows of fragmented blocks do says nothing of others, which the client may ask for as well.
    """
    larger = [one for one in probed.downloads if one.blksize == best.blksize and one.windowsize > best.windowsize]
    harm = any(one.retransmits and one.rate < NEARLY * best.rate for one in larger)
    if harm and best.blksize <= ETHERNET_BLOCK:
        yield (
            "clients.profiles: [{name: small-windows, clients: [CLIENT-IP],"
            f" window_size: {best.windowsize}}}]    (of tftpd-tw there)"
        )


def _best(probed: Probed, best: Downloaded) -> Finding:
    server, name = probed.server, shlex.quote(os.fsdecode(probed.name))
    reason = ""
    if best.whole and best.size < SMALL:
        reason = f"the file has {size(best.size)} only; a larger one tells more"
    return Finding(
        OK,
        "best",
        f"blksize {best.blksize}, windowsize {best.windowsize}",
        reason,
        (
            f"tftpd-tw get --block-size {best.blksize} --window-size {best.windowsize} {_quoted(server)} {name}",
            f"atftp --get --option 'blksize {best.blksize}' --option 'windowsize {best.windowsize}'"
            f" -r {name} -l file {server.host} {server.port}",
            *_profile(probed, best),
        ),
    )
