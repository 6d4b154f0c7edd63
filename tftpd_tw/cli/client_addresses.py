"""A client's address on the command line, as the daemon writes it."""

import argparse
import ipaddress


def client_address(text: str) -> str:
    """What ``text`` says.

    :raises argparse.ArgumentTypeError: it is no IPv4 or IPv6 address
    """
    try:
        address = ipaddress.ip_address(text)
        # As the server sees it: IPv4 in IPv6's clothes is IPv4 (C155).
        return str(getattr(address, "ipv4_mapped", None) or address)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected an IPv4 or IPv6 address, got {text!r}") from None
