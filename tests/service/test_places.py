"""Where the daemon listens: from the settings to the sockets."""

import errno
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from attrs import astuple
from twisted.logger import formatEvent

from tftpd_tw.interfaces import Address
from tftpd_tw.net import sockets
from tftpd_tw.service import opening
from tftpd_tw.service.config_file import ConfigurationError
from tftpd_tw.service.config_reader import Sources
from tftpd_tw.service.configuration import Network
from tftpd_tw.service.opening import OpenError, Place, announce, open_request_sockets, places


def network(tmp_path: Path, text: str) -> Network:
    """The section with that text."""
    file = tmp_path / "tftpd.yaml"
    file.write_text(f"network:\n{text}\n")
    sources = Sources()
    sources.add_file(str(file))
    found: Network = sources.configuration().network
    return found


EVERYWHERE = Place("::", 69, None, False)

PLACES = {
    "nothing said": ("  {}", [EVERYWHERE]),
    "the short form": (
        "  {addresses: [127.0.0.1, '::1'], port: 70}",
        [Place("127.0.0.1", 70, None, False), Place("::1", 70, None, False)],
    ),
    "interfaces": (
        "  {interfaces: [eth0, eth1], single_port: true}",
        [Place("::", 69, "eth0", True), Place("::", 69, "eth1", True)],
    ),
    "listeners alone": ("  {listeners: [{port: 70}]}", [Place("::", 70, None, False)]),
    "listeners and addresses": (
        "  {addresses: ['::1'], listeners: [{address: 127.0.0.1}]}",
        [Place("::1", 69, None, False), Place("127.0.0.1", 69, None, False)],
    ),
    "listeners take what they don't say from the section": (
        "  port: 70\n"
        "  interfaces: [eth0]\n"
        "  single_port: true\n"
        "  listeners:\n"
        "    - {}\n"
        "    - {port: 71, interface: eth1, single_port: false}\n"
        "    - {address: 'fe80::1%eth2', interface: eth2}\n",
        [
            Place("::", 70, "eth0", True),
            Place("::", 71, "eth1", False),
            Place("fe80::1%eth2", 70, "eth2", True),
        ],
    ),
}


@pytest.mark.parametrize(("text", "expected"), PLACES.values(), ids=PLACES)
def test_places(text: str, expected: list[Place], tmp_path: Path) -> None:
    """Any number of them, in short and in full."""
    assert list(map(astuple, places(network(tmp_path, text)))) == list(map(astuple, expected))


def test_mistakes_have_their_lines(tmp_path: Path) -> None:
    """Those inside of a listener too."""
    text = (
        "  port_range: 500-600\n"
        "  interfaces: [eth0, 'eth 1']\n"
        "  listeners:\n"
        "    - adress: 127.0.0.1\n"
        "      port: 70000\n"
        "    - {interface: '', single_port: maybe}\n"
        "    - eth0\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        network(tmp_path, text)
    assert [problem.removeprefix(f"{tmp_path}/tftpd.yaml:") for problem in caught.value.problems] == [
        "2: network.port_range: expected 'any' or FIRST-LAST, 1024 to 65535, got '500-600'",
        "3: network.interfaces[1]: expected an interface, such as eth0, got 'eth 1'",
        "5: network.listeners[0].adress: unknown key; did you mean 'address'?",
        "6: network.listeners[0].port: expected a port, 0 to 65535, got 70000",
        "7: network.listeners[1].interface: expected an interface, such as eth0, got ''",
        "7: network.listeners[1].single_port: expected true or false, got 'maybe'",
        "8: network.listeners[2]: expected keys with values, got 'eth0'",
    ]


def test_each_place_has_its_sockets(tmp_path: Path) -> None:
    """In their order, so many for each; those of a single port can carry transfers, before root is given up."""
    wanted = network(
        tmp_path,
        "  port: 0\n"
        "  listeners: [{address: 127.0.0.1, single_port: true}, {address: '::1'}, {address: 127.0.0.2}]",
    )
    opened = open_request_sockets(places(wanted), 2)
    try:
        assert [group[0].getsockname()[0] for group in opened] == ["127.0.0.1", "::1", "127.0.0.2"]
        for first, second in opened:
            assert first.getsockname() == second.getsockname()
        level, option = socket.IPPROTO_IP, sockets.IP_RECVERR
        assert [[sock.getsockopt(level, option) for sock in opened[index]] for index in (0, 2)] == [[1, 1], [0, 0]]
    finally:
        for group in opened:
            for sock in group:
                sock.close()


def test_listeners_in_each_others_way(tmp_path: Path) -> None:
    """The line says that it may be one of their own kind."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as free:
        free.bind(("::", 0))
        port = free.getsockname()[1]
    wanted = network(tmp_path, f"  {{port: {port}, listeners: [{{}}, {{address: 127.0.0.1}}]}}")
    with pytest.raises(OpenError) as caught:
        open_request_sockets(places(wanted))
    line = str(caught.value.code)
    assert line.startswith(
        f"tftpd: cannot listen on UDP 127.0.0.1:{port}: Address already in use: another program"
    )
    assert line.endswith("it may be another of the listeners, since `::` takes every address of its port")


REFUSALS = {
    "no such interface": ("{interface: lo}", errno.ENODEV, "this host has no such interface;"),
    "not permitted": ("{interface: lo}", errno.EPERM, "needs root or CAP_NET_RAW before Linux 5.7"),
    "link-local without its interface": (
        "{address: 'fe80::1'}",
        errno.EINVAL,
        "needs its interface, as in fe80::1%",
    ),
}


@pytest.mark.parametrize(("listener", "number", "advice"), REFUSALS.values(), ids=REFUSALS)
def test_what_the_kernel_refuses(
    listener: str, number: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says what to do, and names the interface."""

    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(opening, "bind_request_socket", refuse)
    with pytest.raises(OpenError) as caught:
        open_request_sockets(places(network(tmp_path, f"  listeners: [{listener}]")))
    line = str(caught.value.code)
    assert advice in line
    assert line.endswith("(interface lo)") == ("interface" in listener)


ANNOUNCED = [
    (Place("::", 69, None, False), "serving /srv on UDP [::]:69"),
    (Place("::", 69, "eth0", False), "serving /srv on UDP [::]:69 (by eth0 only)"),
    (Place("::", 69, None, True), "serving /srv on UDP [::]:69 (all on this port)"),
    (Place("::", 69, "eth0", True), "serving /srv on UDP [::]:69 (by eth0 only, all on this port)"),
]


@pytest.mark.parametrize(("place", "line"), ANNOUNCED, ids=[line for _, line in ANNOUNCED])
def test_what_is_announced(place: Place, line: str, events: list[Any]) -> None:
    """What is unusual about a place is in its line."""
    announce("/srv", Address("::", 69), place)
    assert [formatEvent(event) for event in events] == [line]
