"""From a request and its opened content to the machine that carries the transfer."""

from typing import Any

from tftpd_tw.interfaces import Direction, Request
from tftpd_tw.net.engine import IEngine
from tftpd_tw.net.routes import block_within
from tftpd_tw.net.serving import Terms
from tftpd_tw.protocol.lifecycle import Machine
from tftpd_tw.protocol.opening import answer_read, answer_write
from tftpd_tw.protocol.options import MAX_BLKSIZE, Agreed, Facts, negotiate
from tftpd_tw.protocol.packets import Mode


def machine_for(request: Request, content: Any, terms: Terms, engine: IEngine) -> Machine:
    """What carries the transfer; only a broken ``content`` makes it raise.

    :param content: provides IReader for a read, IWriter for a write
    :param engine: knows the route to the client
    """
    patience, held = terms.patience, terms.buffer_size
    if request.direction is Direction.WRITE:
        agreed = _negotiated(request, None, terms, engine)
        return answer_write(agreed, patience, mode=request.mode, most_held=held)
    size = content.size
    agreed = _negotiated(request, size, terms, engine)
    return answer_read(agreed, patience, size=size, mode=request.mode, most_held=held)


def _negotiated(request: Request, size: int | None, terms: Terms, engine: IEngine) -> Agreed:
    if not request.options:
        return Agreed()
    max_blksize = MAX_BLKSIZE
    if terms.fit_mtu:
        mtu = engine.path_mtu(request.local, request.client)
        if mtu is not None:
            max_blksize = block_within(mtu - terms.mtu_slack, request.client.host)
    reading = request.direction is Direction.READ
    # What netascii makes of the size is not known.
    facts = Facts(reading, size if request.mode is Mode.OCTET else None, max_blksize)
    return negotiate(request.options, terms.policy, facts)
