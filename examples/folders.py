"""Several backends as one: what is in memory, then a folder for each client, then one for all; names lose a prefix
before, and keys are refused whatever they are called.

Run it with ``python examples/folders.py examples/tftproot``, then ``curl tftp://127.0.0.1:6969/tftpboot/README.txt``.
"""

import sys

from attrs import evolve, frozen
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from zope.interface import implementer

from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.guarded import GuardedBackend
from tftpd_tw.backends.memory import MemoryBackend
from tftpd_tw.backends.names import normalise
from tftpd_tw.backends.searching import Place, SearchBackend
from tftpd_tw.interfaces import Eventually, IBackend, IReader, IWriter, Request
from tftpd_tw.net.engines import ENGINES
from tftpd_tw.net.listener import Listener
from tftpd_tw.net.serving import Server
from tftpd_tw.policy.access import Authorizer, Restrictions
from tftpd_tw.policy.client_names import Tree, names_by_address


@implementer(IBackend)
@frozen
class WithoutPrefix:
    prefix: bytes
    inner: IBackend

    def open_read(self, request: Request) -> "Eventually[IReader]":
        return self.inner.open_read(self.renamed(request))

    def open_write(self, request: Request) -> "Eventually[IWriter]":
        return self.inner.open_write(self.renamed(request))

    def renamed(self, request: Request) -> Request:
        return evolve(request, name=b"/".join(normalise(request.name)).removeprefix(self.prefix))


def folder(path: str) -> Place:
    tree = Tree.parse(path)
    return Place(tree, DirectoryBackend(tree.base, run_blocking=deferToThread))


if __name__ == "__main__":
    root = sys.argv[1]
    made_up = Place(Tree("memory"), MemoryBackend({b"motd": b"Have a nice boot.\n"}))
    search = SearchBackend([made_up, folder(f"{root}/{{ip}}"), folder(root)], None, names_by_address)
    rules = Authorizer(Restrictions(denied_patterns=["*.key"]).rules(), normalise)
    backend = WithoutPrefix(b"tftpboot/", GuardedBackend(search, rules))
    Listener(Server(ENGINES["auto"](reactor), backend, authorizer=rules)).listen("::", 6969)
    reactor.run()
