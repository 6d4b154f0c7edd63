"""The HTTP port: opened while twistd is still root, closed at the end."""

import ipaddress
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import CannotListenError
from twisted.logger import Logger
from twisted.web.http import HTTPFactory

from tftpd_tw.interfaces import Address
from tftpd_tw.service.opening import OpenError, cannot_listen
from tftpd_tw.service.value_types import HttpAddress

log = Logger()


class HttpService(Service):
    """Serves ``site`` at ``address``.

    :param shows_page: whether that has the page, and not only figures
    """

    name = "http"

    def __init__(self, reactor: Any, address: HttpAddress, site: HTTPFactory, shows_page: bool) -> None:
        self._reactor = reactor
        self._address = address
        self._site = site
        self._shows_page = shows_page
        self._port: Any = None

    def privilegedStartService(self) -> None:
        """Open the port.

        :raises OpenError: it cannot be opened
        """
        super().privilegedStartService()
        host, port = self._address.host, self._address.port
        try:
            self._port = self._reactor.listenTCP(port, self._site, interface=host)
        except CannotListenError as error:
            number = getattr(error.socketError, "errno", None)
            raise OpenError(cannot_listen("TCP", Address(host, port), number, "--http")) from None
        address = str(Address(host, self._port.getHost().port))
        if self._shows_page:
            log.info("page on http://{address}/", address=address)
        else:
            log.warn(
                "no page on {address}, which others reach too: it needs a secret, see monitoring.secret_file",
                address=address,
            )
        log.info("metrics on http://{address}/metrics", address=address)

    def stopService(self) -> Any:
        """Close the port."""
        super().stopService()
        return self._port.stopListening() if self._port is not None else None


def is_private(address: HttpAddress) -> bool:
    """Whether only this host reaches it."""
    return ipaddress.ip_address(address.host).is_loopback
