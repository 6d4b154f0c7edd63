"""Rules, folders and what has their files, put together as an operator wants them."""

from collections.abc import Callable, Sequence

from tftpd_tw.backends.chaining import Identify
from tftpd_tw.backends.finding import IFinder
from tftpd_tw.backends.guarded import GuardedBackend
from tftpd_tw.backends.rewritten import RewritingBackend
from tftpd_tw.backends.searching import Place, SearchBackend
from tftpd_tw.interfaces import IAuthorizer, IBackend
from tftpd_tw.policy.client_names import FROM_THE_KERNEL, Tree, names_by_address
from tftpd_tw.policy.rewriting import Rewriting

OpenBase = Callable[[str], IFinder]
"""The backend for a :attr:`Tree.base`. Who opens it closes it."""


def assemble(
    open_base: OpenBase,
    ask_kernel: Identify,
    roots: Sequence[Tree],
    uploads: Tree | None = None,
    rewriting: Rewriting | None = None,
    authorizer: IAuthorizer | None = None,
) -> IBackend:
    """One backend of all that. Where there is but one folder for everybody and no rule, its own will do.

    :param ask_kernel: tells all that a client is called; used only where its address alone is not enough.
    :param roots: where files are looked for, in this order; at least one.
    :param uploads: where uploads go. None: they are denied.
    :param authorizer: who is asked about what the rules have made of a name.
    :raises OSError: and whatever else ``open_base`` raises
    """
    all_trees = (*roots, uploads) if uploads is not None else tuple(roots)
    opened = {base: open_base(base) for base in dict.fromkeys(tree.base for tree in all_trees)}
    place = Place(uploads, opened[uploads.base]) if uploads is not None else None
    trees = frozenset().union(*(tree.placeholders for tree in all_trees))
    search = SearchBackend([Place(tree, opened[tree.base]) for tree in roots], place, _identify(trees, ask_kernel))
    if rewriting is None:
        return search
    backend = search if authorizer is None else GuardedBackend(search, authorizer)
    return RewritingBackend(backend, rewriting, _identify(rewriting.placeholders, ask_kernel), search.find)


def _identify(placeholders: frozenset[str], ask_kernel: Identify) -> Identify:
    return ask_kernel if placeholders & FROM_THE_KERNEL else names_by_address
