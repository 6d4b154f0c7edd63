"""Who is who on a :class:`~tftpd_tw.testing.network.MemoryNetwork`: addresses that RFC 5737 keeps for examples."""

from tftpd_tw.interfaces import Address

SERVER = "192.0.2.1"
"""The host that :meth:`~tftpd_tw.testing.network.MemoryNetwork.serve` serves on."""

REQUEST_PORT = Address(SERVER, 69)
"""Where that server takes requests."""

CLIENT = "192.0.2.100"
"""The host of the network's own client."""
