"""How a server is named on the command line of a client, and the addresses that a name leads to."""

import argparse
import socket
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from tftpd_tw.cli.exit_statuses import NO_ANSWER, CommandError
from tftpd_tw.cli.servers import Host, addresses_of
from tftpd_tw.interfaces import Address

SOME_INTERFACE = socket.if_nameindex()[0][1]


def found(host: Host) -> Any:
    """The addresses, or the error."""
    results: list[Any] = []
    addresses: Deferred[Any] = addresses_of(host, maybeDeferred)
    addresses.addBoth(results.append)
    [result] = results
    return result.value if isinstance(result, Failure) else result


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("server", Host("server")),
        ("server.example:6969", Host("server.example", 6969)),
        ("192.0.2.1", Host("192.0.2.1")),
        ("192.0.2.1:6969", Host("192.0.2.1", 6969)),
        ("2001:db8::1", Host("2001:db8::1")),
        ("::1:6969", Host("::1:6969")),
        ("[2001:db8::1]", Host("2001:db8::1")),
        ("[2001:db8::1]:6969", Host("2001:db8::1", 6969)),
        (f"fe80::1%{SOME_INTERFACE}", Host(f"fe80::1%{SOME_INTERFACE}")),
        (f"[fe80::1%{SOME_INTERFACE}]:6969", Host(f"fe80::1%{SOME_INTERFACE}", 6969)),
        ("fe80::1%1", Host("fe80::1%1")),
    ],
)
def test_ways_to_name_a_server(text: str, host: Host) -> None:
    """A name or an address, with a port or without (C154)."""
    assert Host.parse(text) == host


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected a name or an address, got nothing"),
        (":69", "expected a name or an address, got nothing"),
        ("server:", "expected a port, 1 to 65535, got ''"),
        ("server:0", "expected a port, 1 to 65535, got 0"),
        ("server:65536", "expected a port, 1 to 65535, got 65536"),
        ("server:tftp", "expected a port, 1 to 65535, got 'tftp'"),
        ("server:\u0665", "expected a port, 1 to 65535, got '\u0665'"),
        ("[2001:db8::1", r"expected an address as [2001:db8::1]:69, got '[2001:db8::1'"),
        ("[2001:db8::1]69", r"expected an address as [2001:db8::1]:69, got '[2001:db8::1]69'"),
        ("[2001:db8::1]:", r"expected an address as [2001:db8::1]:69, got '[2001:db8::1]:'"),
        ("[192.0.2.1]:69", r"expected an address as [2001:db8::1]:69, got '[192.0.2.1]:69'"),
        ("fe80::1", "fe80::1 is link-local: name the interface too, as in fe80::1%eth0"),
        ("fe80::1%no-such", "there is no interface 'no-such'"),
    ],
)
def test_wrong_ways(text: str, complaint: str) -> None:
    """Each is told apart, and says what would be right."""
    with pytest.raises(argparse.ArgumentTypeError) as caught:
        Host.parse(text)
    assert str(caught.value) == complaint


def test_the_port() -> None:
    """It is TFTP's, or that of either option; both may say the same, and not two different things."""
    assert Host("server").at(None) == Host("server", 69)
    assert Host("server").at(6969) == Host("server", 6969)
    assert Host("server", 6969).at(None) == Host("server", 6969).at(6969) == Host("server", 6969)
    with pytest.raises(argparse.ArgumentTypeError, match="--port 70: HOST has port 6969 already"):
        Host("server", 6969).at(70)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address(host: str) -> None:
    """It is itself, with the port."""
    assert found(Host(host, 6969)) == [Address(host, 6969)]


def test_any_address_is_this_host() -> None:
    """What is sent to it goes to the loopback address, from which the answer comes."""
    assert found(Host("0.0.0.0", 69)) == [Address("127.0.0.1", 69)]


V6_WITHOUT_A_WAY = (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("fe80::1", 69, 0, 0))
"""A link-local address of no interface."""

V6, V4 = [(family, socket.SOCK_DGRAM, 17, "", where) for family, where in (
    (socket.AF_INET6, ("::1", 69, 0, 0)), (socket.AF_INET, ("127.0.0.1", 69)),
)]  # fmt: skip


def knowing(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
    """Have the resolver answer so."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: list(answers))


def test_a_name_with_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that there is a way to, once each, in the resolver's order."""
    knowing(monkeypatch, V6_WITHOUT_A_WAY, V6, V4, V4)
    assert found(Host("server", 69)) == [Address("::1", 69), Address("127.0.0.1", 69)]


def test_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is a way to none, the system's words say why."""
    knowing(monkeypatch, V6_WITHOUT_A_WAY)
    error = found(Host("server", 69))
    assert isinstance(error, CommandError)
    assert (error.exit_status, str(error)) == (NO_ANSWER, "there is no route to server: Invalid argument")


def unknown(*_: Any, **__: Any) -> Any:
    """What the system does with a name that nobody knows."""
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is told, and what the resolver said."""
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = found(Host("nowhere.example", 69))
    assert isinstance(error, CommandError)
    assert error.exit_status == NO_ANSWER
    assert str(error) == "no address is known for 'nowhere.example': Name or service not known"


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + "\xfc"])
def test_what_can_be_no_name(name: str) -> None:
    """Python refuses it before anybody is asked."""
    error = found(Host(name, 69))
    assert isinstance(error, CommandError)
    assert (error.exit_status, str(error)) == (
        NO_ANSWER,
        f"no address is known for {name!r}: that is no name of a host",
    )
