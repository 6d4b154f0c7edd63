"""Several folders, one after the other: a read gets the first file of its name, an upload goes to one place.

A folder can be another one for each client (:class:`~tftpd_tw.policy.client_names.Tree`): ``hosts/{mac}`` before
``common`` gives a client its own files where it has some, and everybody's where not. Only "not found" leads to the
next folder. A file that is there and may not be read is refused: to give out another one in its place would be a
surprise at best. Where spelling does not matter (:mod:`~tftpd_tw.backends.caseless`), a file of any spelling in
the first folder comes before one of the right spelling in the second.

The part of a tree that depends on the client is a part of the name that its backend is asked for, behind the
normalised name's fence: no name leads from one client's folder into another's. A symlink may, if it stays
beneath the tree's base.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from attrs import evolve, frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from tftpd_tw.backends.chaining import Identify, if_not_found, then
from tftpd_tw.backends.finding import IFinder
from tftpd_tw.backends.names import name_of, normalise
from tftpd_tw.interfaces import Direction, Eventually, IReader, IWriter, Request
from tftpd_tw.policy.client_names import ClientNames, Tree
from tftpd_tw.protocol.errors import AccessViolation, FileNotFound

T = TypeVar("T")


@frozen
class Place:
    """Where to look."""

    tree: Tree
    backend: IFinder
    """For :attr:`Tree.base`."""

    def request(self, request: Request, names: ClientNames) -> Request:
        """What to ask the backend for.

        :raises FileNotFound: what the tree needs to know of the client is not known
        :raises TFTPError: the name is none
        """
        components = normalise(request.name)
        missing = names.missing(self.tree.placeholders)
        if missing:
            raise FileNotFound(f"the client's {missing[0]} is not known")
        return evolve(request, name=name_of((*self.tree.components(names), *components)))


@implementer(IFinder)
class SearchBackend:
    """Looks for files in several places.

    :param places: for reads, in this order; at least one.
    :param uploads: where uploads go. None: they are denied.
    :param identify: what a client is called, see :data:`~tftpd_tw.backends.chaining.Identify`.
    """

    name = "search"

    def __init__(self, places: Sequence[Place], uploads: Place | None, identify: Identify) -> None:
        self.places = tuple(places)
        self.uploads = uploads
        self.identify = identify

    def open_read(self, request: Request) -> "IReader | Deferred[IReader]":
        """The first file of that name.

        :raises FileNotFound: it is nowhere
        :raises TFTPError: what the first backend raises that does not say "not found"
        """
        return self._search(request, lambda place, asked: place.backend.open_read(asked))

    def open_write(self, request: Request) -> "IWriter | Deferred[IWriter]":
        """A place for the upload.

        :raises AccessViolation: uploads are denied
        :raises FileNotFound: the client has no place for them
        """
        return self._search(request, lambda place, asked: place.backend.open_write(asked))

    def find(self, request: Request) -> "Deferred[None] | None":
        """Look where the file would be opened; raises as that does."""
        return self._search(request, lambda place, asked: place.backend.find(asked))

    def _search(self, request: Request, ask: Callable[[Place, Request], Eventually[T]]) -> "T | Deferred[T]":
        """What ``ask`` gives of the first place that has the file."""
        places = self.places
        if request.direction is Direction.WRITE:
            if self.uploads is None:
                raise AccessViolation("uploads are not allowed")
            places = (self.uploads,)

        def search(names: ClientNames, index: int) -> Eventually[T]:
            place = places[index]

            def attempt() -> Eventually[T]:
                return ask(place, place.request(request, names))

            return (
                attempt() if index + 1 == len(places) else if_not_found(attempt, lambda: search(names, index + 1))
            )

        return then(self.identify(request), lambda names: search(names, 0))
