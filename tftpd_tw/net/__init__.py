"""UDP: the only floor that touches a socket.

* :mod:`~tftpd_tw.net.engine` — the small interface between sessions and sockets
* :mod:`~tftpd_tw.net.sockets`, :mod:`~tftpd_tw.net.reactor_engine` — its real implementation
* :mod:`~tftpd_tw.net.request_socket` — a request port, and the transfers that stay on it
* :mod:`~tftpd_tw.net.session` — one transfer's packets, timer and content
* :mod:`~tftpd_tw.net.listener`, :mod:`~tftpd_tw.net.served_transfer` — the server: requests in, sessions out
* :mod:`~tftpd_tw.net.serving` — what its transfers have in common
* :mod:`~tftpd_tw.net.client` — the other end
"""
