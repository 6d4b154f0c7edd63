"""What all transfers of a server have in common: the backend, who may do what, and on which terms."""

from collections.abc import Callable, Sequence

from attrs import frozen
from twisted.logger import Logger

from tftpd_tw.interfaces import (
    Address,
    IAuthorizer,
    IBackend,
    ITransferObserver,
    Outcome,
    Request,
    TransferRecord,
)
from tftpd_tw.net.engine import IAnswers, IEngine, IRequestSocket
from tftpd_tw.policy.endurance import Endurance
from tftpd_tw.policy.limits import Limits
from tftpd_tw.policy.rates import Throttling
from tftpd_tw.protocol.errors import TFTPError
from tftpd_tw.protocol.lifecycle import MOST_HELD
from tftpd_tw.protocol.options import Policy
from tftpd_tw.protocol.packets import encode_failure
from tftpd_tw.protocol.timing import Patience

log = Logger()


@frozen
class Terms:
    """How a server treats its clients."""

    policy: Policy = Policy()
    """The largest options granted."""
    patience: Patience = Patience()
    fit_mtu: bool = True
    """Grant no blksize that the route to the client would have to fragment."""
    mtu_slack: int = 0
    """Bytes that packets stay below that, for what the kernel does not know of the route."""
    buffer_size: int = MOST_HELD
    """Bytes of content that a transfer may have in memory; a window of the policy must fit."""
    single_port: bool | None = None
    """Whether a transfer stays on the port that was asked; None: as that port has it."""
    profile: str = ""
    """What they are called; empty for those of everybody."""


@frozen
class Server:
    """What every transfer of a server shares."""

    engine: IEngine
    backend: IBackend
    terms: Terms = Terms()
    observers: Sequence[ITransferObserver] = ()
    authorizer: IAuthorizer | None = None
    """Who may do what; None: everybody may ask, and the backend decides."""
    limits: Limits | None = None
    """How much at a time; None: there is no limit."""
    endurance: Endurance | None = None
    """How long a transfer may go on; None: as long as its client does."""
    throttling: Throttling | None = None
    """How fast; None: as fast as it goes."""
    terms_for: Callable[[Request], Terms] | None = None
    """The terms of each request, where they are not the same for all."""

    def tell(self, event: str, *arguments: object) -> None:
        """Call the method ``event`` of every observer. One that raises is logged, and changes nothing else."""
        for observer in self.observers:
            try:
                getattr(observer, event)(*arguments)
            except Exception:
                log.failure("An observer failed")

    def may_answer(self, host: str) -> bool:
        """Whether one more packet may go to somebody who has not shown that it gets them."""
        return self.limits is None or self.limits.may_answer(host, self.engine.clock.seconds())

    def answers(self, port: IRequestSocket | None, local: Address, single_port: bool | None = None) -> IAnswers:
        """Where the answers to a request leave from that came to ``port``: from there, or from ports of their own
        (RFC 1350 section 4), as it has to be where ``local`` is not known.
        """
        if port is not None and local.host and (port.single_port if single_port is None else single_port):
            return port
        return self.engine

    def refuse(self, error: TFTPError, local: Address, peer: Address, answers: IAnswers) -> None:
        """Send an ERROR."""
        answers.send_once(encode_failure(error), local, peer)
        self.tell("error_sent", int(error.code))

    def ignore(self, request: Request, why: str) -> None:
        """Send nothing; see :class:`~tftpd_tw.interfaces.TransferRecord` for ``why``."""
        self.tell("request_refused", TransferRecord(request, None, Outcome.IGNORED, why))
