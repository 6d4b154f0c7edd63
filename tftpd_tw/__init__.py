"""A fast, safe TFTP daemon and library for Twisted.

Floor by floor, lowest first; a module imports only from its own floor or a lower one:

* :mod:`tftpd_tw.protocol` — packets, options, timing and the two transfer machines; no I/O at all
* :mod:`tftpd_tw.interfaces` — what a backend provides and what it is asked
* :mod:`tftpd_tw.net` — UDP: the request port, session sockets, the client
* :mod:`tftpd_tw.backends` — where content comes from and goes to
* :mod:`tftpd_tw.telemetry`, :mod:`tftpd_tw.web` — counters, transfer records, ``/metrics``
* :mod:`tftpd_tw.service`, :mod:`tftpd_tw.tap`, :mod:`tftpd_tw.cli` — the daemon and its entries

:mod:`tftpd_tw.testing` stands beside them: a simulated network for testing backends.
"""

__version__ = "0.1.0"
