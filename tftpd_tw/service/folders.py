"""The folders that the settings name, opened, and put together into what the server asks for files.

::

    requests -> profile's root? -> rewrite rules -> access rules again -> roots in order -> spelling -> folder

What is not configured is not there: one plain folder is served by its own backend.

A folder is opened once for all that it is needed for, while the daemon is still root where it may be, and stays
open. Workers open it through the descriptor that the daemon has passed to them, by the path that stands for it in
``paths``.
"""

import grp
import pwd
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred, gatherResults, succeed

from tftpd_tw.backends.assembling import assemble
from tftpd_tw.backends.caseless import CaselessBackend
from tftpd_tw.backends.chaining import Identify
from tftpd_tw.backends.directory import DirectoryBackend
from tftpd_tw.backends.finding import IFinder
from tftpd_tw.backends.profiled import ProfiledBackend
from tftpd_tw.backends.quota import Quota, Usage, Usages
from tftpd_tw.backends.shared_files import SharedFiles
from tftpd_tw.backends.storing import Storing
from tftpd_tw.backends.suggesting import files_beneath
from tftpd_tw.backends.uploading import UploadPolicy
from tftpd_tw.interfaces import IBackend, RunBlocking
from tftpd_tw.net.neighbours import Neighbours
from tftpd_tw.net.sockets import interface_name
from tftpd_tw.policy.addresses import Networks
from tftpd_tw.policy.client_names import Tree
from tftpd_tw.policy.profiles import InterfaceName
from tftpd_tw.policy.rewrite_rules import Abort, RewriteRule
from tftpd_tw.policy.rewriting import Rewriting
from tftpd_tw.protocol.errors import ErrorCode
from tftpd_tw.service.configuration import Configuration, Filesystem
from tftpd_tw.service.opening import OpenError
from tftpd_tw.service.rule_settings import Rewrite
from tftpd_tw.service.setting import Path
from tftpd_tw.service.treatment import make_authorizer, make_profiles
from tftpd_tw.telemetry import families
from tftpd_tw.telemetry.totals import Totals


def named_folders(configuration: Configuration) -> Iterator[tuple[Path, str]]:
    """The folders that the settings name, without what is another one for each client; and where they stand."""
    filesystem = configuration.filesystem
    if filesystem.root:
        yield ("filesystem", "root"), Tree.parse(filesystem.root).base
    for index, place in enumerate(filesystem.fallback_roots):
        yield ("filesystem", "fallback_roots", index), Tree.parse(place).base
    if filesystem.upload_root is not None:
        yield ("filesystem", "upload_root"), Tree.parse(filesystem.upload_root).base
    for index, profile in enumerate(configuration.clients.profiles):
        if profile.root is not None:
            yield ("clients", "profiles", index, "root"), Tree.parse(profile.root).base


def bases(configuration: Configuration) -> tuple[str, ...]:
    """The folders to open, each once, in an order that is always the same."""
    return tuple(dict.fromkeys(base for _, base in named_folders(configuration)))


def make_rewriting(rules: Sequence[Rewrite]) -> Rewriting | None:
    """The rules that change names, ready for use; None where there are none.

    :raises RewriteRulesError: with all mistakes in them
    """
    return Rewriting(rules=[_rewrite_rule(rule) for rule in rules]) if rules else None


class Folders:
    """Everything that is served.

    :param run_blocking: calls a function in a thread and gives a Deferred of its result.
    :param clock: for what is kept for a time.
    :param paths: other paths of the same folders.
    :param identify: what clients are called; None to ask the kernel.
    :param interface_name: the names of interfaces.
    :param usages: what earlier ones have counted for their quotas, to go on with.
    :raises OpenError: one of them cannot be opened
    """

    def __init__(
        self,
        configuration: Configuration,
        run_blocking: RunBlocking,
        clock: Any,
        paths: Mapping[str, str],
        identify: Identify | None = None,
        interface_name: InterfaceName = interface_name,
        usages: Usages | None = None,
    ) -> None:
        self._configuration = configuration
        self._run_blocking = run_blocking
        self._paths = paths
        self._identify = identify or Neighbours(run_blocking).identify
        self._interface_name = interface_name
        self._usages = Usages() if usages is None else usages
        self._taking = {Tree.parse(place).base for place in upload_places(configuration)}
        self._directories: dict[str, DirectoryBackend] = {}
        self._opened: dict[str, IFinder] = {}
        cache, performance = configuration.cache, configuration.performance
        self._files = None
        if cache.enabled:
            self._files = SharedFiles(
                run_blocking, clock, ttl=cache.ttl, most_bytes=cache.size, read_ahead=performance.read_ahead
            )
        try:
            self._storing = _storing(configuration.filesystem)
            self.backend = self._assemble()
        except BaseException:
            self.close()
            raise

    def clean(self) -> "Deferred[int]":
        """Remove what uploads of an earlier run have left; fires with the number of files."""
        taking = [one for one in self._directories.values() if one.uploads is not UploadPolicy.DENY]
        return gatherResults([one.clean() for one in taking]).addCallback(sum) if taking else succeed(0)

    async def files(self, run_blocking: RunBlocking) -> list[str]:
        """The paths of the files of all folders, escaped; looked up where ``run_blocking`` calls functions."""
        found: list[str] = []
        for one in list(self._directories.values()):
            looking = one.held.in_thread(files_beneath, one.held.root, run_blocking=run_blocking)
            found += cast(list[str], await looking)
        return found

    def add_figures(self, totals: Totals) -> None:
        """Add what is known of the files that are shared."""
        files = self._files
        if files is not None:
            totals.count(families.CACHE_HITS, by=files.hits)
            totals.count(families.CACHE_MISSES, by=files.misses)
            totals.count(families.CACHE_EVICTIONS, by=files.evictions)
            totals.count(families.CACHE_BYTES, by=files.bytes_held)
            totals.count(families.CACHE_DESCRIPTORS, by=files.open_descriptors)

    def close(self) -> None:
        """Let go of the folders; open transfers go on."""
        for directory in self._directories.values():
            directory.close()

    def _assemble(self) -> IBackend:
        filesystem, profiles = self._configuration.filesystem, self._configuration.clients.profiles
        general = self._assemble_roots(filesystem.root)
        own: dict[str, IBackend] = {
            profile.name: self._assemble_roots(profile.root) for profile in profiles if profile.root is not None
        }
        finder = make_profiles(profiles, self._interface_name)
        return general if finder is None or not own else ProfiledBackend(general, finder, own)

    def _assemble_roots(self, root: str) -> IBackend:
        filesystem = self._configuration.filesystem
        roots = [Tree.parse(place) for place in (root, *filesystem.fallback_roots)]
        place = _upload_place(filesystem, root)
        uploads = Tree.parse(place) if place is not None else None
        rewriting = make_rewriting(filesystem.rewrite)
        plain = not (rewriting or roots[1:] or roots[0].below or uploads not in (None, roots[0]))
        if plain:
            return self._open(roots[0].base)
        return assemble(
            self._open,
            self._identify,
            roots,
            uploads,
            rewriting,
            make_authorizer(self._configuration) if rewriting else None,
        )

    def _open(self, base: str) -> IFinder:
        if base not in self._opened:
            directory = self._directories[base] = self._directory(base)
            ignore_case = self._configuration.filesystem.ignore_case
            self._opened[base] = CaselessBackend(directory, directory.held) if ignore_case else directory
        return self._opened[base]

    def _directory(self, base: str) -> DirectoryBackend:
        filesystem, performance = self._configuration.filesystem, self._configuration.performance
        try:
            directory = DirectoryBackend(
                self._paths.get(base, base),
                shown=base,
                run_blocking=self._run_blocking,
                uploads=filesystem.uploads if base in self._taking else UploadPolicy.DENY,
                max_upload=filesystem.max_file_size,
                storing=self._storing,
                world_readable_only=filesystem.world_readable_only,
                files=self._files,
                read_ahead=performance.read_ahead,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise OpenError(f"cannot serve the folder {base}: {reason}") from None
        if not performance.async_io and not directory.prompt:
            directory.close()
            raise OpenError(
                f"performance.async_io: false is for local file systems, and {base} may be on another"
                " machine that keeps everybody waiting; leave it true"
            )
        if filesystem.quota is not None or filesystem.quota_per_client is not None:
            # Two spellings may name one folder; it has one quota all the same.
            usage = self._usages.setdefault(directory.key, Usage())
            versions = filesystem.versions if filesystem.uploads is UploadPolicy.VERSIONS else 0
            directory.quota = Quota(filesystem.quota, filesystem.quota_per_client, usage, versions=versions)
        return directory


def _upload_place(filesystem: Filesystem, root: str) -> str | None:
    """Where uploads of clients go whose files are in ``root``; None: nowhere."""
    return None if filesystem.uploads is UploadPolicy.DENY else filesystem.upload_root or root


def upload_places(configuration: Configuration) -> set[str]:
    """Everywhere that uploads go, of any client."""
    own = [profile.root for profile in configuration.clients.profiles if profile.root is not None]
    places = (_upload_place(configuration.filesystem, root) for root in (configuration.filesystem.root, *own))
    return {place for place in places if place is not None}


def _storing(filesystem: Filesystem) -> Storing:
    return Storing(
        filesystem.versions,
        filesystem.reserve,
        filesystem.upload_mode,
        _number("upload_owner", filesystem.upload_owner, lambda name: pwd.getpwnam(name).pw_uid),
        _number("upload_group", filesystem.upload_group, lambda name: grp.getgrnam(name).gr_gid),
        filesystem.fsync,
    )


def _number(key: str, name: str | None, look_up: Any) -> int:
    if name is None:
        return -1
    try:
        return int(name) if name.isdigit() else int(look_up(name))
    except KeyError:
        raise OpenError(f"filesystem.{key}: this system knows no {name!r}") from None


def _rewrite_rule(rule: Rewrite) -> RewriteRule:
    abort = Abort(ErrorCode(rule.abort.code), rule.abort.text) if rule.abort is not None else None
    return RewriteRule(
        rule.match,
        rule.unless,
        rule.ignore_case,
        rule.only,
        Networks(rule.clients) if rule.clients else None,
        rule.if_missing,
        rule.replace,
        rule.occurrences,
        rule.then,
        rule.jump,
        abort,
        rule.label,
    )
